"""Routes over several instances, load on them, and what the log tells of it."""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import threading

from conftest import LOGGED
from gateway import fetch
from process import wait_until
from raw_client import RawClient

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
STREAM = {**BODY, "stream": True}
STRATEGY = ["http_429", "http_5xx"]
PACE = 0.050
LAST_CHUNK = b"0\r\n\r\n"
# A server that is down is asked first by every request, as APISIX does it.
PATIENT = {"breaker": {"enabled": False}}


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


def route(instances, log=None, identity="ai", uri="/v1/*", **fields):
    """A route over these instances, whose attempts are logged."""
    proxy = {"instances": instances, "fallback_strategy": STRATEGY, **fields}
    plugins = {"ai-proxy-multi": {**proxy, "logging": {"summaries": True}}, **LOGGED}
    if log:
        plugins["file-logger"] = {"path": str(log)}
    return {"id": identity, "uri": uri, "plugins": plugins}


def multi_route(instances, log=None, **fields):
    """A configuration of one such route."""
    return {"routes": [route(instances, log, **fields)]}


# The log


def logged(log):
    """The entries of a log file."""
    text = log.read_text() if log.exists() else ""
    # The last line may be under way.
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]


def trails(log):
    """The attempts of every request that was logged."""
    return [entry.get("llm_attempts") or [] for entry in logged(log)]


def trails_of(log, count):
    """The attempts of this many requests, waited for."""
    wait_until(lambda: len(trails(log)) >= count, f"{count} requests to be logged")
    return trails(log)


def first(trail):
    """Whoever answered at once."""
    return trail[0]["instance"] if len(trail) == 1 else None


# The gauge of exchanges in flight


def in_flight(gateway):
    """The gauge's samples by their labels."""
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


# Requests


class Load:
    """Twenty requests per second, every other one a stream, until it is told to stop."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.faults = []
        self.sent = []
        self.answered = 0
        self.cut = 0
        self.counting = threading.Lock()
        self.ending = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(64)
        self.pacer = threading.Thread(target=self._pace)
        self.pacer.start()

    def more(self, count):
        """Waits for the answers to all that was sent, and for this many further ones."""
        _, late = concurrent.futures.wait(list(self.sent), 60)
        assert not late, f"{len(late)} requests hang"
        wanted = self.answered + count
        wait_until(lambda: self.answered >= wanted, f"{count} further answers")

    def close(self):
        """Sends no more, and waits for the answers to all that was sent."""
        self.ending.set()
        self.pacer.join()
        self.pool.shutdown(cancel_futures=True)

    def _pace(self):
        for body in itertools.cycle([BODY, STREAM]):
            if self.ending.wait(PACE):
                return
            self.sent.append(self.pool.submit(self._ask, body))

    def _ask(self, body):
        fault, whole = None, True
        try:
            whole = (ask_stream if body is STREAM else ask_json)(self.gateway)
        except Exception as error:  # the test fails with all of them
            fault = repr(error)
        with self.counting:
            self.answered += 1
            self.cut += not whole
            if fault:
                self.faults.append(fault)


def ask_json(gateway):
    """One answer in one piece, which must be whole."""
    status, _, text = fetch("POST", gateway.url + CHAT, BODY)
    assert status == 200, (status, text)
    assert "content" in json.loads(text)["choices"][0]["message"]
    return True


def ask_stream(gateway):
    """Whether one stream was whole; only one that was cut after its first content may be not."""
    client = RawClient(gateway.proxy, CHAT, STREAM)
    with contextlib.closing(client.connection):
        client.read_until(b"\r\n\r\n")
        assert client.received.startswith(b"HTTP/1.1 200"), client.received
        with contextlib.suppress(ConnectionResetError):
            while not client.received.endswith(LAST_CHUNK):
                data = client.connection.recv(65536)
                if not data:
                    break
                client.received += data
    whole = client.received.endswith(b"data: [DONE]\n\n\r\n" + LAST_CHUNK)
    begun = b'"content":"' in client.received.replace(b'"content":""', b"")
    assert whole or begun, client.received
    return whole


class Traffic(threading.Thread):
    """One client that asks again and again over one connection, and remembers each failure."""

    def __init__(self, port):
        super().__init__()
        self.port, self.stop, self.answered, self.faults = port, threading.Event(), 0, []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        text = json.dumps(BODY)
        while not self.stop.is_set():
            connection.request("POST", CHAT, text, {"content-type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or b'"content":"' not in body:
                self.faults.append((answer.status, body))
            self.answered += 1
        connection.close()
