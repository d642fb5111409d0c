"""The same inputs give the same bytes: with idle and with busy processors, on another terminal, for each kind of stdout."""

import os
import subprocess

import harness
from support import Terminal, context

EPOCH = "1700000000000000000"


class Load:
    """Both processors busy."""

    def __enter__(self):
        self.processes = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 2)]

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def place(name):
    """Away from the working folder: a trace that lies there is another input for the next run."""
    return os.path.join(context.streams, name)


def record(kind, trace, command, columns):
    full = [context.tool, "record", "-q", "--seed", "11", "--epoch", EPOCH, "-o", place(trace), "--", *command]
    if kind == "tty":
        terminal = Terminal(full, context.folder, columns=columns)
        return terminal.finish(120)
    if kind == "pipe":
        done = subprocess.run(full, cwd=context.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, env=harness.ENVIRONMENT)
        return done.returncode
    with open(place("file"), "wb") as out:
        return subprocess.run(full, cwd=context.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=120, env=harness.ENVIRONMENT).returncode


def same(kind, command):
    # The terminal's own size belongs to the working terminal; it must not reach the trace.
    assert record(kind, "one.zst", command, 80) == 0
    with Load():
        assert record(kind, "two.zst", command, 132) == 0
    difference = harness.same_file(place("one.zst"), place("two.zst"))
    assert difference is None, f"{' '.join(command)[:60]} with stdout a {kind}: {difference}"
    assert context.run("replay", "-q", place("one.zst")).status == 0


def each_kind(command):
    for kind in ("file", "pipe", "tty"):
        same(kind, command)


def check_threads():
    each_kind(context.guest("threads/ring[dynamic]"))


def check_processes():
    each_kind(context.guest("processes/fork_tree[static]"))


def check_shell():
    each_kind(["/bin/sh", "-c", "seq 100 | sort -r | (while read x; do echo $x; done) | tail -n 3; ls -l /; date; echo $$"])


def check_python():
    each_kind([harness.PYTHON, "-c", "import threading, os, time, random; print(os.getpid(), time.time(), random.random(), hash('x'))"])
