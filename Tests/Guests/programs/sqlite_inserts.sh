# shows: sqlite3: 200,000 inserts into a file in one transaction, index, queries, update, vacuum, write-ahead log, integrity
# run: /bin/sh
# needs: program sqlite3
# timeout: 600
{
  echo 'PRAGMA journal_mode=WAL; CREATE TABLE entry(id INTEGER PRIMARY KEY, name TEXT, value INTEGER); BEGIN;'
  awk 'BEGIN { for (i = 1; i <= 200000; i++) printf "INSERT INTO entry VALUES(%d,\"name%d\",%d);\n", i, i * 7919 % 200000, i * 31 % 1000003 }' | tr '"' "'"
  echo 'COMMIT; CREATE INDEX by_name ON entry(name);'
  echo 'SELECT count(*), sum(value) FROM entry;'
  echo "SELECT name, value FROM entry WHERE name LIKE 'name1999%' ORDER BY value LIMIT 3;"
  echo 'SELECT value % 10, count(*) FROM entry GROUP BY 1 ORDER BY 1;'
  echo 'UPDATE entry SET value = value + 1 WHERE id % 3 = 0; SELECT sum(value) FROM entry;'
  echo 'DELETE FROM entry WHERE id % 2 = 0; VACUUM; PRAGMA integrity_check; SELECT count(*) FROM entry;'
} > all.sql
sqlite3 data.db < all.sql
sqlite3 data.db 'SELECT max(id), min(name) FROM entry;'
ls | sort
