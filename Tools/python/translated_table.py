"""The table of the translated engine: recorded and replayed against native, in turns, medians of the ratios, wall and user time.
What is measured comes from the other module (Tools/bench): running a command, the rows, the places."""

import os
import shutil
import statistics
import subprocess

import harness

PARTS = 20  # C files beside main.c that make builds


def write_project(folder):
    """A small project: 21 C files and a Makefile, a program that prints one number."""
    os.makedirs(folder)
    objects = " ".join(f"part{index}.o" for index in range(1, PARTS + 1)) + " main.o"
    with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as stream:
        stream.write(f"program: {objects}\n\tgcc -o program {objects} -lm\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\nclean:\n\trm -f *.o program\n")
    for index in range(1, PARTS + 1):
        with open(os.path.join(folder, f"part{index}.c"), "w", encoding="utf-8") as stream:
            stream.write(f"""#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct part{index} {{ int first, many[{index}]; double sum; }};
static int order{index}(const void *a, const void *b) {{ return *(const int *)a - *(const int *)b; }}
int part{index}(int n) {{
  int *values = malloc(n * sizeof *values), result = 0;
  for (int i = 0; i < n; i++) values[i] = (int)((i * 2654435761u + {index}) % 1000);
  qsort(values, n, sizeof *values, order{index});
  for (int i = 0; i < n; i++) result = result * 31 + values[i];
  free(values);
  return result;
}}
char *text{index}(const char *from) {{ char *copy = strdup(from); for (char *at = copy; *at; at++) *at ^= {index}; return copy; }}
double curve{index}(double x) {{ struct part{index} it = {{0}}; for (int i = 0; i < {index}; i++) it.many[i] = i, it.sum += sin(x * i); return it.sum + it.many[0]; }}
""")
    with open(os.path.join(folder, "main.c"), "w", encoding="utf-8") as stream:
        stream.write("#include <stdio.h>\n" + "".join(f"int part{index}(int);\n" for index in range(1, PARTS + 1)) + "int main(void) {\n  int result = 0;\n"
                     + "".join(f"  result ^= part{index}(1000);\n" for index in range(1, PARTS + 1)) + '  printf("%d\\n", result);\n  return 0;\n}\n')


