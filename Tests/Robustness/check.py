"""check: schedules that hunt found, tried with other builds: lines shifted, variables renamed, other optimisation, functions added; the
failure comes again with each, and with none of the correct twins; programs that have nothing to do with it; a bisection by git. Updates that
are one instruction in one build and three in another; time that passes; long work; signals; calls that were added."""

import json
import os
import re
import shutil
import subprocess

import bugs
from support import context, expect

PROGRAMS = ["apache_refcount", "bluetooth", "deadlock_two", "lost_update", "start_order", "two_fields"]
ADDED = """
static int added_counter, added_table[40];
static int added_function(int value) {
  for (int i = 0; i < 40; i++) added_table[i] += value * i;
  return ++added_counter + added_table[value % 40];
}
static __attribute__((constructor)) void added_start(void) { added_function(3); }
"""

CALLS = """
#include <sys/syscall.h>
#include <unistd.h>
static int added_word;
static void added_calls(void) {
  struct { long seconds, nanoseconds; } none = {0, 0};
  syscall(SYS_futex, &added_word, 129, 1, 0, 0, 0);
  syscall(SYS_write, 2, "", 0);
  syscall(SYS_clock_nanosleep, 0, 0, &none, 0);
  syscall(SYS_futex, &added_word, 128, 5, 0, 0, 0);
}
"""


def source_of(name):
    with open(os.path.join(bugs.FOLDER, name + ".c"), encoding="utf-8") as stream:
        return stream.read()


def shifted(source):
    """Blank lines before every function and variable, a comment before every second statement."""
    lines, result = source.splitlines(), []
    for number, line in enumerate(lines):
        continues = result and result[-1].endswith("\\")
        if not continues and re.match(r"(static|int) ", line):
            result += ["", "// moved", ""]
        result.append(line)
        if number % 2 == 0 and not line.endswith("\\") and line.endswith(";"):
            result.append("")
    return "\n".join(result) + "\n"


def with_function(source):
    return source.replace('#include "bug.h"\n', '#include "bug.h"\n' + ADDED, 1)


def with_locals_renamed(source):
    """Of each program's locals and parameters."""
    for name in ("argument", "before", "packet", "amount", "first", "second", "value", "width", "user", "mover", "bytes", "server", "logger"):
        source = re.sub(rf"(?<![\w>.]){name}\b(?!\()", name + "_renamed", source)
    return source


# What was done to the source of a build.
BUILDS = {
    "same": lambda source: source,
    "other level": lambda source: source,
    "shifted": shifted,
    "renamed": with_locals_renamed,
    "added": with_function,
    "all": lambda source: with_function(shifted(with_locals_renamed(source))),
}


def compiled(name, source, *flags):
    path = context.path(name)
    with open(path + ".c", "w", encoding="utf-8") as stream:
        stream.write(source)
    shutil.copy(os.path.join(bugs.FOLDER, "bug.h"), context.folder)
    subprocess.run(["gcc", "-g", "-pthread", *flags, "-o", path, path + ".c"], check=True, capture_output=True)
    return path


def hunted(program, trace="found.zst"):
    outcome = context.run("hunt", "-n", "4000", "--timeout", "1.5", "-o", context.path(trace), "--", program, timeout=200)
    expect(outcome, 1)


def checked(program, status, what, *options, trace="found.zst"):
    outcome = context.run("check", "-v", "--schedule", context.path(trace), *options, "--", program, timeout=200)
    text = outcome.stderr.decode("utf-8", "replace")
    assert outcome.status_as_shell() == status, f"{what}: status {outcome.status_as_shell()}, expected {status}: {text[-1200:]}"
    return text


def tells_builds_apart(name, level, other):
    source = source_of(name)
    hunted(compiled(name, source, level))
    for number, (build, change) in enumerate(BUILDS.items()):
        at = other if number % 2 else level
        for at in (level, other) if build == "all" else (at,):
            what = f"{name} of {level} as {build} at {at}"
            checked(compiled(name, change(source), at), 1, what)
            text = checked(compiled(name, change(source), at, "-DFIXED"), 0, what + ", fixed")
            assert "it passes" in text, text


