# shows: a busy mix: gzip, xargs -P, sort in parallel, mktemp, date, cksum, split, comm, join, od, dd, flock, nohup, env, expr
# run: /bin/sh
# timeout: 300
seq 1 20000 > numbers
gzip -k numbers && gunzip -c numbers.gz | cmp - numbers && echo packed
split -l 1000 numbers part. && cat part.* | cmp - numbers && echo split
ls part.* | xargs -P 4 -n 2 cksum | sort | cksum
sort --parallel=4 -R numbers | sort -n | cmp - numbers && echo sorted
dd if=/dev/zero of=zeros bs=64k count=50 2> /dev/null && od -An -c zeros | head -n 1 | tr -d ' '
comm -12 part.aa numbers 2> /dev/null | wc -l
head -c 100000 /dev/urandom | wc -c
directory=$(mktemp -d) && touch "$directory/x" && ls "$directory" && rm -r "$directory"
test "$(date +%s)" -gt 1500000000 && echo date
flock lockfile -c 'echo locked'
env -i A=1 env
expr 6 \* 7
test $(($(nice -n 5 nice) - $(nice))) -eq 5 && echo nicer
(ulimit -n 50; ulimit -n)
printf "b 2\na 1\n" | sort > left && join left left
: > followed
tail -f numbers --pid=$$ > followed & tail_pid=$!
while [ "$(wc -l < followed)" -lt 10 ]; do sleep 0.05; done; kill $tail_pid; wait $tail_pid 2> /dev/null
wc -l < followed
timeout 0.2 sleep 5; echo "timeout $?"
mkfifo fifo && (cat fifo > from_fifo & echo into > fifo; wait) && cat from_fifo
stat -c '%s %F' numbers fifo
