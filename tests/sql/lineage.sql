-- Pairs: a statement, then what its columns are made of. A relation's columns stand under the relation's
-- position among those that the statement names: 0 is the first. A column that is handed on is as it is, one
-- that the value only derives from has a ~ in front. The tables are person(k, name, mail, age, marks, home)
-- and claim(k, name, note, amt). What only chooses
-- rows is not among them.

-- columns, by any spelling
SELECT p.mail, NAME AS who, "Age" FROM person p WHERE k > 1;
mail: 0.mail | who: 0.name | age: 0.age;

-- FROM first, and a star
FROM claim;
k: 0.k | name: 0.name | note: 0.note | amt: 0.amt;

-- star with EXCLUDE, REPLACE and RENAME
SELECT * EXCLUDE (k, marks, home) REPLACE (upper(mail) AS mail) RENAME (name AS who) FROM person;
who: 0.name | mail: ~0.mail | age: 0.age;

-- COLUMNS of a pattern, and of a lambda
SELECT COLUMNS('na.*|mail'), max(COLUMNS(lambda c: c = 'age')) FROM person GROUP BY ALL;
name: 0.name | mail: 0.mail | age: ~0.age;

-- by position
SELECT #2 FROM person;
name: 0.name;

-- expressions, casts, CASE with its conditions
SELECT name || mail AS a, CAST(age AS VARCHAR) AS b, CASE WHEN age > 30 THEN mail END AS c, 1 AS d FROM person;
a: ~0.mail ~0.name | b: ~0.age | c: ~0.age ~0.mail | d: -;

-- a name given in the same SELECT
SELECT upper(mail) AS loud, loud || '!' AS louder FROM person;
loud: ~0.mail | louder: ~0.mail;

-- a column before the name given in the same SELECT
SELECT upper(mail) AS name, name || '!' AS x FROM person;
name: ~0.mail | x: ~0.name;

-- fields, lists, whole rows, lambdas
SELECT home.zip, marks[1] AS first, p, [m + age FOR m IN marks] AS l FROM person AS p;
zip: ~0.home | first: ~0.marks | p: ~0.age ~0.home ~0.k ~0.mail ~0.marks ~0.name | l: ~0.age ~0.marks;

-- unnested
SELECT unnest(marks) AS m, unnest(home), name FROM person;
m: ~0.marks | city: ~0.home | zip: ~0.home | name: 0.name;

-- through subqueries and WITH, with their own column names
WITH a(x, y) AS (SELECT name, upper(mail) FROM person), b AS MATERIALIZED (SELECT y, x FROM a) SELECT * FROM (SELECT x AS z, y FROM b) AS t(one, two);
one: 0.name | two: ~0.mail;

-- a WITH name that is used twice is one relation
WITH a AS (SELECT * FROM person) SELECT l.name, r.mail FROM a AS l, a AS r;
name: 0.name | mail: 0.mail;

-- a value that is handed on here and made into another there derives
WITH a AS (SELECT * FROM person) SELECT mail FROM a UNION ALL SELECT upper(mail) FROM a;
mail: ~0.mail;

-- joins: ON is a condition
SELECT p.k, c.k AS other, note FROM person AS p JOIN claim AS c ON p.k = c.k AND p.name < c.name;
k: 0.k | other: 1.k | note: 1.note;

-- USING makes one column of two, whoever's it is
SELECT k, note, p.name FROM person AS p JOIN claim AS c USING (k);
k: 0.k 1.k | note: 1.note | name: 0.name;

SELECT k, p.name, c.name AS other FROM person AS p FULL JOIN claim AS c USING (k);
k: 0.k 1.k | name: 0.name | other: 1.name;

SELECT c.k FROM person AS p RIGHT JOIN claim AS c USING (k);
k: 0.k 1.k;

-- of another type, it is made of it
SELECT k FROM person JOIN (SELECT CAST(k AS BIGINT) AS k FROM claim) USING (k);
k: 0.k ~1.k;

SELECT p.x, c.x AS other FROM (SELECT name AS x FROM person) AS p JOIN (SELECT amt AS x FROM claim) AS c USING (x);
x: 0.name ~1.amt | other: ~0.name 1.amt;

-- three in a row
SELECT k FROM person JOIN claim AS c USING (k) LEFT JOIN claim AS d USING (k);
k: 0.k 1.k 2.k;

-- NATURAL chooses the names itself
SELECT k, name, note FROM person NATURAL JOIN claim;
k: 0.k 1.k | name: 0.name 1.name | note: 1.note;

-- what only chooses rows adds nothing
SELECT * FROM (SELECT k, mail FROM person) SEMI JOIN claim USING (k);
k: 0.k | mail: 0.mail;

SELECT mail FROM person WHERE k IN (SELECT k FROM claim WHERE note > 'm') ORDER BY age LIMIT 2;
mail: 0.mail;

-- a COALESCE that somebody wrote is an expression
SELECT coalesce(p.name, c.name) AS name FROM person AS p LEFT JOIN claim AS c ON p.k = c.k;
name: ~0.name ~1.name;

-- set operations: EXCEPT holds the first side's values
SELECT name FROM person UNION SELECT note FROM claim;
name: 0.name 1.note;

SELECT name, k FROM person UNION ALL BY NAME SELECT k, note, name FROM claim;
name: 0.name 1.name | k: 0.k 1.k | note: 1.note;

SELECT name FROM person INTERSECT SELECT name FROM claim;
name: 0.name 1.name;

