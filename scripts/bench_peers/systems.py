"""How each system is started: three nodes on this machine, ready to take messages.

All return the address that the loader talks to: the leader's, where there is one, since that saves the hop that a
client connected elsewhere pays for.
"""

import json
import os
import shutil
import signal
import socket
from pathlib import Path

from .processes import Failed, Servers, http, run

# Where the release build puts our own programs.
OWN = Path(__file__).resolve().parents[2] / "target/release"
POSTGRES_USER = "postgres"


def start_bare(servers: Servers) -> str:
    address = f"127.0.0.1:{servers.port}"
    servers.start("bare-hyper", [OWN / "bare_hyper", address, 3])
    servers.wait_until("bare hyper listens", lambda: connect(servers.port).close() or True)
    return address


def start_acklog(servers: Servers, fsync: str | None = None, secondaries: tuple = ("bonnie", "clyde")) -> str:
    """In memory, where nothing is said of syncing."""
    comm = servers.port + 9

    def flags(name: str, n: int) -> list:
        common = ["--name", name, "--http-port", servers.port + n, "--log", "warn"]
        return common + (["--data-dir", servers.work / name, "--fsync", fsync] if fsync else [])

    servers.start("acklog-master", [OWN / "master-node", *flags("master", 0), "--comm-port", comm])
    for n, name in enumerate(secondaries, 1):
        servers.start(f"acklog-{name}", [OWN / "secondary-node", *flags(name, n),
                                         "--master-comm-port", comm])
    for n in range(1 + len(secondaries)):
        servers.wait_until("acklog is ready", lambda n=n: http(f"http://127.0.0.1:{servers.port + n}/ready"))
    # Ready means joined; the write concern of the runs needs the secondaries, so all must count.
    servers.wait_until("acklog has its secondaries", lambda: http(f"http://127.0.0.1:{servers.port}/health")
                       .count('"phase":"ready"') == len(secondaries))
    return f"127.0.0.1:{servers.port}"


def start_redis(servers: Servers, on_disk: bool) -> str:
    for n in range(3):
        (servers.work / f"redis-{n}").mkdir()
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", servers.port + n, "--dir",
                servers.work / f"redis-{n}", "--daemonize", "no", "--save", "", "--repl-diskless-sync-delay", 0,
                "--client-output-buffer-limit", "replica 0 0 0", "--auto-aof-rewrite-percentage", 0]
        argv += ["--appendonly", "yes", "--appendfsync", "always"] if on_disk else ["--appendonly", "no"]
        argv += ["--replicaof", f"127.0.0.1 {servers.port}"] if n else []
        servers.start(f"redis-{n}", argv)

    def info(n: int, section: str) -> str:
        return run(["redis-cli", "-p", servers.port + n, "info", section])

    servers.wait_until("both replicas are online", lambda: info(0, "replication").count("state=online") == 2)
    for n in range(3):
        # A replica writes its file anew once it has synchronised.
        servers.wait_until("the append-only files are there", lambda n=n: all(
            line in info(n, "persistence") for line in
            ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0", f"aof_enabled:{int(on_disk)}"]))
    return f"127.0.0.1:{servers.port}"


def start_nats(servers: Servers, on_disk: bool) -> str:
    routes = ",".join(f"nats://127.0.0.1:{servers.port + 10 + n}" for n in range(3))
    for n in range(3):
        servers.start(f"nats-{n}", [
            "nats-server", "-a", "127.0.0.1", "-p", servers.port + n, "-n", f"n{n}", "-js", "-sd",
            servers.work / f"nats-{n}", "--cluster_name", "bench", "--cluster",
            f"nats://127.0.0.1:{servers.port + 10 + n}", "--routes", routes])
    stream = {"name": "LOG", "subjects": ["log"], "storage": "file" if on_disk else "memory", "num_replicas": 3}

    def leader() -> str | None:
        answer = nats_request(servers.port, "$JS.API.STREAM.CREATE.LOG", stream)
        if "error" in answer:
            raise Failed(answer["error"]["description"])
        cluster = nats_request(servers.port, "$JS.API.STREAM.INFO.LOG", {})["cluster"]
        current = [peer for peer in cluster.get("replicas", []) if peer.get("current")]
        return cluster.get("leader") if len(current) == 2 else None

    number = servers.wait_until("the stream has a leader and two current replicas", leader).removeprefix("n")
    return f"127.0.0.1:{servers.port + int(number)}"


def nats_request(port: int, subject: str, request: dict) -> dict:
    body = json.dumps(request)
    with connect(port) as stream, stream.makefile("rb") as lines:
        stream.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\n'
                       + f"PUB {subject} answer {len(body)}\r\n{body}\r\n".encode())
        for line in lines:
            if line.startswith(b"MSG "):
                return json.loads(lines.read(int(line.split()[-1])))
            if line.startswith(b"-ERR"):
                raise Failed(line.decode().strip())
    raise Failed("the server hung up")


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=2)


