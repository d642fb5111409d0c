"""One altered byte in an embedded, executed page: replay stops with 125 and names event, task and pc."""

import json
import os
import subprocess

import harness
from support import context, expect

PROGRAM = r"""
void _start(void) {
  __asm__ volatile(
      "mov $200, %%ebx\n1: mov $39, %%eax\n syscall\n dec %%ebx\n jnz 1b\n"
      "here: mov $0x5ca1ab1e, %%esi\n mov $1, %%edi\n mov $39, %%eax\n syscall\n"
      "mov $231, %%eax\n xor %%edi, %%edi\n syscall\n" ::: "memory");
}
"""


def fuzz_tool():
    for build in ("release", "debug"):
        path = os.path.join(harness.ROOT, ".build", build, "TraceFuzz")
        if os.path.exists(path):
            return path
    subprocess.run(["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", "TraceFuzz"], check=True, cwd=harness.ROOT, capture_output=True, timeout=900)
    return os.path.join(harness.ROOT, ".build", "release", "TraceFuzz")


def check_altered_page():
    program = context.compile("bare", PROGRAM, "-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector")
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    here = [int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" here")][0]
    assert context.record(program).status == 0
    trace = context.path("trace.zst")
    subprocess.run([fuzz_tool(), "--alter", trace, "--from", "1eaba15c", "--to", "1eaba15d"], check=True, timeout=60)
    outcome = context.run("replay", "--report", context.path("report.json"), trace)
    expect(outcome, 125, "event", "task", "pc", "5ca1ab1e")
    # The pc of the event is that of the system call, a few bytes behind the altered instruction.
    said = outcome.stderr.decode().lower()
    assert any(f"{address:x}" in said for address in range(here, here + 24)), said
    with open(context.path("report.json"), encoding="utf-8") as stream:
        json.load(stream)


DATA = r"""
static struct { char text[16]; volatile long count; } data = {"findable content", 1};
void _start(void) {
  data.count = 2;
  __asm__ volatile("mov $231, %%eax\n xor %%edi, %%edi\n syscall\n" ::"m"(data) : "memory");
}
"""


def check_altered_data():
    program = context.compile("bare", DATA, "-nostdlib", "-static", "-ffreestanding", "-fno-stack-protector")
    assert context.record(program).status == 0
    trace = context.path("trace.zst")
    subprocess.run([fuzz_tool(), "--alter", trace, "--from", b"findable".hex(), "--to", b"fondable".hex()], check=True, timeout=60)
    # No event shows this byte, but the page was written: the hash of memory at the exit notices.
    expect(context.run("replay", trace), 125, "event", "memory")
