# shows: prints the SQL of the sqlite workload: N inserts of a row each in one transaction, an index, queries, an update, a join.
import sys

count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
print("CREATE TABLE entry(id INTEGER PRIMARY KEY, name TEXT, value INTEGER);\nBEGIN;")
for number in range(1, count + 1):
    print(f"INSERT INTO entry VALUES({number},'name{number * 7919 % count}',{number * number % 1000003});")
print("""COMMIT;
CREATE INDEX by_name ON entry(name);
SELECT count(*), sum(value) FROM entry;
SELECT name, value FROM entry WHERE name LIKE 'name1999%' ORDER BY value LIMIT 5;
SELECT value % 10 AS digit, count(*), avg(value) FROM entry GROUP BY digit ORDER BY digit;
UPDATE entry SET value = value + 1 WHERE id % 3 = 0;
SELECT sum(value), min(name), max(name) FROM entry;
SELECT count(*) FROM entry one JOIN entry two ON one.name = two.name;""")
