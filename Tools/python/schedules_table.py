"""The part `schedules` of Tools/bench: schedules a second of `replaysb hunt` on small programs that never fail (correct twins of
Tests/Guests/bugs), on one processor and on all, and where a schedule's time goes."""

import json
import os
import statistics

import bugs
import harness

# Program, what it does, schedules a second and processor that are asked.
PROGRAMS = [
    ("lost_update", "two threads", 500),
    ("deadlock_two", "two threads with locks", 500),
    ("twenty_threads", "twenty threads", 50),
    ("shared_counter", "two processes", 300),
]
SCHEDULES = 1000


def hunt(bench, bug, jobs):
    """The report of one search, None when the tool could not go on."""
    report = os.path.join(bench.OUT, "report.json")
    if os.path.exists(report):
        os.remove(report)
    command = [bench.TOOL, "hunt", "-q", "-n", str(SCHEDULES), "--report", report, *(["-j", "1"] if jobs == 1 else []),
               "-o", bench.TRACE, "--", *bug.command("-O2", True)]
    if bench.timed(command, environment=harness.translation_cache("bench")).status != 0:
        return None
    with open(report, encoding="utf-8") as stream:
        return json.load(stream)


def run(bench, runs):
    processors = len(os.sched_getaffinity(0))
    for name, what, asked in PROGRAMS:
        bug = next(bug for bug in bugs.load([name]) if bug.name == name)
        trouble = bug.build("-O2", True)
        for jobs in [1] + ([processors] if processors > 1 else []):
            # Work that is not shared out (what the search learns between groups) keeps two machines from being twice as fast.
            least = asked if jobs == 1 else round(asked * 1.4)
            where = f"{what}, {'one processor' if jobs == 1 else f'{jobs} processors'}"
            reports = [None if trouble else hunt(bench, bug, jobs) for _ in range(runs)]
            if None in reports:
                bench.failed(where, f">= {least} schedules/s")
                continue
            rate = statistics.median(report["schedulesPerSecond"] for report in reports)
            # Of the run in the middle.
            split = sorted(reports, key=lambda report: report["schedulesPerSecond"])[len(reports) // 2]["scheduleMicroseconds"]
            note = ", ".join(f"{part} {split[part]}" for part in ("copy", "fork", "run", "end")) + " us a schedule"
            bench.row(where, f">= {least} schedules/s", f"{rate:.0f} schedules/s", rate >= least, note)
