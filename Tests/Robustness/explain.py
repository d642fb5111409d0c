"""explain: bug programs with their lines shifted and their variables renamed, hunted; the explanation names the marked lines and the
variable, with the program and its libraries gone; traces that no search made; programs without or with broken debug information."""

import json
import os
import random
import re
import shutil
import subprocess

import bugs
import harness
from support import context, expect

# Each with the variables that can be renamed; the first is one that races. Those of deadlock_two are locks.
PROGRAMS = {
    "lost_update": ["bytes_received"],
    "two_fields": ["low", "high"],
    "bluetooth": ["stopping", "stopped", "pending_io"],
    "apache_refcount": ["cached"],
    "mysql_procinfo": ["proc_info"],
    "start_order": ["log_ready", "disks_checked"],
    "deadlock_two": ["savings", "current"],
}
# Those whose headline must name variables of the program and lines of both tasks, though a lock stands at the switch, or the operations that
# the search narrowed it down to touch different variables.
HEADLINES = {
    "two_fields": ["low", "high"],
    "twostage": ["data", "copy"],
    "bluetooth": ["stopping", "pending_io"],
    "early_reclaim": ["current_route", "readers"],
    "double_checked": ["instance"],
    "memcached_incr": ["item"],
    "signal_half": ["task_name", "task_name_length"],
    "if_not_while": ["count"],
    "twenty_threads": ["config"],
}
# Those where the second line is in what is told beside the race: where a lock was taken or let go, a descriptor closed, a statement that
# shares its instruction with the next one; a semaphore is no lock.
BESIDE = ["memcached_incr", "twostage", "pbzip2", "if_not_while", "double_close", "stack", "semaphore_value", "handler_lock"]
# A build for each seed: every program is built at both levels, as a PIE and statically, over the seeds.
BUILDS = [("-O0",), ("-O2",), ("-O0", "-static"), ("-O2", "-static"), ("-O2", "-no-pie")]


