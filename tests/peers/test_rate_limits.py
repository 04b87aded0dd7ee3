"""Budgets of tokens: in the memory of one gateway, and in Redis for several."""

import contextlib
import http.server
import json
import subprocess
import threading

import pytest
from conftest import LOGGED, stopped
from gateway import fetch, free_ports
from process import wait_until
from redis_server import Cluster, Redis, Sentinel
from several import BODY, CHAT, instance, logged, multi_route

USAGE = {"prompt_tokens": 2, "completion_tokens": 8, "total_tokens": 10}
ANY = {"fallback_strategy": "instance_health_and_rate_limiting"}
PREFIX = "plugin-ai-rate-limiting:v1:"
REMAINING = "x-ai-ratelimit-remaining-ai-proxy-openai"


class Provider(http.server.ThreadingHTTPServer):
    """A provider whose every answer takes ten tokens."""

    daemon_threads = True

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Handler)
        message = {"role": "assistant", "content": f"from {name}"}
        self.body = json.dumps({"choices": [{"message": message}], "usage": USAGE}).encode()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        """Ends it."""
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives the provider's answer."""

    def do_POST(self):
        """The one answer."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def provider():
    """Starts providers; all are ended at the test's end."""
    with contextlib.ExitStack() as stack:

        def started(name="a"):
            one = Provider(name)
            stack.callback(one.stop)
            return one

        yield started


@pytest.fixture
def redis(tmp_path):
    """Starts servers, of whatever kind; all are ended at the test's end."""
    with contextlib.ExitStack() as stack:

        def started(kind=Redis, *words, **more):
            return stack.enter_context(stopped(kind(tmp_path / "redis", *words, **more)))

        yield started


def limited(provider, identity="ai", uri="/v1/*", **limit):
    """A route of one provider with a budget of thirty tokens."""
    target = {"provider": "openai", "auth": {}, "override": {"endpoint": provider.url}}
    limit = {"limit": 30, "time_window": 600, **limit}
    plugins = {"ai-proxy": target, "ai-rate-limiting": limit, **LOGGED}
    return {"id": identity, "uri": uri, "plugins": plugins}


def ask(gateway, path=CHAT):
    """The status, headers and text of one request."""
    status, headers, body = fetch("POST", gateway.url + path, BODY)
    return status, headers, body.decode()


def spend(gateway, server, key_count=1):
    """Three requests of ten tokens, each charged before the next one, and a fourth."""
    statuses = []
    for spent in (10, 20, 30):
        statuses.append(ask(gateway)[0])
        wait_until(lambda: list(server.counters().values()) == [spent] * key_count, "the charge")
    return [*statuses, ask(gateway)[0]]


class Visitor:
    """Sends requests one after the other: each when the one before is logged, and so charged."""

    def __init__(self, gateway, log):
        self.gateway, self.log, self.count = gateway, log, 0

    def ask(self, **headers):
        """The status, headers and text of one request."""
        url = self.gateway.url + CHAT
        status, heads, body = fetch("POST", url, BODY, headers)
        self.count += 1
        wait_until(lambda: len(logged(self.log)) == self.count, "the request to be logged")
        return status, heads, body.decode()

    def said(self):
        """The status, and what the model said."""
        status, _, text = self.ask()
        return status, json.loads(text)["choices"][0]["message"]["content"]


# In memory


