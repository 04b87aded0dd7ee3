"""Answers in an upstream's place, with what a test makes of its real answer."""

import contextlib
import dataclasses
import gzip
import http.client
import http.server
import json
import threading
import zlib


class Forger:
    """Asks the server at `target` what it is asked, and passes on what `forge` makes of it.

    `forge` takes the body of the real answer and gives status, further headers and body; the
    answer has the length of that body, so that it is whole as HTTP goes. It may be changed.
    """

    def __init__(self, target, forge, address=("127.0.0.1", 0), tls=None):
        self.target = target.removeprefix("http://")
        self.forge = forge
        self.requests = []
        self.server = http.server.ThreadingHTTPServer(address, _Handler)
        self.server.forger = self
        if tls:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        # The server looks this often whether it is to end.
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def asked(self, path):
        """The requests to this path."""
        return [request for request in list(self.requests) if request.path == path]

    def close(self):
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()


@dataclasses.dataclass
class Request:
    """What arrived."""

    path: str
    headers: dict
    body: bytes

    def json(self):
        """The body's document."""
        return json.loads(self.body)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        forger = self.server.forger
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        forger.requests.append(Request(self.path, headers, body))
        upstream = http.client.HTTPConnection(forger.target, timeout=60)
        with contextlib.closing(upstream):
            upstream.request(
                self.command, self._place(), body, {"content-type": "application/json"}
            )
            answer = upstream.getresponse()
            kind, said = answer.headers["content-type"], answer.read()
        status, headers, said = forger.forge(said)
        self.send_response(status)
        for name, value in ({"content-type": kind} | headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _place(self):
        """Where the upstream has what one provider has at another path."""
        return "/v1/chat/completions" if self.path == "/chat/completions" else self.path

    def log_message(self, *_):
        """Says nothing."""


# What can be made of an answer


def honest(said):
    """The answer as it is."""
    return 200, {}, said


def refusal(status, **headers):
    """This status, with an error as OpenAI writes it."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    error = {"error": {"message": "forged", "type": "forged", "code": "forged"}}
    said = json.dumps(error).encode()
    return lambda _: (status, {"content-type": "application/json", **headers}, said)


def garbage(_):
    """200 with what is neither JSON nor an event."""
    return 200, {}, b"<html>busy</html>\n"


def nothing(_):
    """200 with no body."""
    return 200, {}, b""


ERRORS = [
    (
        b"response.created",
        b'event: error\ndata: {"type":"error","code":"server_error","message":"forged"}\n\n',
    ),
    (
        b"content_block",
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"forged"}}\n\n',
    ),
    (b"chat.completion.chunk", b'data: {"error":{"message":"forged","type":"server_error"}}\n\n'),
]


def error_event(place):
    """The events before a place, and then an error in the dialect of the stream."""

    def forge(said):
        error = next(error for mark, error in ERRORS if mark in said)
        return 200, {}, said[: place(said)] + error

    return forge


def truncated_gzip(place):
    """Compressed, and the compressed bytes end early: at a place of a stream, or in the middle."""

    def forge(said):
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        at = place(said) if place else None
        if at is None:
            packed = gzip.compress(said)[:-20]
        else:
            packed = packer.compress(said[:at]) + packer.flush(zlib.Z_SYNC_FLUSH)
        return 200, {"content-encoding": "gzip"}, packed

    return forge
