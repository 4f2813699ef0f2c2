-- Pairs: a statement, then the edges that its lineage has, each checked by hand. A column of the result stands in front
-- of what it is made of or depends on; `rows` is what decides which rows there are, and in which order. An exclamation
-- mark stands where no single value can be told from what comes out. The tables are
-- person(k, name, mail, age, marks, home) and claim(k, name, note, amt); of two of a name, person1 is the first.

-- plain columns
SELECT name, k AS id FROM person;
name: identity(person.name) | id: identity(person.k);

SELECT * FROM claim;
k: identity(claim.k) | name: identity(claim.name) | note: identity(claim.note) | amt: identity(claim.amt);

SELECT * EXCLUDE (marks, home) FROM person;
k: identity(person.k) | name: identity(person.name) | mail: identity(person.mail) | age: identity(person.age);

SELECT * REPLACE (lower(note) AS note) FROM claim;
k: identity(claim.k) | name: identity(claim.name) | note: transformation(claim.note) | amt: identity(claim.amt);

SELECT * RENAME (note AS remark) FROM claim;
k: identity(claim.k) | name: identity(claim.name) | remark: identity(claim.note) | amt: identity(claim.amt);

SELECT COLUMNS('^n') FROM claim;
name: identity(claim.name) | note: identity(claim.note);

-- expressions
SELECT 1 AS one, 'x' AS two FROM claim;
one: - | two: -;

SELECT age + k AS sum_of_two FROM person;
sum_of_two: transformation(person.age) transformation(person.k);

SELECT CAST(age AS VARCHAR) AS text, TRY_CAST(name AS INTEGER) AS number FROM person;
text: transformation(person.age) | number: transformation(person.name);

SELECT CASE WHEN age > 30 THEN mail ELSE name END AS x FROM person;
x: conditional(person.age) transformation(person.mail) transformation(person.name);

SELECT CASE name WHEN 'a' THEN 1 ELSE 2 END AS x FROM person;
x: conditional(person.name);

SELECT coalesce(mail, name) AS x, nullif(mail, name) AS y FROM person;
x: transformation(person.mail) transformation(person.name) | y: transformation(person.mail) conditional(person.mail) conditional(person.name);

SELECT md5(mail) AS m, sha256(lower(mail)) AS s, length(mail) AS n FROM person;
m: transformation!(person.mail) | s: transformation!(person.mail) | n: transformation(person.mail);

SELECT home.city, home['zip'] AS zip, {'a': name, 'b': age} AS s FROM person;
city: transformation(person.home) | zip: transformation(person.home) | s: transformation(person.age) transformation(person.name);

SELECT marks[1] AS first, list_transform(marks, lambda m: m + age) AS l FROM person;
first: transformation(person.marks) | l: transformation(person.age) transformation(person.marks);

SELECT upper(mail) AS loud, loud || '!' AS louder FROM person;
loud: transformation(person.mail) | louder: transformation(person.mail);

-- conditions
SELECT name FROM person WHERE age > 30 AND mail LIKE '%x%';
name: identity(person.name) | rows: filter(person.age) filter(person.mail);

SELECT name FROM person ORDER BY age DESC LIMIT 3;
name: identity(person.name) | rows: sort(person.age);

SELECT name FROM person LIMIT 3;
name: identity(person.name);

SELECT DISTINCT name FROM person;
name: identity(person.name) | rows: group_by(person.name);

SELECT DISTINCT ON (name) mail FROM person ORDER BY name, age;
mail: identity(person.mail) | rows: sort(person.age) group_by(person.name) sort(person.name);

-- aggregates
SELECT name, max(age) AS oldest FROM person GROUP BY name;
name: identity(person.name) | oldest: aggregation(person.age) | rows: group_by(person.name);

SELECT name, sum(amt) AS total FROM claim GROUP BY ALL HAVING min(note) > 'a' ORDER BY total;
name: identity(claim.name) | total: aggregation(claim.amt) | rows: sort(claim.amt) group_by(claim.name) filter(claim.note);

