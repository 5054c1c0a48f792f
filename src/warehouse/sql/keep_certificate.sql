INSERT INTO fuel.certificate_window
    (certificate_id, source, account, partition, window_start, window_end, state, quarantined, rows, missing, sums, digest)
SELECT
    $1, w.source, w.account, w.partition, w.window_start, w.window_end, w.state, w.quarantined, w.rows, w.missing,
    w.sums::jsonb, w.digest
FROM unnest(
    $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::bigint[], $9::bigint[],
    $10::bigint[], $11::text[], $12::bytea[]
) AS w (source, account, partition, window_start, window_end, state, quarantined, rows, missing, sums, digest)
