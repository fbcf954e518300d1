"""docs/reference/benchmarks.md: fixed words around the tables of one run."""

import textwrap
from pathlib import Path

from .catalogue import BATCH, BY_KEY, CLIENTS_MAIN, OWN, SHARE_MAIN, SHARED_BY, SYSTEMS, System
from .figures import MILLIS, Seen, Spread, latency, number, rate
from .pictures import LATENCY, RATE
from .targets import TARGETS

COLUMNS = 120
# What stands from this heading on is not written by this script.
KEPT = "## Beside clients that ask much"
MAIN = {"clients": CLIENTS_MAIN}
IN_BATCHES = {"kind": "batch", "batch": BATCH}
OPEN = {"kind": "open", "share": SHARE_MAIN}
ALONE = {"clients": 1}


def write(results: dict, drawn: list[str]) -> str:
    seen = Seen(results)
    there = [system for system in SYSTEMS if seen.rounds(system.key, rate, **MAIN)]
    parts = [
        head(results), "## The machine", machine(results), "## What is compared", compared(there, results),
        "## Rate", rates(seen, there, drawn), "### Clients that share a connection", shared(seen, there),
        "## Latency of a single client", single(seen, there),
        f"## Batches of {BATCH}", batches(seen, there), "## Latency at a given rate", open_loop(seen, there, drawn),
        "## acklog beside each of them", beside(seen, there), "## The write concern", concerns(seen),
        "## Targets", targets(seen, results), "## What the loader costs", loader(seen, there),
        "## What failed", failures(results),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def kept(page: Path) -> str:
    """The end of a page that is there already, which other scripts' figures stand in."""
    before = page.read_text() if page.exists() else ""
    begin = before.find(f"\n{KEPT}\n")
    return before[begin:] if begin >= 0 else ""


def prose(text: str) -> str:
    """Paragraphs in lines of the width that the project's pages have."""
    paragraphs = textwrap.dedent(text).strip("\n").split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(paragraph.split()), COLUMNS, break_long_words=False,
                                     break_on_hyphens=False) for paragraph in paragraphs)


def table(heads: list[str], rows: list[list[str]], words: int = 1) -> str:
    """A table whose first columns, so many of them, are words; the others are figures."""
    aligned = ["---"] * words + ["---:"] * (len(heads) - words)
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, aligned, *rows])


def cell(spread: Spread | None, digits: int = 0, unit: str = "") -> str:
    return spread.text(digits) + unit if spread else "–"


def head(results: dict) -> str:
    options = results["options"]
    rounds = results.get("rounds", 1)
    return "# Benchmarks\n\n" + prose(f"""
        acklog beside other systems that replicate before they answer. Written by `scripts/bench-peers` on
        {results["date"]}; run it to get the figures of your machine. It starts three nodes of each system on one
        machine, one system after the other, and goes through all of them in {rounds} round{"s" * (rounds != 1)}. Each
        run sends for {options["warm_up"]:g} s and then measures for {options["seconds"]:g} s. Figures are the median
        of the rounds and, in brackets, the least and the most. Messages have 100 bytes. Every client waits for its
        answer before it sends again, but where a rate is given.
    """) + ("\n\n**A quick run, to see that it works: not figures to quote.**" if results["quick"] else "")


def machine(results: dict) -> str:
    facts, versions = results["machine"], results["versions"]
    rows = [
        ["processor", f"{facts['cores']} cores, {facts['cpu']}" + (", virtual" if facts["virtual"] else "")],
        ["memory", f"{facts['memoryGiB']} GiB"],
        ["system", f"{facts['system']}, Linux {facts['kernel']}"],
        ["disk", f"{facts['fileSystem']}; write and fdatasync of 4 KiB: {raw_sync(results['rawSync'])}"],
        ["packet filter", "tracks connections: each packet costs more" if facts["tracked"] else "off"],
        ["load average before", f"{facts['loadBefore']:.2f}"],
        ["versions", ", ".join(f"{name} {version}" for name, version in versions.items())],
    ]
    words = f"""
        The loader and all nodes share these {facts["cores"]} cores, and nothing is pinned: what a system spends on one
        message is what bounds it here, not what one node could do on a machine of its own. How fast the disk
        syncs is what `yardsticks/src/bin/raw_sync.rs` saw at the begin of each round, in one file; three nodes share
        the disk.
    """
    if facts["cores"] < 4:
        words += f"\n\nThe targets below are meant for 4 cores. Here are {facts['cores']}: the processor is short."
    return table(["what", "here"], rows, 2) + "\n\n" + prose(words)


