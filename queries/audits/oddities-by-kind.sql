-- question: What is odd in the log, by kind?
-- theme:    log
-- columns:  flag VARCHAR, type VARCHAR, events BIGINT, orders BIGINT, first_seen TIMESTAMP, last_seen TIMESTAMP
SELECT
    flag,
    type,
    count(*) AS events,
    count(DISTINCT order_id) AS orders,
    min(occurred_at) AS first_seen,
    max(occurred_at) AS last_seen
FROM oddities
GROUP BY flag, type
ORDER BY events DESC, flag, type
