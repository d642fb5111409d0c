"""`Tools/bugs --hunt` and `--twins`: searches every bug program with one search seed after the other, and says how many schedules it took.
Counting leaves what is found as it is (`--no-shrink`); one find of each program is shrunk, and its preemptions are compared with
those that its notes announce. Twins are searched once each, and must not fail."""

import json
import multiprocessing
import os
import statistics

import harness

STRATEGIES = ["walk", "pct", "pos", "hold", "feedback", "mix"]
OPTIONS = None


class Search:
    """What one search came to. `found`: the number of the schedule that failed, None when none did; `trouble`: why it does not count."""

    def __init__(self):
        self.found = self.per_second = self.preemptions = self.are_fewest = self.trouble = None
        self.tried = 0


def announced(bug, kind):
    """Whether a failure that the tool names so is one of those in the notes."""
    also = bug.note("also", "").split(", ") if bug.note("also") else []
    return any(is_called(kind, *text.partition(" ")[::2]) for text in [bug.note("fails")] + also)


def is_called(kind, word, number):
    if word == "exit":
        return kind == f"exit status {number}"
    if word == "signal":
        return kind.startswith(f"signal {number} ")
    # A livelock may meet the time-out first.
    return kind in (["deadlock"] if word == "deadlock" else ["livelock", "spin", "time-out"])


def most_schedules(bug):
    return OPTIONS.scripts if bug.is_script() and OPTIONS.scripts else OPTIONS.most_schedules


def search(bug, level, strategy, seed, shrinks=False, fixed=False):
    result = Search()
    twin = "-fixed" if fixed else ""
    work = harness.fresh_folder(os.path.join(OPTIONS.work, f"{bug.name}{level}{twin}-{strategy}-{seed}"))
    report = os.path.join(work, "report.json")
    command = [OPTIONS.tool, "hunt", "-q", "-j", "1", "--strategy", strategy, "-n", str(most_schedules(bug)), "--search-seed", str(seed)]
    command += [] if shrinks else ["--no-shrink"]
    command += ["-o", os.path.join(work, "trace.zst"), "--report", report, "--", *bug.command(level, fixed)]
    outcome = harness.run(command, work, work, timeout=OPTIONS.hunt_timeout, environment=OPTIONS.environment)
    if outcome.timed_out:
        result.trouble = f"seed {seed}: longer than {OPTIONS.hunt_timeout:g} s"
        return result
    error = outcome.stderr.decode("utf-8", "replace").strip()
    if outcome.status not in (0, 1) or not os.path.exists(report):
        result.trouble = f"seed {seed}: status {outcome.status}: {error[-200:]}"
        return result
    with open(report, encoding="utf-8") as stream:
        told = json.load(stream)
    result.tried = told["schedulesTried"]
    result.found, result.per_second = told.get("schedule"), told.get("schedulesPerSecond")
    result.preemptions, result.are_fewest = told.get("preemptions"), told.get("preemptionsAreFewest")
    if "defect" in error:
        result.trouble = f"seed {seed}: {error[-200:]}"
    elif outcome.left:
        result.trouble = f"seed {seed}: left {outcome.left} behind"
    elif fixed and result.found is not None:
        result.trouble = f"the twin failed under schedule {result.found} of search seed {seed}: {told['kind']}"
    elif result.found is not None and not announced(bug, told["kind"]):
        result.trouble = f"seed {seed}: {told['kind']}, announced {bug.note('fails')}"
    return result


def job(arguments):
    try:
        return search(*arguments)
    except Exception as error:  # a defect of the runner itself is a failure, not an end
        result = Search()
        result.trouble = f"runner: {error!r}"
        return result


class Row:
    """The searches of one program by one strategy."""

    def __init__(self, bug, level, strategy, searches):
        self.bug, self.level, self.strategy, self.searches = bug, level, strategy, searches
        self.shrunk = None
        # What was not found counts as later than all that was.
        self.numbers = sorted(search.found or OPTIONS.most_schedules + 1 for search in searches)

    def count(self):
        return sum(search.found is not None for search in self.searches)

    def median(self):
        return statistics.median_high(self.numbers)

    def troubles(self):
        every = self.searches + ([self.shrunk] if self.shrunk else [])
        return [search.trouble for search in every if search.trouble]

    def rate(self):
        rates = [search.per_second for search in self.searches if search.per_second]
        return statistics.median(rates) if rates else None

    def preemptions(self):
        if not self.shrunk or self.shrunk.preemptions is None:
            return "-"
        return f"{self.shrunk.preemptions}{'' if self.shrunk.are_fewest else '?'}"


def shown(number):
    return "-" if number > OPTIONS.most_schedules else str(int(number))


def shown_rate(rate):
    return "-" if rate is None else f"{rate:.1f}" if rate < 10 else f"{rate:.0f}"


def cells(row):
    return [row.bug.name, f"{row.count()} of {len(row.searches)}", shown(row.median()), shown(row.numbers[-1]),
            shown_rate(row.rate()), row.preemptions(), str(row.bug.preemptions())]


