"""Health checks with real servers: a name with two addresses, what is told, and how it is ended."""

import collections
import http.server
import json
import socket
import ssl
import subprocess
import threading

import pytest
from gateway import fetch
from process import wait_until
from several import BODY, CHAT, PATIENT, instance, logged, route

NAME = "models.example"
GONE = "http://127.0.0.1:1"
ADDRESSES = ["127.0.0.1", "127.0.0.2"]
CHECKS = {
    "active": {
        "http_path": "/health",
        "healthy": {"interval": 1, "successes": 1},
        "unhealthy": {"interval": 1, "tcp_failures": 1, "http_failures": 1},
    }
}


class Provider:
    """A provider at one address, which says that address and can be ended and begun again."""

    def __init__(self, address, port, tls=None):
        self.address, self.port, self.tls = address, port, tls
        self.probed, self.hosts = collections.Counter(), set()
        self.begin()

    def begin(self):
        """Listens and answers."""
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802
                provider.probed[self.path] += 1
                self.answer({})

            def do_POST(self):  # noqa: N802
                provider.hosts.add(self.headers["host"])
                self.rfile.read(int(self.headers["content-length"]))
                message = {"role": "assistant", "content": provider.address}
                self.answer({"choices": [{"message": message}]})

            def answer(self, document):
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            open = set()

            def process_request(self, request, client_address):
                self.open.add(request)
                super().process_request(request, client_address)

            def handle_error(self, *_):
                pass

        self.server = Server((self.address, self.port), Handler)
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def end(self):
        """Closes the port and every connection."""
        self.server.shutdown()
        self.server.server_close()
        for one in self.server.open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.fixture
def providers():
    """Begins a provider at each address, all at one port, and ends them."""
    begun = []

    def begin(addresses=ADDRESSES, tls=None):
        begun.append(Provider(addresses[0], 0, tls))
        begun[0].port = begun[0].server.server_address[1]
        begun.extend(Provider(address, begun[0].port, tls) for address in addresses[1:])
        return begun

    yield begin
    for one in begun:
        one.end()


def checked(name, upstream, **more):
    """An instance whose health is checked."""
    return instance(name, upstream, checks=CHECKS, **PATIENT, **more)


def resources(scheme, providers, log):
    """A route that prefers the providers under their name to an instance that is not there."""
    named = checked("named", f"{scheme}://{NAME}:{providers[0].port}", priority=1)
    nobody = checked("nobody", GONE)
    return {"routes": [route([named, nobody], log)]}


def health(gateway, path=""):
    """What the control API tells of health."""
    url = f"http://127.0.0.1:{gateway.control}/v1/healthcheck{path}"
    status, _, text = fetch("GET", url)
    return status, json.loads(text)


def states(gateway):
    """The state of each address of the named instance."""
    found = [one for one in health(gateway)[1] if one["instance"] == "named"]
    return {node["ip"]: node["status"] for one in found for node in one["nodes"]}


def answering(gateway, count=40):
    """Who answers that many requests, none of which may fail."""
    names = set()
    for _ in range(count):
        status, _, text = fetch("POST", f"{gateway.url}{CHAT}", BODY)
        assert status == 200, text
        names.add(json.loads(text)["choices"][0]["message"]["content"])
    return names


