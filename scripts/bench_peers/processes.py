"""Servers as child processes: started with a log file each, waited for, counted, and ended by their own ids."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

START_SECONDS = 30
STOP_SECONDS = 10
# What ends the script, cleaning up on the way.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something that ends a system's part of the run, in one line."""


class Servers:
    """The servers of one system. Leaving the `with` block ends them, whatever happened."""

    def __init__(self, work: Path, logs: Path, port: int):
        self.work = work
        self.logs = logs
        self.port = port
        self._running: list[tuple[str, subprocess.Popen, int]] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with undisturbed():
            self._stop()

    def _stop(self):
        for _, process, stop_signal in self._running:
            if process.poll() is None:
                process.send_signal(stop_signal)
                # One that was stopped ends once it goes on.
                process.send_signal(signal.SIGCONT)
        limit = time.monotonic() + STOP_SECONDS
        for _, process, _ in self._running:
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, argv: list, user: str | None = None, stop_signal=signal.SIGTERM):
        """Starts a server in a process group of its own, so that Ctrl-C ends it when its cluster is ended, not before.

        Not in a session of its own: Linux may share the processors out by sessions, and a server's share would then
        depend on how many others there are, not on what it has to do.
        """
        with open(self.logs / f"{name}.log", "ab") as log, undisturbed():
            process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", process_group=0, **as_user(user),
            )
            self._running.append((name, process, stop_signal))

    def wait_until(self, what: str, holds):
        """Waits until `holds()` gives something true, and returns that."""
        limit = time.monotonic() + START_SECONDS
        last = None
        while time.monotonic() < limit:
            for name, process, _ in self._running:
                if process.poll() is not None:
                    raise Failed(f"{name} ended with {process.returncode}; see {self.logs / name}.log")
            try:
                if result := holds():
                    return result
            except (OSError, ValueError, KeyError, Failed) as error:
                last = error
            time.sleep(0.05)
        raise Failed(f"{what}: not so after {START_SECONDS} s" + (f" ({last})" if last else ""))

    def pids(self) -> list[int]:
        return [process.pid for _, process, _ in self._running]

    def signal(self, name: str, number: signal.Signals):
        """Sends a server a signal. One that is killed is no longer watched; one that is stopped goes on to be ended."""
        for entry in self._running:
            if entry[0] == name:
                entry[1].send_signal(number)
        if number == signal.SIGKILL:
            self._running = [entry for entry in self._running if entry[0] != name or entry[1].wait() is None]

    def cpu_seconds(self) -> float:
        """What the servers have burnt so far, with their children."""
        family = set(self.pids())
        stats = [stat for stat in map(process_stat, list_pids()) if stat]
        # Parents have lower ids than their children, but for a wrap of the counter: two passes are enough for us.
        for _ in range(2):
            family |= {pid for pid, parent, _ in stats if parent in family}
        return sum(ticks for pid, _, ticks in stats if pid in family) / TICKS


@contextlib.contextmanager
def undisturbed():
    """Puts off what ends the script, so that no server is forgotten between its start and its entry in the list."""
    put_off = []
    before = {number: signal.signal(number, lambda number, _: put_off.append(number)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if put_off:
            raise KeyboardInterrupt


def as_user(user: str | None) -> dict:
    """What makes a child run as `user`, where we may choose: some servers refuse to run as root."""
    return {"user": user, "group": user, "extra_groups": []} if user and os.geteuid() == 0 else {}


def run(argv: list, user: str | None = None, seconds: float = 60, **more) -> str:
    """Runs a command to its end and returns what it printed."""
    try:
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, cwd=more.pop("cwd", "/"), **as_user(user), **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{argv[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise Failed(f"{Path(str(argv[0])).name} ended with {done.returncode}: {said[-1]}")
    return done.stdout


def list_pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def process_stat(pid: int):
    """Its id, its parent's, and the ticks that it and the children it waited for have used; None once it is gone."""
    try:
        # The name in brackets may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return pid, int(fields[1]), sum(map(int, fields[11:15]))


def http(url: str, body: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data=body, timeout=2) as answer:
        return answer.read().decode()
