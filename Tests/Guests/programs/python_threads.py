# shows: python3: threading, locks, conditions, queues, thread pools, timers, thread-local data
# run: python3
# timeout: 120
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

total, lock = 0, threading.Lock()


def add():
    global total
    for _ in range(1000):
        with lock:
            total += 1


threads = [threading.Thread(target=add) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("total", total)

work, results = queue.Queue(maxsize=3), queue.Queue()


def serve():
    while (item := work.get()) is not None:
        results.put(item * item)
    results.put(None)


workers = [threading.Thread(target=serve) for _ in range(3)]
for worker in workers:
    worker.start()
for number in range(50):
    work.put(number)
for _ in workers:
    work.put(None)
for worker in workers:
    worker.join()
print("squares", sum(value for value in (results.get() for _ in range(53)) if value is not None))

with ThreadPoolExecutor(4) as pool:
    print(list(pool.map(lambda n: n ** 3, range(10))))

event = threading.Event()
threading.Timer(0.05, event.set).start()
print("event", event.wait(10))
barrier, seen = threading.Barrier(3), []


def meet(name):
    barrier.wait()
    with lock:
        seen.append(name)


group = [threading.Thread(target=meet, args=(n,)) for n in range(3)]
for thread in group:
    thread.start()
for thread in group:
    thread.join()
print(sorted(seen))
local = threading.local()
local.value = 1
other = threading.Thread(target=lambda: print("has value", hasattr(local, "value")))
other.start()
other.join()
