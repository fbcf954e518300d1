"""What acklog is meant to reach beside the others."""

from dataclasses import dataclass
from typing import Callable

from .catalogue import BATCH, CLIENTS_MAIN, SHARE_MAIN
from .figures import MILLIS, Seen, Spread, latency, rate

MAIN = {"clients": CLIENTS_MAIN}
BATCHES = {"kind": "batch", "batch": BATCH}


@dataclass(frozen=True)
class Target:
    """A bound, and how what it bounds is computed."""

    work: str
    of: str
    bound: float
    at_least: bool
    measure: Callable[[Seen], Spread | None]

    def words(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.of}"

    def is_met(self, measured: float) -> bool:
        return measured >= self.bound if self.at_least else measured <= self.bound


def ratio(ours: str, theirs: str, value, **which):
    return lambda seen: seen.ratio(ours, theirs, value, **which)


MEMORY, DISK = "acklog-memory", "acklog-disk"
TARGETS = [
    Target(f"in memory, w=1, {CLIENTS_MAIN} clients", "× bare hyper", 0.85, True,
           ratio(MEMORY, "bare", rate, other_is=MAIN, kind="write-concern", write_concern=1)),
    Target(f"in memory, w=3, {CLIENTS_MAIN} clients", "× bare hyper", 0.65, True, ratio(MEMORY, "bare", rate, **MAIN)),
    Target("the same", "× Redis in memory", 1.7, True, ratio(MEMORY, "redis-memory", rate, **MAIN)),
    Target(f"fsync always, w=3, {CLIENTS_MAIN} clients", "× Redis, appendfsync always", 2, True,
           ratio(DISK, "redis-disk", rate, **MAIN)),
    Target("fsync always, w=3, 256 clients", "× Redis, appendfsync always", 2.5, True,
           ratio(DISK, "redis-disk", rate, clients=256)),
    Target("in memory, w=3, p50 of 1 client", "× Redis in memory", 1, False,
           ratio(MEMORY, "redis-memory", latency("p50"), clients=1)),
    Target("fsync always, w=3, p50 of 1 client", "× Redis, appendfsync always", 0.95, False,
           ratio(DISK, "redis-disk", latency("p50"), clients=1)),
    Target(f"in memory, w=3, batches of {BATCH}", "× Redis in memory, pipelined", 2, True,
           ratio(MEMORY, "redis-memory", rate, **BATCHES)),
    Target(f"fsync always, w=3, batches of {BATCH}", "× Redis, appendfsync always, pipelined", 3, True,
           ratio(DISK, "redis-disk", rate, **BATCHES)),
    Target(f"in memory, w=3, {CLIENTS_MAIN} clients, p99 at {100 * SHARE_MAIN:.0f} % of the rate", "ms", 5, False,
           lambda seen: seen.spread(MEMORY, latency("p99", MILLIS), kind="open", share=SHARE_MAIN)),
]
