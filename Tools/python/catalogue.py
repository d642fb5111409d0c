"""The guests of Tests/Guests: reads their annotations and builds them. The annotations stand in the first comment of each
source; Tests/Guests/README.md lists them."""

import os
import re
import shlex
import subprocess

from harness import BUILD, GUESTS, PYTHON, ROOT

# Bug programs are no guests: they fail under some schedules (bugs.py).
SKIPPED_FOLDERS = {"include", "bench", "programs", "bugs"}
# Guests written for the translated engine, in folders of their own, and programs whose outcome depends on the seed.
TRANSLATED = "translated"
RACES = os.path.join(TRANSLATED, "races")


class Guest:
    """One source with one way of building it."""

    def __init__(self, path, notes, variant, flags):
        self.path = path
        self.notes = notes
        self.variant = variant
        self.flags = flags
        self.stem = os.path.splitext(os.path.relpath(path, GUESTS))[0]
        self.name = f"{self.stem}[{variant}]" if variant else self.stem
        self.base = os.path.basename(self.stem)
        self.identifier = re.sub(r"[^A-Za-z0-9]+", "-", self.name).strip("-")
        self.binary = os.path.join(BUILD, "bin", self.identifier) if variant else None

    def belongs_to(self, engine):
        """Whether a plain run of all guests with this engine includes it."""
        wanted = self.note("engine")
        return (wanted is None or wanted == engine) and (engine == "translated" or not self.stem.startswith(TRANSLATED + os.sep))

    def note(self, key, default=None):
        return self.notes.get(key, [default])[0]

    def expected_status(self):
        """The status as a shell tells it."""
        if "signal" in self.notes:
            return 128 + int(self.note("signal"))
        return int(self.note("exit", "0"))

    def arguments(self):
        return shlex.split(self.note("args", ""))

    def stdin(self):
        return self.note("stdin", "").encode().decode("unicode_escape").encode("latin-1")

    def timeout(self):
        return float(self.note("timeout", "60"))

    def command(self, place):
        """Copies the program to `place` under its plain name and gives the command that runs it there."""
        target = os.path.join(place, os.path.basename(self.path) if not self.binary else self.base)
        source = self.binary or self.path
        with open(source, "rb") as stream:
            content = stream.read()
        with open(target, "wb") as stream:
            stream.write(content)
        os.chmod(target, 0o755)
        os.utime(target, (1700000000, 1700000000))
        interpreter = self.note("run")
        before = [] if not interpreter else [PYTHON if word == "python3" else word for word in shlex.split(interpreter)]
        return target, before + [target] + self.arguments()


def read_notes(path):
    """The `key: value` lines of the comment that opens a file."""
    notes = {}
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("#!"):
                continue
            matched = re.match(r"(?://|#)\s*([a-z-]+):\s?(.*)$", line.rstrip("\n"))
            if not matched:
                break
            notes.setdefault(matched.group(1), []).append(matched.group(2))
    return notes


def load(programs=False, races=False):
    """All guests in order of their names; with `programs`, the scripts under programs/ instead; with `races`, the racy counters."""
    found = []
    for base, folders, files in os.walk(GUESTS):
        folders.sort()
        top = os.path.relpath(base, GUESTS).split(os.sep)[0]
        if programs != (top == "programs") or (not programs and top in SKIPPED_FOLDERS):
            continue
        if races != (os.path.relpath(base, GUESTS) == RACES):
            continue
        for name in sorted(files):
            path = os.path.join(base, name)
            if programs:
                notes = read_notes(path)
                if "run" in notes:
                    found.append(Guest(path, notes, None, None))
                continue
            if not name.endswith((".c", ".cpp")):
                continue
            notes = read_notes(path)
            for build in notes.get("build", ["static -O1 -static"]):
                variant, _, flags = build.partition(" ")
                found.append(Guest(path, notes, variant, shlex.split(flags)))
    return found


def build(guest):
    """Compiles a guest when its binary is older than its sources; None, or what the compiler said."""
    if guest.binary is None:
        return None
    folder = os.path.dirname(guest.path)
    sources = [guest.path, os.path.join(GUESTS, "include", "guest.h")]
    sources += [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".h")]
    if os.path.exists(guest.binary):
        built = os.path.getmtime(guest.binary)
        if all(os.path.getmtime(source) <= built for source in sources):
            return None
    os.makedirs(os.path.dirname(guest.binary), exist_ok=True)
    compiler = "g++" if guest.path.endswith(".cpp") else "gcc"
    # Warnings that guests provoke on purpose (ignored results, wild pointers) stay quiet, the rest are errors.
    quiet = ["-Wno-unused-result", "-Wno-array-bounds", "-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-infinite-recursion", "-Wno-nonnull", "-Wno-return-type", "-Wno-clobbered"]
    # No path of this machine in the debug information: golden traces embed the programs.
    command = [compiler, "-g", f"-ffile-prefix-map={ROOT}=.", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"] + quiet + ["-I", os.path.join(GUESTS, "include"), guest.path, "-o", guest.binary + ".new"]
    done = subprocess.run(command + guest.flags, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return done.stderr.strip()
    os.replace(guest.binary + ".new", guest.binary)
    return None