SELECT count(*) AS n, count(mail) AS mails, count(DISTINCT name) AS names FROM person;
n: - | mails: aggregation!(person.mail) | names: aggregation!(person.name);

SELECT sum(amt) FILTER (WHERE note > 'a') AS s, string_agg(note, ',' ORDER BY name) AS notes FROM claim;
s: aggregation(claim.amt) conditional(claim.note) | notes: sort(claim.name) aggregation(claim.note);

SELECT name, note, sum(amt) AS s FROM claim GROUP BY GROUPING SETS ((name), (note));
name: identity(claim.name) | note: identity(claim.note) | s: aggregation(claim.amt) | rows: group_by(claim.name) group_by(claim.note);

SELECT k, sum(amt) / count(*) AS mean FROM claim GROUP BY ROLLUP (k);
k: identity(claim.k) | mean: aggregation(claim.amt) | rows: group_by(claim.k);

SELECT upper(name) AS who, avg(amt * 2) AS mean FROM claim GROUP BY upper(name);
who: transformation(claim.name) | mean: aggregation(claim.amt) | rows: group_by(claim.name);

-- windows
SELECT name, row_number() OVER (PARTITION BY k ORDER BY amt) AS r FROM claim;
name: identity(claim.name) | r: window(claim.amt) window(claim.k);

SELECT sum(amt) OVER (PARTITION BY k ORDER BY name) AS s, lag(note) OVER (ORDER BY amt) AS l FROM claim;
s: aggregation(claim.amt) window(claim.k) window(claim.name) | l: window(claim.amt) transformation(claim.note);

SELECT sum(amt) FILTER (WHERE note > 'a') OVER w AS s FROM claim WINDOW w AS (PARTITION BY k);
s: aggregation(claim.amt) window(claim.k) conditional(claim.note);

SELECT name FROM claim QUALIFY row_number() OVER (PARTITION BY k ORDER BY amt) = 1;
name: identity(claim.name) | rows: filter(claim.amt) filter(claim.k);

SELECT name, rank() OVER (ORDER BY sum(amt)) AS r FROM claim GROUP BY name;
name: identity(claim.name) | r: window(claim.amt) | rows: group_by(claim.name);

-- joins
SELECT p.name, c.amt FROM person AS p JOIN claim AS c ON p.k = c.k;
name: identity(person.name) | amt: identity(claim.amt) | rows: join(person.k) join(claim.k);

SELECT p.name, c.amt FROM person AS p, claim AS c WHERE p.k = c.k;
name: identity(person.name) | amt: identity(claim.amt) | rows: filter(person.k) filter(claim.k);

SELECT k, mail, note FROM person JOIN claim USING (k);
k: identity(person.k) identity(claim.k) | mail: identity(person.mail) | note: identity(claim.note) | rows: join(person.k) join(claim.k);

SELECT k, mail, note FROM person LEFT JOIN claim USING (k);
k: identity(person.k) identity(claim.k) | mail: identity(person.mail) | note: identity(claim.note) | rows: join(person.k) join(claim.k);

SELECT k, mail, note FROM person FULL JOIN claim USING (k);
k: identity(person.k) identity(claim.k) | mail: identity(person.mail) | note: identity(claim.note) | rows: join(person.k) join(claim.k);

SELECT mail, note FROM person NATURAL JOIN claim;
mail: identity(person.mail) | note: identity(claim.note) | rows: join(person.k) join(person.name) join(claim.k) join(claim.name);

SELECT mail, note FROM person CROSS JOIN claim;
mail: identity(person.mail) | note: identity(claim.note);

SELECT mail FROM person SEMI JOIN claim USING (k);
mail: identity(person.mail) | rows: join(person.k) join(claim.k);

SELECT mail FROM person ANTI JOIN claim USING (k);
mail: identity(person.mail) | rows: join(person.k) join(claim.k);