def test_an_instance_without_budget_is_passed_over_and_another_answers(start, provider, tmp_path):
    log = tmp_path / "attempts.log"
    a, b = provider("a"), provider("b")
    several = multi_route([instance("a", a.url, 1), instance("b", b.url)], log, **ANY)
    limits = [{"name": name, "limit": 10, "time_window": 600} for name in ("a", "b")]
    several["routes"][0]["plugins"]["ai-rate-limiting"] = {"instances": limits[:1]}
    gateway = start(several)
    visitor = Visitor(gateway, log)
    said = [visitor.said() for _ in range(3)]
    assert said == [(200, "from a"), (200, "from b"), (200, "from b")]
    chosen = [[one["chosen"] for one in entry["llm_attempts"]] for entry in logged(log)]
    assert chosen == [["roundrobin"], ["rate_limiting"], ["rate_limiting"]]

    # Something else is changed: what was spent is spent.
    proxy = {"ai-proxy": {"provider": "openai", "auth": {}}}
    other = {"id": "other", "uri": "/other", "plugins": proxy}
    gateway.write({"routes": [*several["routes"], other]})
    wait_until(lambda: fetch("POST", gateway.url + "/other", {})[0] != 404, "the other route")
    assert visitor.said() == (200, "from b")

    # The other one gets a budget too, and spends it. Limits that did not change go on.
    several["routes"][0]["plugins"]["ai-rate-limiting"] = {"instances": limits}
    gateway.write(several)
    wait_until(lambda: fetch("POST", gateway.url + "/other", {})[0] == 404, "the change")
    assert visitor.said() == (200, "from b")
    status, headers, text = visitor.ask()
    assert status == 503
    assert headers["content-type"].startswith("text/plain")
    assert "all upstream servers tried" in text
    assert [headers[f"x-ai-ratelimit-remaining-{name}"] for name in ("a", "b")] == ["0", "0"]


def test_consumers_have_budgets_of_their_own(start, provider, tmp_path):
    log = tmp_path / "requests.log"
    route = limited(provider())
    route["plugins"] |= {"key-auth": {}, "file-logger": {"path": str(log)}}
    budget = {"ai-rate-limiting": {"limit": 10, "time_window": 600}}
    consumers = [
        {"username": name, "plugins": {"key-auth": {"key": f"key-of-{name}"}, **budget}}
        for name in ("jack", "rose")
    ]
    guest = {"username": "guest", "plugins": {"key-auth": {"key": "key-of-guest"}}}
    visitor = Visitor(start({"routes": [route], "consumers": [*consumers, guest]}), log)
    for name, count in (("jack", 1), ("rose", 1), ("guest", 3)):
        statuses = [visitor.ask(apikey=f"key-of-{name}")[0] for _ in range(count + 1)]
        assert statuses == [200] * count + [503], name


# In Redis


def at(server, **more):
    """The budget in this server."""
    return {"policy": "redis", "redis_host": "127.0.0.1", "redis_port": server.port, **more}


def test_gateways_share_a_budget_in_redis(start, provider, redis):
    server = redis(Redis, *free_ports(1))
    routes = {"routes": [limited(provider(), **at(server))]}
    one, other = start(routes, "one"), start(routes, "other")
    assert spend(one, server) == [200, 200, 200, 503]
    status, headers, text = ask(other)
    assert status == 503
    assert headers[REMAINING] == "0"
    assert json.loads(text) == {
        "error_msg": "the limit of tokens is reached: nothing is left in this window"
    }
    (key,) = server.counters()
    assert key.startswith(f"{PREFIX}/routes/ai:")
    assert 0 < int(server.ask("ttl", key)) <= 600


def test_a_script_that_redis_has_forgotten_is_sent_again(start, provider, redis):
    server = redis(Redis, *free_ports(1))
    gateway = start({"routes": [limited(provider(), **at(server))]})
    assert ask(gateway)[0] == 200
    wait_until(lambda: list(server.counters().values()) == [10], "the charge")
    assert server.ask("script", "flush") == "OK"
    assert ask(gateway)[0] == 200
    wait_until(lambda: list(server.counters().values()) == [20], "the charge")


def test_redis_that_is_away_is_an_error_or_none_as_configured(start, provider, redis):
    server = redis(Redis, *free_ports(1))
    a = provider()
    strict = limited(a, uri="/v1/*", **at(server))
    lenient = limited(a, "lenient", "/lenient/*", **at(server), allow_degradation=True)
    gateway = start({"routes": [strict, lenient]})
    assert ask(gateway)[0] == 200
    server.kill()
    status, _, text = ask(gateway)
    assert (status, json.loads(text)) == (500, {"error_msg": "failed to limit count"})
    assert ask(gateway, "/lenient/v1/chat/completions")[0] == 200
    server.start()
    assert spend(gateway, server) == [200, 200, 200, 503]


