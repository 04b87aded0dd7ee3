"""HTTP by hand, for what no SDK does: leaving in the middle, counting what comes when."""

import json
import socket

from tap import reset


class RawClient:
    """One connection, one POST with a JSON body."""

    def __init__(self, port, path, body):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        text = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        )
        self.connection.sendall(head.encode() + text)
        self.received = b""

    def read_until(self, mark):
        """Reads until `mark` was received."""
        while mark not in self.received:
            data = self.connection.recv(65536)
            assert data, f"the connection ended before {mark!r}: {self.received!r}"
            self.received += data

    def read_to_end(self):
        """Reads until the server closes, and returns everything."""
        while data := self.connection.recv(65536):
            self.received += data
        return self.received

    def leave(self):
        """Closes the connection in good order: FIN."""
        self.connection.close()

    def vanish(self):
        """Closes the connection with RST."""
        reset(self.connection)
