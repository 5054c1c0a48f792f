-- One line of fuel.transaction from what is said of it; the rest is as plain as can be.
CREATE FUNCTION public.make(said jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO fuel.transaction
    SELECT made.* FROM jsonb_populate_record(NULL::fuel.transaction, '{
        "source": "alexela_card", "account": "fleet", "line_id": "1", "partition": "-", "kind": "fuel", "state": "posted",
        "product": "diesel", "unit": "L", "quantity": 40, "unit_price": 1.5, "currency": "EUR", "quality": [],
        "content_hash": "\\x00", "version": 1, "seq": 1, "first_seen_at": "2026-01-01T00:00:00Z",
        "changed_at": "2026-01-01T00:00:00Z", "absent_reads": 0
    }'::jsonb || jsonb_build_object('source_transaction_id', said -> 'id', 'occurred_at', said -> 'at') || said) AS made
$$;
