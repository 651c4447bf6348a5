-- question: Why was each order closed, by whom, and where did the closing send the money?
-- One row per closing event, superseded ones too. to_buyer and to_seller are its own and those of the later events up
-- to the order's next closing; paid, refunded and refunded_at (the last arrival) are the order's.
WITH live AS (
    SELECT * FROM events WHERE retracted_by IS NULL AND type <> 'retracted'
),
closings AS (
    SELECT
        live.seq,
        live.order_id,
        live.version,
        CASE WHEN live.type = 'closed' THEN live.reason ELSE closing_types.reason END AS reason,
        live.actor AS closed_by,
        live.occurred_at AS closed_at,
        live.refund_by,
        lead(live.version) OVER (PARTITION BY live.order_id ORDER BY live.version) AS next_version
    FROM live
    INNER JOIN internal.closing_types AS closing_types ON closing_types.type = live.type
),
sums AS (
    SELECT
        closings.seq,
        closings.order_id,
        max(live.seller) FILTER (WHERE live.type = 'placed') AS seller,
        max(live.title) FILTER (WHERE live.type = 'placed') AS title,
        closings.reason,
        closings.closed_by,
        closings.closed_at,
        arg_max(live.status, live.version) FILTER (WHERE live.version < closings.version) AS status_before,
        count(*) FILTER (WHERE live.type = 'delivered-scan' AND live.occurred_at <= closings.closed_at) > 0 AS delivered,
        CAST(COALESCE(sum(live.amount) FILTER (WHERE live.type = 'paid'), 0) AS DECIMAL(38,4)) AS paid,
        max(live.currency) FILTER (WHERE live.type = 'placed') AS currency,
        CAST(COALESCE(sum(live.to_buyer) FILTER (
            WHERE live.version >= closings.version AND live.version < COALESCE(closings.next_version, live.version + 1)
        ), 0) AS DECIMAL(38,4)) AS to_buyer,
        CAST(COALESCE(sum(live.to_seller) FILTER (
            WHERE live.version >= closings.version AND live.version < COALESCE(closings.next_version, live.version + 1)
        ), 0) AS DECIMAL(38,4)) AS to_seller,
        CAST(COALESCE(sum(live.to_buyer), 0) + COALESCE(sum(live.to_seller), 0) AS DECIMAL(38,4)) AS left_escrow,
        closings.refund_by,
        CAST(COALESCE(sum(live.amount) FILTER (WHERE live.type = 'refunded'), 0) AS DECIMAL(38,4)) AS refunded,
        max(live.occurred_at) FILTER (WHERE live.type = 'refunded') AS refunded_at
    FROM closings
    INNER JOIN live ON live.order_id = closings.order_id
    GROUP BY ALL
)
SELECT
    seq,
    order_id,
    seller,
    title,
    reason,
    closed_by,
    closed_at,
    status_before,
    delivered,
    paid,
    currency,
    to_buyer,
    to_seller,
    CASE
        WHEN to_buyer > 0 AND to_seller > 0 THEN 'split'
        WHEN to_buyer > 0 THEN 'buyer'
        WHEN to_seller > 0 THEN 'seller'
        WHEN paid > left_escrow THEN 'escrow'
        ELSE 'nobody'
    END AS money_went_to,
    refund_by,
    refunded,
    refunded_at
FROM sums
