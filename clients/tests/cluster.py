"""A cluster of real nodes, with logs on disk, that can be killed and started again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

# Time that something may take before a test fails, in seconds.
PATIENCE = 60


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.02)


class Node:
    """One process. It keeps its ports and its directory from one start to the next."""

    def __init__(self, folder: Path, name: str, *flags: str) -> None:
        self.name = name
        self.ports: Dict[str, str] = {}
        program = "master-node" if name == "master" else "secondary-node"
        self._log = folder / f"{name}.log"
        self._command = [str(Path(os.environ["ACKLOG_BIN"]) / program), "--name", name]
        self._command += ["--data-dir", str(folder / name), *flags]
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    def start(self) -> None:
        """Starts it and waits until it listens; its log is written anew."""
        flags = ["--http-port", self.ports.get("http", "0")]
        if self.name == "master":
            flags += ["--comm-port", self.ports.get("comm", "0")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*self._command, *flags], stderr=log)
        self._find_port("http", "serving HTTP")
        if self.name == "master":
            self._find_port("comm", "listening for secondaries")

    def kill(self) -> None:
        """Ends it as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as response:
            return json.load(response)

    def is_ready(self) -> bool:
        try:
            self.get("/ready")
        except urllib.error.URLError:
            return False
        return True

    def _find_port(self, name: str, line: str) -> None:
        pattern = re.compile(rf"{line} address=\S*:(\d+)")

        def is_told() -> bool:
            found = pattern.search(self._log.read_text("utf-8"))
            if found:
                self.ports[name] = found[1]
            return found is not None

        wait_until(f"{self.name} starts: {self._log.read_text('utf-8')}", is_told)


class Cluster:
    """A master and two secondaries; all take the further flags, and the master more."""

    def __init__(self, *flags: str, of_master: Tuple[str, ...] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.nodes: List[Node] = []
        try:
            self.nodes.append(Node(folder, "master", "--cluster-size", "3", *flags, *of_master))
            dial = ["--master-comm-port", self.nodes[0].ports["comm"], "--reconnect-delay", "100ms", *flags]
            self.nodes += [Node(folder, name, *dial) for name in ("bonnie", "clyde")]
            for node in self.nodes:
                wait_until(f"{node.name} is ready", node.is_ready)
        except BaseException:
            self.close()
            raise

    @property
    def master(self) -> Node:
        return self.nodes[0]

    @property
    def urls(self) -> List[str]:
        return [node.url for node in self.nodes]

    def close(self) -> None:
        for node in self.nodes:
            node.kill()
        self._folder.cleanup()
