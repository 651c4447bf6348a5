-- question: Which orders do several ledgers claim?
-- theme:    log
-- columns:  order_id VARCHAR, seller VARCHAR, placed_at TIMESTAMP, currency VARCHAR, amount DECIMAL(18,4),
--           status VARCHAR, ledgers BIGINT
-- A number is an order's own on its marketplace only.
WITH several AS (
    SELECT COALESCE(marketplace, '') AS marketplace, number, count(*) AS ledgers
    FROM numbers
    GROUP BY COALESCE(marketplace, ''), number
    HAVING count(*) > 1
)
SELECT
    numbers.order_id,
    orders.seller,
    orders.placed_at,
    orders.currency,
    orders.amount,
    orders.status,
    several.ledgers
FROM several
INNER JOIN numbers ON numbers.number = several.number AND COALESCE(numbers.marketplace, '') = several.marketplace
INNER JOIN orders ON orders.order_id = numbers.order_id
ORDER BY several.marketplace, numbers.number, numbers.order_id
