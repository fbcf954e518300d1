"""What scripts/bench-fair-share lets loose on a master: requests without end, each kind from one process of its own."""

import contextlib
import json
import os
import random
import select
import signal
import socket
import struct
import threading
import time
from multiprocessing import get_context

# Descriptors and threads are inherited, nothing is imported anew.
FORK = get_context("fork")
PIECE = 64 * 1024
TIMEOUT = 60


class Child:
    """A process that goes on until the `with` block ends."""

    def __init__(self, work, *args):
        self._process = FORK.Process(target=work, args=args, daemon=True)

    def __enter__(self):
        self._process.start()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()


class Background(Child):
    """A process of which counts are kept. `work` is given it, to count with."""

    def __init__(self, work, *args):
        # Answers with 2xx, and others; where nothing is answered, what was sent.
        self._counts = FORK.Array("q", 2)
        super().__init__(self._run, work, args)

    def _run(self, work, args):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        work(self, *args)

    def count(self, good: bool, number: int = 1):
        with self._counts.get_lock():
            self._counts[0 if good else 1] += number

    def counts(self) -> tuple[int, int]:
        with self._counts.get_lock():
            return tuple(self._counts)

    def is_alive(self) -> bool:
        return self._process.is_alive()


class Asked(Child):
    """A process that is told what to do, and answers. `work` is given its end of the pipe, and first says that it is ready."""

    def __init__(self, work, *args):
        self._ours, theirs = FORK.Pipe()
        super().__init__(work, *args, theirs)

    def __enter__(self):
        super().__enter__()
        self._ours.recv()
        return self


def post(body: bytes, **headers) -> bytes:
    """A request that appends."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def appended(messages: list[str], refused: bool, write_concern: int = 1) -> bytes:
    """The body of an append. One that is to be refused differs in its last member, so it is read and parsed whole."""
    body = {"messages": messages, "writeConcern": write_concern, "timeoutMs": "no number" if refused else 1000 * TIMEOUT}
    return json.dumps(body, separators=(",", ":")).encode()


class Answers:
    """Reads answers with a known length off a socket."""

    def __init__(self, stream: socket.socket):
        self._stream = stream
        self._read = b""

    def ask(self, request: bytes) -> int:
        """Sends a request, and returns the status of its answer."""
        self._stream.sendall(request)
        return self.next()

    def next(self) -> int:
        """The status of the next one."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._more()
        head, status = self._read[:end].lower(), int(self._read[9:12])
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        while len(self._read) < end + 4 + length:
            self._more()
        self._read = self._read[end + 4 + length:]
        return status

    def _more(self):
        more = self._stream.recv(PIECE)
        if not more:
            raise ConnectionError("the server hung up")
        self._read += more


def connect(port: int) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def posts(told: Background, port: int, requests: list[bytes], clients: int, per_second: float | None):
    """Clients that send the requests in turn, each again as soon as it has its answer, or at a given rate in all."""
    begin = time.monotonic()

    def client(number: int):
        answers = None
        for n in range(number, 1 << 60, clients):
            if per_second:
                time.sleep(max(0.0, begin + n / per_second - time.monotonic()))
            try:
                answers = answers or Answers(connect(port))
                told.count(answers.ask(requests[n % len(requests)]) < 300)
            except OSError:
                told.count(False)
                answers = None

    threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def nothing(_told: Background):
    """What a processor is kept busy with that has nothing to do with acklog."""
    while True:
        pass


# One member.

def frame(tag: int, request: int, rest: bytes = b"") -> bytes:
    payload = struct.pack("<IQ", tag, request) + rest
    return struct.pack(">I", len(payload)) + payload


def handshake(name: str) -> bytes:
    """Without messages: who comes so is let in whatever the master has."""
    return frame(0, 0, struct.pack("<HQ", 3, len(name)) + name.encode() + os.urandom(16) + bytes([0]) + bytes(8) + bytes([0]))


def again(request: int) -> bytes:
    """GetMessages from the beginning, as if the last page had been lost."""
    return frame(1, request, struct.pack("<QB", 0, 1))


def ready(request: int) -> bytes:
    return frame(2, request, bytes(8))


def alive(_request: int) -> bytes:
    """To the first heartbeat, which comes right behind the welcome."""
    return frame(10, 0)


