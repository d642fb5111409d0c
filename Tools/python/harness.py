"""What the runner of guests, the robustness checks and the benchmark share: running a program with a time limit, seeing that
nothing of it is left behind, and the places where things are built. Standard library only."""

import ctypes
import os
import shutil
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUESTS = os.path.join(ROOT, "Tests", "Guests")
BUILD = os.environ.get("REPLAYSB_GUEST_BUILD", os.path.join(ROOT, ".build", "guests"))
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else shutil.which("python3")

# What every guest sees: small and fixed, so that a trace does not depend on who runs the tests.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "dumb"}

PR_SET_CHILD_SUBREAPER = 36


class Outcome:
    """How one run ended. `status` is the exit status, or minus the number of the signal that ended it."""

    def __init__(self, status, stdout, stderr, seconds, timed_out, left):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.timed_out = timed_out
        self.left = left

    def status_as_shell(self):
        """The status as a shell tells it: 128 + n for signal n."""
        return 128 - self.status if self.status < 0 else self.status


def become_subreaper():
    """Orphans of what we start become our children, so that what is left behind can be seen and ended."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    """The pids of all children of this process, dead or alive, with state and name."""
    found = []
    me = os.getpid()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stream:
                text = stream.read().decode("latin-1")
        except OSError:
            continue
        after = text.rsplit(")", 1)[1].split()
        if int(after[1]) == me:
            found.append((int(entry), after[0], text.split("(", 1)[1].rsplit(")", 1)[0]))
    return found


def reap_left(grace_seconds=2.0):
    """Waits for orphans to vanish; names, ends and reaps those that do not. Only ever touches children of ours."""
    deadline = time.monotonic() + grace_seconds
    while True:
        alive = []
        for pid, state, name in children():
            if state == "Z":
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass
            else:
                alive.append((pid, name))
        if not alive:
            return []
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    for pid, _ in alive:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
    return [name for _, name in alive]


def identity_setter(identity):
    """What a child does before exec to run as: root (as we are), user (an ordinary one), bare (root without capabilities)."""
    if identity == "user":
        def drop():
            os.setgroups([])
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)
        return drop
    return None


def wrap_identity(command, identity):
    if identity == "bare":
        return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"] + command
    return command


def run(command, cwd, work, stdin=b"", timeout=60, identity="root", environment=None, check_left=True, tag="run"):
    """Runs a command with files as its three streams and gives its Outcome; ends its whole session at the time limit."""
    paths = [os.path.join(work, f"{tag}.{name}") for name in ("in", "out", "err")]
    with open(paths[0], "wb") as stream:
        stream.write(stdin)
    for path in paths[1:]:
        open(path, "wb").close()
    started = time.monotonic()
    timed_out = False
    with open(paths[0], "rb") as source, open(paths[1], "wb") as out, open(paths[2], "wb") as err:
        process = subprocess.Popen(
            wrap_identity(command, identity), cwd=cwd, stdin=source, stdout=out, stderr=err,
            env=environment or ENVIRONMENT, start_new_session=True, preexec_fn=identity_setter(identity))
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.kill()
            status = process.wait()
    seconds = time.monotonic() - started
    left = reap_left() if check_left else []
    with open(paths[1], "rb") as out, open(paths[2], "rb") as err:
        return Outcome(status, out.read(), err.read(), seconds, timed_out, left)


def fresh_folder(path, owner=None):
    """An empty folder with a fixed time, owned by whom it is for."""
    if os.path.isdir(path):
        for base, folders, _ in os.walk(path):
            for name in folders:
                full = os.path.join(base, name)
                if not os.path.islink(full):
                    os.chmod(full, 0o755)
        shutil.rmtree(path)
    os.makedirs(path)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def find_tool(given=None):
    """The replaysb binary: as given, as REPLAYSB names it, else the release or the debug build."""
    candidates = [given, os.environ.get("REPLAYSB"), os.path.join(ROOT, ".build/release/replaysb"), os.path.join(ROOT, ".build/debug/replaysb")]
    for candidate in candidates:
        if candidate and os.path.exists(candidate):
            return os.path.abspath(candidate)
    return None


def engines(tool):
    """The engines that this binary has, the default one first. A translated engine that is there and broken counts: its tests shall fail."""
    tried = subprocess.run([tool, "run", "-q", "--engine", "translated", "--", "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=120, env={**ENVIRONMENT, "REPLAYSB_CACHE": "off"})
    return ["direct"] if b"is not there yet" in tried.stderr else ["translated", "direct"]


def engine_options(tool, engine):
    """The options that choose this engine; ends the script when the binary lacks it."""
    if engine not in engines(tool):
        raise SystemExit(f"{tool} cannot run the {engine} engine\n0 passed, 1 failed")
    return ["--engine", engine]


def translation_cache(name, owner=None):
    """A fresh folder for translations kept on disk, and the environment that names it."""
    folder = fresh_folder(os.path.join(BUILD, "cache", name), owner)
    return {**ENVIRONMENT, "REPLAYSB_CACHE": folder}


def same_file(left, right):
    """None when two files are equal, else what differs first."""
    with open(left, "rb") as one, open(right, "rb") as two:
        first, second = one.read(), two.read()
    if first == second:
        return None
    for index, (a, b) in enumerate(zip(first, second)):
        if a != b:
            return f"differ at byte {index} of {len(first)} and {len(second)}"
    return f"sizes {len(first)} and {len(second)}"
