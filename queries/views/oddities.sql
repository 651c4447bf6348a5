-- question: What should not have happened so?
-- rows:     one per event and flag
-- columns:  seq          seq of the event
--           order_id     the marketplace's order number
--           type         what happened
--           occurred_at  when it happened
--           flag         what is unusual about it; docs/rules.md says what each means
SELECT
    seq,
    order_id,
    type,
    occurred_at,
    unnest(string_split(odd, ',')) AS flag
FROM events
WHERE retracted_by IS NULL AND type <> 'retracted' AND odd IS NOT NULL