def member(told: Background, port: int, kinds: list):
    """A secondary that asks or answers without end, and takes all that comes."""
    many = b"".join(kind(n) for n in range(1, 5000) for kind in kinds)
    while True:
        with contextlib.suppress(OSError), connect(port) as stream:
            stream.sendall(handshake("flooder"))
            # Welcome and the first heartbeat.
            stream.recv(PIECE)
            time.sleep(0.1)
            send_and_drain(stream, many, lambda: told.count(True, 4999 * len(kinds)))
        told.count(False)


def send_and_drain(stream: socket.socket, many: bytes, sent) -> None:
    """Sends the same again and again, reads what comes and drops it. Returns when the other side hangs up."""
    stream.setblocking(False)
    left = memoryview(many)
    while True:
        readable, writable, _ = select.select([stream], [stream], [])
        if readable and not stream.recv(16 * PIECE):
            return
        if writable:
            left = left[stream.send(left):]
            if not left:
                sent()
                left = memoryview(many)


# One HTTP client.

def pipelined(told: Background, port: int, request: bytes):
    """One connection with requests one behind the other, as many as it takes."""
    number = max(1, 4 * PIECE // len(request))
    while True:
        with contextlib.suppress(OSError), connect(port) as stream:
            send_and_drain(stream, request * number, lambda: told.count(True, number))
        told.count(False)


# One stranger.

def connections(told: Background, port: int, greeting: bytes):
    """Connections without end, each with a greeting and given up at once."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as stream:
            stream.sendall(greeting)
            # Reset, so that no port of ours stays in use.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            told.count(True)


def kept_open(told: Background, port: int, number: int):
    """Connections that are kept and say nothing; each that the other side closes is made anew."""
    held: list[socket.socket] = []
    poll = select.poll()
    while True:
        while len(held) < number:
            with contextlib.suppress(OSError):
                stream = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
                held.append(stream)
                poll.register(stream, select.POLLIN)
                told.count(True)
        closed = {number for number, _ in poll.poll(100)}
        for stream in [stream for stream in held if stream.fileno() in closed]:
            poll.unregister(stream)
            stream.close()
            held.remove(stream)


def garbage() -> bytes:
    """Neither a frame nor a request. The same in each run."""
    return random.Random(1).randbytes(4096)


# Thousands of senders.

# Milliseconds, as long as they may be.
TIME_LEFT = b"99999"


class Crowd(Asked):
    """Senders with a connection each, in a process of their own: they send when they are told to, all at once."""

    def __init__(self, port: int, number: int):
        super().__init__(self._run, port, number)

    def send(self, request: bytes, until: float | None = None):
        """Has each send one request, and returns when all did. `TIME_LEFT` in it stands for the time until then."""
        self._ours.send((request, until))
        self._ours.recv()

    def answered(self) -> tuple[float, int]:
        """When the last of the answers came, and how many of them have a status of 2xx."""
        self._ours.send(None)
        return self._ours.recv()

    @staticmethod
    def _run(port: int, number: int, pipe):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        streams = [connect(port) for _ in range(number)]
        poll = select.epoll()
        by_descriptor = {stream.fileno(): stream for stream in streams}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.EPOLLIN)
        pipe.send(None)
        while True:
            if asked := pipe.recv():
                request, until = asked
                for stream in streams:
                    left = b"%*d" % (len(TIME_LEFT), max(1, 1000 * (until - time.monotonic()))) if until else TIME_LEFT
                    stream.send(request.replace(TIME_LEFT, left))
                pipe.send(None)
                continue
            waiting, good = set(by_descriptor), 0
            while waiting:
                for descriptor, _ in poll.poll():
                    # An answer is far shorter than what is read at once, and comes in one piece.
                    read = by_descriptor[descriptor].recv(PIECE)
                    good += read[9:10] == b"2"
                    waiting.discard(descriptor)
            pipe.send((time.monotonic(), good))


class Probe(Asked):
    """One client that appends message by message and remembers when each was sent and answered."""

    def __init__(self, port: int):
        super().__init__(self._run, port)

    def times(self) -> list[tuple[float, float]]:
        """Ends it."""
        self._ours.send(None)
        return self._ours.recv()

    @staticmethod
    def _run(port: int, pipe):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        answers, times = Answers(connect(port)), []
        request = post(b'{"message":"probe","writeConcern":1}')
        pipe.send(None)
        while not pipe.poll():
            sent = time.monotonic()
            answers.ask(request)
            times.append((sent, time.monotonic()))
        pipe.send(times)
