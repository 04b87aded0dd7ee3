"""The reference configurations as they stand, before hosts of the names that they have.

Not collected by itself: `test_reference.py` runs it in a network and with a hosts file of its own,
where `api.openai.com` is a relay of the test before aimock, and so on, with the certificate of an
authority that the gateway is told to trust.
"""

import contextlib
import fcntl
import json
import socket
import ssl
import struct
import subprocess
import time

import pytest
from forger import Forger, honest, refusal
from gateway import fetch
from process import wait_until
from several import CHAT, first, logged, trails, trails_of

HOSTS = {"api.openai.com": "127.0.0.2", "api.deepseek.com": "127.0.0.3"}
# The place of the model server in the example of several instances.
SPARE = ("10.0.0.8", 8000)
ASKED = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "hello"}]}

ONE = """
{
  "provider": "openai",
  "auth": { "header": { "authorization": "Bearer sk-xxx" } },
  "options": { "model": "gpt-4", "temperature": 0.7, "stream": true },
  "timeout": 30000,
  "ssl_verify": true,
  "logging": { "summaries": true, "payloads": false }
}
"""
SEVERAL = """
{
  "instances": [
    { "name": "openai-primary",  "provider": "openai",   "weight": 10, "priority": 0,
      "auth": { "header": { "authorization": "Bearer sk-xxx" } }, "options": { "model": "gpt-4" } },
    { "name": "deepseek-backup", "provider": "deepseek", "weight": 5,  "priority": 1,
      "auth": { "header": { "authorization": "Bearer ds-xxx" } }, "options": { "model": "deepseek-chat" } }
  ],
  "balancer": { "algorithm": "roundrobin" },
  "fallback_strategy": "instance_health_and_rate_limiting"
}
"""
EXAMPLE = """
{"ai-proxy-multi":{
  "balancer":{"algorithm":"roundrobin"},
  "fallback_strategy":["rate_limiting","http_429","http_5xx"],
  "fallback_http_statuses":[401,402],"max_retries":1,"retry_on_failure_within_ms":1500,
  "timeout":60000,"max_stream_duration_ms":300000,"max_response_bytes":33554432,
  "logging":{"summaries":true,"payloads":false},
  "instances":[
    {"name":"main","provider":"openai","weight":3,"priority":10,
     "auth":{"header":{"Authorization":"$env://OPENAI_AUTH_HEADER"}},
     "options":{"model":"gpt-4o"},
     "override":{"llm_options":{"max_tokens":1024},
                 "request_body":{"openai-chat":{"temperature":0.3}},"request_body_force_override":false},
     "checks":{"active":{"type":"https","http_path":"/v1/models","healthy":{"interval":5,"http_statuses":[200]},"unhealthy":{"interval":2,"http_failures":2}}}},
    {"name":"spare","provider":"openai-compatible","weight":1,"priority":0,
     "auth":{"header":{"Authorization":"Bearer local"}},
     "options":{"model":"llama-3-70b"},
     "override":{"endpoint":"http://10.0.0.8:8000/v1/chat/completions"}}]}}
"""


# The network


def interface(name, address):
    """Gives a loopback interface this address, and lets it be used."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        place = struct.pack("16sH2x4s8x", name.encode(), socket.AF_INET, socket.inet_aton(address))
        fcntl.ioctl(asking, 0x8916, place)  # SIOCSIFADDR
        running = struct.pack("16sH14x", name.encode(), 0x49)  # up, loopback, running
        fcntl.ioctl(asking, 0x8914, running)  # SIOCSIFFLAGS


def openssl(folder, *words):
    """Runs one command of OpenSSL."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session", autouse=True)
def network(folder):
    """Addresses, and names for them."""
    interface("lo", "127.0.0.1")
    interface("lo:1", SPARE[0])
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in HOSTS.items()))
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True, timeout=60)