SELECT a.name, b.mail FROM person AS a JOIN person AS b ON a.age < b.age;
name: identity(person1.name) | mail: identity(person2.mail) | rows: join(person1.age) join(person2.age);

SELECT name, note FROM person ASOF JOIN claim USING (name, k);
name: identity(person.name) identity(claim.name) | note: identity(claim.note) | rows: join(person.k) join(person.name) join(claim.k) join(claim.name);

SELECT p.name, c.amt FROM person AS p POSITIONAL JOIN claim AS c;
name: identity(person.name) | amt: identity(claim.amt);

-- set operations
SELECT name FROM person UNION ALL SELECT note FROM claim;
name: identity(person.name) identity(claim.note);

SELECT name FROM person UNION SELECT note FROM claim;
name: identity(person.name) identity(claim.note) | rows: group_by(person.name) group_by(claim.note);

SELECT name FROM person INTERSECT SELECT note FROM claim;
name: identity(person.name) identity(claim.note) | rows: filter(person.name) group_by(person.name) filter(claim.note) group_by(claim.note);

SELECT name FROM person EXCEPT SELECT note FROM claim;
name: identity(person.name) | rows: filter(person.name) group_by(person.name) filter(claim.note);

SELECT age AS x, name AS y FROM person UNION ALL BY NAME SELECT upper(note) AS y, amt AS x FROM claim;
x: identity(person.age) identity(claim.amt) | y: identity(person.name) transformation(claim.note);

SELECT mail FROM person WHERE age > 30 UNION ALL SELECT mail FROM person WHERE age < 20;
mail: identity(person1.mail) identity(person2.mail) | rows: filter(person1.age) filter(person2.age);

-- subqueries in FROM and WITH
SELECT loud FROM (SELECT upper(name) AS loud FROM person WHERE age > 30) WHERE loud > 'A';
loud: transformation(person.name) | rows: filter(person.age) filter(person.name);

WITH a AS (SELECT k, max(amt) AS top FROM claim GROUP BY k) SELECT name, top FROM person JOIN a USING (k);
name: identity(person.name) | top: aggregation(claim.amt) | rows: join(claim.k) group_by(claim.k) join(person.k);

WITH a(x, y) AS (SELECT name, mail FROM person) SELECT y, x || y AS z FROM a;
y: identity(person.mail) | z: transformation(person.mail) transformation(person.name);

WITH RECURSIVE t(a, n) AS (SELECT name, 1 FROM person UNION ALL SELECT a || note, n + 1 FROM t JOIN claim ON n < amt) SELECT a FROM t;
a: identity(person.name) transformation(person.name) transformation(claim.note) | rows: join(claim.amt);

-- subqueries that stand for a value
SELECT name, (SELECT max(amt) FROM claim) AS top FROM person;
name: identity(person.name) | top: aggregation(claim.amt);

SELECT (SELECT max(c.amt) FROM claim AS c WHERE c.k = p.k) AS top FROM person AS p;
top: aggregation(claim.amt) join(claim.k) filter(claim.k) join(person.k);

SELECT (SELECT c.note FROM claim AS c WHERE c.k = p.k ORDER BY c.amt LIMIT 1) AS note FROM person AS p;
note: filter(claim.amt) join(claim.k) filter(claim.k) identity(claim.note) join(person.k);

SELECT (SELECT count(*) FROM claim AS c WHERE c.name = p.name) AS n FROM person AS p;
n: aggregation!(claim.name) aggregation!(person.name);

-- subqueries in conditions
SELECT name FROM person WHERE k IN (SELECT k FROM claim WHERE amt > 100);
name: identity(person.name) | rows: filter(person.k) filter(claim.amt) filter(claim.k);

SELECT name FROM person WHERE k NOT IN (SELECT k FROM claim);
name: identity(person.name) | rows: filter(person.k) filter(claim.k);