def raw_sync(rounds: list[dict]) -> str:
    kinds = {"growing": "in a growing file", "written": "in a file written before"}
    return ", ".join(
        f"p50 {cell(Spread.of([seen[kind][1] for seen in rounds if kind in seen]))} µs {words}"
        for kind, words in kinds.items())


def compared(there: list[System], results: dict) -> str:
    rows = [[f"**{system.name}**", system.answer, system.settings] for system in there]
    absent = [BY_KEY[key].name for key in results["absent"]]
    return table(["system", "what an answer promises", "settings"], rows, 3) + "\n\n" + prose("""
        The promises differ. acklog with w=3, Redis and PostgreSQL wait for all three nodes; NATS and etcd for two of
        three, as acklog does with w=2. NATS syncs nothing before it answers. `WAIT` does not make Redis consistent: a
        replica that takes over may lack what was counted. acklog elects no new master: NATS and etcd do.

        All are loaded by one engine, that of `acklog bench`, on one thread: the same loops, clocks and histograms.
        acklog is spoken to over plain HTTP/1.1 with keep-alive and JSON; Redis, NATS and PostgreSQL in their own
        protocols, with requests made beforehand; etcd over gRPC by the h2 crate. Every client has a connection of its
        own, as clients on different machines have, but where another thing is said.
    """) + (f"\n\nLeft out, because they are not installed: {', '.join(absent)}." if absent else "")


def picture(drawn: list[str], name: str, words: str) -> str:
    return f"\n\n![{words}]({name})" if name in drawn else ""


def rates(seen: Seen, there: list[System], drawn: list[str]) -> str:
    clients = seen.results["options"]["clients"]
    rows = [[system.name] + [cell(seen.spread(system.key, rate, clients=n)) for n in clients] for system in there]
    heads = ["messages/s"] + [f"{n} client{'s' * (n > 1)}" for n in clients]
    return table(heads, rows) + picture(drawn, RATE, "Messages a second over the number of clients")


def shared(seen: Seen, there: list[System]) -> str:
    rows = []
    for system in there:
        for clients in seen.results["options"]["clients"]:
            together = {"kind": "shared", "clients": clients}
            if spread := seen.spread(system.key, rate, **together):
                alone = {"clients": clients}
                rows.append([system.name, str(clients), cell(seen.spread(system.key, rate, **alone)), cell(spread),
                             BY_KEY[system.beside].name.removeprefix("acklog, "),
                             cell(seen.ratio(system.beside, system.key, rate, other_is=together, **alone), 2)])
    if not rows:
        return "Nothing was measured."
    return prose(f"""
        Where the protocol tells answers apart, clients within one process may share a connection. Their requests and
        answers are then written together, which saves most of the system calls and wake-ups that a message costs.
        Here {SHARED_BY} share each. HTTP/1.1 and PostgreSQL answer in order, and Redis blocks a connection for `WAIT`:
        there one client would hold up the others. What acklog offers for many messages of one process is the batch, below.
    """) + "\n\n" + table(["system", "clients", "a connection each", f"{SHARED_BY} to a connection",
                           "acklog with a connection each is", "its rate over that"], rows, 1)


def single(seen: Seen, there: list[System]) -> str:
    rows = [[system.name, cell(seen.spread(system.key, latency("p50"), **ALONE)),
             cell(seen.spread(system.key, latency("p99"), **ALONE))] for system in there]
    return table(["one client, µs", "p50", "p99"], rows)


def batches(seen: Seen, there: list[System]) -> str:
    rows = [[system.name, system.batches, cell(seen.spread(system.key, rate, **IN_BATCHES)),
             cell(seen.spread(system.key, latency("p50", MILLIS), **IN_BATCHES), 1)]
            for system in there if seen.rounds(system.key, rate, **IN_BATCHES)]
    if not rows:
        return "Nothing was measured."
    return table([f"{CLIENTS_MAIN} clients", f"a batch of {BATCH} is", "messages/s", "p50 of a batch, ms"], rows, 2)


