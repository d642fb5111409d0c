"""The bug programs of Tests/Guests/bugs: reads their notes, builds each and its correct twin, and gives the commands that run them.
Tests/Guests/bugs/README.md lists the notes."""

import os
import re
import shlex
import subprocess

import catalogue
from harness import BUILD, GUESTS, PYTHON

FOLDER = os.path.join(GUESTS, "bugs")
LEVELS = ["-O0", "-O2"]
KINDS = ("exit", "signal", "deadlock", "livelock")
REQUIRED = ("shows", "fails", "preemptions")


class Bug:
    """One source: a program that fails under some schedules, and with FIXED (scripts: the argument `fixed`) its correct twin."""

    def __init__(self, path):
        self.path = path
        self.name, self.extension = os.path.splitext(os.path.basename(path))
        self.notes = catalogue.read_notes(path)

    def note(self, key, default=None):
        return self.notes.get(key, [default])[0]

    def kind(self):
        """How it fails: exit, signal, deadlock or livelock; and the number of the first two."""
        word, _, number = self.note("fails").partition(" ")
        return word, int(number) if number else None

    def fails_so(self, status):
        """Whether a native status (minus the number of a signal) is the failure that the notes announce; deadlocks have none."""
        word, number = self.kind()
        return status == (number if word == "exit" else -number if word == "signal" else None)

    def preemptions(self):
        return int(self.note("preemptions"))

    def is_script(self):
        return self.extension in (".py", ".sh")

    def levels(self):
        return ["script"] if self.is_script() else LEVELS

    def race_lines(self):
        """The numbers of the lines marked RACE:1 and RACE:2, in this order."""
        found = {}
        with open(self.path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                for mark in re.findall(r"(?://|#) RACE:([12])$", line.rstrip("\n")):
                    found.setdefault(int(mark), []).append(number)
        return [found.get(mark, []) for mark in (1, 2)]

    def defect(self):
        """None, or what is wrong with the notes, the marks and the row in the README."""
        missing = [key for key in REQUIRED if key not in self.notes]
        if missing:
            return "no note " + ", ".join(missing)
        word, number = self.kind()
        if word not in KINDS or (word in ("exit", "signal")) != (number is not None):
            return f"cannot read the note fails: {self.note('fails')}"
        if not self.note("preemptions").isdigit():
            return f"cannot read the note preemptions: {self.note('preemptions')}"
        if self.is_script() and "run" not in self.notes:
            return "a script without the note run"
        with open(os.path.join(FOLDER, "README.md"), encoding="utf-8") as stream:
            row = f"| `{os.path.basename(self.path)}` | {self.note('fails')} | {self.note('preemptions')} | "
            if not any(line.startswith(row) and f"| {self.note('shows')} | {self.note('source', '')}" in line for line in stream):
                return "README.md has no row with these notes"
        if any(len(lines) != 1 for lines in self.race_lines()):
            return "RACE:1 and RACE:2 must end one line each"
        return None

    def binary(self, level, fixed):
        return os.path.join(BUILD, "bugs", level.lstrip("-"), self.name + ("-fixed" if fixed else ""))

    def build(self, level, fixed):
        """Compiles it when its sources are newer; None, or what the compiler said. Scripts need nothing."""
        if self.is_script():
            return None
        target = self.binary(level, fixed)
        newest = max(os.path.getmtime(path) for path in (self.path, os.path.join(FOLDER, "bug.h")))
        if os.path.exists(target) and os.path.getmtime(target) > newest:
            return None
        os.makedirs(os.path.dirname(target), exist_ok=True)
        compiler = "g++" if self.extension == ".cpp" else "gcc"
        command = [compiler, "-g", "-pthread", "-Wall", "-Wextra", "-Werror", level, self.path, "-o", target + ".new"]
        done = subprocess.run(command + (["-DFIXED"] if fixed else []), capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            return done.stderr.strip()
        os.replace(target + ".new", target)
        return None

    def command(self, level, fixed):
        """What runs it, after `build`."""
        if not self.is_script():
            return [self.binary(level, fixed)]
        interpreter = [PYTHON if word == "python3" else word for word in shlex.split(self.note("run"))]
        return interpreter + [self.path] + (["fixed"] if fixed else [])


def load(words=()):
    """All bug programs in order of their names; with words, those whose name contains one of them."""
    names = sorted(name for name in os.listdir(FOLDER) if name.endswith((".c", ".cpp", ".py", ".sh")))
    found = [Bug(os.path.join(FOLDER, name)) for name in names]
    return [bug for bug in found if not words or any(word in bug.name for word in words)]
