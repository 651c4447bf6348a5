-- question: What runs out when, and what happens then?
-- rows:     one per order and timer that was set: the current one of its kind
-- columns:  order_id     the marketplace's order number
--           timer        what runs: pay_by, verify_by, ship_by, answer_by, protected_until, review_by, refund_by and so on
--           started_by   type of the event that set it last
--           started_at   when that happened
--           due_at       when it runs out, or ran out
--           met_at       when what it waited for came; NULL while it has not
--           running      it still counts: not met, and able to bite
--           consequence  what happens when it runs out
SELECT
    timers.order_id,
    timers.timer,
    timers.started_by,
    timers.started_at,
    timers.due_at,
    timers.met_at,
    timers.waits AND (NOT timers.ends_when_due OR timers.due_at >= clock.now) AS running,
    timers.consequence
FROM internal.timer_rows AS timers
CROSS JOIN clock
