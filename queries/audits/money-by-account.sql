-- question: How much money is in each account?
-- theme:    money
-- columns:  currency VARCHAR, account VARCHAR, balance DECIMAL(38,4)
SELECT currency, account, CAST(sum(amount) AS DECIMAL(38,4)) AS balance
FROM postings
GROUP BY currency, account
ORDER BY currency, account
