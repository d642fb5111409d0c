"""Compressed pieces of files kept on disk: whatever is wrong with them, and whoever writes them, traces are the same."""

import os
import signal
import subprocess
import time

import harness
from support import context
from translations import EPOCH, record, same


def pieces(cache):
    return [os.path.join(cache, name) for name in sorted(os.listdir(cache)) if name.endswith(".zst-piece")]


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def write(path, data):
    with open(path, "wb") as stream:
        stream.write(data)


def filled_cache():
    """A warm cache, and first.zst, recorded without one."""
    cache = os.path.join(context.streams, "cache")
    record("first.zst", "off")
    record("cold.zst", cache)
    same("first.zst", "cold.zst", "a cold cache")
    assert len(pieces(cache)) > 3, "too little was kept"
    return cache


def check_cold_warm_and_none():
    cache = filled_cache()
    before = [(os.path.getmtime(path), os.stat(path).st_ino) for path in pieces(cache)]
    record("warm.zst", cache)
    same("first.zst", "warm.zst", "a warm cache")
    assert before == [(os.path.getmtime(path), os.stat(path).st_ino) for path in pieces(cache)], "a run that compressed nothing wrote files"
    for path in pieces(cache)[::2]:
        os.remove(path)
    record("half.zst", cache)
    same("first.zst", "half.zst", "half a cache")
    assert len(before) == len(pieces(cache)), "what was missing was not kept again"


def check_direct_engine():
    cache = os.path.join(context.streams, "cache")
    for trace, where in (("none.zst", "off"), ("cold.zst", cache), ("warm.zst", cache)):
        record(trace, where, "--engine", "direct")
        same("none.zst", trace, f"the direct engine, {trace}")
    assert pieces(cache), "nothing was kept"


def check_broken_files():
    cache = filled_cache()
    kinds = [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:24],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:30] + bytes([data[30] ^ 0xFF]) + data[31:],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: os.urandom(len(data)),
        lambda data: data + b"more",
    ]
    whole = [read(path) for path in pieces(cache)]
    for number, change in enumerate(kinds):
        for path, data in zip(pieces(cache), whole):
            write(path, change(data))
        record(f"broken{number}.zst", cache)
        same("first.zst", f"broken{number}.zst", f"broken files, kind {number}")
        assert whole == [read(path) for path in pieces(cache)], f"broken files, kind {number}, were not replaced"


def check_exchanged_and_foreign_files():
    """A whole, valid file under another's name; a translation under a piece's."""
    cache = filled_cache()
    paths = pieces(cache)
    contents = [read(path) for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1]):
        write(path, content)
    record("exchanged.zst", cache)
    same("first.zst", "exchanged.zst", "exchanged files")
    code = next(os.path.join(cache, name) for name in os.listdir(cache) if name.endswith(".code"))
    for path in paths:
        write(path, read(code))
    record("foreign.zst", cache)
    same("first.zst", "foreign.zst", "files of another kind")


def check_files_that_cannot_be_replaced():
    cache = filled_cache()
    for path in pieces(cache):
        os.remove(path)
        os.mkdir(path)
    record("folders.zst", cache)
    same("first.zst", "folders.zst", "folders in the place of files")
    assert not [name for name in os.listdir(cache) if name.endswith(".part")], "temporary files were left"


def check_what_killed_writers_left_goes():
    cache = filled_cache()
    old, new = (os.path.join(cache, f"{name}.zst-piece.1.part") for name in ("old", "new"))
    for path in (old, new):
        write(path, b"part")
    os.utime(old, (1, 1))
    os.remove(pieces(cache)[0])
    record("again.zst", cache)
    same("first.zst", "again.zst", "temporary files in the folder")
    assert not os.path.exists(old) and os.path.exists(new)


def check_concurrent_and_killed_recorders():
    """Recorders that fill an empty folder at the same time, one of which is killed: the others do not notice, and what the
    killed one left can be read."""
    record("first.zst", "off")
    for round_ in range(8):
        cache = os.path.join(context.streams, f"cache{round_}")
        environment = dict(harness.ENVIRONMENT, REPLAYSB_CACHE=cache)
        several = []
        for number in range(3):
            trace = os.path.join(context.streams, f"round{number}.zst")
            several.append(subprocess.Popen(
                [context.tool, "record", "-q", "--seed", "5", "--epoch", EPOCH, "-o", trace, "--", "/bin/ls", "-l", "/usr"],
                cwd=context.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment))
        time.sleep(0.01 + 0.02 * round_)
        several[0].send_signal(signal.SIGKILL)
        for process in several:
            process.wait(timeout=120)
        for number in (1, 2):
            assert several[number].returncode == 0
            same("first.zst", f"round{number}.zst", "recorders at the same time")
        killed = os.path.join(context.streams, "round0.zst")
        if os.path.exists(killed) and os.path.getsize(killed) > 0:
            # Dump tells a cut trace from a damaged one: what is there is the start of the whole one.
            whole = context.run("dump", os.path.join(context.streams, "first.zst")).stdout.splitlines()
            cut = context.run("dump", killed)
            lines = cut.stdout.splitlines()
            assert b"damaged" not in cut.stderr and b"corrupt" not in cut.stderr, cut.stderr
            shared = 0
            while shared < min(len(lines), len(whole)) and lines[shared] == whole[shared]:
                shared += 1
            assert shared >= len(lines) - 2, f"line {shared} of a killed recorder's trace: {lines[shared]!r}, not {whole[shared]!r}"
        record("after.zst", cache)
        same("first.zst", "after.zst", "a folder that a killed recorder was filling")
        for name in os.listdir(context.streams):
            if name.startswith("round"):
                os.remove(os.path.join(context.streams, name))
    harness.reap_left()


def check_recorder_killed_while_it_compresses():
    """The journal is long then, and blocks lie in it in no order: what the guest said is in what is left."""
    trace, words = os.path.join(context.streams, "killed.zst"), os.path.join(context.streams, "words")
    long_journals = 0
    for number in range(6):
        cache = os.path.join(context.streams, f"cold{number}")
        with open(words, "wb") as out:
            process = subprocess.Popen(
                [context.tool, "record", "-q", "--seed", "5", "-o", trace, "--", harness.PYTHON, "-c", "print('said', flush=True)\nwhile True: pass"],
                cwd=context.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, env=dict(harness.ENVIRONMENT, REPLAYSB_CACHE=cache))
            limit = time.monotonic() + 60
            while not read(words) and time.monotonic() < limit:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
        assert read(words) == b"said\n", "the guest did not come to say anything"
        long_journals += os.path.getsize(trace + ".journal") > 2 << 20
        outcome = context.run("replay", "-q", trace)
        assert outcome.status == 125 and b"cut after event" in outcome.stderr and outcome.stdout == b"said\n", f"{outcome.stdout} {outcome.stderr}"
    assert long_journals, "no journal got longer"
