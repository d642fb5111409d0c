"""Translations kept on disk: whatever is wrong with them, runs are the same."""

import os
import signal
import subprocess
import time

import harness
from support import context

EPOCH = "1700000000000000000"


def record(trace, cache, *options):
    environment = dict(harness.ENVIRONMENT, REPLAYSB_CACHE=cache)
    done = subprocess.run(
        [context.tool, "record", "-q", "--seed", "5", "--epoch", EPOCH, *options, "-o", os.path.join(context.streams, trace), "--", "/bin/ls", "-l", "/usr"],
        cwd=context.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, env=environment)
    assert done.returncode == 0


def same(one, two, why):
    difference = harness.same_file(os.path.join(context.streams, one), os.path.join(context.streams, two))
    assert difference is None, f"{why}: {difference}"


def files(cache):
    return [os.path.join(cache, name) for name in sorted(os.listdir(cache)) if name.endswith(".code")]


def check_cold_warm_and_none():
    cache = os.path.join(context.streams, "cache")
    record("cold.zst", cache)
    assert files(cache), "nothing was kept"
    before = [os.path.getmtime(path) for path in files(cache)]
    record("warm.zst", cache)
    record("none.zst", "off")
    same("cold.zst", "warm.zst", "a warm cache")
    same("cold.zst", "none.zst", "no cache")
    assert before == [os.path.getmtime(path) for path in files(cache)], "a run that translated nothing wrote files"


def check_broken_files():
    cache = os.path.join(context.streams, "cache")
    record("first.zst", cache)
    kinds = [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:40] + bytes([data[40] ^ 0xFF]) + data[41:],
        lambda data: os.urandom(len(data)),
        lambda data: data + b"more",
    ]
    for number, change in enumerate(kinds):
        for path in files(cache):
            with open(path, "rb") as stream:
                data = stream.read()
            with open(path, "wb") as stream:
                stream.write(change(data))
        record(f"broken{number}.zst", cache)
        same("first.zst", f"broken{number}.zst", f"broken files, kind {number}")


def check_exchanged_files():
    """A whole, valid file under another's name."""
    cache = os.path.join(context.streams, "cache")
    record("first.zst", cache)
    paths = files(cache)
    assert len(paths) > 1
    contents = [open(path, "rb").read() for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1]):
        with open(path, "wb") as stream:
            stream.write(content)
    record("exchanged.zst", cache)
    same("first.zst", "exchanged.zst", "exchanged files")


def check_unusable_folders():
    record("first.zst", "off")
    a_file = os.path.join(context.streams, "file")
    with open(a_file, "w", encoding="utf-8"):
        pass
    for number, cache in enumerate([a_file, "/proc/none/such", os.path.join(a_file, "below")]):
        record(f"unusable{number}.zst", cache)
        same("first.zst", f"unusable{number}.zst", f"cache at {cache}")


def check_concurrent_and_killed_writers():
    cache = os.path.join(context.streams, "cache")
    record("first.zst", "off")
    environment = dict(harness.ENVIRONMENT, REPLAYSB_CACHE=cache)
    for round_ in range(6):
        several = []
        for number in range(3):
            trace = os.path.join(context.streams, f"round{number}.zst")
            several.append(subprocess.Popen(
                [context.tool, "record", "-q", "--seed", "5", "--epoch", EPOCH, "-o", trace, "--", "/bin/ls", "-l", "/usr"],
                cwd=context.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment))
        time.sleep(0.02 + 0.03 * round_)
        several[0].send_signal(signal.SIGKILL)
        for process in several:
            process.wait(timeout=120)
        for number in (1, 2):
            assert several[number].returncode == 0
            same("first.zst", f"round{number}.zst", "writers at the same time")
        for name in os.listdir(context.streams):
            if name.startswith("round"):
                os.remove(os.path.join(context.streams, name))
    harness.reap_left()


def check_special_instructions_are_counted():
    environment = dict(harness.ENVIRONMENT, REPLAYSB_CACHE="off")
    done = subprocess.run([context.tool, "run", "-v", "/bin/true"], cwd=context.folder, capture_output=True, timeout=60, env=environment)
    text = done.stderr.decode()
    assert "special instructions executed as they are 0," in text, text
    trapped = int(text.split("special instructions trapped ")[1].split(",")[0])
    assert trapped > 0, text
