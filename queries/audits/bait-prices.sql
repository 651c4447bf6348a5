-- question: Which prices are far below the usual one for the same thing, or from the same seller?
-- theme:    sellers
-- params:   ratio DOUBLE = 0.3   at most this part of the usual amount
-- columns:  order_id VARCHAR, seller VARCHAR, title VARCHAR, currency VARCHAR, amount DECIMAL(18,4),
--           usual_amount DECIMAL(18,4), ratio DOUBLE
-- The usual amount is the middle one of the other orders, the lower of two; at least three others make it usual.
WITH ranked AS (
    SELECT
        order_id,
        seller,
        title,
        currency,
        amount,
        row_number() OVER (PARTITION BY title, currency ORDER BY amount, order_id) AS title_place,
        count(*) OVER (PARTITION BY title, currency) - 1 AS title_others,
        row_number() OVER (PARTITION BY seller, currency ORDER BY amount, order_id) AS seller_place,
        count(*) OVER (PARTITION BY seller, currency) - 1 AS seller_others
    FROM orders
),
-- Without the order itself, the places above its own move down by one.
compared AS (
    SELECT
        *,
        title IS NOT NULL AND title_others >= 3 AS by_title,
        title_others + title_others % 2
        + CASE WHEN title_place * 2 > title_others + title_others % 2 THEN 0 ELSE 2 END AS twice_title_middle,
        seller_others + seller_others % 2
        + CASE WHEN seller_place * 2 > seller_others + seller_others % 2 THEN 0 ELSE 2 END AS twice_seller_middle
    FROM ranked
),
usual AS (
    SELECT
        compared.order_id,
        compared.seller,
        compared.title,
        compared.currency,
        compared.amount,
        same_title.amount AS usual_amount
    FROM compared
    INNER JOIN ranked AS same_title
        ON same_title.title = compared.title
        AND same_title.currency = compared.currency
        AND same_title.title_place * 2 = compared.twice_title_middle
    WHERE compared.by_title
    UNION ALL
    SELECT
        compared.order_id,
        compared.seller,
        compared.title,
        compared.currency,
        compared.amount,
        same_seller.amount
    FROM compared
    INNER JOIN ranked AS same_seller
        ON same_seller.seller = compared.seller
        AND same_seller.currency = compared.currency
        AND same_seller.seller_place * 2 = compared.twice_seller_middle
    WHERE NOT compared.by_title AND compared.seller_others >= 3
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
