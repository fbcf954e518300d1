"""Tests of acklog.py: the cases of cases.json on scripted nodes, and a real cluster."""

from __future__ import annotations

import itertools
import json
import logging
import math
import signal
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Union

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import acklog  # noqa: E402
from cluster import PATIENCE, Cluster, Node  # noqa: E402
from scripted import ScriptedNodes  # noqa: E402

Item = Union[acklog.Message, acklog.Gap]

# Each lost connection is a warning.
logging.getLogger("acklog").addHandler(logging.NullHandler())
logging.getLogger("acklog").propagate = False


class Bounded(unittest.TestCase):
    """Fails where it takes too long: a follower waits for ever where something is lost."""

    maxDiff = None

    def setUp(self) -> None:
        def fail(*_: object) -> None:
            raise AssertionError(f"this took longer than {PATIENCE} s")

        signal.signal(signal.SIGALRM, fail)
        signal.alarm(PATIENCE)
        self.addCleanup(signal.alarm, 0)


class Cases(Bounded):
    """A test for each case of cases.json."""

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
        seen: List[Any] = []
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


class Callers(Bounded):
    """Mistakes of the program are reported at once, and nothing is sent."""

    mistakes = json.loads((FOLDER / "mistakes.json").read_text("utf-8"))

    def test_what_is_no_url_is_refused(self) -> None:
        for url in self.mistakes["urls"]:
            with self.subTest(url), self.assertRaisesRegex(ValueError, "no URL of a node") as told:
                acklog.Client(url)
            self.assertNotIn("secret", str(told.exception))
        for url in self.mistakes["good_urls"]:
            acklog.Client(url)

    def test_what_is_no_cursor_is_refused(self) -> None:
        for cursor in self.mistakes["cursors"]:
            with self.subTest(cursor), self.assertRaisesRegex(ValueError, "is no cursor"):
                acklog.Client("localhost:1").follow(cursor=cursor)

    def test_what_is_no_key_is_refused(self) -> None:
        for key in self.mistakes["keys"]:
            with self.subTest(key), self.assertRaisesRegex(ValueError, "is no key"):
                acklog.Client("localhost:1").append("a", key=key)


class Endless(Bounded):
    """Times without an end."""

    def test_an_append_and_a_follower_may_wait_for_ever(self) -> None:
        body = {"id": 0, "writeConcern": 1, "ackedBy": ["master"]}
        asks = {"body": {"message": "a"}, "timeout_ms": 216_000}
        message = 'id: 0a1b2c3d.1.0\ndata: {"id":0,"message":"a"}\n\n'
        for endless in None, math.inf:
            with self.subTest(endless):
                stored = {"asks": asks, "status": 201, "body": body}
                away = {"asks": {"query": {}}, "status": 502, "text": "<html>"}
                there = {"asks": {"query": {}}, "opens": 0, "sends": [message]}
                nodes = ScriptedNodes({"connections": [stored, away, there]})
                self.addCleanup(nodes.close)
                client = acklog.Client(nodes.urls, silence=endless)
                self.assertEqual(client.append("a", timeout=endless).id, 0)
                client.close()
                with closing(client.follow(give_up_after=endless)) as items:
                    next(items)
                self.assertEqual(nodes.faults, [])


class Warnings(Bounded):
    def test_attempts_that_fail_in_the_same_way_are_one_warning(self) -> None:
        away = {"asks": {"query": {}}, "status": 502, "text": "<html>"}
        message = 'id: 0a1b2c3d.1.0\ndata: {"id":0,"message":"a"}\n\n'
        there = {"asks": {"query": {}}, "opens": 0, "sends": [message]}
        nodes = ScriptedNodes({"connections": [away, away, away, there]})
        self.addCleanup(nodes.close)
        with self.assertLogs("acklog") as logs:
            with closing(acklog.Client(nodes.urls).follow()) as items:
                next(items)
        self.assertEqual(len(logs.output), 1, logs.output)


def test_of(case: Dict[str, Any]) -> Callable[[Cases], None]:
    return lambda self: self.play(case)


for each in json.loads((FOLDER / "cases.json").read_text("utf-8")):
    setattr(Cases, f"test_{each['name']}", test_of(each))

