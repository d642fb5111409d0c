# shows: python3: subprocess with pipes, time-outs, kills; os.fork; signal handlers; multiprocessing; temporary files
# run: python3
# timeout: 180
import multiprocessing
import os
import signal
import subprocess
import tempfile

print(subprocess.run(["/bin/echo", "from echo"], capture_output=True, text=True).stdout, end="")
cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
out, _ = cat.communicate(b"x" * 300_000)
print("through cat", len(out), cat.returncode)
try:
    subprocess.run(["sleep", "1000"], timeout=0.1)
except subprocess.TimeoutExpired:
    print("timed out")
child = subprocess.Popen(["sleep", "1000"])
child.send_signal(signal.SIGTERM)
print("terminated", child.wait())
print(subprocess.check_output("echo $((40 + 2)); exit 0", shell=True, text=True), end="")
print("status", subprocess.call(["sh", "-c", "exit 9"]))

calls = []
signal.signal(signal.SIGUSR1, lambda number, frame: calls.append(number))
pid = os.fork()
if pid == 0:
    os.kill(os.getppid(), signal.SIGUSR1)
    os._exit(3)
print("fork", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print("signals", len(calls))


def square(number):
    return number * number


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        print("pool", pool.map(square, range(8)))
    ours, theirs = context.Pipe()
    process = context.Process(target=lambda: theirs.send({"pid is": "hidden", "n": 5}))
    process.start()
    print("pipe", ours.recv())
    process.join()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "file"), "w") as stream:
            stream.write("temporary\n")
        print(os.listdir(folder))
    print(os.path.exists(folder))
