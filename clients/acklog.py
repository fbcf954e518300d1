"""A client of acklog: appends messages, and follows the log across reconnects.

One file for Python 3.8 or later, standard library only. Copy it into your project.

    from acklog import Client, Gap

    client = Client("http://localhost:8000,http://localhost:8001")
    client.append("hello", write_concern="majority")
    for item in client.follow(cursor=stored_cursor):
        if isinstance(item, Gap):
            ...                              # messages that are gone
        else:
            ...                              # item.id, item.text; then store item.cursor

A cursor is a text, "<first 8 digits of the log's id>.<epoch>.<id>". Store the one of the last
message that you handled, together with its effect; follow(cursor=...) goes on behind it.
"""

from __future__ import annotations

import http.client
import json
import logging
import math
import random
import re
import secrets
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple
from typing import Union
from urllib.parse import SplitResult, urlencode, urlsplit

__all__ = ["Appended", "Client", "Error", "Gap", "Message"]

# Time that a connection may take to be established, in seconds. Shorter: a node behind a slow line
# is not reached. Longer: a node whose machine is gone holds up the turn of the next one.
CONNECT_TIMEOUT = 5.0
# Time after which a connection that was not used is replaced, in seconds. Shorter: connections are
# made needlessly. Longer: the node, which keeps one for 75 s, closes it under a request.
IDLE_MAX = 60.0
# This part of the time that is left goes to the node as timeoutMs, so that its answer, which tells
# what became of the message, comes in time.
NODES_SHARE = 0.9
# Longest time of one attempt of an append, in seconds; then the message is sent again under its
# key. Shorter: messages that wait long for their write concern are sent needlessly often. Longer: a
# node that vanished without a word is waited for in vain.
ATTEMPT_MAX = 240.0
# Longest time that is waited for anything, in seconds, 23 days. Sockets take no longer one.
WAIT_MAX = 2e6
# The first and the longest pause before a request is repeated, in seconds. Each is drawn between a
# half and the whole of its length, so that clients that failed together do not come back together.
PAUSE_FIRST, PAUSE_MAX = 0.05, 2.0
# Bytes of a stream that are read at once.
READ_BYTES = 65536

WriteConcern = Union[int, str]
ReadConcern = Union[int, str]
Problem = Dict[str, Any]

_CURSOR = re.compile("[0-9a-fA-F]{8}[.][0-9]+[.][0-9]+")
_KEY = re.compile("[!-~]{1,128}")

_log = logging.getLogger("acklog")


@dataclass(frozen=True)
class Appended:
    """The answer to an append."""

    id: int
    """The id of the message, or of the first of a batch."""
    count: int
    write_concern: int
    acked_by: List[str]
    """The nodes that have it, the master first."""
    is_replay: bool
    """Whether an earlier attempt under the same key had stored it."""


class Message(NamedTuple):
    """A message that a follower reads."""

    id: int
    text: str
    cursor: str
    """follow(cursor=...) goes on behind this message."""
    batch: Optional[int]
    """The first id of the batch that it is a part of; None: it was appended alone."""


class Gap(NamedTuple):
    """Messages that a follower asked for and that are gone: those from `start` up to, and not
    including, `end`. The messages behind them follow. Until one of these was read, a gap is told
    again after a reconnect if it has grown."""

    start: int
    end: int
    why: str
    """`trimmed` or `cut`."""


Item = Union[Message, Gap]


