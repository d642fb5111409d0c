# shows: coreutils over 3,000 files: create, cp -r, ls, find, sort, sha256sum, tar, du, mv, chmod, rm; sed and grep over them
# run: /bin/sh
# timeout: 300
set -e
mkdir tree
seq 1 3000 | awk '{ d = "tree/d" ($1 % 30); f = d "/f" $1; if (!(d in made)) { system("mkdir -p " d); made[d] = 1 } for (i = 0; i < $1 % 17; i++) print "line " i " of " $1 > f; print "last of " $1 > f; close(f) }'
find tree -type f | wc -l
cp -r tree copy
diff -r tree copy && echo same
find tree -type f -print0 | sort -z | xargs -0 cat | sha256sum
ls -R tree | wc -l
ls -l tree/d7 | awk 'NR > 1 { print $5, $NF }' | sort | head -n 5
grep -rl 'last of 29' tree | sort | tail -n 3
tar cf all.tar -C copy . && tar tf all.tar | wc -l
mkdir out && tar xf all.tar -C out && diff -r out tree && echo unpacked
find tree -name 'f1*' -exec rm {} +
find tree -type f | wc -l
chmod -R go-rwx copy && find copy -perm 600 | wc -l
mv copy/d1 moved && ls moved | sort -t f -k 2n | head -n 3
sed -i 's/line/LINE/' out/d5/f5 && head -n 1 out/d5/f5
sort -u out/d*/* | wc -l
ln -s out/d3 link && ls link/ | wc -l
rm -rf tree copy out moved all.tar link
ls | wc -l
