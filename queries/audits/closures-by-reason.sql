-- question: How many orders were closed in each month, for which reasons, and where did their money go?
-- theme:    closures
-- params:   since TIMESTAMP = NULL   only closures from then on
-- params:   seller VARCHAR = NULL    only orders from this seller
-- columns:  month VARCHAR, reason VARCHAR, closures BIGINT, currency VARCHAR, to_buyer DECIMAL(38,4),
--           to_seller DECIMAL(38,4)
WITH months AS (
    SELECT
        date_trunc('month', closed_at) AS month,
        reason,
        currency,
        count(*) AS closures,
        CAST(sum(to_buyer) AS DECIMAL(38,4)) AS to_buyer,
        CAST(sum(to_seller) AS DECIMAL(38,4)) AS to_seller
    FROM closures
    WHERE ($since IS NULL OR closed_at >= $since) AND ($seller IS NULL OR seller = $seller)
    GROUP BY date_trunc('month', closed_at), reason, currency
)
SELECT strftime(month, '%Y-%m') AS month, reason, closures, currency, to_buyer, to_seller
FROM months
ORDER BY month, reason, currency
