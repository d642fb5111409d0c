"""hunt that is interrupted or killed: what it found is there, its processes are gone, and --resume comes to the very same trace."""

import json
import os
import signal
import subprocess
import time

import harness
from support import Terminal, context, expect

# Fails with one of many sums only: some hundred schedules, and a find with several preemptions to shrink.
RARE = """
#include <pthread.h>
#include <stdlib.h>
static volatile int counter, other;
static void *work(void *unused) {
  for (int i = 0; i < 4; i++) {
    int before = counter;
    other = other + before;
    counter = before + 1;
  }
  return unused;
}
int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  if (counter == 4 && other == 23) abort();
  return 0;
}
"""
# Never fails, and there is much to try.
SOUND = RARE.replace("counter == 4 && other == 23", "counter < 0")
# An execution that lasts: only the processor's time passes.
SLOW = """
#include <pthread.h>
static volatile unsigned long sum;
static void *work(void *unused) {
  for (unsigned long i = 0; i < 1UL << 40; i++) sum += i;
  return unused;
}
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  pthread_join(thread, NULL);
  return 0;
}
"""
EPOCH = "1700000000000000000"


def environment():
    return {**harness.ENVIRONMENT, "REPLAYSB_CACHE": context.path("cache")}


def words(trace, program, *options):
    return ["hunt", "--epoch", EPOCH, "-o", context.path(trace), *options, "--", program]


def hunt(*arguments, **options):
    return context.run(*words(*arguments), environment=environment(), **options)


def stopped(number, arguments, ready, seconds=60):
    """Starts a hunt and sends it a signal as soon as `ready` says so. Its status as a shell tells it, and what it said."""
    said = context.path("said")
    # An empty file, as in `context.run`: another kind of input is another search.
    with open(said, "wb") as stream, open(context.path("nothing"), "w+b") as nothing:
        process = subprocess.Popen([context.tool, *words(*arguments)], cwd=context.folder, stdin=nothing,
                                   stdout=stream, stderr=stream, env=environment(), start_new_session=True)
    try:
        deadline = time.monotonic() + seconds
        while not ready() and process.poll() is None:
            assert time.monotonic() < deadline, "the hunt did not come so far"
            time.sleep(0.005)
        process.send_signal(number)
        status = process.wait(20)
    finally:
        process.poll() is None and process.kill()
    left = harness.reap_left()
    assert not left, f"left behind {left}"
    with open(said, encoding="utf-8", errors="replace") as stream:
        return 128 - status if status < 0 else status, stream.read()


def after(seconds):
    start = time.monotonic()
    return lambda: time.monotonic() - start > seconds


def there(name):
    return lambda: os.path.exists(context.path(name))


def searches():
    folder = context.path("cache/searches")
    return [name for name in os.listdir(folder) if name.endswith(".search")] if os.path.isdir(folder) else []


def content(name):
    with open(context.path(name), "rb") as stream:
        return stream.read()


def check_same_trace_after_interrupts_and_kills():
    program = context.compile("rare", RARE)
    outcome = hunt("whole.zst", program, "-n", "5000")
    expect(outcome, 1)
    assert not searches(), "a search that has found is kept"
    whole = content("whole.zst")
    interrupts = 0
    for jobs in "1", "2":
        # Interrupted and killed while it searches, each time somewhat later, then while it shrinks.
        for number, seconds in [(signal.SIGINT, 0.4), (signal.SIGTERM, 0.5), (signal.SIGKILL, 2.6), (signal.SIGINT, 0.5)]:
            status, said = stopped(number, ("trace.zst", program, "-n", "5000", "-j", jobs, "--resume"), after(seconds))
            if os.path.exists(context.path("trace.zst")):
                break
            assert status == 128 + number, f"{number}: {status}: {said}"
            interrupts += number != signal.SIGKILL
        if not os.path.exists(context.path("trace.zst")):
            status, said = stopped(signal.SIGKILL, ("trace.zst", program, "-n", "5000", "-j", jobs, "--resume"), there("trace.zst"))
            assert status == 137, f"not killed: {status}: {said}"
            assert context.run("replay", "-q", context.path("trace.zst")).status_as_shell() == 134, "the find's trace does not fail"
            assert searches(), "a killed search is not kept"
        outcome = hunt("trace.zst", program, "-n", "5000", "-j", jobs, "--resume")
        expect(outcome, 1, "goes on after")
        assert content("trace.zst") == whole, f"another trace with {jobs} jobs: {outcome.stderr[-300:]!r}"
        assert not searches(), "a search that has found is kept"
        leftovers = [name for name in os.listdir(context.folder) if ".part" in name]
        assert not leftovers, leftovers
        os.unlink(context.path("trace.zst"))
    assert interrupts > 1, "never interrupted while it searched"