def altered(name, seed):
    """The source with blank lines put in and variables renamed: its text, the marked lines, the new names."""
    chance = random.Random(f"{name} {seed}")
    renamed = PROGRAMS.get(name) or HEADLINES.get(name) or []
    with open(os.path.join(bugs.FOLDER, name + ".c"), encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    names = {old: f"{old}_{chance.randrange(1000)}" for old in renamed}
    result, marks = [], {}
    for line in lines:
        inside_macro = result and result[-1].endswith("\\")
        if not inside_macro and chance.randrange(3) == 0:
            result += [""] * chance.randrange(1, 9)
        for old, new in names.items():
            line = re.sub(rf"\b{old}\b", new, line)
        mark = re.search(r"// RACE:([12])$", line)
        if mark:
            marks[int(mark.group(1))] = len(result) + 1
        result.append(line)
    assert set(marks) == {1, 2}, f"{name}: {marks}"
    return "\n".join(result) + "\n", marks, names


def compiled(name, source, flags):
    path = context.path(name)
    with open(path + ".c", "w", encoding="utf-8") as stream:
        stream.write(source)
    shutil.copy(os.path.join(bugs.FOLDER, "bug.h"), context.folder)
    subprocess.run(["gcc", "-g", "-pthread", *flags, "-o", path, path + ".c"], check=True, capture_output=True)
    return path


def hunted(program, trace="found.zst", *options):
    outcome = context.run(
        "hunt", "-n", "4000", "--timeout", "1.5", "-o", context.path(trace), *options, "--", program, timeout=200)
    expect(outcome, 1)
    return outcome


def explained(trace="found.zst", **options):
    outcome = context.run("explain", "--json", context.path(trace), **options)
    expect(outcome, 0)
    return json.loads(outcome.stdout)


def stacks(explanation):
    """Of what raced with the locks held there, or of what waits and of where its locks were taken. Switches do not count."""
    for race in explanation["races"]:
        for access in race["accesses"]:
            yield access["stack"]
            for held in access["locks"]:
                yield held["takenAt"]
                yield held.get("releasedAt") or []
    for task in explanation["blocked"]:
        yield task["stack"]
        yield task.get("heldSince") or []


def lines(explanation, source):
    frames = [frame for stack in stacks(explanation) for frame in stack if frame.get("file", "").endswith(source)]
    return {frame[key] for frame in frames for key in ("line", "alsoLine") if key in frame}


def names_the_race(name, seed, *flags):
    source, marks, names = altered(name, seed)
    program = compiled(name, source, flags)
    outcome = hunted(program)
    for path in (program, program + ".c"):
        os.remove(path)
    explanation = explained()
    what = f"{name}, seed {seed}, {' '.join(flags)}"
    found = lines(explanation, name + ".c")
    assert set(marks.values()) <= found, f"{what}: lines {sorted(found)}, not both of {marks}: {explanation['headline']}"
    told = [race["place"].get("symbol") for race in explanation["races"]]
    told += [(task.get("lock") or {}).get("symbol") for task in explanation["blocked"]]
    if name in PROGRAMS:
        first = names[PROGRAMS[name][0]]
        assert first in told, f"{what}: {first} is not among {told}"
    assert explanation["hasSearchNote"], what
    if name in PROGRAMS and name not in ("start_order", "two_fields"):
        assert not explanation["remarks"], f"{what}: {explanation['remarks']}"
    # The headline stands at the end of the hunt's own report too.
    text = " ".join(outcome.stderr.decode().split())
    assert explanation["headline"] in text, f"{what}: hunt does not say {explanation['headline']}"
    return explanation


def check_names_the_marked_lines():
    for seed, flags in enumerate(BUILDS):
        for name in sorted(PROGRAMS):
            names_the_race(name, seed, *flags)


def names_in_headline(name, seed, *flags):
    explanation = names_the_race(name, seed, *flags)
    what = f"{name}, seed {seed}, {' '.join(flags)}: {explanation['headline']}"
    _, _, names = altered(name, seed)
    start = explanation["headline"].partition(": race on ")[2]
    assert start, what
    place, story = start.split(": ", 1)
    for new in (names[old] for old in HEADLINES[name]):
        assert re.search(rf"\b{new}\b", place), f"{new} is not the race of {what}"
    # Lines of the program itself, of either side.
    assert len(re.findall(rf"\b{name}\.c:\d+", story)) >= 2 and "lock" not in place, what
    assert "libc" not in story and "ld-linux" not in story, what


def check_headlines_are_of_data():
    for seed, level in enumerate(("-O0", "-O2"), 20):
        for name in HEADLINES:
            names_in_headline(name, seed, level)


def check_lines_beside_the_race():
    for seed, level in enumerate(("-O0", "-O2"), 40):
        for name in BESIDE:
            names_the_race(name, seed, level)


MEMBERS = """
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
enum state { EMPTY, FULL = 7 };
static struct { int size; struct { enum state state; short balance; char letter; bool ready; double rate; char *text; } items[3]; } table;
static int done;
#define SET(member, value) do { if (table.items[2].member == (value)) break; table.items[2].member = (value); done++; } while (0)
static void *work(void *unused) {
  MEMBER;
  return unused;
}
int main(void) {
  pthread_t one, two;
  pthread_create(&one, NULL, work, NULL);
  pthread_create(&two, NULL, work, NULL);
  pthread_join(one, NULL);
  pthread_join(two, NULL);
  if (done != 1) abort();
  return 0;
}
"""


def check_members_and_values():
    """Names go on to the member, and values are shown as their types have them."""
    members = {
        "state": ("SET(state, FULL)", "0 (EMPTY)", "7 (FULL)"), "balance": ("SET(balance, -3)", "0", "-3"),
        "letter": ("SET(letter, 'x')", "0", "120 ('x')"), "ready": ("SET(ready, true)", "false", "true"),
        "rate": ("SET(rate, 2.5)", "0.0", "2.5"), "text": ('SET(text, (char *)&table)', "NULL", None),
    }
    for number, (member, (code, before, after)) in enumerate(members.items()):
        program = compiled(f"members_{member}", MEMBERS.replace("MEMBER", code), [("-O0", "-O2")[number % 2]])
        hunted(program)
        race = next(race for race in explained()["races"] if race["place"].get("symbol") == "table")
        place = race["place"]
        assert place["member"] == f".items[2].{member}", place
        assert place["name"] == f"table.items[2].{member}", place
        values = {access[key] for access in race["accesses"] for key in ("valueBefore", "valueAfter") if key in access}
        assert before in values or after in values, f"{member}: {values}"
        assert values <= {before, after} or after is None and all(value == before or value.startswith("0x") for value in values), values


COMPUTES = """
#include <pthread.h>
#include <stdlib.h>
static volatile int counter;
static void compute(void) {
  volatile long mine[64] = {0};
  for (long i = 0; i < 12000000; i++) mine[i & 63] += i;
}
static void *add(void *unused) {
  int before = counter;
  compute();
  counter = before + 1;
  compute();
  return unused;
}
int main(void) {
  pthread_t one, two;
  pthread_create(&one, NULL, add, NULL);
  pthread_create(&two, NULL, add, NULL);
  pthread_join(one, NULL);
  pthread_join(two, NULL);
  if (counter != 2) abort();
  return 0;
}
"""


def check_memory_is_bounded():
    """Of a long computation without a system call only the accesses near the switches are held: these here are tens of millions."""
    program = compiled("computes", COMPUTES, ["-O1"])
    outcome = context.run("record", "-q", "--until-fail", "-n", "300", "--seed", "1", "-o", context.path("found.zst"), "--", program, timeout=200)
    assert outcome.status_as_shell() == 134, outcome.stderr[-300:]
    measured = context.path("measured.py")
    with open(measured, "w", encoding="utf-8") as stream:
        stream.write("import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True)\n"
                     "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n")
    command = [harness.PYTHON, measured, context.tool, "explain", "--json", context.path("found.zst")]
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    explanation = json.loads(done.stdout)
    # The last changes of turn are somewhere in the computing, far from the counter.
    assert len(explanation["switches"]) == 8, explanation["switches"]
    kibibytes = int(done.stderr.split()[-1])
    assert kibibytes < 400 << 10, f"{kibibytes >> 10} MiB"


def check_values_and_order():
    explanation = names_the_race("lost_update", 7, "-O0")
    # It has what both sides did.
    race = explanation["races"][0]
    roles = [access["role"] for access in race["accesses"]]
    assert roles[0] == "before" and roles[-1] == "after" and set(roles[1:-1]) == {"meanwhile"}, roles
    own, late = race["accesses"][0], race["accesses"][-1]
    assert own["operation"] == "read" and late["operation"] == "write" and own["task"] == late["task"]
    # What was read, plus a packet, is stored over what others had made of it in between: the lost update itself.
    assert int(late["valueAfter"]) - int(own["valueBefore"]) in (64, 1500), race
    assert int(late["valueBefore"]) > int(own["valueBefore"]), race
    events = [access["event"] for access in race["accesses"]]
    assert events == sorted(events), events
    ends = [turn["lastEvent"] for turn in explanation["timeline"]]
    assert ends == sorted(ends) and any("switchIndex" in turn for turn in explanation["timeline"])


def check_inlined_callee():
    explanation = names_the_race("lost_update", 8, "-O2")
    frames = [frame for stack in stacks(explanation) for frame in stack if frame.get("function") == "account_for"]
    assert frames and all(frame["isInlined"] for frame in frames), frames
    assert any(frame.get("function") == "receive" and not frame["isInlined"] for stack in stacks(explanation) for frame in stack)


def check_deadlock():
    explanation = names_the_race("deadlock_two", 9, "-O0")
    waiting = [task for task in explanation["blocked"] if "holder" in task and task["lock"]["kind"] == "global"]
    assert len(waiting) == 2 and {task["task"] for task in waiting} == {task["holder"] for task in waiting}, explanation["blocked"]
    assert explanation["headline"].startswith("deadlock: ")


def check_system_calls():
    shutil.copy(os.path.join(bugs.FOLDER, "file_check.c"), context.folder)
    with open(context.path("file_check.c"), encoding="utf-8") as stream:
        program = compiled("file_check", stream.read(), ["-O0"])
    hunted(program)
    race = explained()["races"][0]
    assert race["place"]["kind"] == "file" and race["place"]["name"].endswith("/lock"), race["place"]
    calls = [access.get("systemCall", "") for access in race["accesses"]]
    assert calls[0].startswith("access(") and calls[-1].startswith("openat("), calls


def check_elsewhere():
    """Program, dynamic linker, libraries and source are gone, and the explanation is the same."""
    source, marks, _ = altered("mysql_procinfo", 11)
    folder = context.path("libraries")
    os.mkdir(folder)
    for library in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        shutil.copy(library, folder)
    linker = os.path.join(folder, "ld-linux-x86-64.so.2")
    program = compiled("mysql_procinfo", source, ["-O0", f"-Wl,--dynamic-linker={linker}", f"-Wl,-rpath={folder}"])
    hunted(program)
    before = context.run("explain", context.path("found.zst"))
    expect(before, 0)
    shutil.rmtree(folder)
    for name in os.listdir(context.folder):
        if name != "found.zst":
            os.remove(context.path(name))
    elsewhere = os.path.join(context.streams, "empty")
    os.mkdir(elsewhere)
    after = context.run("explain", context.path("found.zst"), cwd=elsewhere, environment={"PATH": "/nonexistent", "HOME": elsewhere})
    assert after.stdout == before.stdout, after.stdout[-500:]
    assert set(marks.values()) <= lines(explained(), "mysql_procinfo.c")
    assert os.listdir(elsewhere) in ([], [".cache"]), os.listdir(elsewhere)


def check_without_a_note():
    """A recording of random schedules: the last preemptions."""
    with open(os.path.join(bugs.FOLDER, "lost_update.c"), encoding="utf-8") as stream:
        program = compiled("lost_update", stream.read().replace("packet < 4", "packet < 4000").replace("4 *", "4000 *"), ["-O0"])
    outcome = context.run(
        "record", "-q", "--until-fail", "-n", "300", "--seed", "1", "-o", context.path("found.zst"), "--", program, timeout=200)
    assert outcome.status_as_shell() == 134, outcome.stderr[-300:]
    os.remove(program)
    explanation = explained()
    assert not explanation["hasSearchNote"] and any("no search" in remark for remark in explanation["remarks"])
    assert any(race["place"].get("symbol") == "bytes_received" for race in explanation["races"]), explanation["headline"]


def check_without_debug_information():
    with open(os.path.join(bugs.FOLDER, "bluetooth.c"), encoding="utf-8") as stream:
        source = stream.read()
    for flags, symbol in ((["-g0"], "stopping"), (["-g0", "-static"], "stopping"), (["-s"], None), (["-s", "-static"], None)):
        program = compiled("bluetooth", source, ["-O2", *flags])
        hunted(program)
        os.remove(program)
        explanation = explained()
        places = [race["place"] for race in explanation["races"]]
        assert any(place.get("symbol") == symbol and place["kind"] == "global" for place in places), f"{flags}: {places}"
        functions = {frame.get("function") for stack in stacks(explanation) for frame in stack}
        if symbol:
            assert "add" in functions and "stop" in functions, f"{flags}: {functions}"
        assert any("no source lines" in remark for remark in explanation["remarks"]), explanation["remarks"]


def check_broken_debug_information():
    """Sections full of nonsense: fewer names, never a crash."""
    source, _, _ = altered("lost_update", 12)
    program = compiled("lost_update", source, ["-O0"])
    with open(program, "rb") as stream:
        whole = stream.read()
    listed = subprocess.run(["readelf", "-SW", program], check=True, capture_output=True, text=True).stdout
    sections = re.findall(r"\] (\.debug_\w+|\.eh_frame|\.symtab|\.strtab)\s+\w+\s+\w+ (\w+) (\w+)", listed)
    assert len(sections) > 6, listed
    for seed in range(6):
        chance = random.Random(seed)
        data = bytearray(whole)
        for name, offset, size in sections:
            start, length = int(offset, 16), int(size, 16)
            # Unwind information is needed by nobody but us: C code throws nothing.
            count = length if seed == 0 else 1 + length // 8
            for _ in range(count):
                data[start + chance.randrange(length)] = chance.randrange(256)
        with open(program, "wb") as stream:
            stream.write(data)
        hunted(program)
        explanation = explained()
        assert explanation["races"], f"seed {seed}: {explanation['headline']}"


def check_not_explainable():
    context.record("/bin/true")
    expect(context.run("explain", context.path("missing.zst")), 125, "missing.zst")
    outcome = context.run("explain", context.path("trace.zst"))
    expect(outcome, 0)
    assert b"one task only" in b" ".join(outcome.stdout.split())
    context.record("/bin/true", trace="direct.zst", options=("--engine", "direct"))
    expect(context.run("explain", context.path("direct.zst")), 125, "translated engine")
    with open(context.path("trace.zst"), "rb") as stream:
        data = stream.read()
    with open(context.path("cut.zst"), "wb") as stream:
        stream.write(data[: len(data) // 2])
    outcome = context.run("explain", context.path("cut.zst"))
    assert outcome.status_as_shell() in (0, 125), outcome.status_as_shell()
