-- The columns of `orders` that stay as they are while time goes by.
WITH live AS (
    SELECT * FROM events WHERE retracted_by IS NULL AND type <> 'retracted'
),
last_closings AS (
    SELECT
        live.order_id,
        live.version,
        CASE WHEN live.type = 'closed' THEN live.reason ELSE closing_types.reason END AS closure_reason,
        live.actor AS closed_by,
        live.occurred_at AS closed_at,
        live.refund_by,
        live.dispute_until,
        live.feedback_until
    FROM live
    INNER JOIN internal.closing_types AS closing_types ON closing_types.type = live.type
    QUALIFY row_number() OVER (PARTITION BY live.order_id ORDER BY live.version DESC) = 1
),
sums AS (
    SELECT
        order_id,
        max(marketplace) AS marketplace,
        max(seller) AS seller,
        max(title) AS title,
        max(currency) FILTER (WHERE type = 'placed') AS currency,
        max(amount) FILTER (WHERE type = 'placed') AS amount,
        arg_max(status, version) AS status,
        CAST(COALESCE(sum(amount) FILTER (WHERE type = 'paid'), 0) AS DECIMAL(38,4)) AS paid,
        CAST(COALESCE(sum(to_seller), 0) AS DECIMAL(38,4)) AS to_seller,
        CAST(COALESCE(sum(to_buyer), 0) AS DECIMAL(38,4)) AS to_buyer,
        CAST(COALESCE(sum(amount) FILTER (WHERE type = 'refunded'), 0) AS DECIMAL(38,4)) AS refunded,
        arg_max(tracking, version) FILTER (WHERE type = 'shipped' AND tracking IS NOT NULL) AS tracking,
        min(occurred_at) FILTER (WHERE type = 'placed') AS placed_at,
        min(occurred_at) FILTER (WHERE type = 'paid') AS paid_at,
        min(occurred_at) FILTER (WHERE type = 'verified') AS verified_at,
        min(occurred_at) FILTER (WHERE type = 'shipped') AS shipped_at,
        min(occurred_at) FILTER (WHERE type = 'delivered-scan') AS delivered_at,
        min(occurred_at) FILTER (WHERE type = 'dispute-opened') AS disputed_at,
        max(occurred_at) AS last_event_at,
        max(version) AS version,
        count(*) AS event_count,
        count(odd) AS odd_events,
        arg_max(pay_by, version) FILTER (WHERE pay_by IS NOT NULL) AS pay_by,
        arg_max(verify_by, version) FILTER (WHERE verify_by IS NOT NULL) AS verify_by,
        arg_max(ship_by, version) FILTER (WHERE ship_by IS NOT NULL) AS ship_by,
        arg_max(answer_by, version) FILTER (WHERE answer_by IS NOT NULL) AS answer_by,
        arg_max(protected_until, version) FILTER (WHERE protected_until IS NOT NULL) AS protected_until,
        arg_max(review_by, version) FILTER (WHERE review_by IS NOT NULL) AS review_by,
        max(version) FILTER (WHERE type = 'refunded') AS refunded_in,
        max(version) FILTER (WHERE type = 'refund-failed') AS refund_failed_in
    FROM live
    GROUP BY order_id
)
SELECT
    sums.order_id,
    sums.marketplace,
    sums.seller,
    sums.title,
    sums.currency,
    sums.amount,
    sums.status,
    last_closings.closure_reason,
    last_closings.closed_by,
    sums.paid,
    CAST(sums.paid - sums.to_seller - sums.to_buyer AS DECIMAL(38,4)) AS escrow,
    sums.to_seller,
    sums.to_buyer,
    CAST(sums.to_buyer - sums.refunded AS DECIMAL(38,4)) AS refund_pending,
    sums.refunded,
    CASE
        WHEN sums.status <> 'closed' THEN NULL
        WHEN sums.paid = 0 THEN 'nobody'
        WHEN sums.paid > sums.to_seller + sums.to_buyer THEN 'escrow'
        WHEN sums.to_buyer > 0 AND sums.to_seller > 0 THEN 'split'
        WHEN sums.to_buyer > 0 THEN 'buyer'
        ELSE 'seller'
    END AS money_went_to,
    sums.tracking,
    sums.placed_at,
    sums.paid_at,
    sums.verified_at,
    sums.shipped_at,
    sums.delivered_at,
    sums.disputed_at,
    last_closings.closed_at,
    sums.last_event_at,
    sums.version,
    sums.event_count,
    sums.odd_events,
    sums.pay_by,
    sums.verify_by,
    sums.ship_by,
    sums.answer_by,
    sums.protected_until,
    sums.review_by,
    last_closings.refund_by,
    last_closings.dispute_until,
    last_closings.feedback_until,
    sums.to_buyer > sums.refunded
    AND sums.refund_failed_in IS NOT NULL
    AND sums.refund_failed_in > COALESCE(sums.refunded_in, 0)
    AND sums.refund_failed_in > COALESCE(last_closings.version, 0) AS refund_failed
FROM sums
LEFT JOIN last_closings ON last_closings.order_id = sums.order_id
