-- question: What happened, retracted events included?
-- Every line of the log up to the moment asked for; `log` has one column for every field of an event.
-- A retraction counts from its recorded_at on, whatever the as-of instant.
WITH retractions AS (
    SELECT r.order_id, r.retracts AS version, r.seq AS retracted_by
    FROM internal.log AS r
    CROSS JOIN clock
    WHERE r.type = 'retracted' AND (clock.known_at IS NULL OR r.recorded_at <= clock.known_at)
)
SELECT
    log.seq,
    log.version,
    log.order_id,
    log.type,
    log.occurred_at,
    log.effective_at,
    log.recorded_at,
    log.actor,
    log.status,
    log.odd,
    retractions.retracted_by,
    log.fact_id,
    log.source,
    log.note,
    log.* EXCLUDE (
        seq, version, order_id, type, occurred_at, effective_at, recorded_at, actor, status, odd, fact_id, source, note
    )
FROM internal.log AS log
CROSS JOIN clock
LEFT JOIN retractions ON retractions.order_id = log.order_id AND retractions.version = log.version
WHERE
    (clock.as_of IS NULL OR log.effective_at <= clock.as_of)
    AND (clock.known_at IS NULL OR log.recorded_at <= clock.known_at)
