"""Several real servers behind one route, one of them killed and started again under load."""

import concurrent.futures
import contextlib
import itertools
import json
import threading

import pytest
from conftest import LOGGED, stopped
from gateway import fetch
from process import wait_until
from raw_client import RawClient
from upstreams import Aimock

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
STREAM = {**BODY, "stream": True}
STRATEGY = ["http_429", "http_5xx"]
PACE = 0.050
# A server that is down is asked first by every request, as APISIX does it.
PATIENT = {"breaker": {"enabled": False}}
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


def instance(name, upstream, priority=0, **more):
    """One instance of an OpenAI upstream."""
    return {
        "name": name,
        "provider": "openai",
        "weight": 1,
        "priority": priority,
        "auth": {"header": {"authorization": "Bearer upstream-key"}},
        "override": {"endpoint": upstream},
        **more,
    }


def multi_route(instances, log=None, **fields):
    """A route over these instances, whose attempts are logged."""
    proxy = {"instances": instances, "fallback_strategy": STRATEGY, **fields}
    plugins = {"ai-proxy-multi": {**proxy, "logging": {"summaries": True}}, **LOGGED}
    if log:
        plugins["file-logger"] = {"path": str(log)}
    return {"routes": [{"id": "ai", "uri": "/v1/*", "plugins": plugins}]}


def in_flight(gateway):
    """The gauge of exchanges in flight, its samples by their labels."""
    name = "apisix_llm_active_connections{"
    lines = [line for line in gateway.exposition().splitlines() if line.startswith(name)]
    return {labels: float(value) for labels, value in (line.rsplit(" ", 1) for line in lines)}


def busy(gateway):
    """The labels of those samples that are not zero."""
    return [labels for labels, value in in_flight(gateway).items() if value]


def all_idle(gateway, *instances):
    """Waits until the gauge of each of these instances is there, and that of everyone zero."""

    def idle():
        gauges = in_flight(gateway)
        known = all(any(f'"{one}"' in labels for labels in gauges) for one in instances)
        return known and not any(gauges.values())

    wait_until(idle, f"the gauges of {instances} to be zero")


class Load:
    """Twenty requests per second, every other one a stream, until it is told to stop."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.faults = []
        self.answered = 0
        self.ending = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(16)
        self.pacer = threading.Thread(target=self._pace)
        self.pacer.start()

    def more(self, count):
        """Waits for this many further answers."""
        wanted = self.answered + count
        wait_until(lambda: self.answered >= wanted, f"{count} further answers")

    def end(self):
        """Sends no more, and waits for the answers to all that was sent."""
        self.ending.set()
        self.pacer.join()
        self.pool.shutdown()

    def _pace(self):
        for body in itertools.cycle([BODY, STREAM]):
            if self.ending.wait(PACE):
                return
            self.pool.submit(self._ask, body)

    def _ask(self, body):
        fault = None
        try:
            (ask_stream if body is STREAM else ask_json)(self.gateway)
        except Exception as error:  # the test fails with all of them
            fault = repr(error)
        if fault:
            self.faults.append(fault)
        self.answered += 1


def ask_json(gateway):
    """One answer in one piece, which must be whole."""
    status, _, text = fetch("POST", gateway.url + CHAT, BODY)
    assert status == 200, (status, text)
    assert "content" in json.loads(text)["choices"][0]["message"]


def ask_stream(gateway):
    """One stream, which must be whole unless it was cut after its first content."""
    client = RawClient(gateway.proxy, CHAT, STREAM)
    with contextlib.closing(client.connection):
        with contextlib.suppress(ConnectionResetError):
            while b"data: [DONE]" not in client.received:
                data = client.connection.recv(65536)
                if not data:
                    break
                client.received += data
    whole = b"data: [DONE]" in client.received
    begun = b'"content":"' in client.received.replace(b'"content":""', b"")
    assert client.received.startswith(b"HTTP/1.1 200"), client.received
    assert whole or begun, client.received


def trails(log):
    """The attempts of every request that was logged."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line).get("llm_attempts") or [] for line in lines]


def first(trail):
    """Whoever answered at once."""
    return trail[0]["instance"] if len(trail) == 1 else None


VARIANTS = {"plain": PATIENT, "breaker": QUICK_BREAKER, "checks": CHECKED}


@pytest.mark.parametrize("more", VARIANTS.values(), ids=VARIANTS.keys())
def test_nobody_notices_a_server_that_is_killed_and_comes_back(start, tmp_path, llama, more):
    log = tmp_path / "requests.log"
    with contextlib.ExitStack() as stack:
        main = stack.enter_context(stopped(Aimock(tmp_path, "main", delay_ms=20)))
        port = int(main.url.rsplit(":", 1)[1])
        instances = [instance("main", main.url, 1, **more), instance("spare", llama.url)]
        gateway = start(multi_route(instances, log))
        load = Load(gateway)
        stack.callback(load.end)
        load.more(20)
        main.kill()
        wait_until(lambda: "spare" in str(trails(log)), "the spare server to be asked")
        load.more(20)
        lived = len(trails(log))
        again = Aimock(tmp_path, "main-again", delay_ms=20, port=port)
        stack.enter_context(stopped(again))

        def returned():
            return sum(first(trail) == "main" for trail in trails(log)[lived:]) >= 20

        wait_until(returned, "the restarted server to be asked again")
        load.end()

        assert load.faults == []
        fallbacks = [trail for trail in trails(log) if len(trail) == 2]
        assert fallbacks
        for failed, answered in fallbacks:
            assert (failed["instance"], answered["instance"]) == ("main", "spare")
            assert failed["ended"] != "complete"
            assert (answered["chosen"], answered["status"]) == ("fallback", 200)
        wait_until(lambda: len(trails(log)) == load.answered, "every request to be logged")
        all_idle(gateway, "main", "spare")


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
