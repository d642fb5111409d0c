# shows: two shells read a number from a file, add one and write it back: an update is lost.
# run: sh
# fails: exit 1
# preemptions: 1
folder=$(mktemp -d /tmp/bug-counter-XXXXXX) || exit 99
echo 0 > "$folder/count"

increment() {
  read -r number < "$folder/count"       # RACE:1
  echo $((number + 1)) > "$folder/count" # RACE:2
}

locked_increment() {
  until mkdir "$folder/lock" 2> /dev/null; do :; done
  increment
  rmdir "$folder/lock"
}

case $1 in
  fixed) step=locked_increment ;;
  *) step=increment ;;
esac

{
  for name in compile link check; do echo "$name" >> "$folder/log"; done
  $step
} &
child=$!
$step
wait "$child"
read -r number < "$folder/count"
rm -r "$folder"
[ "$number" = 2 ] && exit 0
echo "failed: the counter is '$number' after two increments" >&2
exit 1
