# shows: sh: pipelines, here-documents, command substitution, subshells, redirections, case, loops, wait, exit statuses
# run: /bin/sh
# exit: 3
# timeout: 120
set -u
echo one two three | tr ' ' '\n' | sort -r | while read word; do echo "word $word"; done
cat <<END
here $(echo substituted) $((6 * 7))
END
cat <<'END' | wc -l
literal $HOME
second
END
for i in 1 2 3 4 5; do (exit $i) || echo "status $?"; done
f() { local_value=$1; echo "function $local_value"; return 4; }
f argument; echo "returned $?"
seq 1 2000 | awk '{ s += $1 } END { print s }'
echo text > file; echo more >> file; cat < file; wc -c < file
exec 5> five; echo through five >&5; exec 5>&-; cat five
(echo to stderr >&2) 2>&1 | sed 's/^/caught: /'
sleep 0.02 & first=$!
(exit 7) & second=$!
wait $first; echo "first $?"
wait $second; echo "second $?"
yes | head -n 3
false | true; echo "pipeline $?"
kill -0 $$ && echo alive
case $(uname -s) in Linux) echo linux ;; *) echo other ;; esac
i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done; echo "forked $i"
find . -type f | sort
set -- $(ls | sort); echo "$# files: $*"
exit 3
