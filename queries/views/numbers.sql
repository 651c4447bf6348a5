-- question: Which number does the marketplace know each order by, whichever ledger has it?
-- rows:     one per order
-- columns:  order_id     the order, as the other relations have it
--           marketplace  where the order was placed
--           number       the marketplace's order number
SELECT
    placed.order_id,
    placed.marketplace,
    CASE
        WHEN ledgers.name IS NULL THEN placed.order_id
        ELSE substr(placed.order_id, strpos(placed.order_id, '/') + 1)
    END AS number
FROM events AS placed
LEFT JOIN internal.ledgers AS ledgers ON ledgers.name = split_part(placed.order_id, '/', 1)
WHERE placed.type = 'placed' AND placed.retracted_by IS NULL
