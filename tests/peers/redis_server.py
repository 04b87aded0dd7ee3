"""Redis servers: alone, as a cluster of one node, and with a sentinel that names it."""

import shutil
import subprocess

from process import Process, wait_until


class Redis(Process):
    """A Redis server on a port that it keeps over its restarts."""

    def __init__(self, folder, port, name="redis", options=(), password=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self.name = folder, port, name
        self.options = [*options, *(["--requirepass", password] if password else [])]
        self.password = password
        self.start()

    def start(self):
        """Starts it (again), with nothing in it."""
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", self.folder]
        super().__init__([*command, *self.options], self.folder, self.name)
        wait_until(lambda: self.ask("ping") == "PONG", "redis to answer")

    def ask(self, *words):
        """The answer to a command, as the client prints it."""
        login = ["-a", self.password, "--no-auth-warning"] if self.password else []
        command = ["redis-cli", "-h", "127.0.0.1", "-p", self.port, *login, *words]
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=30
        )
        return done.stdout.strip()

    def counters(self):
        """All counters: their numbers by their keys."""
        keys = self.ask("keys", "*").split()
        return {key: int(self.ask("get", key)) for key in keys}


class Cluster(Redis):
    """A cluster of one node that has all slots."""

    def __init__(self, folder, port, bus_port):
        options = ["--cluster-enabled", "yes", "--cluster-port", bus_port]
        options += ["--cluster-announce-ip", "127.0.0.1"]
        super().__init__(folder, port, "redis-cluster", options)

    def start(self):
        """Starts it, and gives it all slots."""
        super().start()
        self.ask("cluster", "addslotsrange", "0", "16383")
        wait_until(lambda: "cluster_state:ok" in self.ask("cluster", "info"), "the cluster")


class Sentinel(Process):
    """A sentinel that knows a server by the name `main`."""

    def __init__(self, folder, port, server, password):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "sentinel.conf"
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"requirepass {password}",
            f"sentinel monitor main 127.0.0.1 {server.port} 1",
            f"sentinel auth-pass main {server.password}",
        ]
        file.write_text("\n".join([*lines, ""]))
        self.port = port
        super().__init__([shutil.which("redis-server"), file, "--sentinel"], folder, "sentinel")
        self.wait_for("monitor master main")
