-- Images without what was forgotten. The digest of a content that is no longer there says what it was to who can guess the
-- rest: another stands in its place. One that is of no content stays: it says that the line had been altered by hand.
UPDATE fuel.transaction_version v SET row_before = new.image::jsonb || CASE
    WHEN v.row_before ->> 'content_hash' ~ '^\\x(00)+$' THEN '{}'
    ELSE jsonb_build_object('content_hash', '\x' || substr(encode(sha256(convert_to(new.image, 'UTF8')), 'hex'), 1, 32))
END
FROM unnest($1::bigint[], $2::text[]) AS new (version_id, image)
WHERE v.version_id = new.version_id
