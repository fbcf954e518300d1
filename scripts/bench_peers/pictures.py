"""The pictures of the document, drawn by gnuplot."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .catalogue import SYSTEMS, System
from .figures import MILLIS, Seen, latency, rate

RATE = "benchmark-rate.svg"
LATENCY = "benchmark-latency.svg"
# Of two panels beside each other, and the legends below them.
HEAD = """
set terminal svg size 1000,{height} background "white" font "sans-serif,13"
set output "{output}"
set multiplot layout 1,2 margins 0.09,0.98,{bottom},0.92 spacing 0.09,0
set grid lt 1 lw 0.5 lc rgb "#cccccc"
set border 3
set tics nomirror
set key at graph 0,{key} left top Left reverse samplen 3 spacing 1.2
"""


@dataclass(frozen=True)
class Line:
    """A line of a picture: points of x, y and, where there is a spread, its ends."""

    title: str
    style: str
    points: list[tuple]


def draw(results: dict, home: Path, docs: Path, say) -> list[str]:
    """Draws what there is data for; returns the names of the files."""
    if not shutil.which("gnuplot"):
        say("no gnuplot: there are no pictures")
        return []
    seen, drawn = Seen(results), []
    for name, picture in [(RATE, rate_over_clients), (LATENCY, latency_over_rate)]:
        script = picture(seen, docs / name)
        if script is None:
            continue
        (home / name).with_suffix(".gnuplot").write_text(script)
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
        drawn.append(name)
    return drawn


def rate_over_clients(seen: Seen, output: Path) -> str | None:
    clients = seen.results["options"]["clients"]
    script = HEAD.format(output=output, height=600, bottom=0.40, key=-0.24) + """
set logscale x 2
set xlabel "clients, each with one request under way"
set format y "%.0f"
set yrange [0:*]
"""
    script += f'set xtics ({", ".join(map(str, clients))})\nset xrange [{min(clients) * 0.8}:{max(clients) * 1.25}]\n'
    panels = []
    for on_disk in (False, True):
        lines = []
        for system in panel(on_disk):
            spreads = [(n, seen.spread(system.key, rate, clients=n)) for n in clients]
            points = [(n, s.median / 1000, s.least / 1000, s.most / 1000) for n, s in spreads if s]
            lines.append(Line(system.name, f'with yerrorlines {look(system, 2, 7)}', points))
        panels.append((title(on_disk), "thousand messages/s", lines))
    return script + plots(panels)


def latency_over_rate(seen: Seen, output: Path) -> str | None:
    shares = seen.results["options"]["shares"]
    script = HEAD.format(output=output, height=560, bottom=0.36, key=-0.24) + """
set logscale y
set xlabel "thousand messages/s, sent on a schedule"
set xrange [0:*]
set format y "%g"
"""
    panels = []
    for on_disk in (False, True):
        lines = []
        for system in panel(on_disk):
            for percentile, width, point in [("p50", 1, 6), ("p99", 2, 7)]:
                which = [{"kind": "open", "share": share} for share in shares]
                value = latency(percentile, MILLIS)
                spreads = [(seen.spread(system.key, rate, **w), seen.spread(system.key, value, **w)) for w in which]
                points = sorted((x.median / 1000, y.median) for x, y in spreads if x and y)
                lines.append(Line(system.name if percentile == "p99" else "",
                                  f"with linespoints {look(system, width, point)}", points))
        panels.append((f"{title(on_disk)}: p99 (full circles), p50 (empty ones)", "latency, ms", lines))
    if not any(line.points for _, _, lines in panels for line in lines):
        return None
    return script + plots(panels)


def panel(on_disk: bool) -> list[System]:
    return [system for system in SYSTEMS if system.on_disk == on_disk]


def title(on_disk: bool) -> str:
    return "on disk" if on_disk else "in memory"


def look(system: System, width: int, point: int) -> str:
    return f'lw {width} pt {point} ps 0.7 dt {system.dash} lc rgb "{system.color}"'


def legend(line: Line) -> str:
    return f'title "{line.title}"' if line.title else "notitle"


def plots(panels: list[tuple]) -> str:
    """The data and the plot of each panel; a panel without data stays empty."""
    script = ""
    for number, (heading, y_label, lines) in enumerate(panels):
        drawn = [line for line in lines if line.points]
        if not drawn:
            script += "set multiplot next\n"
            continue
        for place, line in enumerate(drawn):
            rows = "\n".join(" ".join(f"{value:.4f}" for value in point) for point in line.points)
            script += f"$panel{number}_{place} << END\n{rows}\nEND\n"
        script += f'set title "{heading}"\nset ylabel "{y_label}"\n'
        words = (f'$panel{number}_{place} {line.style} {legend(line)}' for place, line in enumerate(drawn))
        script += "plot " + ", \\\n  ".join(words) + "\n"
    return script + "unset multiplot\n"
