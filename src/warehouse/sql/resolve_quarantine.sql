-- Records of transactions that this read brought, but not as they once were: normalized or corrected meanwhile.
UPDATE fuel.quarantine q SET resolved_at = now()
WHERE q.source = $1 AND q.account = $2 AND q.partition = $3 AND q.resolved_at IS NULL
    AND NOT q.fingerprint = ANY ($4::bytea[])
    AND q.source_transaction_id = ANY ($5::text[])
