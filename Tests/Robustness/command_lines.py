"""Command lines that are read without ArgumentParser (Sources/replaysb/PlainLine.swift) and the same ones read by it: an option that
changes nothing (`--cpus 4`, `--log-from 1`) makes the tool leave a line to the library."""

import os

from support import context

E = ["--epoch", "1700000000000000000"]
SEED = ["--seed", "7"]
ECHO = ["/bin/echo", "some", "words"]

# Without the output file, which is added where there is none.
GUEST_LINES = [
    [*SEED, *E, "--", *ECHO],
    [*E, *SEED, *ECHO],
    ["-q", *SEED, *E, "--", *ECHO],
    ["--quiet", *SEED, *E, *ECHO],
    ["-v", *SEED, *E, "--", *ECHO],
    ["-q", "-v", *SEED, *E, "--", *ECHO],
    ["-C", "/", *SEED, *E, "--", "/bin/pwd"],
    [*SEED, *E, "--", "/bin/echo", "-q", "--seed", "3", "--", "-o", "x"],
    [*SEED, *E, "/bin/echo", "--", "-v"],
    [*SEED, *E, "--", "--", "x"],
    [*SEED, *E, "--", "/bin/echo", "--help"],
    [*SEED, *E, "/bin/echo", "--version"],
    [*SEED, *E, "/bin/echo", "-h", "-help"],
    [*SEED, *E, "--", "/bin/sh", "-c", "exit 3"],
    [*SEED, *E, "--", "/bin/echo", "", "ä", "a b"],
    [*SEED, *E, "--", "/no/such/program"],
    [*SEED, *E, "--", "/etc"],
    # Mistakes.
    [],
    ["--"],
    ["-q"],
    ["-qq", *SEED, *E, *ECHO],
    ["-qv", *SEED, *E, *ECHO],
    ["-q", "-q", *SEED, *E, *ECHO],
    ["-q", "--quiet", *SEED, *E, *ECHO],
    [*SEED, "--seed", "8", *E, *ECHO],
    ["--seed", "", *E, *ECHO],
    ["--seed", "x", *E, *ECHO],
    ["--seed", "-1", *E, *ECHO],
    ["--seed", "+1", *E, *ECHO],
    ["--seed", "18446744073709551616", *E, *ECHO],
    ["--seed=9", *E, *ECHO],
    ["--seed"],
    [*SEED, "--epoch", "-5", *ECHO],
    [*SEED, "--epoch", "x", *ECHO],
    ["-C", "", *SEED, *E, *ECHO],
    ["-C", "/no/such/folder", *SEED, *E, *ECHO],
    ["-C", "--", *SEED, *E, *ECHO],
    ["--no-such-option", *ECHO],
    ["-x", *ECHO],
    ["-", *ECHO],
    ["--help"],
    ["-h"],
    ["--help", *ECHO],
    ["--version"],
    ["--generate-completion-script", "bash"],
]
RECORD_LINES = [
    ["--output", "named.zst", *SEED, *E, *ECHO],
    ["-o", "named.zst", "--output", "other.zst", *SEED, *E, *ECHO],
    ["-onamed.zst", *SEED, *E, *ECHO],
    ["-o=named.zst", *SEED, *E, *ECHO],
    ["-o", "", *SEED, *E, *ECHO],
    ["-o", "--", *SEED, *E, *ECHO],
    ["-o", "/no/such/folder/t.zst", *SEED, *E, *ECHO],
    ["-n", "3", *SEED, *E, *ECHO],
]
REPLAY_LINES = [
    ["good.zst"], ["-q", "good.zst"], ["good.zst", "-q"], ["-v", "good.zst"], ["good.zst", "--quiet", "--verbose"], ["-qv", "good.zst"], ["--", "good.zst"],
    [], ["-q"], [""], ["-"], ["--"], ["good.zst", "good.zst"], ["good.zst", ""], ["-q", "-q", "good.zst"], ["none.zst"], ["--stop-at", "3", "good.zst"],
    ["-x", "good.zst"], ["--help"], ["good.zst", "-h"], ["good.zst", "--version"],
]


def both(command, line, addition):
    """What both ways say, and the trace that they leave."""
    results = []
    for words in ([command, *line], [command, *addition, *line]):
        outcome = context.run(*words)
        traces = {}
        for name in sorted(os.listdir(context.folder)):
            if name not in ("good.zst",):
                with open(context.path(name), "rb") as stream:
                    traces[name] = stream.read()
                os.remove(context.path(name))
        results.append((outcome.status_as_shell(), outcome.stdout, outcome.stderr, traces))
    assert results[0] == results[1], f"{command} {line}: {results[0][:3]} and by the library {results[1][:3]}, files {[list(one[3]) for one in results]}"
    return results[0]


def check_record():
    outcomes = [both("record", line if not line or line[0] == "--" else ["-o", "t.zst", *line], ["--cpus", "4"]) for line in GUEST_LINES]
    outcomes += [both("record", line, ["--cpus", "4"]) for line in RECORD_LINES]
    assert sum("t.zst" in traces for _, _, _, traces in outcomes) > 10, "the lines record nothing"
    assert sum(status == 125 for status, _, _, _ in outcomes) > 10, "the mistakes are none"


def check_run():
    outcomes = [both("run", line, ["--cpus", "4"]) for line in GUEST_LINES]
    assert sum(b"some words" in stdout for _, stdout, _, _ in outcomes) > 5, "the lines run nothing"


def check_replay():
    context.run("record", "-q", *SEED, *E, "-o", "good.zst", "--", *ECHO)
    outcomes = [both("replay", line, ["--log-from", "1"]) for line in REPLAY_LINES]
    assert sum(b"some words" in stdout for _, stdout, _, _ in outcomes) > 5, "the lines replay nothing"


def check_others():
    """Lines that name no frequent command are the library's."""
    for words in ([], ["--help"], ["--version"], ["help", "record"], ["recor"], ["-q", "record", *ECHO], ["record", "--help"]):
        outcome = context.run(*words)
        assert b"replaysb" in outcome.stdout + outcome.stderr or outcome.stdout == b"0.1.0\n", f"{words}: {outcome.stdout[:200]} {outcome.stderr[:200]}"