def check_interrupt_while_shrinking():
    program = context.compile("rare", RARE)
    hunt("whole.zst", program, "-n", "5000")
    status, said = stopped(signal.SIGINT, ("trace.zst", program, "-n", "5000"), there("trace.zst"))
    assert status == 1, f"{status}: {said}"
    assert "not shrunk to the end" in said and "recorded in" in said and "--resume goes on" in said, said
    assert context.run("replay", "-q", context.path("trace.zst")).status_as_shell() == 134
    outcome = hunt("trace.zst", program, "-n", "5000", "--resume")
    expect(outcome, 1, "goes on after")
    assert content("trace.zst") == content("whole.zst")


def check_interrupt_with_counts():
    """--keep-going: the first failure is recorded, and all are counted."""
    program = context.compile("rare", RARE.replace("counter == 4 && other == 23", "counter < 10"))
    report = context.path("report.json")
    arguments = ("trace.zst", program, "-n", "1000000", "--keep-going", "--report", report)
    status, said = stopped(signal.SIGINT, arguments, there("trace.zst"))
    assert status == 1 and "distinct" not in said.split("recorded in")[1], f"{status}: {said}"
    with open(report, encoding="utf-8") as stream:
        told = json.load(stream)
    assert told["interrupted"] and told["outcome"] == "failure" and told["exitStatus"] == 1 and told["failures"] > 0, told
    assert context.run("replay", "-q", context.path("trace.zst")).status_as_shell() == 134
    status, said = stopped(signal.SIGINT, (*arguments, "--resume"), after(1.5))
    assert status == 1 and "goes on after" in said, said
    with open(report, encoding="utf-8") as stream:
        again = json.load(stream)
    assert again["resumedFrom"] >= told["schedulesTried"] - 8 and again["failures"] >= told["failures"], (told, again)


def check_interrupt_at_once_in_a_long_execution():
    program = context.compile("slow", SLOW)
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        start = time.monotonic()
        status, said = stopped(number, ("trace.zst", program, "--timeout", "100000"), after(1))
        assert status == 128 + number, f"{status}: {said}"
        assert "nothing is kept" in said and time.monotonic() - start < 10, said
    assert not os.path.exists(context.path("trace.zst"))


def check_interrupt_from_the_terminal():
    """Ctrl-C goes to the whole process group: no failure of the test comes of it."""
    program = context.compile("sound", SOUND)
    terminal = Terminal(["/usr/bin/env", f"REPLAYSB_CACHE={context.path('cache')}", context.tool,
                         *words("trace.zst", program, "-n", "1000000")], context.folder)
    terminal.read_until(b"schedules tried")
    terminal.send(b"\x03")
    status = terminal.finish()
    assert status == 130, f"{status}: {terminal.seen[-500:]!r}"
    assert b", 0 failed;" in terminal.seen and b"--resume goes on" in terminal.seen, terminal.seen[-500:]
    assert not os.path.exists(context.path("trace.zst"))


def check_resume_with_more():
    program = context.compile("sound", SOUND)
    report = context.path("report.json")
    expect(hunt("trace.zst", program, "-n", "60"), 0)
    assert len(searches()) == 1
    outcome = hunt("trace.zst", program, "-n", "100", "--resume", "--report", report)
    expect(outcome, 0, "goes on after 56 schedules", "100 schedules tried")
    with open(report, encoding="utf-8") as stream:
        assert json.load(stream)["resumedFrom"] == 56
    # Other options, another search.
    expect(hunt("trace.zst", program, "-n", "16", "--resume", "--search-seed", "9"), 0, "begins anew", "16 schedules tried")
    # Broken, foreign, none.
    for name in searches():
        with open(context.path("cache/searches/" + name), "r+b") as stream:
            stream.seek(200)
            stream.write(b"garbage")
    expect(hunt("trace.zst", program, "-n", "24", "--resume"), 0, "broken", "begins anew", "24 schedules tried")
    outcome = context.run(*words("trace.zst", program, "-n", "16", "--resume"),
                          environment={**harness.ENVIRONMENT, "REPLAYSB_CACHE": "off"})
    expect(outcome, 125, "nothing can be kept")


def check_resume_of_another_program():
    """The file is the same by its bytes, but what it reads is not: told, and begun anew."""
    program = context.compile("reads", r"""
#include <pthread.h>
#include <stdio.h>
static volatile int counter;
static void *work(void *unused) { counter++; return unused; }
int main(void) {
  pthread_t thread;
  FILE *file = fopen("input", "r");
  for (int i = getc(file) - '0'; i > 0; i--) {
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
  }
  return 0;
}
""")
    for text, said in ("1", "begins anew"), ("1", "goes on after"), ("2", "does otherwise"):
        with open(context.path("input"), "w", encoding="utf-8") as stream:
            stream.write(text)
        expect(hunt("trace.zst", program, "-n", "32", "--resume"), 0, said, "32 schedules tried")
