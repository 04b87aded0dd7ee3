"""The configuration changes thousands of times under load, while health is checked.

crates/tollgate/src/probing/tests.rs does so ten thousand times without a door for operators.
"""

import contextlib
import http.client
import json
import pathlib
import time

from gateway import ADMIN_KEY, fetch
from process import wait_until
from several import Traffic, instance, multi_route

WARM, SWAPS, CLIENTS = 500, 3000, 3
# What a configuration costs is freed late: by the allocator, and with the last request that saw it.
MEMORY = 1.12
# Connections to upstreams that are idle or in use: not one for each swap or prober.
SOCKETS = 12
# The seconds between two probes of a target.
INTERVAL = 1


def route_of(turn, servers, probed):
    """The route of one turn: one instance stays, the weight and the checks of the other change."""
    stays, changes = servers
    put = multi_route(
        [
            instance("stays", stays.url, **checked("stays", probed)),
            instance("changes", changes.url, **checked(f"turn-{turn}", probed))
            | {"weight": 1 + turn % 3},
        ]
    )["routes"][0]
    del put["id"]
    return put


def checked(mark, probed):
    """Health that is asked for at a port of its own."""
    port = int(probed.url.rsplit(":", 1)[1])
    active = {"http_path": f"/health?{mark}", "port": port, "healthy": {"interval": INTERVAL}}
    return {"checks": {"active": active}}


class Operator:
    """One who changes the route by the Admin API, over one connection."""

    def __init__(self, gateway):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.admin, timeout=60)

    def ask(self, method, route=None):
        """Changes the route, and waits until that is served."""
        headers = {"content-type": "application/json", "x-api-key": ADMIN_KEY}
        text = json.dumps(route) if route else None
        self.connection.request(method, "/apisix/admin/routes/ai", text, headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 201), body

    def close(self):
        """Hangs up."""
        self.connection.close()


@contextlib.contextmanager
def traffic(gateway):
    """Clients that ask all the while; none of them may be failed."""
    clients = [Traffic(gateway.proxy) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join(60)
    assert [client.faults for client in clients] == [[]] * CLIENTS
    assert all(client.answered > SWAPS / 100 for client in clients)


def resident(gateway):
    """Resident memory in bytes."""
    status = pathlib.Path(f"/proc/{gateway.child.pid}/statm").read_text()
    return int(status.split()[1]) * 4096


def sockets(gateway):
    """How many sockets it has open."""
    folder = pathlib.Path(f"/proc/{gateway.child.pid}/fd")
    count = 0
    for one in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(one.readlink()).startswith("socket:")
    return count


def checkers(gateway):
    """Who is checked, as the control API tells it."""
    _, _, text = fetch("GET", f"http://127.0.0.1:{gateway.control}/v1/healthcheck")
    return json.loads(text)


def marks(probed, start=0):
    """The marks of the probes from number `start` on."""
    asked = [bytes(link.received) for link in list(probed.links)[start:]]
    return [
        one.split(b" ")[1].partition(b"?")[2].decode() for one in asked if one.startswith(b"GET ")
    ]


def test_thousands_of_changes_fail_no_request_and_leave_nothing_behind(start, tap, aimock, llama):
    gateway = start()
    probed = tap(llama)
    with contextlib.closing(Operator(gateway)) as operator:

        def swap(turns):
            for turn in turns:
                operator.ask("PUT", route_of(turn, (aimock, llama), probed))

        swap([0])
        idle = sockets(gateway)
        with traffic(gateway):
            swap(range(WARM))
            before = resident(gateway)
            swap(range(WARM, SWAPS + 1))
        after = resident(gateway)

        # Nobody is probed for a configuration that is gone, and nobody oftener than once in a while.
        wait_until(lambda: f"turn-{SWAPS}" in marks(probed), "a probe of the last configuration")
        count, begun = len(probed.links), time.monotonic()
        wait_until(lambda: len(marks(probed, count)) >= 6, "further probes")
        took = time.monotonic() - begun
        assert set(marks(probed, count)) == {"stays", f"turn-{SWAPS}"}
        assert took > 2 * INTERVAL, took
        assert len(checkers(gateway)) == 2

        assert after < MEMORY * before, (before, after)
        assert sockets(gateway) <= idle + SOCKETS
        operator.ask("DELETE")
        wait_until(lambda: not checkers(gateway), "checks to end with their configuration")
