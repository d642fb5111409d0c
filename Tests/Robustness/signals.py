"""Signals from outside: Ctrl-C and SIGTERM reach the guest; a second Ctrl-C ends what ignores the first."""

import signal
import subprocess

from support import Terminal, context

CATCHES = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static volatile int caught;
static void handler(int number) { caught = number; }
int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = argc > 1 ? SIG_IGN : handler};
  char byte;
  // Let in only while it waits: one between the test of the flag and the call would be lost.
  sigset_t none, both;
  sigemptyset(&none);
  sigemptyset(&both);
  sigaddset(&both, SIGINT);
  sigaddset(&both, SIGTERM);
  sigprocmask(SIG_BLOCK, &both, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (ppoll(&input, 1, NULL, &none) > 0 && read(0, &byte, 1) == 0) return 9;
    if (caught) { printf("caught %d\n", caught); return 40 + caught; }
  }
}
"""


def command(*arguments):
    program = context.compile("catches", CATCHES, "-static")
    return [context.tool, "record", "-q", "-o", context.path("trace.zst"), "--", program, *arguments]


def replays(status, text):
    outcome = context.run("replay", "-q", context.path("trace.zst"))
    assert outcome.status_as_shell() == status, f"replay: {outcome.status_as_shell()}: {outcome.stderr[-200:]!r}"
    assert text in outcome.stdout


def check_interrupt_reaches_the_guest():
    terminal = Terminal(command(), context.folder)
    terminal.read_until(b"ready")
    terminal.send(b"\x03")
    status = terminal.finish()
    assert status == 42, f"status {status}: {terminal.seen!r}"
    assert b"caught 2" in terminal.seen
    replays(42, b"caught 2")


def check_second_interrupt_ends():
    terminal = Terminal(command("ignore"), context.folder)
    terminal.read_until(b"ready")
    terminal.send(b"\x03")
    try:
        terminal.read_until(b"never", 0.5)
    except AssertionError:
        pass
    terminal.send(b"\x03")
    status = terminal.finish()
    assert status != 0
    outcome = context.run("replay", "-q", context.path("trace.zst"))
    assert b"ready" in outcome.stdout


def check_terminate_reaches_the_guest():
    with open(context.path("out"), "wb") as out:
        process = subprocess.Popen(command(), cwd=context.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out)
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        status = process.wait(20)
        process.stdin.close()
    assert status == 55, f"status {status}"
    assert rest == b"caught 15\n"
    replays(55, b"caught 15")