SELECT name FROM person EXCEPT SELECT name FROM claim;
name: 0.name;

-- columns of other types are cast
SELECT age FROM person UNION ALL SELECT name FROM claim;
age: ~0.age 1.name;

-- groups are handed on, aggregates derive; DISTINCT is a group
SELECT k, max(amt) AS top, sum(amt) FILTER (WHERE note > 'a') AS s, list(note ORDER BY name) AS notes FROM claim GROUP BY k HAVING min(name) > 'a';
k: 0.k | top: ~0.amt | s: ~0.amt ~0.note | notes: ~0.name ~0.note;

SELECT DISTINCT ON (name) mail FROM person ORDER BY name, age;
mail: 0.mail;

-- counts carry no value
SELECT count(*) AS a, count(mail) AS b, count(DISTINCT mail) AS c, count(*) FILTER (WHERE mail > 'a') AS d, count(age) + max(age) AS e FROM person;
a: - | b: - | c: - | d: - | e: ~0.age;

SELECT count_if(age > 30) AS a, approx_count_distinct(mail) AS b FROM person;
a: ~0.age | b: ~0.mail;

-- windows: what is partitioned and ordered by is a part of the value
SELECT row_number() OVER (PARTITION BY name ORDER BY age) AS r, sum(age) OVER w AS s, count(mail) OVER (PARTITION BY name) AS c FROM person WINDOW w AS (ORDER BY k);
r: ~0.age ~0.name | s: ~0.age ~0.k | c: ~0.name;

SELECT name FROM person QUALIFY row_number() OVER (ORDER BY age) < 3;
name: 0.name;

-- a subquery in a value's place: its conditions choose the value
SELECT (SELECT max(note) FROM claim WHERE amt > 3) AS x FROM person;
x: ~0.amt ~0.note;

SELECT (SELECT c.note FROM claim AS c WHERE c.k = p.k ORDER BY c.amt LIMIT 1) AS x FROM person AS p;
x: ~0.amt ~0.k 0.note ~1.k;

SELECT EXISTS (SELECT 1 FROM claim WHERE note = 'x') AS x, p.k IN (SELECT k FROM claim WHERE name > 'a') AS y FROM person AS p;
x: ~0.note | y: ~1.k ~1.name ~2.k;

-- but it is a count
SELECT (SELECT count(*) FROM claim AS c WHERE c.name = p.name) AS x, (SELECT count(*) FROM claim WHERE note = 'x') AS y FROM person AS p;
x: - | y: -;

-- DuckDB puts claim's name in the place of person's, which it equals
SELECT (SELECT upper(p.name) FROM claim AS c WHERE c.name = p.name LIMIT 1) AS x FROM person AS p;
x: ~0.name ~1.name;

-- a subquery that is told another's columns derives from them, and from what it compares them with
SELECT p.mail, s.note FROM person AS p, LATERAL (SELECT note FROM claim AS c WHERE c.k = p.k) AS s;
mail: 0.mail | note: ~0.k ~1.k 1.note;

SELECT p.k, s.m, c.name FROM person AS p, LATERAL (SELECT c.note AS m FROM claim AS c WHERE c.k = p.k LIMIT 1) AS s, claim AS c;
k: 0.k | m: ~0.k ~1.k 1.note | name: 2.name;

-- and so does a table function
SELECT p.name, u.m, c.note, i FROM person AS p, unnest(p.marks) AS u(m), claim AS c, range(p.age) AS r(i);
name: 0.name | m: ~0.marks | note: 1.note | i: ~0.age ~0.marks;

-- VALUES and table functions have no origin
SELECT v.a, r.i, name FROM person, (VALUES (1), (2)) AS v(a), range(3) AS r(i);
a: - | i: - | name: 0.name;

-- PIVOT and UNPIVOT
FROM (PIVOT claim ON name IN ('a', 'b') USING max(amt) GROUP BY k);
k: 0.k | a: ~0.amt ~0.name | b: ~0.amt ~0.name;

SELECT * FROM (SELECT k, name, mail FROM person) UNPIVOT (v FOR n IN (name, mail));
k: 0.k | n: - | v: ~0.mail ~0.name;

-- WITH RECURSIVE, until nothing is added
WITH RECURSIVE t(a, b, c, n) AS (SELECT person.name, mail, note, 1 FROM person JOIN claim USING (k) UNION ALL SELECT b, c, upper(a), n + 1 FROM t WHERE n < 3) SELECT * FROM t;
a: ~0.mail ~0.name ~1.note | b: ~0.mail ~0.name ~1.note | c: ~0.mail ~0.name ~1.note | n: -;

-- COLLATE compares, and changes no value
SELECT name COLLATE NOCASE AS n FROM person ORDER BY mail COLLATE NOCASE;
n: 0.name;

WITH a AS MATERIALIZED (SELECT mail, name COLLATE NOCASE AS n FROM person) SELECT n, mail FROM a UNION ALL SELECT note, n FROM a, claim;
n: 0.name 1.note | mail: 0.mail 0.name;

-- what no column is given to still has a type
SELECT k, grouping(k) AS g FROM person GROUP BY ROLLUP (k) UNION ALL SELECT age, amt::BIGINT FROM claim, person;
k: 0.k 2.age | g: ~1.amt;

-- two of one name
SELECT * FROM (SELECT p.name, c.name FROM person AS p, claim AS c);
name: 0.name | name_1: 1.name;
