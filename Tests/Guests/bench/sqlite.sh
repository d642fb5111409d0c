# shows: sqlite3 on a file: 200,000 rows, an index, queries and an update.
sqlite3 bench.db <<'END'
PRAGMA journal_mode=WAL;
CREATE TABLE entry(id INTEGER PRIMARY KEY, name TEXT, value INTEGER);
BEGIN;
WITH RECURSIVE counter(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM counter WHERE x < 200000)
INSERT INTO entry SELECT x, 'name' || (x * 7919 % 200000), x * x % 1000003 FROM counter;
COMMIT;
CREATE INDEX by_name ON entry(name);
SELECT count(*), sum(value) FROM entry;
SELECT value % 10, count(*), avg(value) FROM entry GROUP BY 1 ORDER BY 1;
UPDATE entry SET value = value + 1 WHERE id % 3 = 0;
SELECT sum(value), min(name), max(name) FROM entry;
SELECT count(*) FROM entry a JOIN entry b ON a.name = b.name;
END