class Error(Exception):
    """A request that failed for good: no further attempt is made."""

    def __init__(
        self,
        detail: str,
        retry: bool = False,
        outcome: str = "refused",
        problem: Optional[Problem] = None,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(detail)
        self.problem: Problem = problem or {}
        """The node's own problem body; empty where none came."""
        self.code: Optional[str] = self.problem.get("code")
        """The reason in one word; None where no node answered."""
        self.outcome = outcome
        """Of an append. `refused`: the message is not in the log, and never will be. `stored`: it
        is, and is replicated further. `unknown`: it may be; append it again under the same key."""
        self.retry = retry
        """Whether the same request may succeed later."""
        self.retry_after = retry_after

    @classmethod
    def _of_problem(cls, problem: Problem, status: int = 0, retry_after: float = 0.0) -> Error:
        if isinstance(problem, dict) and "code" in problem:
            detail = str(problem.get("detail") or problem.get("title") or problem["code"])
            retry, outcome = bool(problem.get("retry")), problem.get("outcome", "refused")
            return cls(detail, retry, outcome, problem, retry_after)
        # A proxy's answer, which may have passed the request on.
        is_passing = status >= 500
        outcome = "unknown" if is_passing else "refused"
        detail = f"the answer has status {status} and is not a node's"
        return cls(detail, is_passing, outcome, retry_after=retry_after)


class Client:
    """A client of the nodes with these URLs, a list or a text with commas between them. Appends
    find the master among them, followers take them in turn. `silence` is the time in seconds after
    which a follower that hears nothing connects again, None: it never does; a node sends something
    every 10 s.
    Raises ValueError for a URL that cannot be a node's.

    Not for several threads at once: make a client for each.
    """

    def __init__(
        self, urls: Union[str, Sequence[str]], silence: Optional[float] = 30.0
    ) -> None:
        each = urls.split(",") if isinstance(urls, str) else urls
        self._nodes = [_node(url.strip()) for url in each]
        if not self._nodes:
            raise ValueError("the URL of a node is missing")
        self._silence = WAIT_MAX if silence is None else min(silence, WAIT_MAX)
        self._kept: Optional[http.client.HTTPConnection] = None
        self._kept_since = 0.0

    def append(
        self,
        text: str,
        write_concern: Optional[WriteConcern] = None,
        key: Optional[str] = None,
        timeout: Optional[float] = 30.0,
        expected_end: Optional[int] = None,
    ) -> Appended:
        """Appends a message and waits until its write concern holds.

        It is sent again, under the same idempotency key, until it is answered or `timeout` seconds
        have passed, None: for ever; however often that is, it is stored once. Without a `key` the
        call draws one. With `expected_end` it is stored only if that will be its id.

        Raises Error; its `outcome` tells whether the message may be in the log. Raises ValueError,
        and sends nothing, where the key is not 1 to 128 visible ASCII characters.
        """
        return self._append({"message": text}, write_concern, key, timeout, expected_end)

    def append_batch(
        self,
        texts: List[str],
        write_concern: Optional[WriteConcern] = None,
        key: Optional[str] = None,
        timeout: Optional[float] = 30.0,
        expected_end: Optional[int] = None,
    ) -> Appended:
        """Appends messages with consecutive ids, all or none of them; otherwise as append."""
        return self._append({"messages": texts}, write_concern, key, timeout, expected_end)

    def follow(
        self,
        start: Optional[int] = None,
        *,
        last: Optional[int] = None,
        since: Optional[str] = None,
        cursor: Optional[str] = None,
        read_concern: Optional[ReadConcern] = None,
        give_up_after: Optional[float] = None,
    ) -> Generator[Item, None, None]:
        """Yields the messages of the log, and the gaps in it, and waits for new ones, for ever.

        It begins behind the `cursor`; without one at the id `start`, at the `last` n messages, at
        those accepted `since` an instant (RFC 3339), or at the log's first. It connects when the
        first item is asked for, and again whenever the connection is lost: nothing is lost or
        repeated. A batch is yielded when all of it has come. close() ends the connection.

        Raises ValueError, at once, where the cursor is none. Raises Error where going on makes no
        sense. Its code is `other-log` where the cursor is of another log than the node's, and
        `out-of-order` where the stream does not go on at the position. A bad request is an error
        where each node refused it, since only a master knows every read concern. With
        `give_up_after` also when it was not connected for so many seconds, after the attempt that
        is under way then. A connection that is lost, or not made, is a warning of the logger
        `acklog`; attempts that fail in the same way are one warning.
        """
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise ValueError(f"{cursor!r} is no cursor: store that of a message as it is")
        first = None if start is None else int(start)
        begin = {"from": first, "last": last, "since": since}
        position = _Position({k: v for k, v in begin.items() if v is not None}, cursor)
        return self._follow(position, read_concern, give_up_after)

    def _follow(
        self,
        position: _Position,
        read_concern: Optional[ReadConcern],
        give_up_after: Optional[float],
    ) -> Generator[Item, None, None]:
        nodes = list(self._nodes)
        node = nodes[0]
        until: Dict[SplitResult, float] = {}
        pauses = _Pauses()
        lost_at: Optional[float] = time.monotonic()
        # What was logged since the last item. While a node is away, each attempt fails alike.
        logged: Set[str] = set()
        # The nodes that refused the request as a bad one, without another answer in between.
        refusing: Set[SplitResult] = set()
        while True:
            retry_after = 0.0
            reason: Exception = Error("the node ended the stream")
            try:
                with closing(self._follow_node(node, position, read_concern)) as items:
                    for item in items:
                        lost_at, refusing = None, set()
                        if item is not None:
                            pauses, logged = _Pauses(), set()
                            yield item
            except Error as error:
                # A secondary knows some read concerns only, and sends those who need another one
                # to the master.
                is_bad = error.problem.get("status") == 400
                refusing = refusing | {node} if is_bad else set()
                if not error.retry and not (is_bad and refusing != set(nodes)):
                    raise
                reason, retry_after = error, error.retry_after
            except (OSError, http.client.HTTPException) as error:
                reason, refusing = error, set()
            now = time.monotonic()
            lost_at = now if lost_at is None else lost_at
            warning = f"{node.netloc} is not followed: {reason or type(reason).__name__}"
            if warning not in logged:
                _log.warning(warning)
                logged.add(warning)
            until[node] = now + retry_after
            nodes.remove(node)
            nodes.append(node)
            node, at = _soonest(nodes, until, now + pauses.next())
            give_up_at = math.inf if give_up_after is None else lost_at + give_up_after
            time.sleep(max(min(at, give_up_at) - time.monotonic(), 0.0))
            if at >= give_up_at:
                raise Error(f"no node could be followed, at last: {reason}") from reason

    def close(self) -> None:
        """Closes the connection that appends use. The next append makes a new one."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(
        self,
        body: Dict[str, Any],
        write_concern: Optional[WriteConcern],
        key: Optional[str],
        timeout: Optional[float],
        expected_end: Optional[int],
    ) -> Appended:
        if key is None:
            key = secrets.token_hex(16)
        elif not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key: it must be 1 to 128 visible ASCII characters")
        body = {**body, "writeConcern": write_concern, "expectedEnd": expected_end}
        body = {name: value for name, value in body.items() if value is not None}
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        pauses = _Pauses()
        until: Dict[SplitResult, float] = {}
        # The nodes that said in a row that they are not the master.
        strangers: Set[SplitResult] = set()
        last: Optional[Error] = None
        while True:
            node = self._nodes[0]
            # Never 0, which would be a socket that does not wait.
            left = min(max(deadline - time.monotonic(), 0.001), ATTEMPT_MAX)
            try:
                return self._post({**body, "timeoutMs": int(left * NODES_SHARE * 1000)}, key, left)
            except Error as error:
                until[node] = time.monotonic() + error.retry_after
                strangers = strangers | {node} if error.code == "not-the-master" else set()
                last = _combined(last, error) if last else error
            others = [each for each in self._nodes if each not in strangers]
            is_elsewhere = bool(strangers and others)
            if not last.retry and not is_elsewhere:
                raise last
            at = time.monotonic()
            if is_elsewhere:
                node, at = _soonest(others, until, at)
            elif last.code:
                at = max(until[node], at + pauses.next())
            else:
                # Perhaps another node answers.
                node, at = _soonest([*self._nodes[1:], node], until, at + pauses.next())
                self.close()
            if at >= deadline:
                raise last
            self._put_first(node)
            time.sleep(max(at - time.monotonic(), 0.0))

    def _put_first(self, node: SplitResult) -> None:
        """Appends ask this node next."""
        at = self._nodes.index(node)
        if at > 0:
            self.close()
            self._nodes = self._nodes[at:] + self._nodes[:at]

    def _post(self, body: Dict[str, Any], key: str, timeout: float) -> Appended:
        """Sends an append to the first node, once."""
        node, unsent = self._nodes[0], True
        if time.monotonic() - self._kept_since > IDLE_MAX:
            self.close()
        try:
            connection = self._kept = self._kept or _connect(node, timeout)
            unsent = False
            connection.sock.settimeout(timeout)
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            path = f"{node.path.rstrip('/')}/messages"
            connection.request("POST", path, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            detail = f"{node.netloc} did not answer: {error or type(error).__name__}"
            raise Error(detail, True, "refused" if unsent else "unknown") from error
        self._kept_since = time.monotonic()
        if connection.sock is None:
            # The node closes it behind this answer.
            self.close()
        if response.status != 201:
            raise _refusal(response, answer)
        try:
            told = json.loads(answer)
            is_replay = response.headers.get("Idempotent-Replayed") == "true"
            concern, acked_by = told["writeConcern"], told["ackedBy"]
            return Appended(told["id"], told.get("count", 1), concern, acked_by, is_replay)
        except (ValueError, KeyError, TypeError) as error:
            raise Error(f"the answer of {node.netloc} is not a node's", False, "unknown") from error

    def _follow_node(
        self, node: SplitResult, position: _Position, read_concern: Optional[ReadConcern]
    ) -> Generator[Optional[Item], None, None]:
        """Yields what one connection brings, up to its end; None for an event that moves no
        position."""
        query, headers = position.request()
        if read_concern is not None:
            query["readConcern"] = read_concern
        path = f"{node.path.rstrip('/')}/messages?{urlencode(query)}"
        connection = _connect(node, self._silence)
        try:
            connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
            response = connection.getresponse()
            if response.status != 200:
                refusal = _refusal(response, response.read())
                if refusal.code != "trimmed" or not position.is_before_first:
                    raise refusal
                yield position.trimmed_to(refusal.problem["start"])
                return
            if response.headers.get_content_type() != "text/event-stream":
                raise Error(f"the answer of {node.netloc} is no event stream: is it a node?")
            yield from position.items(_events(response))
        finally:
            connection.close()


class _Position:
    """The place where a follower goes on. It outlives connections."""

    def __init__(self, begin: Dict[str, Any], cursor: Optional[str]) -> None:
        self.begin = begin
        self.cursor = cursor
        # The id of the log, or its first digits; None: not known yet.
        self.log = (cursor or "").partition(".")[0].lower() or None
        # The gap behind the cursor that was yielded already.
        self.gap: Optional[Gap] = None
        # The id that must come next on this connection; None: the node chooses where to begin.
        self.expected: Optional[int] = None
        # The id that comes next, as the node reports it; None: not reported yet.
        self.next: Optional[int] = None
        # The members of a batch that have come.
        self.waiting: List[Dict[str, Any]] = []

    def request(self) -> Tuple[Dict[str, Any], Dict[str, str]]:
        """Returns the query and the headers that ask for what comes next."""
        # A batch comes again as a whole.
        self.waiting, self.next = [], None
        if self.cursor is None:
            self.expected = self.begin.get("from")
            return dict(self.begin), {}
        self.expected = int(self.cursor.rpartition(".")[2]) + 1
        # Some proxies drop headers that they do not know.
        return {"lastEventId": self.cursor}, {"Last-Event-ID": self.cursor}

    @property
    def is_before_first(self) -> bool:
        """Whether a node told where to begin, and no message was read yet."""
        return self.log is not None and self.cursor is None

    def trimmed_to(self, start: int) -> Gap:
        """Moves a position before the first message to the log's new start."""
        gap = Gap(self.begin["from"], start, "trimmed")
        self.begin = {"from": start}
        return gap

    def items(self, events: Iterator[_Event]) -> Iterator[Optional[Item]]:
        """Yields messages and gaps, and moves with them; None for an event that moves nothing."""
        for event in events:
            try:
                items = self._items_of(event)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Error(f"the stream is damaged: {error!r}", retry=True) from error
            yield from items

    def _items_of(self, event: _Event) -> Sequence[Optional[Item]]:
        name, data = event.name.decode(), json.loads(event.data.decode())
        if name == "message":
            self.next = _whole(data["id"])
            self._check()
            self.expected = self.next = self.next + 1
            self.waiting.append(data)
            # Members of a batch have no id, but for its last one: only then all have come.
            return [] if event.id is None else self._messages(event.id.decode())
        if name == "gap":
            gap = Gap(_whole(data["from"]), _whole(data["to"]), data["why"])
            self.expected = self.next = gap.end
            if gap == self.gap:
                return []
            self.gap = gap
            return [gap]
        if name == "error":
            raise Error._of_problem(data)
        if name == "open":
            self._opened(data["log"], _whole(data["next"]))
        elif name in ("caughtup", "tail"):
            self._check()
        return [None]

    def _messages(self, last_id: str) -> List[Message]:
        """Moves behind the members that have come, and returns them."""
        if not _CURSOR.fullmatch(last_id):
            raise ValueError(f"{last_id!r} is no cursor")
        # A batch is of one epoch.
        log_and_epoch = last_id.rpartition(".")[0]
        self._check_log(last_id.partition(".")[0])
        messages = [
            Message(each["id"], each["message"], f"{log_and_epoch}.{each['id']}", each.get("batch"))
            for each in self.waiting
        ]
        self.waiting, self.gap = [], None
        self.cursor = messages[-1].cursor
        return messages

    def _opened(self, log: Optional[str], next_id: int) -> None:
        # A secondary that never joined its master knows no log yet.
        if log is not None:
            self._check_log(log)
        self.next = next_id
        if self.expected is None:
            # "The last 10" or "since noon" would be another place at the next connection.
            self.expected, self.begin = next_id, {"from": next_id}

    def _check_log(self, log: str) -> None:
        """Fails where this log, or its first digits, is not that of the position."""
        known = self.log or ""
        if not log.startswith(known) and not known.startswith(log):
            detail = f"the position is in the log {known}, and the node has the log {log}"
            raise Error(detail, problem={"code": "other-log"})
        self.log = max(known, log, key=len)

    def _check(self) -> None:
        """Fails where the stream does not go on at the position. A gap moves both."""
        if self.expected is None or self.next is None or self.next == self.expected:
            return
        raise Error(
            f"the node goes on at message {self.next}, and not at {self.expected}: if a proxy"
            " drops the query or the header Last-Event-ID, let it pass both on, or use the node's"
            " own URL",
            problem={"code": "out-of-order"},
        )


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


class _Event(NamedTuple):
    name: bytes
    id: Optional[bytes]
    data: bytes


class _Pauses:
    """Pauses between attempts; they double up to a limit."""

    def __init__(self) -> None:
        self._next = PAUSE_FIRST

    def next(self) -> float:
        pause = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, PAUSE_MAX)
        return pause


