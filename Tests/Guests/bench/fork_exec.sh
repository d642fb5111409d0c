# shows: the cost of fork, exec and wait: N times /bin/true.
count=0
while [ $count -lt ${1:-500} ]; do /bin/true; count=$((count + 1)); done
echo fork_exec $count
