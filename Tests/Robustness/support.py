"""What the checks share: a fresh folder each, running the tool, small programs compiled on the spot, runs on a terminal of ours."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import catalogue
import harness


class Skip(Exception):
    """The check cannot be made here."""


class Context:
    def __init__(self):
        self.tool = None
        self.kills = 10
        self.folder = None
        self.streams = None

    def begin(self, name):
        self.folder = harness.fresh_folder(os.path.join(harness.BUILD, "robustness", name))
        self.streams = harness.fresh_folder(os.path.join(harness.BUILD, "robustness", name + ".streams"))

    def end(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.streams, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments, **options):
        """The tool with these arguments; never a time-out, never a crash of the tool itself."""
        options.setdefault("timeout", 120)
        outcome = harness.run([self.tool, *arguments], options.pop("cwd", self.folder), self.streams, **options)
        assert not outcome.timed_out, f"{' '.join(arguments)[:200]}: took too long"
        assert not outcome.left, f"{' '.join(arguments)[:200]}: left behind {outcome.left}"
        return outcome

    def record(self, *command, trace="trace.zst", options=(), **rest):
        return self.run("record", "-q", "--seed", "3", "--epoch", "1700000000000000000", *options, "-o", self.path(trace), "--", *command, **rest)

    def compile(self, name, source, *flags):
        path = self.path(name)
        with open(path + ".c", "w", encoding="utf-8") as stream:
            stream.write(source)
        subprocess.run(["gcc", "-O1", "-g", "-pthread", "-D_GNU_SOURCE", *flags, "-o", path, path + ".c"], check=True, capture_output=True)
        return path

    def guest(self, name):
        """A guest of Tests/Guests by name, built and copied here."""
        for guest in catalogue.load():
            if guest.name == name:
                trouble = catalogue.build(guest)
                assert not trouble, trouble
                return guest.command(self.folder)[1]
        raise AssertionError(f"no guest {name}")


context = Context()


def expect(outcome, status, *words):
    """The status, and one clear line on stderr with these words."""
    text = outcome.stderr.decode("utf-8", "replace")
    assert outcome.status_as_shell() == status, f"status {outcome.status_as_shell()}, expected {status}: {text[-300:]}"
    for word in words:
        assert word.lower() in text.lower(), f"stderr does not say '{word}': {text[-300:]}"


def not_crashed(outcome):
    """The tool may refuse; it must not die of a signal of its own or a Swift trap."""
    assert outcome.status_as_shell() not in (128 + s for s in (signal.SIGILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTRAP, signal.SIGBUS)), \
        f"crashed: {outcome.stderr[-400:].decode('utf-8', 'replace')}"


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, command, cwd, rows=24, columns=80):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(command[0], command, harness.ENVIRONMENT)
        self.seen = b""

    def read_until(self, text, seconds=20):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} on the terminal, only {self.seen[-300:]!r}"
            if not select.select([self.master], [], [], left)[0]:
                continue
            try:
                part = os.read(self.master, 65536)
            except OSError:
                part = b""
            assert part, f"the program ended without {text!r}: {self.seen[-300:]!r}"
            self.seen += part

    def send(self, data):
        os.write(self.master, data)

    def finish(self, seconds=20):
        """Waits for the end; the status as a shell tells it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.02)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.master)
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.master)
        raise AssertionError("the program did not end")
