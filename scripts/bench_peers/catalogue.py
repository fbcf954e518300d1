"""The systems that are compared: what each promises when it answers, and how its settings read in the document."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

from . import systems
from .processes import Servers

CLIENTS = [1, 16, 64, 256]
# The clients of batches, of the open loop and of the ratios.
CLIENTS_MAIN = 64
BATCH = 100
MESSAGE_BYTES = 100
# The open loop's steps, as shares of what the same servers did just before with as many clients in the closed loop.
SHARES = [0.1, 0.3, 0.5, 0.7, 0.9]
SHARE_MAIN = 0.7
# How many clients share a connection, in the runs in which they do.
SHARED_BY = 16


@dataclass(frozen=True)
class System:
    """One row of the tables."""

    key: str
    name: str
    color: str
    start: Callable[[Servers], str]
    # An argument of the yardstick peers, or None where `acklog bench` itself speaks the system's protocol.
    protocol: str | None
    answer: str
    settings: str
    # Debian's package, and the program that shows that it is there; None for our own.
    package: str | None = None
    program: str | None = None
    # The acklog that promises as much of the disk, or more.
    beside: str | None = None
    on_disk: bool = False
    dash: int = 1
    # Whether its protocol tells the answers of clients apart that share a connection.
    shared: bool = False
    batches: str | None = None
    open_loop: bool = False
    write_concern: int | None = None


BARE = System(
    "bare", "bare hyper", "#777777", systems.start_bare, None,
    "nothing: the JSON was parsed, no message is kept; the ceiling for HTTP",
    "`yardsticks/src/bin/bare_hyper.rs` with 3 threads, one process",
    beside="acklog-memory", write_concern=1,
)
ACKLOG_MEMORY = System(
    "acklog-memory", "acklog, in memory", "#c0392b", systems.start_acklog, None,
    "w=3: the message is in the memory of all three nodes",
    "defaults, `--cluster-size 3 --log warn`",
    batches="`{\"messages\": […]}`, all or nothing", open_loop=True, write_concern=3,
)
ACKLOG_DISK = System(
    "acklog-disk", "acklog, fsync always", "#c0392b", partial(systems.start_acklog, fsync="always"), None,
    "w=3: the message is on the disks of all three nodes, synced",
    "the same with `--data-dir … --fsync always` on all three",
    on_disk=True, batches="as in memory", open_loop=True, write_concern=3,
)
ACKLOG_FILE = System(
    "acklog-file", "acklog, fsync never", "#c0392b", partial(systems.start_acklog, fsync="never"), None,
    "w=3: all three nodes have written the message to their files, *not* synced: that is left to the system",
    "the same with `--data-dir … --fsync never` on all three",
    on_disk=True, dash=2, batches="as in memory", open_loop=True, write_concern=3,
)
OWN = [ACKLOG_MEMORY, ACKLOG_FILE, ACKLOG_DISK]
REDIS = ("redis-server", "redis-server")
NATS = ("nats-server", "nats-server")
SYSTEMS = [
    BARE,
    ACKLOG_MEMORY,
    System(
        "redis-memory", "Redis, in memory", "#1f5fa8", partial(systems.start_redis, on_disk=False), "redis",
        "`XADD`, then `WAIT 2 0`: the message is in the memory of the master and both replicas",
        "`appendonly no`, `save \"\"`, no limit to a replica's output buffer; one I/O thread, its default "
        "(two made it many times slower on 2 cores)",
        *REDIS, beside="acklog-memory", open_loop=True,
        batches="100 `XADD` and one `WAIT`, pipelined; each is stored by itself",
    ),
    ACKLOG_DISK,
    System(
        "redis-disk", "Redis, appendfsync always", "#1f5fa8", partial(systems.start_redis, on_disk=True), "redis",
        "the message is on the master's disk, synced; `WAIT 2 0` counts replicas that *received* it: their own files "
        "are synced in the same turn, but that is not promised (`WAITAOF`, which promises it, came with 7.2)",
        "`appendonly yes`, `appendfsync always` on all three, no rewriting of the file meanwhile",
        *REDIS, beside="acklog-disk", on_disk=True, batches="as in memory", open_loop=True,
    ),
    System(
        "nats-memory", "NATS JetStream R3, in memory", "#2e8b57", partial(systems.start_nats, on_disk=False), "nats",
        "a majority, two of three replicas, has the message in memory",
        "defaults; `storage: memory`, `num_replicas: 3`; clients talk to the stream's leader",
        *NATS, beside="acklog-memory", shared=True, open_loop=True,
        batches="100 publishes, then their 100 acks; each is stored by itself",
    ),
    ACKLOG_FILE,
    System(
        "nats-disk", "NATS JetStream R3, file, not synced", "#2e8b57",
        partial(systems.start_nats, on_disk=True), "nats",
        "a majority, two of three replicas, has written the message to its file, *not* synced: it is every 2 minutes",
        "defaults; `storage: file`, `num_replicas: 3`; clients talk to the stream's leader",
        *NATS, beside="acklog-file", on_disk=True, shared=True, batches="as in memory", open_loop=True,
    ),
    System(
        "etcd", "etcd, on disk", "#8e44ad", systems.start_etcd, "etcd",
        "a majority, two of three members, has the message on its disk, synced",
        "defaults, a key of its own for each message, a larger quota; clients talk to the leader",
        "etcd-server", "etcd", beside="acklog-disk", on_disk=True, shared=True,
        batches="one `Txn` of 100 puts, all or nothing",
    ),
    System(
        "postgres", "PostgreSQL, 2 synchronous standbys", "#b8860b", systems.start_postgres, "postgres",
        "the transaction is on the disks of the primary and both standbys, synced",
        "`synchronous_commit=on`, `synchronous_standby_names='ANY 2 (s1, s2)'`, `fsync=on`, `shared_buffers=512MB`, "
        "`max_wal_size=8GB`; a prepared `INSERT … RETURNING id`",
        "postgresql", "/usr/lib/postgresql/*/bin/postgres", beside="acklog-disk", on_disk=True,
        batches="one `INSERT` of 100 rows, all or nothing",
    ),
]
BY_KEY = {system.key: system for system in SYSTEMS}


def is_there(system: System) -> bool:
    if system.program is None:
        return True
    if "*" in system.program:
        return any(Path("/").glob(system.program.lstrip("/")))
    return shutil.which(system.program) is not None
