-- question: How does each order stand, and where is its money?
-- rows:     one per order; due dates are those set last, whether or not they are met
-- columns:  order_id         the marketplace's order number
--           marketplace      where the order was placed
--           seller           the seller's id or shop name
--           title            what was ordered, in a few words
--           currency         ISO 4217 code of every amount in the row
--           amount           what the buyer was to pay
--           status           the status after the last event
--           closure_reason   why it was closed, by its last closing event; NULL where there is none
--           closed_by        the actor of that event: buyer, seller or platform
--           paid             what the buyer paid; always escrow + to_seller + to_buyer
--           escrow           what is still held
--           to_seller        what was released to the seller, less what was clawed back
--           to_buyer         what was sent back to the buyer, arrived or not
--           refund_pending   what was sent back and has not arrived: to_buyer - refunded
--           refunded         what arrived on the buyer's account
--           money_went_to    of a closed order: buyer, seller, split, nobody (nothing was paid) or escrow (still held)
--           archived         closed, with no window open and no money on its way, at clock.now
--           tracking         tracking number of the last parcel
--           placed_at        when it was placed
--           paid_at          when it was first paid
--           verified_at      when a payment was first verified
--           shipped_at       when it was first shipped
--           delivered_at     when a parcel was first scanned as delivered
--           disputed_at      when it was first disputed
--           closed_at        when it was last closed
--           last_event_at    the latest occurred_at of its events
--           version          the version of its last event in force
--           event_count      how many events are in force
--           odd_events       how many of them have a flag
--           pay_by           pay until then
--           verify_by        the payment is usually verified by then
--           ship_by          the seller must ship by then
--           answer_by        the seller must answer the request to cancel by then
--           protected_until  the buyer's protection ends then
--           review_by        the review of a frozen order should end by then
--           refund_by        the refund of the last closing should arrive by then
--           dispute_until    a dispute is possible until then, since the last closing
--           feedback_until   feedback is possible until then, since the last closing
--           refund_failed    the refund on its way bounced last, and is still owed
SELECT
    orders.order_id,
    orders.marketplace,
    orders.seller,
    orders.title,
    orders.currency,
    orders.amount,
    orders.status,
    orders.closure_reason,
    orders.closed_by,
    orders.paid,
    orders.escrow,
    orders.to_seller,
    orders.to_buyer,
    orders.refund_pending,
    orders.refunded,
    orders.money_went_to,
    orders.status = 'closed'
    AND (orders.dispute_until IS NULL OR orders.dispute_until < clock.now)
    AND (orders.feedback_until IS NULL OR orders.feedback_until < clock.now)
    AND orders.to_buyer = orders.refunded
    AND orders.paid = orders.to_seller + orders.to_buyer AS archived,
    orders.tracking,
    orders.placed_at,
    orders.paid_at,
    orders.verified_at,
    orders.shipped_at,
    orders.delivered_at,
    orders.disputed_at,
    orders.closed_at,
    orders.last_event_at,
    orders.version,
    orders.event_count,
    orders.odd_events,
    orders.pay_by,
    orders.verify_by,
    orders.ship_by,
    orders.answer_by,
    orders.protected_until,
    orders.review_by,
    orders.refund_by,
    orders.dispute_until,
    orders.feedback_until,
    orders.refund_failed
FROM internal.order_rows AS orders
CROSS JOIN clock
