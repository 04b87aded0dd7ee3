"""The program under test, started as a user would, with ports that were free a moment ago."""

import json
import os
import pathlib
import socket
import urllib.error
import urllib.request

from process import Process, wait_until

BINARY = pathlib.Path(os.environ.get("PEERS_TOLLGATE", "tollgate"))
ADMIN_KEY = "a-key-that-is-long-enough"


def free_ports(count):
    """Ports of the loopback address that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def as_yaml(document):
    """JSON is YAML: what is written is what was meant."""
    return json.dumps(document, indent=2)


def fetch(method, url, body=None, headers=None):
    """One request by the standard library: status, headers, body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    if data is not None:
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, refusal.read()


def in_world_of(hosts, folder):
    """What stands before a command that is to see a hosts file of its own, alone."""
    file = folder / "hosts"
    lines = [f"{address} {name}" for name, addresses in hosts.items() for address in addresses]
    file.write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
    own = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    return [*own, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', file]


class Gateway(Process):
    """A running gateway.

    With `resources` it serves from a standalone file, else from its embedded store; with `start`
    another command line can be tried. With `hosts`, names have these addresses for it alone.
    """

    def __init__(
        self, folder, resources=None, settings=None, name="tollgate", hosts=None, environment=None
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.proxy, self.admin, self.control, self.metrics = free_ports(4)
        self.settings = {
            "proxy": {"listen": [f"127.0.0.1:{self.proxy}"]},
            "admin": {"listen": f"127.0.0.1:{self.admin}", "key": ADMIN_KEY},
            "control": {"listen": f"127.0.0.1:{self.control}"},
            "metrics": {"listen": f"127.0.0.1:{self.metrics}"},
            "workers": 2,
        }
        self.resources = folder / "apisix.yaml"
        if resources is None:
            self.settings["data_dir"] = str(folder / "data")
        else:
            self.settings["resources"] = str(self.resources)
            self.write(resources)
        self.settings |= settings or {}
        self.file = folder / "tollgate.yaml"
        self.file.write_text(as_yaml(self.settings))
        self.url = f"http://127.0.0.1:{self.proxy}"
        self.log_name = name
        self.before = in_world_of(hosts, folder) if hosts else []
        self.environment = {**os.environ, **environment} if environment else None
        self.start()

    def start(self):
        """Starts the program (again) and waits until it says that it is ready."""
        command = [*self.before, BINARY, "run", "-c", self.file]
        super().__init__(command, self.folder, self.log_name, self.environment)
        wait_until(self.ready, "the gateway to be ready", 60)
        self.wait_for(f"127.0.0.1:{self.control}")

    def write(self, resources):
        """Writes the standalone file, whole at once as an editor does."""
        text = resources if isinstance(resources, str) else f"{as_yaml(resources)}\n#END\n"
        draft = self.resources.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.resources)

    def ready(self):
        """Whether the readiness page says so."""
        assert self.running(), f"the gateway ended\n{self.both()}"
        try:
            return fetch("GET", f"http://127.0.0.1:{self.control}/status/ready")[0] == 200
        except OSError:
            return False

    # Operators' doors

    def configure(self, method, path, body=None):
        """A call of the Admin API: status and document."""
        url = f"http://127.0.0.1:{self.admin}/apisix/admin{path}"
        status, _, text = fetch(method, url, body, {"X-API-KEY": ADMIN_KEY})
        return status, json.loads(text) if text.strip() else None

    def exposition(self):
        """The metrics page as text."""
        url = f"http://127.0.0.1:{self.metrics}/apisix/prometheus/metrics"
        status, _, text = fetch("GET", url)
        assert status == 200
        return text.decode()

    def samples(self, name, **labels):
        """The values of a metric's samples that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return [
            float(line.rsplit(" ", 1)[1])
            for line in self.exposition().splitlines()
            if line.startswith((f"{name}{{", f"{name} ")) and all(word in line for word in wanted)
        ]

    # The access log

    def entries(self, start=0):
        """The access log's entries from number `start` on."""
        lines = [line for line in self.out().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines[start:]]

    def entry(self, start, wanted=lambda entry: True):
        """The first entry from number `start` on that is wanted, waited for."""
        return wait_until(
            lambda: next((one for one in self.entries(start) if wanted(one)), None),
            "an access log entry",
        )
