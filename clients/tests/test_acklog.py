"""Tests of acklog.py: the cases of cases.json on scripted nodes, and a real cluster."""

from __future__ import annotations

import itertools
import json
import logging
import sys
import unittest
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Dict

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import acklog  # noqa: E402
from scripted import ScriptedNodes  # noqa: E402

# Each lost connection is a warning.
logging.getLogger("acklog").addHandler(logging.NullHandler())
logging.getLogger("acklog").propagate = False


class Cases(unittest.TestCase):
    """A test for each case of cases.json."""

    maxDiff = None

    def play(self, case: Dict[str, Any]) -> None:
        nodes = ScriptedNodes(case)
        self.addCleanup(nodes.close)
        client = acklog.Client(nodes.urls, silence=case.get("silence", 30))
        self.addCleanup(client.close)
        error = None
        try:
            if "append" in case:
                self.append(client, case)
            else:
                self.follow(client, case)
        except acklog.Error as raised:
            error = {"code": raised.code, "outcome": raised.outcome, "detail": str(raised)}
        expected = case.get("error")
        if error and expected:
            error = {name: error[name] for name in expected}
        self.assertEqual(error, expected)
        nodes.close()
        self.assertEqual(nodes.faults, [])

    def append(self, client: acklog.Client, case: Dict[str, Any]) -> None:
        options = dict(case["append"])
        if "texts" in options:
            appended = client.append_batch(options.pop("texts"), **options)
        else:
            appended = client.append(options.pop("text"), **options)
        self.assertEqual(vars(appended), case.get("appended"))

    def follow(self, client: acklog.Client, case: Dict[str, Any]) -> None:
        seen = []
        try:
            with closing(client.follow(**case.get("follow", {}))) as items:
                # One that fails in the end is asked for one more item.
                for item in itertools.islice(items, len(case["items"]) + ("error" in case)):
                    if isinstance(item, acklog.Gap):
                        seen.append({"gap": list(item)})
                    else:
                        batch = [] if item.batch is None else [item.batch]
                        seen.append([item.id, item.text, item.cursor, *batch])
        finally:
            self.assertEqual(seen, case["items"])


def test_of(case: Dict[str, Any]) -> Callable[[Cases], None]:
    return lambda self: self.play(case)


for each in json.loads((FOLDER / "cases.json").read_text("utf-8")):
    setattr(Cases, f"test_{each['name']}", test_of(each))

if __name__ == "__main__":
    unittest.main()
