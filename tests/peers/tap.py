"""A byte-exact relay between the gateway and an upstream, with faults and a record of closes."""

import contextlib
import re
import socket
import struct
import threading
import time


# Where an answer is held or cut: functions of the bytes that came so far, None while it is not known.

SAYS = re.compile(rb'"content":"[^"]|"delta":"[^"]|"text_delta"')


def in_body(answer):
    """A few bytes into the body."""
    head = answer.find(b"\r\n\r\n")
    return None if head < 0 else head + 24


def before_content(answer):
    """Before the first event that says something."""
    return _first_event(answer, re.Match.start)


def after_content(answer):
    """After the first event that says something."""
    return _first_event(answer, re.Match.end)


def _first_event(answer, side):
    events = re.finditer(rb"(?:event: [^\n]*\n)?data: [^\n]*\n\n", answer)
    return next((side(event) for event in events if SAYS.search(event[0])), None)


class Link:
    """One connection that the gateway made."""

    def __init__(self, near):
        self.near = near
        self.received = b""
        self.answer = b""
        self.sent = 0
        self.asked = threading.Event()
        self.answered = threading.Event()
        self.closed = threading.Event()
        self.closed_at = None

    def note_close(self):
        """Keeps the moment at which the gateway's side was seen to be closed."""
        if not self.closed.is_set():
            self.closed_at = time.monotonic()
            self.closed.set()


class Tap:
    """Listens on a port the kernel chooses and relays to `target`.

    `hold_after` is the number of response bytes per connection after which nothing more is passed
    on (0: no answer at all), `cut_after` the number after which the connection is reset,
    `end_after` the number after which it is closed in good order. Each may be a place, too: a
    function of the answer so far. With `deny` a connection is reset once something was asked, and
    the upstream knows nothing of it.
    """

    def __init__(self, target, hold_after=None, cut_after=None, end_after=None, deny=False):
        host, port = target.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.hold_after = hold_after
        self.cut_after = cut_after
        self.end_after = end_after
        self.deny = deny
        self.links = []
        self.opened = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def link(self, number=0, seconds=30):
        """The connection with this number, waited for."""
        with self.opened:
            arrived = self.opened.wait_for(lambda: len(self.links) > number, seconds)
        assert arrived, f"the gateway made no connection number {number}"
        return self.links[number]

    def release(self):
        """Passes on what was held, and holds nothing any more."""
        self.hold_after = None
        for link in self.links:
            with contextlib.suppress(OSError):
                self._pass(link, link.answer[link.sent :])

    def close(self):
        """Stops listening and closes every connection."""
        self.listener.close()
        for link in self.links:
            with contextlib.suppress(OSError):
                link.near.close()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.deny:
                threading.Thread(target=self._deny, args=(near,), daemon=True).start()
                continue
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = socket.create_connection(self.target)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(near)
            threading.Thread(target=self._up, args=(link, far), daemon=True).start()
            threading.Thread(target=self._down, args=(link, far), daemon=True).start()
            with self.opened:
                self.links.append(link)
                self.opened.notify_all()

    @staticmethod
    def _deny(near):
        with contextlib.suppress(OSError):
            near.recv(1)
            reset(near)

    def _up(self, link, far):
        try:
            while data := link.near.recv(65536):
                link.received += data
                link.asked.set()
                far.sendall(data)
        except OSError:
            pass
        link.note_close()
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)

    def _down(self, link, far):
        try:
            while data := far.recv(65536):
                link.answer += data
                place, act = self._fault(link.answer)
                self._pass(link, link.answer[link.sent : place])
                if act:
                    act(link.near)
                    return
            # What holds an answer keeps its end back, too.
            if self._fault(link.answer)[0] is None:
                link.near.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _fault(self, answer):
        """How many bytes may pass, None for all of them; and what happens when they have."""
        faults = [(self.cut_after, reset), (self.end_after, end), (self.hold_after, None)]
        for after, act in faults:
            place = after(answer) if callable(after) else after
            if place is not None and (place <= len(answer) or not act):
                return place, act
        return None, None

    @staticmethod
    def _pass(link, data):
        if data:
            link.near.sendall(data)
            link.sent += len(data)
            link.answered.set()


def reset(connection):
    """Closes a connection with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # A thread that still reads would keep the socket open past `close`.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def end(connection):
    """Closes a connection in good order: FIN."""
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()