def open_loop(seen: Seen, there: list[System], drawn: list[str]) -> str:
    rows = []
    for system in there:
        p50, p99 = (seen.spread(system.key, latency(at, MILLIS), **OPEN) for at in ("p50", "p99"))
        if p50:
            due = seen.spread(system.key, lambda run: run["report"]["duePerSecond"], **OPEN)
            done = seen.spread(system.key, rate, **OPEN)
            rows.append([system.name, cell(due), cell(done), cell(p50, 2), cell(p99, 2)])
    if not rows:
        return "Nothing was measured."
    return prose(f"""
        Here messages are due at even distances, whatever became of the ones before, and a latency counts from when
        its message was due: a server that stalls cannot hide it. The steps are shares of what the same servers did
        just before with {CLIENTS_MAIN} clients; the table shows {100 * SHARE_MAIN:.0f} % of it.
    """) + "\n\n" + table(["system", "due/s", "answered/s", "p50, ms", "p99, ms"], rows) \
        + picture(drawn, LATENCY, "Latency over the rate at which messages are sent")


def beside(seen: Seen, there: list[System]) -> str:
    rows = []
    for system in there:
        if not system.beside:
            continue
        ours = BY_KEY[system.beside]
        rows.append([
            system.name, ours.name.removeprefix("acklog, "),
            *[cell(seen.ratio(ours.key, system.key, rate, **which), 2)
              for which in (MAIN, {"clients": 256}, IN_BATCHES)],
            cell(seen.ratio(ours.key, system.key, latency("p50"), **ALONE), 2),
        ])
    return prose("""
        acklog's figure, w=3, over the other's, both of the same round. Each is compared with the acklog that promises
        as much of the disk, or more. A higher rate is better, and so is a lower latency.
    """) + "\n\n" + table(["acklog over …", "acklog is", f"rate, {CLIENTS_MAIN} clients", "rate, 256 clients",
                           "rate, batches", "p50, 1 client"], rows, 2)


def concerns(seen: Seen) -> str:
    rows = []
    for system in OWN:
        values = [seen.spread(system.key, rate, kind="write-concern", write_concern=w) for w in (1, 2)]
        rows.append([system.name, *map(cell, [*values, seen.spread(system.key, rate, **MAIN)])])
    return table([f"messages/s, {CLIENTS_MAIN} clients", "w=1", "w=2", "w=3"], rows)


def targets(seen: Seen, results: dict) -> str:
    rows = []
    for target in TARGETS:
        measured = target.measure(seen)
        met = "–" if not measured else "yes" if target.is_met(measured.median) else "**no**"
        rows.append([target.work, target.words(), cell(measured, 2), met])
    return prose(f"""
        What acklog is meant to reach, as ratios inside one round, for a machine with 4 cores (here:
        {results["machine"]["cores"]}).
    """) + "\n\n" + table(["work", "target", "measured", "met"], rows, 2)


def loader(seen: Seen, there: list[System]) -> str:
    rows = []
    for system in there:
        def spread(value):
            return seen.spread(system.key, value, **MAIN)
        own = spread(lambda run: run["loaderCpuSeconds"] / run["wallSeconds"])
        servers = spread(lambda run: run["serversCpuSeconds"] / run["wallSeconds"])
        each = spread(lambda run: run["loaderCpuSeconds"] / run["wallSeconds"] / rate(run) * 1e6)
        shares = [seen.spread(system.key, share_of_loader, **which) for which in (MAIN, IN_BATCHES)]
        rows.append([system.name, cell(own, 2), cell(servers, 2), *map(percent, shares), cell(each, 1)])
    cores = seen.results["machine"]["cores"]
    return prose(f"""
        With {CLIENTS_MAIN} clients. The loader has one thread, so that it would be the bottleneck where it keeps one
        core busy (1.00); of the {cores} cores it takes what is shown, and a system that uses less than all of them
        waits for its disk or for wake-ups.
    """) + "\n\n" + table(["system", "loader, cores", "servers, cores", "loader's share", "in batches",
                           "loader, µs a message"], rows)


def share_of_loader(run: dict) -> float:
    return run["loaderCpuSeconds"] / (run["loaderCpuSeconds"] + run["serversCpuSeconds"])


def percent(share: Spread | None) -> str:
    return f"{number(100 * share.median)} %" if share else "–"


def failures(results: dict) -> str:
    rows = [[BY_KEY[failed["system"]].name, str(failed["round"]), failed["run"] or "start", failed["why"]]
            for failed in results["failed"]]
    for run in results["runs"]:
        if run["report"]["failed"]:
            why = "; ".join(f"{error['count']} × {error['kind']}" for error in run["report"]["errors"])
            what = f"{run['kind']}, {run['clients']} clients"
            rows.append([BY_KEY[run["system"]].name, str(run["round"]), what, why])
    return table(["system", "round", "run", "what"], rows, 4) if rows else "Nothing: all was answered as it should be."
