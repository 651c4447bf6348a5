-- What `timers` is made of that stays as it is while time goes by.
WITH live AS (
    SELECT
        events.order_id,
        events.version,
        events.type,
        events.occurred_at,
        events.status,
        CASE WHEN events.type = 'refunded' THEN events.amount END AS refunded,
        events.to_buyer,
        events.pay_by,
        events.verify_by,
        events.ship_by,
        events.answer_by,
        events.protected_until,
        events.review_by,
        events.refund_by,
        events.dispute_until,
        events.feedback_until,
        closing_types.type IS NOT NULL AS closing
    FROM events
    LEFT JOIN internal.closing_types AS closing_types ON closing_types.type = events.type
    WHERE events.retracted_by IS NULL AND events.type <> 'retracted'
),
standing AS (
    SELECT
        order_id,
        arg_max(status, version) AS status,
        max(version) FILTER (WHERE closing) AS closed_in,
        CAST(COALESCE(sum(to_buyer), 0) - COALESCE(sum(refunded), 0) AS DECIMAL(38,4)) AS refund_pending,
        max(version) FILTER (WHERE type = 'refunded') AS refunded_in,
        arg_max(occurred_at, version) FILTER (WHERE type = 'refunded') AS refunded_at
    FROM live
    GROUP BY order_id
),
-- Of the timers that a closing starts only those of the last one count. Each row is read once, not once for each timer.
dates AS (
    SELECT
        live.order_id,
        live.version,
        live.type,
        live.occurred_at,
        timer_kinds.timer,
        CASE timer_kinds.timer
            WHEN 'pay_by' THEN live.pay_by
            WHEN 'verify_by' THEN live.verify_by
            WHEN 'ship_by' THEN live.ship_by
            WHEN 'answer_by' THEN live.answer_by
            WHEN 'protected_until' THEN live.protected_until
            WHEN 'review_by' THEN live.review_by
            WHEN 'refund_by' THEN live.refund_by
            WHEN 'dispute_until' THEN live.dispute_until
            WHEN 'feedback_until' THEN live.feedback_until
        END AS due_at
    FROM live
    INNER JOIN standing ON standing.order_id = live.order_id
    CROSS JOIN internal.timer_kinds AS timer_kinds
    WHERE timer_kinds.while_open OR live.version = standing.closed_in
),
current_dates AS (
    SELECT
        order_id,
        timer,
        max(version) AS version,
        arg_max(type, version) AS type,
        arg_max(occurred_at, version) AS occurred_at,
        arg_max(due_at, version) AS due_at
    FROM dates
    WHERE due_at IS NOT NULL
    GROUP BY order_id, timer
),
-- What it waited for came after it, or was recorded before it and did not happen earlier.
meetings AS (
    SELECT current_dates.order_id, current_dates.timer, arg_min(live.occurred_at, live.version) AS met_at
    FROM current_dates
    INNER JOIN internal.timer_ends AS timer_ends ON timer_ends.timer = current_dates.timer
    INNER JOIN live ON live.order_id = current_dates.order_id AND live.type = timer_ends.type
    WHERE
        live.version > current_dates.version
        OR (live.version < current_dates.version AND live.occurred_at >= current_dates.occurred_at)
    GROUP BY current_dates.order_id, current_dates.timer
)
SELECT
    current_dates.order_id,
    current_dates.timer,
    current_dates.type AS started_by,
    current_dates.occurred_at AS started_at,
    current_dates.due_at,
    CASE
        WHEN current_dates.timer <> 'refund_by' THEN meetings.met_at
        WHEN standing.refunded_in > standing.closed_in AND standing.refund_pending <= 0 THEN standing.refunded_at
    END AS met_at,
    CASE
        WHEN current_dates.timer = 'refund_by' THEN standing.refund_pending > 0
        WHEN timer_kinds.while_open THEN meetings.met_at IS NULL AND standing.closed_in IS NULL
        ELSE meetings.met_at IS NULL
    END AS waits,
    current_dates.timer <> 'refund_by' AND NOT timer_kinds.while_open AS ends_when_due,
    CASE
        WHEN standing.status IN ('disputed', 'frozen') THEN COALESCE(timer_kinds.held, timer_kinds.consequence)
        ELSE timer_kinds.consequence
    END AS consequence
FROM current_dates
INNER JOIN internal.timer_kinds AS timer_kinds ON timer_kinds.timer = current_dates.timer
INNER JOIN standing ON standing.order_id = current_dates.order_id
LEFT JOIN meetings ON meetings.order_id = current_dates.order_id AND meetings.timer = current_dates.timer