class RealCluster(Bounded):
    """The client against three nodes with logs on disk."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)

    def client(self, *nodes: Node) -> acklog.Client:
        client = acklog.Client([node.url for node in nodes] or self.cluster.urls)
        self.addCleanup(client.close)
        return client

    def assert_next(self, items: Iterator[Item], first: int, texts: List[str]) -> List[str]:
        """Takes as many messages, compares their ids and texts, and returns their cursors."""
        messages = [item for item in itertools.islice(items, len(texts))]
        seen = [(item.id, item.text) for item in messages if isinstance(item, acklog.Message)]
        self.assertEqual(seen, list(enumerate(texts, first)))
        return [item.cursor for item in messages if isinstance(item, acklog.Message)]

    def test_the_master_is_found_and_a_key_is_stored_once(self) -> None:
        _, bonnie, clyde = self.cluster.nodes
        client = self.client(bonnie, clyde, self.cluster.master)
        first = client.append("naïve 漢字", write_concern="all", key="order-17")
        again = client.append("naïve 漢字", write_concern=1, key="order-17")
        self.assertEqual((first.id, first.write_concern, first.is_replay), (0, 3, False))
        self.assertEqual((again.id, again.is_replay), (0, True))
        self.assertEqual(client.append_batch(["a", "b"], write_concern=2).count, 2)
        self.assertEqual(client.append("c").id, 3)
        with self.assertRaises(acklog.Error) as refused:
            client.append("another", key="order-17")
        error = refused.exception
        self.assertEqual((error.code, error.outcome), ("key-reused", "refused"))

    def test_an_append_waits_for_a_master_that_starts_again(self) -> None:
        client = self.client()
        client.append("before")
        self.cluster.master.kill()
        with ThreadPoolExecutor() as pool:
            appended = pool.submit(client.append, "meanwhile", write_concern=3)
            self.cluster.master.start()
            self.assertEqual(appended.result().id, 1)
        shown = self.cluster.master.get("/messages")
        self.assertEqual([each["message"] for each in shown], ["before", "meanwhile"])

    def test_each_node_can_be_followed_and_a_cursor_goes_on_behind_its_message(self) -> None:
        texts = ["a", "naïve 漢字 🦀", "\u2028\u2029\u0085\r\n\x0b\x0c", "b", "c", "d"]
        client = self.client()
        for text in texts[:3]:
            client.append(text)
        client.append_batch(texts[3:], write_concern="all")
        for node in self.cluster.nodes:
            with closing(self.client(node).follow()) as items:
                cursors = self.assert_next(items, 0, texts)
            for n, cursor in enumerate(cursors[:-1], 1):
                # One of them is inside the batch.
                with closing(self.client(node).follow(cursor=cursor)) as items:
                    self.assert_next(items, n, texts[n:])
            with closing(self.client(node).follow(last=2)) as items:
                self.assert_next(items, 4, texts[4:])

    def test_what_all_nodes_have_is_shown_by_each(self) -> None:
        self.client().append_batch(["a", "b"], write_concern=1)
        for node in self.cluster.nodes:
            with closing(self.client(node).follow(read_concern="all")) as items:
                self.assert_next(items, 0, ["a", "b"])

    def test_a_node_that_is_killed_while_it_is_followed_loses_and_repeats_nothing(self) -> None:
        for node in self.cluster.nodes:
            with self.subTest(node.name):
                self.follow_across_kills(node)

    def follow_across_kills(self, node: Node) -> None:
        writer = self.client()
        first = end = self.cluster.master.get("/health")["logEnd"]
        with closing(self.client(node).follow(start=first)) as items:
            for _ in range(4):
                texts = [f"Msg{end + n}" for n in range(20)]
                for text in texts[:3]:
                    writer.append(text)
                writer.append_batch(texts[3:10], write_concern="all")
                # Its node goes while the program is in the middle of a batch.
                self.assert_next(items, end, texts[:5])
                node.kill()
                with ThreadPoolExecutor() as pool:
                    appended = pool.submit(writer.append_batch, texts[10:], write_concern=2)
                    node.start()
                    appended.result()
                self.assert_next(items, end + 5, texts[5:])
                end += 20

    def test_a_cursor_of_another_log_is_an_error(self) -> None:
        self.client().append("a", write_concern="all")
        for node in self.cluster.nodes:
            with self.assertRaises(acklog.Error) as refused:
                next(self.client(node).follow(cursor="00000000.1.0"))
            self.assertEqual(refused.exception.code, "other-log")

    def test_of_racing_conditional_appends_each_end_is_taken_by_one(self) -> None:
        def increment(_: int) -> int:
            """Counts in the log: reads the last number, and appends the next one on condition."""
            client, conflicts = self.client(), 0
            while True:
                end = self.cluster.master.get("/health")["logEnd"]
                last = self.cluster.master.get(f"/messages/{end - 1}")["message"] if end else "0"
                try:
                    client.append(str(int(last) + 1), expected_end=end)
                    return conflicts
                except acklog.Error as error:
                    self.assertEqual((error.code, error.outcome), ("end-moved", "refused"))
                    conflicts += 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(increment, range(40)))
        messages = [m["message"] for m in self.cluster.master.get("/messages")]
        self.assertEqual(messages, [str(n) for n in range(1, 41)])


if __name__ == "__main__":
    unittest.main()
