"""Runs the commands of the tutorial on a real cluster, and compares what they print."""

from __future__ import annotations

import json
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request
from pathlib import Path
from typing import Any, Dict, List, Tuple

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent
sys.path.insert(0, str(FOLDER))

from cluster import PATIENCE, Cluster  # noqa: E402

PAGE = (PROJECT / "docs/guide/following.md").read_text("utf-8")

# The page's own log, and its nodes.
LOG = "1e27b5274d5510d55e924995fb2f1e57"
NODES = ["localhost:8000", "localhost:8001", "localhost:8002"]

# Commands that go on until they are ended.
ENDLESS = re.compile(r"curl -N|count_words\.py|answer_orders\.js")


def blocks(language: str) -> List[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> List[Tuple[str, str]]:
    """Returns the commands of the page, each with what it prints."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            # A command that ends with a bar goes on in the next line.
            command = re.match(r"(?:.*\|\n)*.*\n", part)
            assert command is not None
            found.append((command[0].rstrip(), part[command.end() :]))
    return found


def comparable(text: str) -> List[Any]:
    """Returns the lines of a text that are not blank, JSON as an object, without what differs from
    run to run: the secondaries that were first."""
    lines: List[Any] = []
    for line in filter(None, text.split("\n")):
        if line.startswith("{"):
            shown = json.loads(line)
            shown.pop("ackedBy", None)
            lines.append(shown)
        else:
            lines.append(line)
    return lines


class Tutorial(unittest.TestCase):
    maxDiff = None

    def test_every_command_prints_what_the_page_says(self) -> None:
        cluster = Cluster()
        self.addCleanup(cluster.close)
        with urllib.request.urlopen(f"{cluster.master.url}/messages") as response:
            log = response.headers["Acklog-Log"]
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        os.symlink(PROJECT / "clients", Path(work.name) / "clients")

        def here(text: str) -> str:
            for name, node in zip(NODES, cluster.nodes):
                text = text.replace(name, node.url.replace("http://", ""))
            return text.replace(LOG, log).replace(LOG[:8], log[:8])

        found = commands()
        self.assertGreater(len(found), 8)
        environment = {**os.environ, "ACKLOG_URL": ",".join(cluster.urls)}
        for command, expected in found:
            with self.subTest(command):
                printed = run(here(command), here(expected), work.name, environment)
                self.assertEqual(comparable(printed), comparable(here(expected)))

    def test_the_examples_are_on_the_page_as_they_are_in_their_files(self) -> None:
        for language, name in ("python", "count_words.py"), ("js", "answer_orders.js"):
            example = (PROJECT / "clients/examples" / name).read_text("utf-8")
            shown = blocks(language)[0]
            self.assertTrue(example.endswith(shown), f"{name} is not what the page shows")


    def test_an_example_begins_at_the_first_message_only_where_there_is_no_cursor(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            empty = Path(folder) / "empty"
            empty.touch()
            # The first cannot be read, the second was not written as a whole.
            for place, told in (folder, "EISDIR"), (str(empty), "is no cursor"):
                example = subprocess.run(
                    ["node", "clients/examples/answer_orders.js"],
                    cwd=PROJECT,
                    env={**os.environ, "PLACE": place, "ACKLOG_URL": "localhost:1"},
                    stderr=subprocess.PIPE,
                    timeout=PATIENCE,
                )
                self.assertEqual(example.returncode, 1)
                self.assertIn(told, example.stderr.decode())


def run(command: str, expected: str, folder: str, environment: Dict[str, str]) -> str:
    """Returns what a command prints. One that goes on for ever is ended when it printed as much as
    is expected."""
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    limit = threading.Timer(PATIENCE, end, [process])
    limit.start()
    printed = ""
    is_endless = ENDLESS.search(command) is not None
    assert process.stdout is not None
    for line in iter(process.stdout.readline, b""):
        printed += line.decode()
        if is_endless and len(comparable(printed)) == len(comparable(expected)):
            break
    end(process)
    limit.cancel()
    process.stdout.close()
    process.wait()
    return printed


def end(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # It ended by itself.
        pass


if __name__ == "__main__":
    unittest.main()
