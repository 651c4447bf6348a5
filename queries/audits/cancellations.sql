-- question: What became of each request to cancel: was it answered in time, or shipped all the same?
-- theme:    delivery
-- columns:  order_id VARCHAR, seller VARCHAR, requested_at TIMESTAMP, answer_by TIMESTAMP, answered_at TIMESTAMP,
--           outcome VARCHAR, overdue BOOLEAN
WITH live AS (
    SELECT seq, order_id, version, type, occurred_at, answer_by
    FROM events
    WHERE retracted_by IS NULL AND type <> 'retracted'
),
requests AS (
    SELECT order_id, version, occurred_at, answer_by
    FROM live
    WHERE type = 'cancel-requested'
),
answers AS (
    SELECT
        live.order_id,
        live.version,
        live.occurred_at,
        CASE live.type
            WHEN 'cancel-accepted' THEN 'accepted'
            WHEN 'cancel-declined' THEN 'declined'
            WHEN 'shipped' THEN 'shipped-anyway'
            ELSE 'closed'
        END AS outcome
    FROM live
    LEFT JOIN closures ON closures.order_id = live.order_id AND closures.seq = live.seq
    WHERE live.type IN ('cancel-accepted', 'cancel-declined', 'shipped') OR closures.seq IS NOT NULL
),
-- As with every timer: what came after the request, or was recorded before it and did not happen earlier.
first_answers AS (
    SELECT
        requests.order_id,
        requests.version,
        arg_min(answers.occurred_at, answers.version) AS answered_at,
        arg_min(answers.outcome, answers.version) FILTER (WHERE answers.outcome IS NOT NULL) AS outcome
    FROM requests
    INNER JOIN answers ON answers.order_id = requests.order_id
    WHERE
        answers.version > requests.version
        OR (answers.version < requests.version AND answers.occurred_at >= requests.occurred_at)
    GROUP BY requests.order_id, requests.version
)
SELECT
    requests.order_id,
    orders.seller,
    requests.occurred_at AS requested_at,
    requests.answer_by,
    first_answers.answered_at,
    COALESCE(first_answers.outcome, 'unanswered') AS outcome,
    first_answers.outcome IS NULL AND COALESCE(requests.answer_by < clock.now, false) AS overdue
FROM requests
CROSS JOIN clock
INNER JOIN orders ON orders.order_id = requests.order_id
LEFT JOIN first_answers ON first_answers.order_id = requests.order_id AND first_answers.version = requests.version
ORDER BY requests.occurred_at, requests.order_id, requests.version