class Table:
    def __init__(self, bench, engine, runs):
        self.bench, self.engine, self.runs = bench, engine, runs
        self.warm = os.path.join(bench.OUT, "translations")
        self.cold = os.path.join(bench.OUT, "translations-cold")
        self.trace = os.path.join(bench.OUT, "translated.zst")

    def record(self, command, cache=None, engine=None, **options):
        if os.path.exists(self.trace):
            os.remove(self.trace)
        full = [self.bench.TOOL, "record", "-q", "--engine", engine or self.engine, "--seed", "1", "-o", self.trace, "--", *command]
        return self.bench.timed(full, environment={**harness.ENVIRONMENT, "REPLAYSB_CACHE": cache or self.warm}, **options)

    def replay(self, cache=None):
        return self.bench.timed([self.bench.TOOL, "replay", "-q", self.trace], environment={**harness.ENVIRONMENT, "REPLAYSB_CACHE": cache or self.warm})

    def row(self, what, limit, walls, users, seconds, user_seconds):
        """One row: median of the ratios of wall time, which is what was asked for, and of user time beside it."""
        ratio = statistics.median(walls)
        user = statistics.median(users)
        self.bench.row(what, f"<= {limit} x native", f"{ratio:.2f} x, user {user:.2f} x", ratio <= limit,
                       f"{statistics.median(seconds):.3f} s, user {statistics.median(user_seconds):.3f} s")

    def against_native(self, what, command, recorded_limit, replayed_limit, fresh_cache=False, prepare=None, **options):
        bench = self.bench
        kinds = {"recorded": [], "replayed": []}
        natives = []
        if not fresh_cache:
            # Fills the cache; not measured. The first leaves translations, the second what is made of them.
            for _ in range(2):
                if prepare:
                    prepare()
                self.record(command, **options)
        for _ in range(self.runs):
            cache = harness.fresh_folder(self.cold) if fresh_cache else self.warm
            if prepare:
                prepare()
            plain = bench.timed(command, **options)
            if prepare:
                prepare()
            recorded = self.record(command, cache, **options)
            if not bench.ran(plain, recorded):
                return bench.failed(what, f"<= {recorded_limit} x native")
            if plain.stdout != recorded.stdout:
                return bench.row(what, f"<= {recorded_limit} x native", "other output", False)
            if fresh_cache:
                harness.fresh_folder(self.cold)
            natives.append(plain)
            kinds["recorded"].append(recorded)
            replayed = self.replay(cache)
            if bench.ran(replayed) and replayed.stdout == recorded.stdout:
                kinds["replayed"].append(replayed)
        for kind, limit in (("recorded", recorded_limit), ("replayed", replayed_limit)):
            timings = kinds[kind]
            if len(timings) < self.runs:
                # What it said last is still in the file of its errors; the figures of a recording stand without a replay.
                bench.failed(f"{what}, {kind}", f"<= {limit} x native")
                continue
            self.row(f"{what}, {kind}", limit, [one.wall / plain.wall for one, plain in zip(timings, natives)],
                     [one.user / max(plain.user, 1e-3) for one, plain in zip(timings, natives)],
                     [one.wall for one in timings], [one.user for one in timings])

    def against_direct(self, what, command):
        """A syscall in a loop: recording and replay no slower than with the direct engine (5% are noise)."""
        bench, ratios, replay_ratios, costs = self.bench, [], [], []
        self.record(command)
        for _ in range(self.runs):
            direct = self.record(command, engine="direct")
            direct_replay = self.replay()
            ours = self.record(command)
            our_replay = self.replay()
            if not bench.ran(direct, direct_replay, ours, our_replay):
                return bench.failed(what, "<= 1.0 x direct")
            ratios.append(ours.wall / direct.wall)
            replay_ratios.append(our_replay.wall / direct_replay.wall)
            costs.append(ours.wall)
        for kind, values in (("recorded", ratios), ("replayed", replay_ratios)):
            ratio = statistics.median(values)
            bench.row(f"{what}, {kind}", "<= 1.0 x direct", f"{ratio:.2f} x", ratio <= 1.05, f"recorded {statistics.median(costs):.3f} s")


def run(bench, engine, runs, only=()):
    """All rows, or those whose key is named."""
    table = Table(bench, engine, runs)
    harness.fresh_folder(table.warm)
    program = lambda name: os.path.join(bench.OUT, name)
    script = lambda name: os.path.join(bench.SOURCES, name)
    project, sql, database = program("project"), program("inserts.sql"), program("bench.db")
    write_project(project)
    with open(sql, "wb") as stream:
        subprocess.run([harness.PYTHON, script("inserts.py"), "200000"], stdout=stream, check=True)

    def clean_project():
        subprocess.run(["make", "-s", "-C", project, "clean"], check=True)

    rows = {
        "compute": lambda: table.against_native("branchy C", [program("cpu"), "1"], 1.25, 1.25),
        "nbody": lambda: table.against_native("pure Python, nbody", [harness.PYTHON, script("nbody.py"), "300000"], 1.8, 1.8),
        "inserts": lambda: table.against_native("sqlite, 200,000 inserts", ["/usr/bin/sqlite3", database], 2.5, 2.0, stdin=sql),
        "true": lambda: table.against_native("sh, 500 x /bin/true, warm", ["/bin/sh", script("fork_exec.sh"), "500"], 8, 6),
        "make": lambda: table.against_native("make -j1 of 21 files, warm", ["/usr/bin/make", "-C", project, "-j1"], 3, 3, prepare=clean_project),
        "baton": lambda: table.against_native("4 threads, hand-offs", [program("handoff"), "200000"], 3, 3),
        "calls": lambda: [table.against_direct(f"{name}, 200,000 times", [program(name), "200000"]) for name in ("getppid", "read", "write")],
        "cold": lambda: table.against_native("python3 -c pass, cold", [harness.PYTHON, "-c", "pass"], 12, 12, fresh_cache=True),
        "warm": lambda: table.against_native("python3 -c pass, warm", [harness.PYTHON, "-c", "pass"], 3, 3),
    }
    for name, piece in rows.items():
        if not only or name in only:
            piece()
    shutil.rmtree(table.warm, ignore_errors=True)
