-- question: Why was each order closed, by whom, and where did the closing send the money?
-- rows:     one per closing event, also where a later closing took its place
-- columns:  seq            seq of the closing event
--           order_id       the marketplace's order number
--           seller         the seller's id or shop name
--           title          what was ordered, in a few words
--           reason         why it was closed: cancelled, confirmed, security and so on
--           closed_by      who closed it: buyer, seller or platform
--           closed_at      when it was closed
--           status_before  the order's status just before
--           delivered      a scan as delivered had happened by then, whenever it was recorded
--           paid           what the buyer paid for the order
--           currency       ISO 4217 code of every amount in the row
--           to_buyer       what went back to the buyer by this closing and the events up to the order's next closing
--           to_seller      what went to the seller by them; negative: clawed back
--           money_went_to  by this closing: buyer, seller, split, escrow (the order's money is still held) or nobody
--           refund_by      the refund of this closing should arrive by then
--           refunded       what has arrived on the buyer's account, of the whole order
--           refunded_at    when the last of it arrived
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
