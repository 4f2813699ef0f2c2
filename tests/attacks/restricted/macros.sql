-- The masks of DESIGN 1.5, written a second time; `keyed(text)` is the hash mask, made in Python.
CREATE MACRO mail_masked(x) AS CASE WHEN contains(x, '@') THEN left(x, 1) || '***@' || split_part(x, '@', 2) ELSE '***' END;
CREATE MACRO last_masked(x, n) AS '***' || CASE WHEN length(x) > n THEN right(x, n) ELSE '' END;
CREATE MACRO first_masked(x, n) AS CASE WHEN length(x) > n THEN left(x, n) ELSE '' END || '***';
CREATE MACRO year_masked(x) AS CAST(date_trunc('year', x) AS DATE);
