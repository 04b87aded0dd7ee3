"""Two real servers behind one route, killed and started again under load."""

import contextlib
import signal

import pytest
from conftest import stopped
from gateway import fetch
from process import wait_until
from raw_client import RawClient
from several import (
    BODY,
    CHAT,
    PATIENT,
    STREAM,
    Load,
    all_idle,
    busy,
    first,
    in_flight,
    instance,
    multi_route,
    trails,
    trails_of,
)
from upstreams import Aimock, Llama

CHECKED = {
    "checks": {
        "active": {
            "http_path": "/v1/models",
            "timeout": 5,
            "healthy": {"interval": 1, "successes": 1},
            "unhealthy": {"interval": 1, "http_failures": 1, "tcp_failures": 1},
        }
    }
}
QUICK_BREAKER = {"breaker": {"open_ms": 300, "max_open_ms": 300}}
ANY = {"fallback_strategy": "instance_health_and_rate_limiting"}
ONLY_5XX = {"fallback_strategy": "http_5xx"}
LISTED = {"fallback_strategy": ["rate_limiting", "http_429", "http_5xx"]}
# A server that cannot be reached counts as 500, one that is silent as 504.
BY_STATUS = {"fallback_strategy": None, "fallback_http_statuses": [500, 503, 504]}
# The length of a silence that is a failure.
SILENCE = {"timeout": 2000}
# Whoever ends, and whoever is left meanwhile.
AIMOCK, LLAMA = ("aimock", "llama"), ("llama", "aimock")
KILL, TERM, FREEZE = signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP


class Servers(contextlib.ExitStack):
    """Both real servers, each on a port that it keeps over its restarts."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.kinds = {"aimock": Aimock, "llama": Llama}
        self.running = {}
        self.lives = 0
        for name in self.kinds:
            self.start(name)

    def start(self, name):
        """Starts one of them, where it was before."""
        before = self.running.get(name)
        more = {"port": before.port} if before else {}
        if name == "aimock":
            more["delay_ms"] = 20
        self.lives += 1
        process = self.kinds[name](self.folder, f"{name}-{self.lives}", **more)
        self.running[name] = self.enter_context(stopped(process))

    @contextlib.contextmanager
    def ended(self, name, number):
        """Ends one of them by this signal, by force when the time for good order is over.

        One that was frozen goes on, with what it was asked meanwhile.
        """
        process = self.running[name]
        process.signal(number)
        yield
        if number == FREEZE:
            process.signal(signal.SIGCONT)
            return
        if process.running():
            process.kill()
        process.wait()
        self.start(name)


@pytest.fixture
def servers(tmp_path):
    """The two servers of a test's own; all their lives are ended after it."""
    with Servers(tmp_path) as both:
        yield both


@pytest.mark.parametrize(
    ("ended", "number", "strategy", "more"),
    [
        pytest.param([AIMOCK], KILL, ANY, PATIENT, id="aimock-killed"),
        pytest.param([LLAMA], KILL, ONLY_5XX, PATIENT, id="llama-killed"),
        pytest.param([AIMOCK], TERM, LISTED, QUICK_BREAKER, id="aimock-stopped-breakers"),
        pytest.param([LLAMA], TERM, BY_STATUS, QUICK_BREAKER, id="llama-stopped-breakers"),
        pytest.param([AIMOCK], TERM, BY_STATUS, CHECKED, id="aimock-stopped-checks"),
        pytest.param([LLAMA], KILL, LISTED, CHECKED, id="llama-killed-checks"),
        pytest.param([AIMOCK, LLAMA], KILL, ANY, CHECKED, id="in-turn-checks"),
        pytest.param(
            [AIMOCK, LLAMA, AIMOCK, LLAMA], KILL, LISTED, QUICK_BREAKER, id="in-turn-breakers"
        ),
        pytest.param(
            [LLAMA, AIMOCK], FREEZE, LISTED | SILENCE, QUICK_BREAKER, id="frozen-breakers"
        ),
        pytest.param([LLAMA, AIMOCK], TERM, ONLY_5XX, PATIENT | CHECKED, id="in-turn-stopped"),
    ],
)
def test_nobody_notices_that_a_server_ends_and_comes_back(
    start, servers, tmp_path, ended, number, strategy, more
):
    log = tmp_path / "requests.log"
    instances = [instance(name, server.url, **more) for name, server in servers.running.items()]
    strategy = {name: value for name, value in strategy.items() if value}
    fields = {"fallback_strategy": [], **strategy}
    gateway = start(multi_route(instances, log, **fields))
    with contextlib.closing(Load(gateway)) as load:
        for name, other in ended:
            load.more(20)
            with servers.ended(name, number):
                before = len(trails(log))
                some(log, before, 20, answered_by, other)
                # Checks may be quicker than any request.
                if "checks" not in more:
                    some(log, before, 1, missed_at, name)
            before = len(trails(log))
            some(log, before, 5, first, name)

    assert load.faults == []
    told = trails_of(log, load.answered)
    assert len(told) == load.answered
    assert sum(trail[-1]["ended"] != "complete" for trail in told) == load.cut
    for trail in told:
        # Whoever is out is missed once by a request, and the other answers it.
        assert len({attempt["instance"] for attempt in trail}) == len(trail) <= 2, trail
        assert trail[-1]["status"] == 200
    fallbacks = [trail for trail in told if len(trail) == 2]
    assert {missed_at(trail) for trail in fallbacks} <= {name for name, _ in ended}
    for missed, answered in fallbacks:
        # A server that is starting may say 503.
        assert missed["ended"] in ("connect", "cut", "timeout") or missed["status"] == 503, missed
        assert answered["chosen"] == "fallback", answered
    all_idle(gateway, "aimock", "llama")


def answered_by(trail):
    """Whoever gave the whole answer in the end."""
    return trail[-1]["instance"] if trail[-1]["ended"] == "complete" else None


def missed_at(trail):
    """Whoever failed before another answered."""
    return trail[0]["instance"] if len(trail) == 2 else None


def some(log, before, count, found, name):
    """Waits for this many requests after those `before` whose trail gives this name."""

    def told():
        return sum(found(trail) == name for trail in trails(log)[before:]) >= count

    wait_until(told, f"{name} to answer {count} requests")


def test_gauges_are_exact_after_fallbacks_failures_and_clients_that_leave(start, tap, aimock):
    cutting, failing = tap(aimock, cut_after=0), tap(aimock, cut_after=0)
    silent = tap(aimock, hold_after=0)
    instances = [
        instance("cut", cutting.url, 2, **PATIENT),
        instance("silent", silent.url, 1, **PATIENT),
        instance("last", failing.url, 0, **PATIENT),
    ]
    gateway = start(multi_route(instances))
    for number, body in enumerate([BODY, STREAM]):
        client = RawClient(gateway.proxy, CHAT, body)
        assert silent.link(number).asked.wait(30)
        (one,) = wait_until(lambda: busy(gateway), "the gauge to count the exchange")
        assert '"silent"' in one and in_flight(gateway)[one] == 1
        client.leave()
        all_idle(gateway, "cut", "silent")
    silent.hold_after, silent.cut_after = None, 0
    for body in [BODY, STREAM]:
        status, _, _ = fetch("POST", gateway.url + CHAT, body)
        assert status >= 500
    all_idle(gateway, "cut", "silent", "last")
