-- question: What happened, retracted events included?
-- rows:     one per line of the log: every event, retractions and what they took back too. A retraction counts from its
--           recorded_at on, whatever --as-of says
-- columns:  seq           the line's number in the ledger, from 1
--           version       the event's number in its order, from 1
--           type          what happened: placed, paid, shipped and so on
--           occurred_at   when it happened
--           effective_at  the latest occurred_at of the order so far, which --as-of goes by
--           recorded_at   when the line was written, which --known-at goes by
--           status        the order's status after the event
--           odd           flags of what is unusual about the event, joined by commas; NULL where nothing is
--           retracted_by  seq of the retraction that took the event back; NULL while it is in force
-- `log` has one column for every field of an event; those not named above are described in the structs.
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
