"""The commands: verify, until-fail, dump, info, doctor, reports, stop-at with a core that gdb opens; replay elsewhere."""

import json
import os
import shutil
import subprocess

import harness
from support import Skip, context, expect


def check_doctor_and_version():
    assert context.run("doctor").status == 0
    outcome = context.run("--version")
    assert outcome.status == 0 and outcome.stdout.strip()
    assert context.run("--help").status == 0


def check_status_passes():
    for script, status in (("exit 0", 0), ("exit 77", 77), ("kill -TERM $$", 143), ("kill -KILL $$", 137)):
        outcome = context.record("/bin/sh", "-c", script)
        assert outcome.status_as_shell() == status, f"{script}: {outcome.status_as_shell()}"
        outcome = context.run("replay", "-q", context.path("trace.zst"))
        assert outcome.status_as_shell() == status, f"replay of {script}: {outcome.status_as_shell()}"


def check_verify():
    assert context.run("verify", "--", *context.guest("threads/ring[static]")).status == 0
    assert context.run("verify", "--", "/bin/sh", "-c", "echo $RANDOM | cat; exit 0").status == 0


def check_until_fail():
    program = context.path("flaky")
    subprocess.run(["gcc", "-O1", "-g", "-pthread", "-o", program, os.path.join(harness.ROOT, "examples", "flaky.c")], check=True)
    outcome = context.run("record", "-q", "--until-fail", "-n", "500", "-o", context.path("trace.zst"), "--", program, timeout=300)
    expect(outcome, 1)
    assert b"the books are off by" in outcome.stdout
    os.remove(program)
    for _ in range(3):
        replayed = context.run("replay", "-q", context.path("trace.zst"))
        assert replayed.status == 1 and outcome.stdout.endswith(replayed.stdout)


def check_dump_and_info():
    assert context.record("/bin/sh", "-c", "echo hello; ls / > /dev/null").status == 0
    text = context.run("dump", context.path("trace.zst"))
    assert text.status == 0 and b"execve" in text.stdout and b"write" in text.stdout
    outcome = context.run("dump", "--json", context.path("trace.zst"))
    lines = outcome.stdout.decode().splitlines()
    try:
        json.loads(outcome.stdout)
    except ValueError:
        for line in lines[:2000]:
            json.loads(line)
    info = context.run("info", context.path("trace.zst"))
    assert info.status == 0 and info.stdout.strip()
    files = context.run("info", "--files", context.path("trace.zst"))
    assert b"libc" in files.stdout


def check_report():
    context.record("/bin/sh", "-c", "exit 5", options=("--report", context.path("report.json")))
    with open(context.path("report.json"), encoding="utf-8") as stream:
        report = json.load(stream)
    assert isinstance(report, dict) and 5 in report.values(), report


def check_replay_elsewhere():
    outcome = context.record(*context.guest("threads/exceptions[dynamic]"))
    assert outcome.status == 0, outcome.stderr[-300:]
    place = os.path.join("/tmp", f"replaysb-elsewhere-{os.getpid()}")
    harness.fresh_folder(place, 1000 if os.getuid() == 0 else None)
    try:
        copy = os.path.join(place, "copy.zst")
        shutil.copyfile(context.path("trace.zst"), copy)
        tool = os.path.join(place, "replaysb")
        shutil.copyfile(context.tool, tool)
        os.chmod(tool, 0o755)
        identity = "root"
        if os.getuid() == 0:
            os.chown(copy, 1000, 1000)
            identity = "user"
        replayed = harness.run([tool, "replay", "-q", copy], place, context.streams, identity=identity, environment={"A": "b"})
        assert replayed.status == 0 and replayed.stdout == outcome.stdout, replayed.stderr[-300:]
        assert not replayed.left
    finally:
        shutil.rmtree(place)


def check_core_for_gdb():
    if not shutil.which("gdb"):
        raise Skip("no gdb")
    program = context.compile("two", r"""
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static pthread_barrier_t barrier;
static void __attribute__((noinline)) deep_inside(int value) { if (value) pthread_barrier_wait(&barrier); }
static void *worker(void *argument) { deep_inside(argument != 0); return NULL; }
int main(void) {
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 3);
  pthread_create(&thread, NULL, worker, &thread);
  pthread_create(&thread, NULL, worker, &thread);
  for (int i = 0; i < 300; i++) sched_yield();
  write(1, "now\n", 4);
  pthread_barrier_wait(&barrier);
  return 0;
}
""".replace("#include <stdio.h>", "#include <sched.h>\n#include <stdio.h>"), "-static")
    assert context.record(program).status == 0
    text = context.run("dump", context.path("trace.zst")).stdout.decode().splitlines()
    numbers = [line.split()[0].strip("[]#:") for line in text if "write(" in line]
    numbers = [number for number in numbers if number.isdigit()]
    assert numbers, f"no event number before write in the dump: {text[-3:]}"
    core = context.path("core")
    context.run("replay", "--stop-at", numbers[-1], "--core", core, context.path("trace.zst"))
    assert os.path.getsize(core) > 0
    done = subprocess.run(["gdb", "-nx", "-batch", "-ex", "info threads", "-ex", "thread apply all bt", program, core], capture_output=True, text=True, timeout=60)
    assert done.stdout.count("Thread ") >= 3, done.stdout[-600:] + done.stderr[-300:]
    assert "deep_inside" in done.stdout and "main" in done.stdout, done.stdout[-800:]


def check_newest_trace():
    for number in range(3):
        assert context.run("record", "-q", "--", "/bin/echo", f"run {number}").status == 0
    names = sorted(name for name in os.listdir(context.folder) if name.endswith(".zst"))
    assert names == ["trace-1.zst", "trace-2.zst", "trace.zst"], names
    assert context.run("replay", "-q").stdout == b"run 2\n"
    assert context.run("replay", "-q", "trace-1.zst").stdout == b"run 0\n"
