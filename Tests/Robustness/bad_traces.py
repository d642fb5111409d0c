"""Traces that are damaged, alien or absent: a clear error, or a replay to the last whole frame; never a crash or a hang."""

import os
import random

from support import context, expect, not_crashed


def trace():
    command = context.guest("freestanding/fork_pipe[bare]")
    outcome = context.record(*command)
    assert outcome.status == 0, outcome.stderr
    with open(context.path("trace.zst"), "rb") as stream:
        return stream.read(), outcome


def write(content):
    with open(context.path("bad.zst"), "wb") as stream:
        stream.write(content)
    return context.path("bad.zst")


def check_absent_and_alien():
    expect(context.run("replay", context.path("absent.zst")), 125, "absent.zst")
    for content in (b"", b"x", b"not a trace at all\n" * 100, b"\x28\xb5\x2f\xfd" * 50, bytes(4096)):
        for command in (["replay"], ["info"], ["dump"]):
            outcome = context.run(*command, write(content))
            not_crashed(outcome)
            assert outcome.status != 0, f"{command} accepted {content[:20]!r}"
            assert outcome.stderr.strip(), "nothing on stderr"


def check_truncated():
    content, recorded = trace()
    points = sorted({*range(0, 64), *random.Random(1).sample(range(len(content)), min(60, len(content))), len(content) - 1})
    for length in points:
        outcome = context.run("replay", "-q", write(content[:length]))
        not_crashed(outcome)
        assert recorded.stdout.startswith(outcome.stdout), f"cut at {length}: printed what was never said"
        if outcome.status != recorded.status:
            assert outcome.stderr.strip(), f"cut at {length}: nothing on stderr"


def check_flipped_bits():
    content, recorded = trace()
    source = random.Random(2)
    for _ in range(80):
        at, bit = source.randrange(len(content)), source.randrange(8)
        broken = bytearray(content)
        broken[at] ^= 1 << bit
        outcome = context.run("replay", "-q", write(bytes(broken)))
        not_crashed(outcome)
        if outcome.stdout != recorded.stdout or outcome.status != recorded.status:
            assert outcome.status_as_shell() == 125, f"byte {at} bit {bit}: status {outcome.status_as_shell()}"
            assert outcome.stderr.strip(), f"byte {at} bit {bit}: nothing on stderr"


def check_readable_by_zstd():
    content, _ = trace()
    del content
    status = os.system(f"zstd -tq {context.path('trace.zst')}")
    assert status == 0, "zstd cannot read the trace"
    assert os.stat(context.path("trace.zst")).st_mode & 0o777 == 0o600