def _node(url: str) -> SplitResult:
    """Returns the parts of a URL that requests need."""
    # A password is not for logs.
    shown = url.rpartition("@")[2]
    problem = f"{shown!r} is no URL of a node: it must be like http://localhost:8000"
    try:
        node = urlsplit(url if "://" in url else f"http://{url}")
        host, port = (node.hostname or "").encode("idna"), node.port
    except ValueError:
        raise ValueError(problem) from None
    is_http = node.scheme in ("http", "https") and host and port != 0
    is_plain = "@" not in node.netloc and not re.search(r"[\s?#]", url) and node.path.isascii()
    if not (is_http and is_plain and node.path.isprintable()):
        raise ValueError(problem)
    return node


def _soonest(
    nodes: Sequence[SplitResult], until: Dict[SplitResult, float], at: float
) -> Tuple[SplitResult, float]:
    """Returns the node that may be asked first, from a time on, and when. Of several it is the
    first of the list. `until` has the times before which nodes want no request."""
    times = [(node, max(until.get(node, at), at)) for node in nodes]
    return min(times, key=lambda each: each[1])


def _connect(node: SplitResult, timeout: float) -> http.client.HTTPConnection:
    is_tls = node.scheme == "https"
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    connection = kind(node.hostname or "", node.port, timeout=min(timeout, CONNECT_TIMEOUT))
    connection.connect()
    connection.sock.settimeout(timeout)
    return connection


