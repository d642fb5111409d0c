"""Programs that cannot run: 127 or 126, and one clear line."""

import os
import tempfile

from support import context, expect


def write(name, content, mode=0o755):
    path = context.path(name)
    with open(path, "wb") as stream:
        stream.write(content)
    os.chmod(path, mode)
    return path


def refuse(program, status, *words):
    for command in ("record", "run"):
        rest = ["-o", context.path("trace.zst")] if command == "record" else []
        outcome = context.run(command, *rest, "--", program)
        expect(outcome, status, *words)
        assert len(outcome.stderr.strip().splitlines()) <= 3, f"many lines: {outcome.stderr!r}"
        assert outcome.stdout == b""


def check_missing():
    refuse("./no-such-program", 127, "no-such-program")
    refuse("no-such-program-in-path", 127, "no-such-program-in-path")
    refuse("/no/such/folder/program", 127)


def check_working_directory():
    """The guest's /dev is its own, so what the host has there is no place to start in."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        outcome = context.run("record", "-o", context.path("trace.zst"), "--", "/bin/true", cwd=folder)
        expect(outcome, 126, "working directory", folder)
    assert not os.path.exists(context.path("trace.zst"))


def check_not_executable():
    write("plain", b"#!/bin/sh\necho no\n", 0o644)
    refuse("./plain", 126, "plain")


def check_folder():
    os.mkdir(context.path("folder"))
    refuse("./folder", 126)


def check_not_elf():
    refuse(write("text", b"hello\n"), 126)
    refuse(write("empty", b""), 126)
    refuse(write("binary", bytes(range(256)) * 20), 126)


def check_elf_of_32_bits():
    header = bytearray(64)
    header[:7] = b"\x7fELF\x01\x01\x01"
    header[16], header[18] = 2, 3
    refuse(write("elf32", bytes(header)), 126, "32")


def check_broken_elf():
    with open("/bin/true", "rb") as stream:
        good = stream.read()
    refuse(write("cut", good[:100]), 126)
    arm = bytearray(good)
    arm[18] = 183
    refuse(write("arm", bytes(arm)), 126)
    for at in (32, 40, 54, 56):  # program header offset, section offset, entry size, count
        broken = bytearray(good)
        broken[at] = broken[at + 1] = 0xff
        outcome = context.run("run", "--", write("broken", bytes(broken)))
        assert outcome.status_as_shell() in (0, 126, 139), f"byte {at}: {outcome.status_as_shell()}: {outcome.stderr!r}"


def check_missing_interpreter():
    script = write("script", b"#!/no/such/interpreter\n")
    outcome = context.run("run", "--", script)
    assert outcome.status_as_shell() in (126, 127), outcome.status_as_shell()
