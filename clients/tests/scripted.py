"""A node that answers as a case of cases.json has it, connection by connection."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qsl, urlsplit

LOG = "0a1b2c3d000102030405060708090a0b"


class ScriptedNodes:
    """Listens on the ports of a case's nodes, and plays its connections in their order. Collects
    as `faults` each request that is not the expected one."""

    def __init__(self, case: Dict[str, Any]) -> None:
        self.faults: List[str] = []
        self._script: List[Dict[str, Any]] = list(case["connections"])
        self._played = 0
        self._last_end = 0.0
        self._keys: List[Optional[str]] = []
        self._lock = threading.Lock()
        # Those that accept connections, and those that play them.
        self._threads: Tuple[List[threading.Thread], List[threading.Thread]] = ([], [])
        self._open: List[socket.socket] = []
        self._listeners: List[socket.socket] = []
        self.urls: List[str] = []
        for node in range(case.get("nodes", 1)):
            listener = socket.create_server(("127.0.0.1", 0))
            self.urls.append(f"http://127.0.0.1:{listener.getsockname()[1]}")
            if node in case.get("absent", []):
                listener.close()
                continue
            self._listeners.append(listener)
            self._start(self._accept, node, listener)

    def close(self) -> None:
        """Ends all connections. Each one of the script must have been made."""
        for sockets in self._listeners, self._open:
            for each in sockets:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # The other end closed it.
                    pass
            # Then a list of connections is complete, or nobody uses one.
            for thread in self._threads[sockets is self._open]:
                thread.join()
            for each in sockets:
                each.close()
        if self._played != len(self._script):
            self.faults.append(f"{self._played} of {len(self._script)} connections were made")

    def _start(self, work: Callable[[int, socket.socket], None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads[work == self._play].append(thread)
        thread.start()

    def _accept(self, node: int, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._start(self._play, node, connection)

    def _play(self, node: int, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            if self._played == len(self._script):
                self.faults.append("there was one more connection")
                return
            step = self._script[self._played]
            self._played += 1
            number = self._played
        faults = self._check(step, node, read_request(connection))
        self.faults += [f"connection {number}: {fault}" for fault in faults]
        try:
            answer(connection, step)
            self._last_end = time.monotonic()
            if step.get("ends") in ("cut", "whole") or "body" in step or "text" in step:
                connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The client had all that it wanted.
            pass

    def _check(self, step: Dict[str, Any], node: int, request: Request) -> List[str]:
        target, headers, body = request
        asks, faults = step.get("asks", {}), []

        def expect(name: str, expected: Any, seen: Any) -> None:
            if expected != seen:
                faults.append(f"{name} is {seen!r}, and not {expected!r}")

        expect("the node", step.get("node", 0), node)
        expect("the path", "/messages", urlsplit(target).path)
        if "query" in asks:
            query = dict(parse_qsl(urlsplit(target).query))
            # A proxy may drop one of them.
            expect("the cursor of the query", asks.get("cursor"), query.pop("lastEventId", None))
            expect("the cursor of the header", asks.get("cursor"), headers.get("last-event-id"))
            expect("the query", asks["query"], query)
            expect("what is accepted", "text/event-stream", headers.get("accept"))
        if "body" in asks:
            sent = json.loads(body)
            timeout_ms = sent.pop("timeoutMs", None)
            is_asked = timeout_ms == asks.get("timeout_ms", timeout_ms)
            is_short = "timeout_ms" in asks or 0 <= timeout_ms < 30_000
            if not (isinstance(timeout_ms, int) and is_asked and is_short):
                faults.append(f"timeoutMs is {timeout_ms!r}")
            expect("the body", asks["body"], sent)
            key = headers.get("idempotency-key")
            self._keys.append(key)
            expect("the key", asks.get("key", self._keys[0]), key)
            if "key" not in asks and not re.fullmatch("[0-9a-f]{32}", key or ""):
                faults.append(f"{key!r} is no key that was drawn")
        waited = time.monotonic() - self._last_end
        if waited < step.get("after_seconds", 0):
            faults.append(f"it came after {waited} s")
        return faults


Request = Tuple[str, Dict[str, str], bytes]


def read_request(connection: socket.socket) -> Request:
    """Reads a request of HTTP/1.1: its target, its headers by lower-case names, its body."""
    with connection.makefile("rb") as file:
        target = file.readline().split()[1].decode()
        headers = {}
        for line in iter(file.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return target, headers, file.read(int(headers.get("content-length", 0)))


def answer(connection: socket.socket, step: Dict[str, Any]) -> None:
    """Sends what a step has: a stream, a body as a whole, or nothing."""
    if "sends" in step:
        send_stream(connection, step)
    elif "status" in step:
        text = step.get("text") or json.dumps(step["body"]) + "\n"
        body, is_cut = text.encode(), step.get("ends") == "cut"
        is_problem = "body" in step and step["status"] >= 400
        kind = "text/html" if "text" in step else "application/json"
        headers = {
            "Content-Type": "application/problem+json" if is_problem else kind,
            "Content-Length": str(len(body) + is_cut),
            "Connection": "close",
            **step.get("headers", {}),
        }
        lines = [f"HTTP/1.1 {step['status']} Said", *(f"{k}: {v}" for k, v in headers.items())]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def send_stream(connection: socket.socket, step: Dict[str, Any]) -> None:
    """Sends events in chunks of `pieces` bytes, or each of `sends` as one."""
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    sends = [text.encode() for text in step["sends"]]
    if "opens" in step:
        opened = {"log": step.get("log", LOG), "epoch": 1, "start": 0, "next": step["opens"]}
        data = json.dumps({**opened, "end": step["opens"], "readConcern": 1})
        sends.insert(0, f": acklog\nretry: 1000\n\nevent: open\ndata: {data}\n\n".encode())
    size = step.get("pieces")
    if size:
        whole = b"".join(sends)
        sends = [whole[at : at + size] for at in range(0, len(whole), size)]
    for chunk in sends:
        connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    if step.get("ends") == "whole":
        connection.sendall(b"0\r\n\r\n")
