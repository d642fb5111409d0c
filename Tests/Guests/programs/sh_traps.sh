# shows: sh: traps on signals and exit, kill of children and groups, read with a time-out of a child, umask, jobs
# run: /bin/sh
# exit: 9
# timeout: 120
trap 'echo got USR1' USR1
trap 'echo at exit' EXIT
kill -USR1 $$
(trap 'echo child got TERM; exit 6' TERM; while :; do sleep 0.01; done) & child=$!
sleep 0.1
kill -TERM $child
wait $child; echo "child $?"
sleep 1000 & sleeper=$!
kill -KILL $sleeper
wait $sleeper; echo "sleeper $?"
sh -c 'kill -SEGV $$'; echo "segv $?"
sh -c 'kill -STOP $$; exit 5' & stopped=$!
sleep 0.1
kill -CONT $stopped
wait $stopped; echo "stopped $?"
trap '' INT
kill -INT $$
echo survived INT
trap - USR1
umask 077; : > private; stat -c %a private
exit 9