@pytest.fixture(scope="session")
def certificate(folder):
    """The certificate of these hosts, and the authority that gave it."""
    names = ",".join(f"DNS:{name}" for name in HOSTS)
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=a test", "-days", "2"]
    openssl(folder, *new, *authority)
    leaf = ["-keyout", "leaf.key", "-out", "leaf.pem", "-subj", "/CN=hosts", "-days", "2"]
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName={names}"]
    openssl(folder, *new, *leaf, *signed, "-addext", "basicConstraints=critical,CA:FALSE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    return context, folder / "ca.pem"


class Providers:
    """The hosts by their names, each before aimock; and the model server."""

    def __init__(self, aimock, context):
        self.aimock, self.context = aimock, context
        self.openai = self.host("api.openai.com")
        self.deepseek = self.host("api.deepseek.com")
        self.spare = Forger(aimock.url, honest, address=SPARE)

    def host(self, name):
        """A host at its own port for HTTPS."""
        return Forger(self.aimock.url, honest, address=(HOSTS[name], 443), tls=self.context)

    def close(self):
        """Stops them all."""
        for one in (self.openai, self.deepseek, self.spare):
            one.close()


@pytest.fixture
def providers(aimock, certificate, monkeypatch):
    """The hosts, and an authority that gateways trust."""
    context, authority = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with contextlib.closing(Providers(aimock, context)) as hosts:
        yield hosts


@pytest.fixture
def log(tmp_path):
    """The log of a route."""
    return tmp_path / "requests.log"


def routed(plugins, log, **fields):
    """A route with these plugins as they stand, what is logged aside."""
    plugins = {**plugins, "file-logger": {"path": str(log)}}
    return {"routes": [{"id": "ai", "uri": "/v1/*", "plugins": plugins, **fields}]}


def several(log, **more):
    """The reference configuration with several providers."""
    proxy = {**json.loads(SEVERAL), "logging": {"summaries": True}, **more}
    return routed({"ai-proxy-multi": proxy}, log)


def ask(gateway, **more):
    """One request: its status, and its document."""
    status, _, text = fetch("POST", gateway.url + CHAT, {**ASKED, **more})
    return status, json.loads(text)


# One provider


def test_one_provider(start, providers, log):
    gateway = start(routed({"ai-proxy": json.loads(ONE)}, log))
    status, headers, text = fetch("POST", gateway.url + CHAT, {**ASKED, "temperature": 0})
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert text.endswith(b"data: [DONE]\n\n")
    (request,) = providers.openai.asked("/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-xxx"
    assert request.headers["host"] == "api.openai.com"
    body = request.json()
    assert (body["model"], body["temperature"], body["stream"]) == ("gpt-4", 0.7, True)
    (entry,) = wait_until(lambda: logged(log), "the entry")
    summary = entry["llm_summary"]
    assert summary["model"] == "gpt-4"
    assert {"duration", "prompt_tokens", "completion_tokens"} <= summary.keys()
    assert "llm_request" not in entry and "llm_response_text" not in entry


def test_one_provider_whose_certificate_nobody_vouches_for_is_not_asked(
    start, providers, log, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    gateway = start(routed({"ai-proxy": json.loads(ONE)}, log))
    assert ask(gateway)[0] == 500
    assert providers.openai.requests == []


# Several providers


def test_the_larger_priority_is_asked_first(start, providers, log):
    gateway = start(several(log))
    assert [ask(gateway)[1]["model"] for _ in range(4)] == ["deepseek-chat"] * 4
    requests = providers.deepseek.asked("/chat/completions")
    assert [request.headers["authorization"] for request in requests] == ["Bearer ds-xxx"] * 4
    assert {request.headers["host"] for request in requests} == {"api.deepseek.com"}
    assert providers.openai.requests == []
    assert [first(trail) for trail in trails_of(log, 4)] == ["deepseek-backup"] * 4


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_429_and_5xx_move_a_request_to_the_other(start, providers, log, status, stream):
    providers.deepseek.forge = refusal(status)
    gateway = start(several(log))
    answered, _, text = fetch("POST", gateway.url + CHAT, {**ASKED, "stream": stream})
    assert answered == 200
    assert b"gpt-4" in text
    (request,) = providers.openai.asked("/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-xxx"
    assert request.json()["messages"] == ASKED["messages"]
    ((failed, taken),) = trails_of(log, 1)
    assert (failed["instance"], failed["status"]) == ("deepseek-backup", status)
    assert (taken["instance"], taken["chosen"]) == ("openai-primary", "fallback")


def test_a_refused_connection_moves_a_request_to_the_other(start, providers, log):
    providers.deepseek.close()
    gateway = start(several(log))
    assert ask(gateway)[0] == 200
    ((failed, taken),) = trails_of(log, 1)
    assert (failed["instance"], failed["ended"]) == ("deepseek-backup", "connect")
    assert taken["instance"] == "openai-primary"


def test_a_connection_that_times_out_moves_a_request_to_the_other(start, providers, log):
    providers.deepseek.close()
    with socket.create_server((HOSTS["api.deepseek.com"], 443)):
        # Nobody takes the connection up; thirty seconds, its default, would be as good.
        gateway = start(several(log, timeout=1000))
        assert ask(gateway)[0] == 200
    ((failed, taken),) = trails_of(log, 1)
    assert (failed["instance"], failed["ended"], failed["status"]) == (
        "deepseek-backup",
        "timeout",
        504,
    )
    assert taken["instance"] == "openai-primary"


def test_a_refusal_of_the_request_stays_the_answer(start, providers, log):
    providers.deepseek.forge = refusal(401)
    gateway = start(several(log))
    status, body = ask(gateway)
    assert (status, body["error"]["message"]) == (401, "forged")
    assert providers.openai.requests == []


def test_when_both_fail_the_last_body_is_told(start, providers, log):
    providers.deepseek.forge, providers.openai.forge = refusal(500), refusal(503)
    gateway = start(several(log))
    status, body = ask(gateway)
    assert (status, body["error"]["message"]) == (502, "forged")
    (trail,) = trails_of(log, 1)
    assert [attempt["status"] for attempt in trail] == [500, 503]


@pytest.mark.parametrize("stream", [False, True])
def test_a_used_up_budget_moves_requests_to_the_other(start, providers, log, stream):
    resources = several(log)
    budget = {"limit": 30, "time_window": 3600}
    names = ["deepseek-backup", "openai-primary"]
    limits = {"instances": [{"name": name, **budget} for name in names], "rejected_code": 429}
    resources["routes"][0]["plugins"]["ai-rate-limiting"] = limits
    gateway = start(resources)
    # Each answer of the mock costs about twenty tokens; the last one may go beyond the budget.
    for number in range(1, 6):
        status, _, _ = fetch("POST", gateway.url + CHAT, {**ASKED, "stream": stream})
        # What an answer cost is known when it has been logged.
        trails_of(log, number)
        assert (status == 200) == (number < 5), number
    asked = [first(trail) for trail in trails(log)[:4]]
    assert asked == ["deepseek-backup"] * 2 + ["openai-primary"] * 2
    assert len(providers.deepseek.requests) == len(providers.openai.requests) == 2


# The example of several instances


@pytest.fixture
def example(start, providers, log, monkeypatch):
    """A gateway with the example, and the key that it refers to."""
    monkeypatch.setenv("OPENAI_AUTH_HEADER", "Bearer from-the-environment")
    return start(routed(json.loads(EXAMPLE), log))


def test_the_example_asks_main_with_what_is_configured(example, providers, log):
    assert ask(example)[0] == 200
    (request,) = providers.openai.asked("/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer from-the-environment"
    body = request.json()
    assert (body["model"], body["temperature"]) == ("gpt-4o", 0.3)
    assert body["max_completion_tokens"] == 1024
    assert ask(example, temperature=1)[0] == 200
    assert providers.openai.asked("/v1/chat/completions")[1].json()["temperature"] == 1
    assert providers.spare.requests == []


@pytest.mark.parametrize("status", [401, 402, 429, 500, 503])
def test_the_example_falls_back_to_the_spare(example, providers, log, status):
    providers.openai.forge = refusal(status)
    assert ask(example)[0] == 200
    (request,) = providers.spare.asked("/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer local"
    body = request.json()
    assert body["model"] == "llama-3-70b"
    assert body.keys() == {"model", "messages"}
    (trail,) = trails_of(log, 1)
    assert [attempt["instance"] for attempt in trail] == ["main", "spare"]


def test_the_example_leaves_out_main_once_its_budget_is_used_up(start, providers, log, monkeypatch):
    monkeypatch.setenv("OPENAI_AUTH_HEADER", "Bearer from-the-environment")
    budget = {"instances": [{"name": "main", "limit": 1, "time_window": 3600}]}
    gateway = start(routed({**json.loads(EXAMPLE), "ai-rate-limiting": budget}, log))
    for number in range(1, 4):
        assert ask(gateway)[0] == 200
        trails_of(log, number)
    assert [first(trail) for trail in trails(log)] == ["main", "spare", "spare"]


def test_the_example_does_not_follow_a_failure_that_took_too_long(example, providers, log):
    def late(said):
        time.sleep(1.6)
        return refusal(500)(said)

    providers.openai.forge = late
    status, body = ask(example)
    assert (status, body["error"]["message"]) == (500, "forged")
    assert providers.spare.requests == []


def test_the_example_leaves_main_out_while_its_checks_fail(example, providers, log):
    def ill(said):
        return refusal(500)(said) if b'"list"' in said else honest(said)

    providers.openai.forge = ill
    assert ask(example)[1]["model"] == "gpt-4o"

    def left_out():
        ask(example)
        return first(trails(log)[-1]) == "spare" if trails(log) else False

    wait_until(left_out, "main to be left out")
    (probe, *_) = providers.openai.asked("/v1/models")
    assert probe.headers["authorization"] == "Bearer from-the-environment"
    providers.openai.forge = honest
    wait_until(lambda: not left_out(), "main to be asked again")