SELECT name FROM person AS p WHERE EXISTS (SELECT 1 FROM claim AS c WHERE c.k = p.k AND c.note > 'a');
name: identity(person.name) | rows: filter(person.k) filter(claim.k) filter(claim.note);

SELECT name FROM person WHERE age > (SELECT avg(amt) FROM claim);
name: identity(person.name) | rows: filter(person.age) filter(claim.amt);

SELECT k IN (SELECT k FROM claim WHERE amt > 100) AS found FROM person;
found: filter(claim.amt) transformation(claim.k) transformation(person.k);

SELECT EXISTS (SELECT 1 FROM claim WHERE note = 'x') AS found FROM person;
found: filter(claim.note);

SELECT name FROM person WHERE mail > ALL (SELECT note FROM claim);
name: identity(person.name) | rows: filter(person.mail) filter(claim.note);

-- LATERAL, UNNEST, table functions
SELECT p.name, s.top FROM person AS p, LATERAL (SELECT max(amt) AS top FROM claim AS c WHERE c.k = p.k) AS s;
name: identity(person.name) | top: aggregation(claim.amt) join(claim.k) filter(claim.k) | rows: join(person.k);

SELECT name, unnest(marks) AS m FROM person;
name: identity(person.name) | m: transformation(person.marks) | rows: filter(person.marks);

SELECT p.name, u.m FROM person AS p, unnest(p.marks) AS u(m);
name: identity(person.name) | m: transformation(person.marks) | rows: filter(person.marks);

SELECT name, i FROM person, range(age) AS r(i);
name: identity(person.name) | i: transformation(person.age) | rows: join(person.age) filter(person.age);

SELECT v.a, name FROM person, (VALUES (1), (2)) AS v(a);
a: - | name: identity(person.name);

-- PIVOT, UNPIVOT
FROM (PIVOT claim ON name IN ('a', 'b') USING sum(amt) GROUP BY k);
k: identity(claim.k) | a: aggregation(claim.amt) conditional(claim.name) | b: aggregation(claim.amt) conditional(claim.name) | rows: group_by(claim.k);

SELECT * FROM (SELECT k, name, mail FROM person) UNPIVOT (v FOR n IN (name, mail));
k: identity(person.k) | n: - | v: transformation(person.mail) transformation(person.name) | rows: filter(person.mail) filter(person.name);

-- at once
SELECT p.name, CASE WHEN max(c.amt) > 9 THEN min(c.note) END AS x FROM person AS p JOIN claim AS c USING (k) WHERE p.age > 1 GROUP BY p.name ORDER BY count(*);
name: identity(person.name) | x: conditional(claim.amt) aggregation(claim.note) | rows: filter(person.age) join(person.k) group_by(person.name) join(claim.k);

SELECT name FROM claim GROUP BY name HAVING count(*) > 1;
name: identity(claim.name) | rows: group_by(claim.name);

SELECT k, name, count(*) AS n FROM claim GROUP BY CUBE (k, name);
k: identity(claim.k) | name: identity(claim.name) | n: - | rows: group_by(claim.k) group_by(claim.name);

SELECT count(mail) + max(age) AS x, max(md5(mail)) AS m FROM person;
x: aggregation(person.age) aggregation!(person.mail) | m: transformation!(person.mail);

SELECT (SELECT max(c.amt) FROM claim AS c WHERE c.k < p.k) AS below FROM person AS p;
below: aggregation(claim.amt) filter(claim.k) join(person.k) filter(person.k);

SELECT name FROM person USING SAMPLE 10 ROWS;
name: identity(person.name);

SELECT CASE WHEN EXISTS (SELECT 1 FROM claim AS c WHERE c.k = p.k) THEN p.mail ELSE 'none' END AS x FROM person AS p;
x: conditional(claim.k) conditional(person.k) transformation(person.mail);

SELECT 2 * age AS x FROM person WHERE x > 60 ORDER BY x;
x: transformation(person.age) | rows: filter(person.age) sort(person.age);
