-- Records of this window that the source no longer sends as they once were.
UPDATE fuel.quarantine q SET resolved_at = now()
WHERE q.source = $1 AND q.account = $2 AND q.partition = $3 AND q.resolved_at IS NULL
    AND NOT q.fingerprint = ANY ($4::bytea[])
    AND q.window_start = $5