def test_a_password_is_encrypted_at_rest_and_shown_to_operators(start, provider, redis):
    server = redis(Redis, *free_ports(1), password="hush-canary-51")
    keyring = {"data_encryption": {"keyring": ["qeddd145sfvddff3"]}}
    gateway = start(settings=keyring)
    route = limited(provider(), **at(server, redis_password="hush-canary-51"))
    assert gateway.configure("PUT", "/routes/ai", route)[0] in (200, 201)
    assert spend(gateway, server) == [200, 200, 200, 503]
    _, shown = gateway.configure("GET", "/routes/ai")
    assert shown["value"]["plugins"]["ai-rate-limiting"]["redis_password"] == "hush-canary-51"
    for file in (gateway.folder / "data").rglob("*"):
        assert file.is_dir() or b"hush-canary-51" not in file.read_bytes()
    assert "hush-canary-51" not in gateway.both()


def test_a_wrong_password_is_an_error(start, provider, redis):
    server = redis(Redis, *free_ports(1), password="right")
    gateway = start({"routes": [limited(provider(), **at(server, redis_password="wrong-52"))]})
    assert ask(gateway)[0] == 500
    assert "wrong-52" not in gateway.both()


def test_databases_are_told_apart(start, provider, redis):
    server = redis(Redis, *free_ports(1))
    a = provider()
    first = limited(a, **at(server))
    second = limited(a, "second", "/second/*", **at(server, redis_database=3))
    gateway = start({"routes": [first, second]})
    assert ask(gateway)[0] == 200
    assert ask(gateway, "/second/v1/chat/completions")[0] == 200
    wait_until(lambda: "db0:keys=1" in server.ask("info", "keyspace"), "the first database")
    wait_until(lambda: "db3:keys=1" in server.ask("info", "keyspace"), "the other one")


def test_a_connection_may_be_encrypted(start, provider, redis, tmp_path):
    plain, encrypted = free_ports(2)
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    options = ["--tls-port", encrypted, "--tls-cert-file", certificate, "--tls-key-file", key]
    options += ["--tls-auth-clients", "no"]
    server = redis(Redis, plain, options=options)
    a = provider()
    there = {**at(server), "redis_port": encrypted, "redis_ssl": True}
    trusting = limited(a, **there)
    checking = limited(a, "checking", "/checking/*", **there, redis_ssl_verify=True)
    gateway = start({"routes": [trusting, checking]})
    assert spend(gateway, server) == [200, 200, 200, 503]
    assert ask(gateway, "/checking/v1/chat/completions")[0] == 500


def test_a_budget_may_be_in_a_cluster(start, provider, redis):
    server = redis(Cluster, *free_ports(2))
    there = {
        "policy": "redis-cluster",
        "redis_cluster_name": "own",
        "redis_cluster_nodes": [f"127.0.0.1:{server.port}"],
    }
    gateway = start({"routes": [limited(provider(), **there)]})
    assert spend(gateway, server) == [200, 200, 200, 503]


def test_sentinels_name_the_server_and_have_credentials_of_their_own(start, provider, redis):
    port, sentinel_port = free_ports(2)
    server = redis(Redis, port, password="server-53")
    sentinel = redis(Sentinel, sentinel_port, server, "sentinel-54")
    there = {
        "policy": "redis-sentinel",
        "redis_sentinels": [{"host": "127.0.0.1", "port": sentinel.port}],
        "redis_master_name": "main",
        "redis_password": "server-53",
        "sentinel_password": "sentinel-54",
    }
    gateway = start({"routes": [limited(provider(), **there)]})
    assert spend(gateway, server) == [200, 200, 200, 503]


def test_instances_are_passed_over_by_budgets_in_redis(start, provider, redis):
    server = redis(Redis, *free_ports(1))
    a, b = instance("a", provider("a").url, 1), instance("b", provider("b").url)
    several = multi_route([a, b], **ANY)
    limits = {"instances": [{"name": "a", "limit": 10, "time_window": 600}], **at(server)}
    several["routes"][0]["plugins"]["ai-rate-limiting"] = limits
    gateway = start(several)
    assert "from a" in ask(gateway)[2]
    wait_until(lambda: list(server.counters().values()) == [10], "the charge")
    assert "from b" in ask(gateway)[2]
    server.kill()
    assert ask(gateway)[0] == 500