def check_lost_update():
    tells_builds_apart("lost_update", "-O0", "-O2")


def check_two_fields():
    tells_builds_apart("two_fields", "-O2", "-O0")


def check_bluetooth():
    tells_builds_apart("bluetooth", "-O0", "-O2")


def check_start_order():
    tells_builds_apart("start_order", "-O2", "-O0")


def check_deadlock():
    tells_builds_apart("deadlock_two", "-O2", "-O0")


def check_apache_refcount():
    tells_builds_apart("apache_refcount", "-O0", "-O2")


def check_updates_of_one_instruction_and_of_three():
    """Each build's schedule with each build: the place between load and store is inside an instruction or in front of one."""
    source = source_of("one_instruction")
    three = source.replace('__asm__ volatile("addl $1, %0" : "+m"(requests) : : "cc");', "int before = READ_ONCE(requests); WRITE_ONCE(requests, before + 1);")
    assert three != source
    builds = [compiled("one", source, "-O2"), compiled("one_moved", with_function(source), "-O0"), compiled("three", three, "-O2"),
              compiled("three_moved", with_function(three), "-O0")]
    twins = [compiled("twin", source, "-O2", "-DFIXED"), compiled("twin_moved", with_function(source), "-O0", "-DFIXED")]
    for found in builds:
        hunted(found)
        for other in builds:
            checked(other, 1, f"{found} with {other}")
        for twin in twins:
            checked(twin, 0, f"{found} with {twin}")


def check_time_that_passes():
    """Nothing but the length of a sleep keeps the order, so what is followed is that time passes."""
    source = source_of("late_start")
    hunted(compiled("late_start", source, "-O2"))
    for build in (source, with_function(source), with_calls(source)):
        for level in ("-O2", "-O0"):
            checked(compiled("late_start", build, level), 1, f"late_start at {level}")
            # It waits in another call.
            text = checked(compiled("late_start", build, level, "-DFIXED"), 125, f"late_start at {level}, fixed")
            assert "time passes" in text, text


def check_tasks_that_compute_for_long():
    """Whoever is held stays so, however long the other one computes or works under a lock."""
    for name in ("long_work", "busy_lock"):
        source = source_of(name)
        hunted(compiled(name, source, "-O2"))
        for build, level in ((source, "-O0"), (with_function(source), "-O2")):
            checked(compiled(name, build, level), 1, f"{name} at {level}")
        checked(compiled(name, with_function(source), "-O2", "-DFIXED"), 0, f"{name}, fixed")


def check_signals():
    """A handler that comes where the turn changes is not what the interrupted task does next."""
    for name in ("sigchld_jobs", "handler_lock"):
        source = source_of(name)
        hunted(compiled(name, source, "-O2"))
        for build in (source, with_function(source)):
            for level in ("-O2", "-O0"):
                checked(compiled(name, build, level), 1, f"{name} at {level}")
                checked(compiled(name, build, level, "-DFIXED"), 0, f"{name} at {level}, fixed")


def with_calls(source):
    """Each thread makes some system calls first."""
    return re.sub(r"(\nstatic void \*\w+\(void \*\w*\) \{)", r"\1 added_calls();", source.replace('#include "bug.h"\n', '#include "bug.h"\n' + CALLS, 1))


def check_no_wrong_answers_where_calls_were_added():
    """Where a schedule says who is next by the how manieth call, calls that were added may keep it from being followed: then it cannot
    tell. Never does it say that a program passes which has the bug, or that a correct one fails."""
    unknown = 0
    for name in ("lost_update", "busy_lock", "heartbeat", "start_order"):
        source = with_calls(source_of(name))
        hunted(compiled(name, source_of(name), "-O2"))
        for level in ("-O2", "-O0"):
            for flags, right in (([], 1), (["-DFIXED"], 0)):
                outcome = context.run("check", "--schedule", context.path("found.zst"), "--", compiled(name, source, level, *flags), timeout=200)
                status = outcome.status_as_shell()
                assert status in (right, 125), f"{name} at {level} {flags}: {status}"
                unknown += status == 125
    assert unknown < 12, f"{unknown} of 16 are unknown"


