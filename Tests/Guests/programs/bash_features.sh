# shows: bash: process substitution, arrays, coproc, here-strings, job control, PIPESTATUS, mapfile, traps on ERR and DEBUG
# run: /bin/bash
# needs: program bash
# timeout: 120
diff <(seq 1 5) <(seq 2 6)
paste <(echo a; echo b) <(echo c; echo d)
tee >(sort -r > reversed) >(wc -l > count) < <(printf 'x\ny\nz\n') > copy
sleep 0.2
cat reversed count copy
declare -A map=([one]=1 [two]=2)
echo "${map[one]} ${map[two]} ${#map[@]}"
mapfile -t lines <<< $'first\nsecond\nthird'
echo "${lines[1]} of ${#lines[@]}"
coproc worker { while read -r line; do echo "reply $line"; done; }
echo question >&"${worker[1]}"
read -r answer <&"${worker[0]}"
echo "$answer"
exec {worker[1]}>&-
wait
true | false | true; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo "pipefail $?"
trap 'echo "err at line"' ERR; false; trap - ERR
printf '%05d|%-5s|%x\n' 42 ab 255
for ((i = 0; i < 3; i++)); do (echo "sub $i") & wait $!; done
read -r -t 0.05 nothing < <(sleep 1); echo "read $?"
[[ abc123 =~ ^[a-z]+([0-9]+)$ ]] && echo "${BASH_REMATCH[1]}"
echo "${RANDOM:+random} ${SECONDS:+seconds}"
time_out=$(timeout 0.1 sleep 10; echo $?); echo "timeout $time_out"
echo done
