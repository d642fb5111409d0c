# shows: a cache of file sizes that looks whether a file is known and asks the system if not: two threads both ask.
# run: python3 -I -S
# fails: exit 1
# preemptions: 1
import _thread
import os
import sys

FIXED = "fixed" in sys.argv[1:]
lock = _thread.allocate_lock()
sizes = {}
asked = []


def look_up(path):
    if path not in sizes:  # RACE:1
        asked.append(path)
        sizes[path] = os.stat(path).st_size  # RACE:2
    return sizes[path]


def size(path):
    if not FIXED:
        return look_up(path)
    with lock:
        return look_up(path)


def work():
    size("/")
    done.release()


done = _thread.allocate_lock()
done.acquire()
_thread.start_new_thread(work, ())
size("/")
done.acquire()
assert len(asked) == 1, "the system was asked twice"
