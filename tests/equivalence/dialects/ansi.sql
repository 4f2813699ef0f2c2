-- as Tableau asks for a chart
SELECT SUM("policy"."premium") AS "sum:premium:ok", "policy"."product_line" AS "product_line", {fn YEAR("policy"."issued_at")} AS "yr:issued_at:ok" FROM "policy_db"."policy" "policy" WHERE (("policy"."issued_at" >= {ts '2019-02-01 00:00:00'}) AND ("policy"."start_date" < {d '2024-01-01'})) GROUP BY 2, 3 HAVING (COUNT(1) > 0)
-- is
SELECT sum(premium) AS "sum:premium:ok", product_line, year(issued_at) AS "yr:issued_at:ok" FROM policy_db.policy WHERE issued_at >= TIMESTAMP '2019-02-01' AND start_date < DATE '2024-01-01' GROUP BY ALL HAVING count(1) > 0

-- as Power BI asks for a preview
select top 1000 "_"."product_line" as "product_line", "_"."a0" as "a0" from (select "rows"."product_line" as "product_line", sum("rows"."premium") as "a0" from "policy_db"."policy" "rows" group by "product_line") "_" where not "_"."a0" is null
-- is
SELECT product_line, sum(premium) AS a0 FROM policy_db.policy GROUP BY ALL HAVING a0 IS NOT NULL

-- scalar functions of ODBC
SELECT {fn UCASE(segment)} AS a, {fn CONCAT(segment, 'x')} AS b, {fn LOCATE('a', segment)} AS c, {fn LOG(customer_id + 1)} AS d, {fn CONVERT(customer_id, SQL_VARCHAR)} AS e, {fn DAYOFWEEK(birth_date)} AS f, {fn TIMESTAMPADD(SQL_TSI_DAY, 3, birth_date)} AS g, {fn TIMESTAMPDIFF(SQL_TSI_MONTH, birth_date, {d '2024-01-01'})} AS h, {fn IFNULL(region, 'none')} AS i, {fn LEFT(segment, 2)} AS j, {fn DAYOFMONTH(birth_date)} AS k FROM policy_db.customer
-- is
SELECT upper(segment) AS a, concat(segment, 'x') AS b, strpos(segment, 'a') AS c, ln(customer_id + 1) AS d, CAST(customer_id AS VARCHAR) AS e, dayofweek(birth_date) + 1 AS f, birth_date + INTERVAL 3 DAY AS g, date_diff('month', birth_date, DATE '2024-01-01') AS h, coalesce(region, 'none') AS i, left(segment, 2) AS j, day(birth_date) AS k FROM policy_db.customer

-- outer joins of ODBC
SELECT c.customer_id, p.policy_id FROM {oj policy_db.customer c LEFT OUTER JOIN policy_db.policy p ON p.customer_id = c.customer_id}
-- is
SELECT c.customer_id, p.policy_id FROM policy_db.customer c LEFT JOIN policy_db.policy p ON p.customer_id = c.customer_id

-- quotients are DuckDB's own
SELECT policy_id / 7 AS a, CAST(risk AS INTEGER) AS b FROM policy_db.policy WHERE product_line LIKE 'mo!_or' {escape '!'}
-- is
SELECT policy_id / 7 AS a, CAST(risk AS INTEGER) AS b FROM policy_db.policy WHERE product_line LIKE 'mo!_or' ESCAPE '!'
