-- question: How much was paid, released and refunded in each month?
-- theme:    money
-- columns:  month VARCHAR, currency VARCHAR, paid DECIMAL(38,4), to_seller DECIMAL(38,4), to_buyer DECIMAL(38,4),
--           refunded DECIMAL(38,4)
WITH months AS (
    SELECT
        date_trunc('month', occurred_at) AS month,
        currency,
        CAST(-sum(CASE WHEN type = 'paid' AND account = 'buyer' THEN amount ELSE 0 END) AS DECIMAL(38,4)) AS paid,
        CAST(sum(CASE WHEN account = 'seller' THEN amount ELSE 0 END) AS DECIMAL(38,4)) AS to_seller,
        CAST(sum(CASE WHEN account = 'refunds' AND amount > 0 THEN amount ELSE 0 END) AS DECIMAL(38,4)) AS to_buyer,
        CAST(sum(CASE WHEN account = 'refunds' AND amount < 0 THEN -amount ELSE 0 END) AS DECIMAL(38,4)) AS refunded
    FROM postings
    GROUP BY date_trunc('month', occurred_at), currency
)
SELECT strftime(month, '%Y-%m') AS month, currency, paid, to_seller, to_buyer, refunded
FROM months
ORDER BY month, currency
