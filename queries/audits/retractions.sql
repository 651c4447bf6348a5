-- question: What was taken back, by whom, and why?
-- theme:    log
-- params:   since TIMESTAMP = NULL   only what was taken back from then on
-- columns:  order_id VARCHAR, version BIGINT, type VARCHAR, retracted_at TIMESTAMP, actor VARCHAR, why VARCHAR
SELECT
    events.order_id,
    events.version,
    events.type,
    retractions.occurred_at AS retracted_at,
    retractions.actor,
    retractions.why
FROM events
INNER JOIN events AS retractions
    ON retractions.order_id = events.order_id AND retractions.seq = events.retracted_by
WHERE $since IS NULL OR retractions.occurred_at >= $since
ORDER BY retractions.occurred_at, events.order_id, events.version
