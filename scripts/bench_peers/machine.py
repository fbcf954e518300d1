"""The machine, what is installed on it, and installing what is not."""

import os
import platform
import re
import shutil
import socket
from pathlib import Path

from .catalogue import System, is_there
from .processes import Failed, run
from .systems import OWN, postgres_programs

ROOT = OWN.parents[1]
POLICY = Path("/usr/sbin/policy-rc.d")
INSTALL_SECONDS = 300


def facts(work: Path) -> dict:
    """What the document says of the machine; `work` is on the disk that is used."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M))
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1])
    models = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": models[0] if models else platform.machine(),
        "memoryGiB": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "system": release.get("PRETTY_NAME", platform.system()),
        "fileSystem": run(["findmnt", "-no", "FSTYPE", "-T", work]).strip(),
        "virtual": virtualization(),
        "loadBefore": os.getloadavg()[0],
        "tracked": tracks_connections(),
    }


def tracks_connections() -> bool:
    """Whether the kernel keeps track of connections over loopback, as it does for good once a container engine ran."""
    count = Path("/proc/sys/net/netfilter/nf_conntrack_count")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        return count.exists() and int(count.read_text()) > 0


def virtualization() -> str | None:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return "virtual machine" if flags and "hypervisor" in flags[1].split() else None


def versions(present: list[System]) -> dict:
    """Versions by what they are of."""
    commit = run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT).strip()
    changed = run(["git", "status", "--porcelain", "--", "src", "crates", "yardsticks", "Cargo.lock"], cwd=ROOT).strip()
    asked = {"Rust": ["rustc", "--version"], "gnuplot": ["gnuplot", "--version"]}
    for system in present:
        if system.package:
            program = f"{postgres_programs()}/postgres" if "*" in system.program else system.program
            asked[system.package] = [program, "--version"]
    own = run([OWN / "acklog", "--version"]).split()[-1] + f", commit {commit}" + (" and changes" if changed else "")
    return {"acklog": own} | {name: version(argv) for name, argv in asked.items() if shutil.which(argv[0])}


def version(argv: list) -> str:
    said = run(argv, cwd=ROOT)
    found = re.search(r"\d+(\.\d+)+", said)
    # gnuplot tells its patch level apart.
    return (found[0] if found else said.strip()).removesuffix(".")


def provide(packages: list[str], say) -> None:
    """Installs packages where we may. Debian's scripts would start the services: they are kept from it."""
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say(f"not installed, and only root can install them here: {' '.join(packages)}")
        return
    say(f"installing {' '.join(packages)}; the packages stay, their services are not started")
    ours = not POLICY.exists()
    try:
        if ours:
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for package in packages:
            try:
                run(["apt-get", "install", "--yes", "--no-install-recommends", package], seconds=INSTALL_SECONDS,
                    env=env)
            except Failed as error:
                say(str(error))
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def missing(wanted: list[System]) -> list[str]:
    """Debian's packages of what is not there."""
    packages = [system.package for system in wanted if not is_there(system)]
    packages += ["gnuplot-nox"] if not shutil.which("gnuplot") else []
    return list(dict.fromkeys(packages))
