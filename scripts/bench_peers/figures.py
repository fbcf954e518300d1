"""What was seen in several rounds, as a median with its spread."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, the least and the most."""

    median: float
    least: float
    most: float
    rounds: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        return cls(median(values), min(values), max(values), len(values)) if values else None

    def text(self, digits: int = 0) -> str:
        if self.rounds == 1:
            return number(self.median, digits)
        return f"{number(self.median, digits)} ({number(self.least, digits)}..{number(self.most, digits)})"


def number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


class Seen:
    """The runs of a file of results, found by what they were."""

    def __init__(self, results: dict):
        self.results = results
        self._runs: dict = {}
        for run in results["runs"]:
            self._runs.setdefault(self._key(**run), {})[run["round"]] = run

    @staticmethod
    def _key(system, kind="closed", clients=64, batch=1, share=None, write_concern=None, **_):
        return system, kind, clients, batch, share, write_concern if kind == "write-concern" else None

    def rounds(self, system: str, value, **which) -> dict[int, float]:
        """The value of each round in which there was such a run."""
        return {number: value(run) for number, run in self._runs.get(self._key(system, **which), {}).items()}

    def spread(self, system: str, value, **which) -> Spread | None:
        return Spread.of(list(self.rounds(system, value, **which).values()))

    def ratio(self, system: str, other: str, value, other_is: dict | None = None, **which) -> Spread | None:
        """The system's value over the other's, each with the one of its own round, since machines are noisy.

        The other's run is the same as the system's, or `other_is`.
        """
        ours, theirs = self.rounds(system, value, **which), self.rounds(other, value, **(other_is or which))
        return Spread.of([ours[n] / theirs[n] for n in ours if theirs.get(n)])


def rate(run: dict) -> float:
    return run["report"]["messagesPerSecond"]


def latency(percentile: str, unit: float = 1):
    """Reads a percentile in microseconds, or in another unit."""
    return lambda run: run["report"]["latencyUs"][percentile] / unit


MILLIS = 1000.0
