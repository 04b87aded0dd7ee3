"""A byte-exact relay between the gateway and an upstream, with faults and a record of closes."""

import contextlib
import socket
import struct
import threading
import time


class Link:
    """One connection that the gateway made."""

    def __init__(self, near):
        self.near = near
        self.received = b""
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
    on (0: no answer at all), `cut_after` the number after which the connection is reset.
    """

    def __init__(self, target, hold_after=None, cut_after=None):
        host, port = target.removeprefix("http://").split(":")
        self.target = (host, int(port))
        self.hold_after = hold_after
        self.cut_after = cut_after
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
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = socket.create_connection(self.target)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(near)
            threading.Thread(target=self._up, args=(link, far), daemon=True).start()
            threading.Thread(target=self._down, args=(link, far), daemon=True).start()
            with self.opened:
                self.links.append(link)
                self.opened.notify_all()

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
                if self.cut_after is not None and link.sent + len(data) >= self.cut_after:
                    self._pass(link, data[: self.cut_after - link.sent])
                    reset(link.near)
                    return
                if self.hold_after is not None:
                    data = data[: max(0, self.hold_after - link.sent)]
                self._pass(link, data)
            link.near.shutdown(socket.SHUT_WR)
        except OSError:
            pass

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
