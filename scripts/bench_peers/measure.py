"""The runs: which there are, and what is kept of each."""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .catalogue import BATCH, CLIENTS, CLIENTS_MAIN, MESSAGE_BYTES, OWN as OWN_SYSTEMS, SHARED_BY, SHARES, System
from .processes import Failed, Servers, run as run_program
from .systems import OWN

# How long a loader may take beside the time that it measures: connecting, and answers that come late.
LOADER_EXTRA_SECONDS = 60
PORTS_APART = 20
RAW_SYNCS = 500


@dataclass(frozen=True)
class Run:
    """One call of a loader."""

    kind: str
    clients: int = CLIENTS_MAIN
    batch: int = 1
    write_concern: int | None = None
    # Of the open loop: what share of the closed loop's rate, and what that is.
    share: float | None = None
    rate: int | None = None
    # Clients to a connection.
    shared_by: int = 1

    def words(self) -> str:
        words = f"{self.clients} client{'s' * (self.clients > 1)}"
        words += f", batches of {self.batch}" if self.batch > 1 else ""
        words += f", {self.shared_by} to a connection" if self.shared_by > 1 else ""
        words += f", {self.share:.0%} of that" if self.share else ""
        return words + (f", w={self.write_concern}" if self.kind == "write-concern" else "")


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: float
    warm_up: float
    clients: list
    shares: list
    port: int
    minutes: float


def default_options(quick: bool) -> dict:
    if quick:
        return {"rounds": 1, "seconds": 1.0, "warm_up": 0.3, "clients": [1, CLIENTS_MAIN], "shares": [0.3, 0.7]}
    return {"rounds": 5, "seconds": 2.0, "warm_up": 0.5, "clients": CLIENTS, "shares": SHARES}


def plan(system: System, options: Options) -> list[Run]:
    """The closed runs of one round; the open ones depend on what they tell."""
    own = {"write_concern": system.write_concern}
    runs = [Run("closed", clients, **own) for clients in options.clients]
    if system in OWN_SYSTEMS:
        runs += [Run("write-concern", write_concern=w) for w in (1, 2)]
    if system.shared:
        runs += [Run("shared", clients, shared_by=SHARED_BY) for clients in options.clients if clients > SHARED_BY]
    if system.batches:
        runs.append(Run("batch", batch=BATCH, **own))
    return runs


def raw_sync(work: Path) -> dict:
    """How fast the disk syncs by itself: rate, p50 and p99 in microseconds, of a growing file and of a written one."""
    told = run_program([OWN / "raw_sync", "--syncs", RAW_SYNCS, work])
    rows = re.findall(r"fdatasync, (\w+).*?(\d+)/s\s+p50\s+(\d+) us\s+p99\s+(\d+) us", told)
    return {what: [int(figure) for figure in figures] for what, *figures in rows}


class Measurement:
    """Goes through rounds and systems and keeps what it saw, as JSON, after each system."""

    def __init__(self, options: Options, systems: list[System], results: Path, work: Path, say):
        self.options, self.systems, self.results, self.work, self.say = options, systems, results, work, say
        self.seen: dict = {"options": asdict(options), "runs": [], "failed": [], "rawSync": []}
        self.began = time.monotonic()

    def measure(self) -> dict:
        longest = 0.0
        for number in range(1, self.options.rounds + 1):
            left = self.options.minutes * 60 - (time.monotonic() - self.began)
            if left < longest:
                self.say(f"no time is left for round {number}")
                break
            begin = time.monotonic()
            self.seen["rawSync"].append(raw_sync(self.work))
            for place, system in enumerate(self.systems):
                self.say(f"round {number} of {self.options.rounds}: {system.name}")
                self.one_system(number, place, system)
                self.keep()
            self.seen["rounds"] = number
            longest = max(longest, time.monotonic() - begin)
        self.keep()
        return self.seen

    def keep(self) -> None:
        (self.results / "results.json").write_text(json.dumps(self.seen, indent=1))

    def one_system(self, number: int, place: int, system: System) -> None:
        home = self.work / system.key
        home.mkdir()
        # Servers that run as other users must get through.
        home.chmod(0o711)
        try:
            with Servers(home, self.results, self.options.port + place * PORTS_APART) as servers:
                address = system.start(servers)
                rate = None
                for run in plan(system, self.options):
                    report = self.one_run(number, system, run, address, servers)
                    if run.kind == "closed" and run.clients == CLIENTS_MAIN and report:
                        rate = report["requestsPerSecond"]
                for share in self.options.shares if system.open_loop and rate else []:
                    run = Run("open", write_concern=system.write_concern, share=share, rate=max(1, round(rate * share)))
                    self.one_run(number, system, run, address, servers)
        except Failed as error:
            self.fail(number, system, None, error)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def fail(self, number: int, system: System, run: Run | None, error: Exception) -> None:
        self.say(f"  {run.words() if run else system.name}: {error}")
        self.seen["failed"].append({"round": number, "system": system.key, "run": run and run.words(),
                                    "why": str(error)})

    def one_run(self, number: int, system: System, run: Run, address: str, servers: Servers) -> dict | None:
        cpu_before, own_before, begin = servers.cpu_seconds(), os.times(), time.monotonic()
        try:
            report = self.load(system, run, address)
        except Failed as error:
            self.fail(number, system, run, error)
            return None
        wall, own = time.monotonic() - begin, os.times()
        loader = own.children_user + own.children_system - own_before.children_user - own_before.children_system
        self.seen["runs"].append({
            "round": number, "system": system.key, **asdict(run), "report": report, "wallSeconds": wall,
            "loaderCpuSeconds": loader, "serversCpuSeconds": servers.cpu_seconds() - cpu_before,
        })
        latency, failed = report["latencyUs"], report["failed"]
        self.say(f"  {run.words():<36} {report['messagesPerSecond']:>9,.0f}/s  p50 {latency['p50']:>8,.0f} us  "
                 f"p99 {latency['p99']:>8,.0f} us" + (f"  {failed} failed" if failed else ""))
        return report

    def load(self, system: System, run: Run, address: str) -> dict:
        argv = [OWN / "peers", system.protocol, address] if system.protocol else [
            OWN / "acklog", "bench", "--json", "--url", f"http://{address}", "--write-concern", run.write_concern]
        argv += ["--clients", run.clients, "--size", MESSAGE_BYTES, "--batch", run.batch, "--duration",
                 f"{self.options.seconds}s", "--warm-up", f"{self.options.warm_up}s"]
        argv += ["--rate", run.rate] if run.rate else []
        argv += ["--shared-by", run.shared_by] if run.shared_by > 1 else []
        limit = self.options.seconds + self.options.warm_up + LOADER_EXTRA_SECONDS
        try:
            done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=limit,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"the loader did not end in {limit:.0f} s") from error
        try:
            report = json.loads(done.stdout)
        except ValueError:
            said = done.stderr.strip().splitlines() or ["no word"]
            raise Failed(f"the loader ended with {done.returncode}: {said[-1]}") from None
        if not report["answered"]:
            raise Failed("; ".join(f"{error['count']} x {error['kind']}" for error in report["errors"]) or "no answer")
        return report
