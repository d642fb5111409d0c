"""Faults of the host: output that cannot be written, a full disk, ptrace forbidden, the recorder killed."""

import ctypes
import os
import random
import resource
import signal
import struct
import subprocess
import time

import harness
from support import Skip, context, expect, not_crashed

CHATTY = r"""
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 1000000;
  unsigned char bytes[200];
  for (long i = 0; i < count; i++) {
    char line[64];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return 2;
    int length = snprintf(line, sizeof line, "line %ld %d\n", i, bytes[0]);
    if (write(1, line, (size_t)length) != length) return 3;
    fork() == 0 ? _exit(0) : 0;
  }
  return 0;
}
"""


def check_unwritable_output():
    for path in (context.path("no/such/folder/trace.zst"), context.folder, "/proc/trace.zst"):
        outcome = context.run("record", "-q", "-o", path, "--", "/bin/echo", "started")
        expect(outcome, 125)
        assert outcome.stderr.strip() and outcome.stdout == b"", "known before the guest starts"
    if os.getuid() == 0:
        outcome = context.run("record", "-q", "-o", context.path("trace.zst"), "--", "/bin/echo", "started", identity="user")
        expect(outcome, 125)
        assert outcome.stdout == b""


def check_disk_full():
    if os.getuid() != 0:
        raise Skip("needs root for a small tmpfs")
    program = context.compile("chatty", CHATTY, "-static")
    place = context.path("small")
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", place], capture_output=True).returncode != 0:
        raise Skip("cannot mount a tmpfs here")
    try:
        outcome = context.run("record", "-q", "-o", os.path.join(place, "trace.zst"), "--", program, "100000")
        not_crashed(outcome)
        expect(outcome, 125)
        assert outcome.stderr.strip()
    finally:
        subprocess.run(["umount", place], check=False)


def check_file_size_limit():
    program = context.compile("chatty", CHATTY, "-static")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    with open(context.path("out"), "wb") as out, open(context.path("err"), "wb") as err:
        process = subprocess.Popen([context.tool, "record", "-q", "-o", context.path("trace.zst"), "--", program, "20000"],
                                   cwd=context.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, preexec_fn=limit)
        status = process.wait(120)
        del out
    with open(context.path("err"), "rb") as stream:
        said = stream.read()
    assert status in (125,), f"status {status}: {said[-300:]!r}"
    assert said.strip()


def forbid_ptrace():
    """A seccomp filter under which ptrace fails with EPERM, as in a container that does not allow it."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
    keep = ctypes.create_string_buffer(program)
    header = struct.pack("HxxxxxxP", len(code), ctypes.addressof(keep))
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(38, 1, 0, 0, 0)
    assert library.prctl(22, 2, ctypes.c_char_p(header), 0, 0) == 0


def check_ptrace_forbidden():
    for arguments in (["doctor"], ["run", "--", "/bin/echo", "started"]):
        process = subprocess.run([context.tool, *arguments], capture_output=True, timeout=60, preexec_fn=forbid_ptrace, cwd=context.folder)
        text = process.stdout + process.stderr
        assert process.returncode != 0, f"{arguments} succeeded"
        assert b"ptrace" in text, f"does not speak of ptrace: {text[-300:]!r}"
        assert b"started" not in process.stdout


def kill_once(program, instant, number):
    trace, seen = context.path(f"killed-{number}.zst"), context.path(f"seen-{number}")
    with open(seen, "wb") as out:
        process = subprocess.Popen([context.tool, "record", "-q", "--seed", str(number), "-o", trace, "--", program, "1000000"],
                                   cwd=context.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(instant)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = harness.reap_left()
    assert not left, f"killed after {instant:.3f} s: {left} survived"
    with open(seen, "rb") as stream:
        output = stream.read()
    if not os.path.exists(trace):
        assert output == b"", f"killed after {instant:.3f} s: output was seen and there is no trace"
        return 0
    outcome = context.run("replay", "-q", trace)
    not_crashed(outcome)
    assert outcome.stdout.startswith(output), \
        f"killed after {instant:.3f} s: {len(output)} bytes were seen, replay gives {len(outcome.stdout)}: {outcome.stderr[-200:]!r}"
    for path in (trace, seen, trace + ".journal"):
        if os.path.exists(path):
            os.remove(path)
    return len(output)


def check_recorder_killed():
    program = context.compile("chatty", CHATTY, "-static")
    source = random.Random(time.time_ns())
    outputs = [kill_once(program, source.uniform(0.001, 0.6), number) for number in range(context.kills)]
    assert any(outputs), "no run came as far as its first output"
