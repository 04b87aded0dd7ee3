"""Answers in an upstream's place, with what a test makes of its real answer."""

import contextlib
import gzip
import http.client
import http.server
import json
import threading
import zlib


class Forger:
    """Asks the server at `target` what it is asked, and passes on what `forge` makes of it.

    `forge` takes the body of the real answer and gives status, further headers and body; the
    answer has the length of that body, so that it is whole as HTTP goes.
    """

    def __init__(self, target, forge):
        self.asked = 0
        handler = type("Handler", (_Handler,), {"forger": self, "target": target, "forge": staticmethod(forge)})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        # The server looks this often whether it is to end.
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        """Stops answering."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.forger.asked += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        upstream = http.client.HTTPConnection(self.target.removeprefix("http://"), timeout=60)
        with contextlib.closing(upstream):
            upstream.request("POST", self.path, body, {"content-type": "application/json"})
            answer = upstream.getresponse()
            kind, said = answer.headers["content-type"], answer.read()
        status, headers, said = self.forge(said)
        self.send_response(status)
        for name, value in ({"content-type": kind} | headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        """Says nothing."""


# What can be made of an answer


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
    (b"response.created", b'event: error\ndata: {"type":"error","code":"server_error","message":"forged"}\n\n'),
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