HEADS = ["program", "found", "median", "most", "a second", "preemptions", "announced"]
WIDTHS = [18, 9, 8, 8, 9, 12, 10]


def line(texts, widths):
    if OPTIONS.markdown:
        return "| " + " | ".join(texts) + " |"
    return texts[0].ljust(widths[0]) + " ".join(text.rjust(width) for text, width in zip(texts[1:], widths[1:]))


def head(texts, widths):
    print(line(texts, widths))
    if OPTIONS.markdown:
        print("|---" + "|---:" * (len(texts) - 1) + "|")


def told(row):
    for trouble in row.troubles():
        print(f"FAIL {row.bug.name} {row.level} {row.strategy}: {trouble}", flush=True)


def by_program(pool, jobs, seeds):
    """A line for each program as its searches are done, then one for all. The rows."""
    rows = []
    head(HEADS, WIDTHS)
    tasks = [(bug, level, OPTIONS.strategy, seed) for bug, level in jobs for seed in seeds]
    done = pool.imap(job, tasks, chunksize=1)
    for bug, level in jobs:
        row = Row(bug, level, OPTIONS.strategy, [next(done) for _ in seeds])
        found = [seed for seed, search in zip(seeds, row.searches) if search.found]
        if found and not OPTIONS.no_shrink:
            row.shrunk = pool.apply(job, ((bug, level, OPTIONS.strategy, found[0], True),))
        rows.append(row)
        print(line(cells(row), WIDTHS), flush=True)
        told(row)
    shrunk = [row for row in rows if row.shrunk and row.shrunk.preemptions is not None]
    rates = [row.rate() for row in rows if row.rate()]
    all_found = [row for row in rows if row.count() == len(seeds)]
    print(line(["all", f"{sum(row.count() for row in rows)} of {len(rows) * len(seeds)}",
                shown(statistics.median_high(row.median() for row in rows)), shown(max(row.numbers[-1] for row in rows)),
                shown_rate(statistics.median(rates) if rates else None), str(sum(row.shrunk.preemptions for row in shrunk)),
                str(sum(row.bug.preemptions() for row in shrunk))], WIDTHS))
    print(f"{len(all_found)} of {len(rows)} programs found with every seed, {sum(row.count() > 0 for row in rows)} with some")
    return rows


def by_strategy(pool, jobs, seeds):
    """The medians of every strategy, a line for each program. The rows."""
    rows, widths = [], [18] + [9] * len(STRATEGIES)
    head(["program"] + STRATEGIES, widths)
    tasks = [(bug, level, strategy, seed) for bug, level in jobs for strategy in STRATEGIES for seed in seeds]
    done = pool.imap(job, tasks, chunksize=1)
    for bug, level in jobs:
        mine = [Row(bug, level, strategy, [next(done) for _ in seeds]) for strategy in STRATEGIES]
        rows += mine
        print(line([bug.name] + [shown(row.median()) for row in mine], widths), flush=True)
        for row in mine:
            told(row)
    columns = [[row for row in rows if row.strategy == strategy] for strategy in STRATEGIES]
    print(line(["median of all"] + [shown(statistics.median_high(row.median() for row in column)) for column in columns], widths))
    print(line([f"found, of {len(jobs) * len(seeds)}"] + [str(sum(row.count() for row in column)) for column in columns], widths))
    return rows


def twins(pool, jobs, seeds):
    """Every twin searched with one seed. The rows."""
    rows, widths = [], [18, 9, 9]
    head(["twin", "schedules", "a second"], widths)
    done = pool.imap(job, [(bug, level, OPTIONS.strategy, seeds[0], False, True) for bug, level in jobs], chunksize=1)
    for bug, level in jobs:
        row = Row(bug, level, OPTIONS.strategy, [next(done)])
        rows.append(row)
        print(line([bug.name, str(row.searches[0].tried), shown_rate(row.rate())], widths), flush=True)
        told(row)
    return rows


def run(options, found, prepare_worker):
    """All searches. 1 when one went wrong (that a search finds nothing is no failure), else 0."""
    global OPTIONS
    OPTIONS = options
    levels = lambda bug: ["script"] if bug.is_script() else [options.level or "-O2"]
    jobs, failed = [], 0
    for bug in found:
        for level in levels(bug):
            trouble = bug.defect() or bug.build(level, options.twins)
            if trouble:
                print(f"FAIL {bug.name} {level}: {trouble}")
                failed += 1
            else:
                jobs.append((bug, level))
    if not jobs:
        print(f"0 passed, {failed or 1} failed")
        return 1
    seeds = range(options.seed, options.seed + options.seeds)
    with multiprocessing.get_context("fork").Pool(options.jobs, prepare_worker) as pool:
        table = twins if options.twins else by_strategy if options.by_strategy else by_program
        rows = table(pool, jobs, seeds)
    failed += sum(bool(row.troubles()) for row in rows)
    print(f"{sum(not row.troubles() for row in rows)} passed, {failed} failed")
    return 1 if failed else 0
