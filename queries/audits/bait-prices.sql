-- question: Which prices are far below the usual one for the same thing, or from the same seller?
-- theme:    sellers
-- params:   ratio DOUBLE = 0.3   at most this part of the usual amount
-- columns:  order_id VARCHAR, seller VARCHAR, title VARCHAR, currency VARCHAR, amount DECIMAL(18,4),
--           usual_amount DECIMAL(18,4), ratio DOUBLE
-- The usual amount is the middle one of the other orders, the lower of two; at least three others make it usual.
WITH kinds AS (
    SELECT order_id, seller, title, currency, amount, 1 AS preference, title AS likeness
    FROM orders
    WHERE title IS NOT NULL
    UNION ALL
    SELECT order_id, seller, title, currency, amount, 2, seller
    FROM orders
),
ranked AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY preference, likeness, currency ORDER BY amount, order_id) AS place,
        count(*) OVER (PARTITION BY preference, likeness, currency) - 1 AS others
    FROM kinds
),
-- Without the order itself, the places above its own move down by one.
compared AS (
    SELECT *, others + others % 2 + CASE WHEN place * 2 > others + others % 2 THEN 0 ELSE 2 END AS twice_middle
    FROM ranked
    WHERE others >= 3
),
usual AS (
    SELECT
        compared.order_id,
        compared.seller,
        compared.title,
        compared.currency,
        compared.amount,
        middle.amount AS usual_amount
    FROM compared
    INNER JOIN ranked AS middle
        ON middle.preference = compared.preference
        AND middle.likeness = compared.likeness
        AND middle.currency = compared.currency
        AND middle.place * 2 = compared.twice_middle
    QUALIFY row_number() OVER (PARTITION BY compared.order_id ORDER BY compared.preference) = 1
)
SELECT
    order_id,
    seller,
    title,
    currency,
    amount,
    usual_amount,
    round(
        CAST(CAST(amount AS DECIMAL(27,4)) * 100000000 AS DOUBLE)
        / CAST(CAST(usual_amount AS DECIMAL(27,4)) * 10000 AS DOUBLE)
    ) / 10000 AS ratio
FROM usual
WHERE amount <= CAST(usual_amount AS DECIMAL(20,4)) * CAST($ratio AS DECIMAL(18,8))
ORDER BY ratio, order_id
