# shows: python3: asyncio with tasks, queues, time-outs, subprocesses, Unix sockets, executors, cancellation
# run: python3
# timeout: 180
import asyncio
import sys
import time


async def sleeper(name, seconds):
    await asyncio.sleep(seconds)
    return name


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(b"echo " + line)
        await writer.drain()
    writer.close()


async def main():
    for done in asyncio.as_completed([sleeper("slow", 0.15), sleeper("quick", 0.05), sleeper("middle", 0.1)]):
        print(await done)
    try:
        await asyncio.wait_for(asyncio.sleep(100), 0.05)
    except asyncio.TimeoutError:
        print("timed out")
    task = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
    process = await asyncio.create_subprocess_exec("sh", "-c", "read x; echo got $x; exit 4", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate(b"input\n")
    print(out.decode().strip(), process.returncode)
    server = await asyncio.start_unix_server(serve, "async.socket")
    clients = [await asyncio.open_unix_connection("async.socket") for _ in range(3)]
    for number, (reader, writer) in enumerate(clients):
        writer.write(f"client {number}\n".encode())
        print((await reader.readline()).decode().strip())
        writer.close()
    server.close()
    queue = asyncio.Queue()
    producer = asyncio.create_task(produce(queue))
    print("sum", sum([await queue.get() for _ in range(100)]))
    await producer
    loop = asyncio.get_running_loop()
    print("executor", await loop.run_in_executor(None, sum, range(1000)))


async def produce(queue):
    for number in range(100):
        await queue.put(number)


started = time.monotonic()
asyncio.run(main())
print("forwards", time.monotonic() > started, file=sys.stderr)