def _refusal(response: http.client.HTTPResponse, body: bytes) -> Error:
    retry_after = response.headers.get("Retry-After", "")
    is_seconds = re.fullmatch("[0-9]+", retry_after)
    seconds = min(float(retry_after), WAIT_MAX) if is_seconds else 0.0
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    return Error._of_problem(problem, response.status, seconds)


def _combined(before: Error, attempt: Error) -> Error:
    """Returns the error of the last attempt, with what all attempts under one key tell of the
    message."""
    if attempt.code == "end-moved" and not attempt.retry:
        # The key was looked at first: no attempt stored it, and none can any more.
        return attempt
    if "stored" in (before.outcome, attempt.outcome):
        attempt.outcome = "stored"
    elif before.outcome != attempt.outcome:
        attempt.outcome = "unknown"
    return attempt


def _events(response: http.client.HTTPResponse) -> Iterator[_Event]:
    """Yields the events of a stream. One without its closing blank line is dropped."""
    data: List[bytes] = []
    name, event_id = b"message", None
    for line in _lines(response):
        if not line:
            if data:
                yield _Event(name, event_id, b"\n".join(data))
            name, event_id, data = b"message", None, []
            continue
        field, _, rest = line.partition(b":")
        value = rest[1:] if rest.startswith(b" ") else rest
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif field == b"id":
            event_id = value


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yields the lines of a stream without their ends, LF or CR LF. They are split as bytes: a
    chunk may end inside a character, and str.splitlines would split at characters of the text."""
    line = bytearray()
    while True:
        chunk = response.read1(READ_BYTES)
        if not chunk:
            return
        first, *others = chunk.split(b"\n")
        line += first
        for other in others:
            yield bytes(line[:-1] if line.endswith(b"\r") else line)
            line = bytearray(other)
