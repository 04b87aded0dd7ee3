"""The servers that the gateway calls, none of them ours."""

import json
import os
import pathlib
import subprocess
import urllib.request

from process import Process

HERE = pathlib.Path(__file__).parent


class Aimock(Process):
    """The mock server of `@copilotkit/aimock`: canned answers in every dialect."""

    def __init__(self, folder, name="aimock", delay_ms=0, port=0):
        program = pathlib.Path(os.environ["PEERS_NODE_MODULES"], "@copilotkit/aimock/dist/cli.js")
        command = ["node", program, "-p", port, "-f", HERE / "fixtures.json"]
        command += ["--chunk-size", "8", "--latency", delay_ms]
        super().__init__(command, folder, name)
        self.url = self.wait_for(r"listening on (http://127\.0\.0\.1:\d+)").group(1)
        self.port = int(self.url.rsplit(":", 1)[1])

    def last(self, path):
        """The journal's last request to `path`: what really arrived."""
        with urllib.request.urlopen(f"{self.url}/__aimock/journal", timeout=30) as answer:
            journal = json.load(answer)
        entries = journal if isinstance(journal, list) else journal["entries"]
        return [entry for entry in entries if entry["path"].split("?")[0] == path][-1]


class Llama(Process):
    """llama.cpp's server with a tiny random model: real tokens, real usage."""

    def __init__(self, folder, name="llama", port=0, at_once=4):
        python = os.environ["PEERS_PYTHON"]
        model = folder / "tiny.gguf"
        if not model.exists():
            subprocess.run([python, HERE / "tiny_gguf.py", model], check=True, timeout=120)
        super().__init__([python, HERE / "llama_server.py", model, port, at_once], folder, name)
        self.url = self.wait_for(r"serving (http://127\.0\.0\.1:\d+)", seconds=120).group(1)
        self.port = int(self.url.rsplit(":", 1)[1])
