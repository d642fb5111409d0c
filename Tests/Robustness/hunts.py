"""hunt: its exit statuses, its report, and what it says of programs that it cannot search."""

import json
import os

from support import context, expect

DEADLOCK = """
#include <pthread.h>
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *backward) {
  pthread_mutex_lock(backward ? &two : &one);
  pthread_mutex_lock(backward ? &one : &two);
  pthread_mutex_unlock(&one);
  pthread_mutex_unlock(&two);
  return NULL;
}
int main(void) {
  pthread_t a, b;
  pthread_create(&a, NULL, work, NULL);
  pthread_create(&b, NULL, work, (void *)1);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
  return 0;
}
"""


def hunt(*words, **options):
    return context.run("hunt", "-o", context.path("trace.zst"), "--report", context.path("report.json"), *words, **options)


def report():
    with open(context.path("report.json"), encoding="utf-8") as stream:
        return json.load(stream)


def check_hunt_deadlock():
    program = context.compile("deadlock", DEADLOCK)
    # Less than the second that a cycle of owners must last beside other tasks.
    outcome = hunt("--timeout", "0.5", "-n", "500", "--keep-going", "--", program)
    expect(outcome, 1)
    found = report()
    assert found["outcome"] == "failure" and found["kind"] == "deadlock", found
    owners = {task["task"]: task.get("owner") for task in found["tasks"]}
    assert owners[3] == 4 and owners[4] == 3 and owners[2] == 3, owners
    failing = found["failures"] / found["schedulesTried"]
    bounds = found["probability"]
    assert bounds["lower95"] < failing < bounds["upper95"] and found["schedulesTried"] == 500, found
    assert f"run {bounds['schedulesFor99']} schedules".encode() in outcome.stderr
    assert context.run("replay", "-q", context.path("trace.zst")).status == 123


def check_hunt_that_finds_nothing():
    outcome = hunt("-n", "100", "--", "/bin/sh", "-c", "echo yes | cat")
    expect(outcome, 0)
    # 1 - 0.05 ** (1 / 100)
    assert abs(report()["probability"]["upper95"] - 0.029513) < 1e-5
    assert b"below 3.0 %" in outcome.stderr
    assert not os.path.exists(context.path("trace.zst"))
    expect(hunt("-n", "5", "--fail-on-output", "^y.s$", "--", "/bin/sh", "-c", "echo yes | cat"), 1)
    assert report()["outcome"] == "always-failing" and report()["kind"] == "output that matches /^y.s$/"


def check_hunt_cannot_search():
    script = context.path("script")
    with open(script, "w", encoding="utf-8") as stream:
        stream.write("#!/no/such/interpreter\n")
    os.chmod(script, 0o755)
    for words, text in (
        (["./nothing"], b"No such file"), ([script], b"/no/such/interpreter"), (["/etc/passwd"], b"not executable"),
        (["--engine", "direct", "/bin/true"], b"translated engine"), (["--clock", "host", "/bin/true"], b"virtual time"),
        (["--fail-on-output", "(", "/bin/true"], b"no regular expression"), (["--exit-code", "256", "/bin/true"], b"0 to 255"),
    ):
        outcome = context.run("hunt", *words)
        assert outcome.status == 125 and text in outcome.stderr, (words, outcome.status, outcome.stderr[-300:])
    assert not os.path.exists(context.path("trace.zst"))


def check_hunt_missing_library():
    library = context.compile("libgone.so", "int gone(void) { return 0; }", "-shared", "-fPIC")
    program = context.compile("needs", "int gone(void);\nint main(void) { return gone(); }", "-Wl,--no-as-needed", library)
    os.remove(library)
    outcome = context.run("hunt", program)
    assert outcome.status == 125 and b"cannot start" in outcome.stderr and b"libgone.so" in outcome.stderr, outcome.stderr[-300:]