def start_etcd(servers: Servers) -> str:
    def url(n: int) -> str:
        return f"http://127.0.0.1:{servers.port + n}"

    for n in range(3):
        servers.start(f"etcd-{n}", [
            "etcd", "--name", f"m{n}", "--data-dir", servers.work / f"etcd-{n}", "--logger", "zap", "--log-level",
            "warn", "--listen-client-urls", url(n), "--advertise-client-urls", url(n), "--listen-peer-urls",
            url(10 + n), "--initial-advertise-peer-urls", url(10 + n), "--initial-cluster",
            ",".join(f"m{k}={url(10 + k)}" for k in range(3)), "--initial-cluster-state", "new",
            "--quota-backend-bytes", 8 << 30], stop_signal=signal.SIGKILL)

    def leader() -> int | None:
        statuses = [json.loads(http(f"{url(n)}/v3/maintenance/status", b"{}")) for n in range(3)]
        led = [status.get("leader") for status in statuses]
        agreed = len(set(led)) == 1 and led[0]
        members = [status["header"]["member_id"] for status in statuses]
        return members.index(led[0]) + 1 if agreed else None

    return f"127.0.0.1:{servers.port + servers.wait_until('etcd has a leader', leader) - 1}"


def start_postgres(servers: Servers) -> str:
    """Debian keeps the programs out of the PATH, and they refuse to run as root."""
    programs = postgres_programs()
    port, user, home = servers.port, POSTGRES_USER, servers.work / "postgres"
    home.mkdir()
    if os.geteuid() == 0:
        shutil.chown(home, user, user)
    everywhere = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "300",
                  "wal_level": "replica", "fsync": "on", "synchronous_commit": "on", "shared_buffers": "512MB",
                  "max_wal_size": "8GB"}

    def start(n: int, **settings: str):
        given = [word for pair in (everywhere | settings).items() for word in ["-c", "=".join(pair)]]
        servers.start(f"postgres-{n}", [f"{programs}/postgres", "-D", home / str(n), "-p", port + n, *given],
                      user, stop_signal=signal.SIGQUIT)

    def ask(statement: str) -> str:
        return run([f"{programs}/psql", "-h", "127.0.0.1", "-p", port, "-U", user, "-Atc", statement, "postgres"])

    run([f"{programs}/initdb", "-D", home / "0", "-U", user, "-A", "trust", "--no-sync"], user)
    start(0, synchronous_standby_names="ANY 2 (s1, s2)")
    servers.wait_until("PostgreSQL answers", lambda: ask("select 1"))
    for n in (1, 2):
        run([f"{programs}/pg_basebackup", "-h", "127.0.0.1", "-p", port, "-U", user, "-D", home / str(n), "-R",
             "--checkpoint=fast", "--no-sync"], user)
        start(n, primary_conninfo=f"host=127.0.0.1 port={port} user={user} application_name=s{n}")
    servers.wait_until("both standbys are synchronous", lambda: int(
        ask("select count(*) from pg_stat_replication where sync_state = 'quorum'")) == 2)
    ask("create table log (id bigint generated always as identity primary key, message text not null)")
    return f"127.0.0.1:{port}"


def postgres_programs() -> str:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise Failed("no PostgreSQL below /usr/lib/postgresql")
    return str(found[-1].parent)