def check_other_links():
    """A static program's schedule with the shared one, and the other way round; one at a fixed address."""
    source = source_of("lost_update")
    for flags in ([], ["-static"], ["-no-pie"]):
        hunted(compiled("lost_update", source, "-O0", *flags))
        for others in ([], ["-static"], ["-no-pie"]):
            what = f"{flags} with {others}"
            checked(compiled("lost_update", source, "-O0", *others), 1, what)
            checked(compiled("lost_update", source, "-O0", "-DFIXED", *others), 0, what + ", fixed")


def check_says_nothing_of_others():
    for name in PROGRAMS:
        hunted(compiled(name, source_of(name), "-O0"))
        other = "pbzip2" if name != "pbzip2" else "stack"
        program = compiled("other", source_of(other), "-O0", "-DFIXED")
        checked(program, 125, f"{name} with {other}")
    checked("/bin/true", 125, "a program of one task")
    checked(context.path("missing"), 125, "no program")
    with open(context.path("broken"), "w", encoding="utf-8") as stream:
        stream.write("no program")
    os.chmod(context.path("broken"), 0o755)
    checked(context.path("broken"), 125, "no program")
    context.record("/bin/true")
    checked(program, 125, "a trace without a search", trace="trace.zst")
    checked(program, 125, "no trace", trace="missing.zst")


def check_another_failure():
    """A build that fails in another way is not told to have this bug, unless asked."""
    source = source_of("lost_update")
    hunted(compiled("lost_update", source, "-O0"))
    program = compiled("lost_update", source.replace("return 0;\n}", "return 3;\n}"), "-O0", "-DFIXED")
    assert "exit status 3" in checked(program, 125, "another failure")
    checked(program, 1, "any failure", "--any-failure")


def check_report_and_repeats():
    source = source_of("two_fields")
    hunted(compiled("two_fields", source, "-O0"))
    program = compiled("two_fields", shifted(source), "-O2", "-DFIXED")
    reports = []
    for _ in range(2):
        checked(program, 0, "two_fields, fixed", "--report", context.path("report.json"))
        with open(context.path("report.json"), encoding="utf-8") as stream:
            reports.append(json.load(stream))
    assert reports[0] == reports[1], reports
    assert reports[0]["outcome"] == "passes" and reports[0]["exitStatus"] == 0 and reports[0]["executions"] > 1, reports[0]


def check_bisection():
    """Five commits, of which the third brings the bug back in; the schedule was found with the last one."""
    folder = context.path("repository")
    os.mkdir(folder)
    environment = {**os.environ, "HOME": context.folder, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment[f"GIT_{who}_NAME"], environment[f"GIT_{who}_EMAIL"] = "Some One", "someone@example.com"

    def git(*words):
        return subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=300).stdout

    git("init", "-q", "-b", "main", ".")
    shutil.copy(os.path.join(bugs.FOLDER, "bug.h"), folder)
    source = source_of("lost_update")
    good = source.replace("#ifdef FIXED", "#if 1")
    versions = [good, with_function(good), with_function(source), shifted(with_function(source)), shifted(with_locals_renamed(with_function(source)))]
    for number, text in enumerate(versions):
        with open(os.path.join(folder, "test.c"), "w", encoding="utf-8") as stream:
            stream.write(text)
        git("add", "-A")
        git("commit", "-q", "-m", f"version {number}")
    hunted(compiled("last", versions[-1], "-O1"))
    script = context.path("step")
    with open(script, "w", encoding="utf-8") as stream:
        stream.write(f"#!/bin/sh\ngcc -g -O1 -pthread -o '{context.path('built')}' test.c || exit 125\n"
                     f"exec '{context.tool}' check --schedule '{context.path('found.zst')}' -- '{context.path('built')}'\n")
    os.chmod(script, 0o755)
    git("bisect", "start", "HEAD", "HEAD~4")
    said = git("bisect", "run", script)
    assert re.search(r"is the first bad commit[\s\S]*version 2", said), said