def certificate(folder):
    """A certificate for the name, and the context of a server that shows it."""
    names = f"subjectAltName=DNS:{NAME}"
    # An authority may not be a server at the same time.
    no_authority = "basicConstraints=critical,CA:FALSE"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", folder / "key", "-out", folder / "cert", "-days", "2",
         "-subj", "/CN=test", "-addext", names, "-addext", no_authority],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return folder / "cert", context


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_request_fails_while_one_of_two_addresses_is_away(start, providers, tmp_path, scheme):
    cert, tls = certificate(tmp_path) if scheme == "https" else (None, None)
    both = providers(tls=tls)
    log = tmp_path / "attempts.log"
    resource = resources(scheme, both, log)
    if tls:
        named = resource["routes"][0]["plugins"]["ai-proxy-multi"]["instances"][0]
        named["checks"] = {"active": {**CHECKS["active"], "type": "https"}}
    environment = {"SSL_CERT_FILE": str(cert)} if cert else None
    gateway = start(resource, hosts={NAME: ADDRESSES}, environment=environment)
    well = dict.fromkeys(ADDRESSES, "healthy")
    wait_until(lambda: states(gateway) == well, "both addresses to be known")
    assert answering(gateway) == set(ADDRESSES)

    both[1].end()
    assert answering(gateway) == {ADDRESSES[0]}, "before it was noticed"
    gone = {**well, ADDRESSES[1]: "unhealthy"}
    wait_until(lambda: states(gateway) == gone, "the address to be missed")
    assert answering(gateway) == {ADDRESSES[0]}

    both[1].begin()
    wait_until(lambda: states(gateway) == well, "the address to be back")
    assert answering(gateway) == set(ADDRESSES)

    port = both[0].port
    assert both[0].hosts | both[1].hosts == {f"{NAME}:{port}"}
    addresses = {entry["llm_attempts"][0]["address"] for entry in logged(log)}
    assert addresses == {f"{address}:{port}" for address in ADDRESSES}


def test_what_is_known_is_told_by_resource_and_in_metrics(start, providers):
    (provider,) = providers(ADDRESSES[:1])
    gateway = start()
    url = f"http://127.0.0.1:{provider.port}"
    plugins = route([checked("a", url), checked("b", GONE)])["plugins"]
    for path, body in [
        ("/routes/r", {"uri": "/r", "plugins": plugins}),
        ("/services/s", {"plugins": plugins}),
        ("/routes/of-s", {"uri": "/s", "service_id": "s"}),
        ("/plugin_configs/p", {"plugins": plugins}),
        ("/routes/of-p", {"uri": "/p", "plugins": {}, "plugin_config_id": "p"}),
    ]:
        status, told = gateway.configure("PUT", path, body)
        assert status == 201, told

    def places():
        return {one["name"] for one in health(gateway)[1]}

    expected = {
        f"upstream#/apisix/{place}#plugins['ai-proxy-multi'].instances[{index}]"
        for place in ["routes/r", "services/s", "plugin_configs/p"]
        for index in range(2)
    }
    assert wait_until(places, "probes to be told") == expected
    for path in ["/routes/r", "/services/s"]:
        status, one = health(gateway, path)
        assert (status, one["name"]) == (200, f"/apisix{path}")
        assert {node["port"] for node in one["nodes"]} == {provider.port, 1}

    def value(port):
        labels = {"ip": "127.0.0.1", "port": port}
        return set(gateway.samples("apisix_upstream_status", **labels))

    wait_until(lambda: value(provider.port) == {1} and value(1) == {0}, "the metric to tell")
    for path in ["/routes/r", "/routes/of-s", "/routes/of-p", "/services/s", "/plugin_configs/p"]:
        assert gateway.configure("DELETE", path)[0] == 200
    wait_until(lambda: not places() and not value(1), "nothing to be told any more")


def test_checks_that_are_turned_off_probe_nobody(start, providers):
    (provider,) = providers(ADDRESSES[:1])

    def routes(path):
        active = {**CHECKS["active"], "http_path": path}
        one = checked("a", f"http://127.0.0.1:{provider.port}")
        return {"routes": [route([{**one, "checks": {"active": active}}, checked("b", GONE)])]}

    variable = {"TOLLGATE_PROXY_DISABLE_UPSTREAM_HEALTHCHECK": "true"}
    off = start(routes("/off"), "off", environment=variable)
    start(routes("/on"), "on")
    wait_until(lambda: provider.probed["/on"] >= 3, "probes of the other gateway")
    assert (provider.probed["/off"], health(off)) == (0, (200, []))
    assert answering(off) == {ADDRESSES[0]}
