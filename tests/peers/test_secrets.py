"""Secrets kept elsewhere or encrypted: they reach the provider, and nobody else."""

import contextlib
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading

import pytest
from conftest import ai_route
from gateway import fetch, free_ports

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
FIRST, SECOND = "sk-canary-first-41", "sk-canary-second-42"
DOOR = "key-canary-43"
TOKEN = "token-canary-44"
REFERENCE = "$secret://vault/main/providers/openai"
ANSWER = {
    "object": "chat.completion",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Server(http.server.ThreadingHTTPServer):
    """A server that notes the headers of each request; `answers` are documents by path."""

    daemon_threads = True

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.seen = []
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self):
        """Ends it; connections are refused from here on."""
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the document of the path, else 404."""

    def answer(self):
        """The one answer to every method."""
        self.server.seen.append((self.path, self.headers))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        document = self.server.answers.get(self.path)
        body = json.dumps(document or {"errors": []}).encode()
        self.send_response(200 if document else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def server():
    """Starts servers; all are ended at the test's end."""
    with contextlib.ExitStack() as stack:

        def started(answers):
            one = Server(answers)
            stack.callback(one.stop)
            return one

        yield started


@pytest.fixture
def provider(server):
    """A provider that answers, and notes what it was sent."""
    return server({"/v1/chat/completions": ANSWER})


def vault(server, key):
    """A Vault with the key of a provider (version 2 of the engine) and of a consumer (version 1)."""
    second = {"data": {"openai": f"Bearer {key}"}, "metadata": {"version": 1}}
    return server(
        {
            "/v1/kv/gate/providers": {"data": second},
            "/v1/kv/gate/people": {"data": {"team_a": DOOR}},
        }
    )


def manager(at):
    """The resource that says how that Vault is reached."""
    return {"uri": at.url, "prefix": "kv/gate", "token": TOKEN}


def route(provider, credential, **more):
    """A route to the provider with that credential."""
    endpoint = f"{provider.url}/v1/chat/completions"
    made = ai_route("openai", endpoint, auth={"header": {"authorization": credential}}, **more)
    return {name: value for name, value in made.items() if name != "id"}


def sent(gateway, provider, key=DOOR):
    """What the provider is sent as a credential for one request."""
    headers = {"apikey": key}
    status, _, _ = fetch("POST", f"{gateway.url}/v1/chat/completions", ASKED, headers)
    assert status == 200
    return provider.seen[-1][1]["authorization"]


def put(gateway, path, resource):
    """Writes a resource; the answer comes when it is served."""
    status, answer = gateway.configure("PUT", path, resource)
    assert status in (200, 201), answer


def test_a_vault_gives_keys_may_die_and_may_be_replaced(start, server, provider):
    gateway = start()
    first = vault(server, FIRST)
    put(gateway, "/secrets/vault/main", manager(first))
    door = {"key-auth": {"key": "$secret://vault/main/people/team_a"}}
    put(gateway, "/consumers", {"username": "team_a", "plugins": door})
    put(gateway, "/routes/ai", route(provider, REFERENCE, plugins={"key-auth": {}}))
    assert sent(gateway, provider) == f"Bearer {FIRST}"
    assert {headers["x-vault-token"] for _, headers in first.seen} == {TOKEN}
    asked = len(first.seen)
    for raw in ["$secret://vault/main/people/team_a", REFERENCE]:
        refused = fetch("POST", f"{gateway.url}/v1/chat/completions", ASKED, {"apikey": raw})
        assert refused[0] == 401

    first.stop()
    put(gateway, "/routes/other", {"uri": "/other", "plugins": {}})
    assert sent(gateway, provider) == f"Bearer {FIRST}"
    assert len(first.seen) == asked, "requests and other changes ask nobody"

    put(gateway, "/secrets/vault/main", manager(vault(server, SECOND)))
    assert sent(gateway, provider) == f"Bearer {SECOND}"

    control = f"http://127.0.0.1:{gateway.control}"
    places = [
        gateway.both(),
        gateway.exposition(),
        fetch("GET", f"{control}/status")[2].decode(),
        fetch("GET", f"{control}/v1/route/ai")[2].decode(),
        json.dumps(gateway.configure("GET", "/routes/ai")),
        json.dumps(gateway.configure("GET", "/consumers")),
    ]
    for place in places:
        for secret in [FIRST, SECOND, DOOR, TOKEN]:
            assert secret not in place


def ask(gateway, path="/v1/chat/completions"):
    """One request: status and answer."""
    status, _, text = fetch("POST", f"{gateway.url}{path}", ASKED)
    return status, json.loads(text)


def test_a_reference_without_a_value_is_told_and_never_sent(start, server, provider):
    gateway = start()
    first = vault(server, FIRST)
    put(gateway, "/secrets/vault/main", manager(first))
    put(gateway, "/secrets/aws/a", {"access_key_id": "a", "secret_access_key": SECOND})
    for reference, why in [
        ("$secret://vault/main/providers/other", 'the secret "providers" at vault/main has no field'),
        ("$secret://aws/a/key", "secret manager aws is not available in this version"),
        ("$env://NO_SUCH_KEY", 'environment variable "NO_SUCH_KEY" is not set'),
    ]:
        put(gateway, "/routes/ai", route(provider, reference))
        told = f"plugins.ai-proxy.auth.header.authorization: no value for {reference}: {why}"
        gateway.wait_for(re.escape(told))
        for _ in range(3):
            assert ask(gateway) == (500, {"error_msg": "the gateway has no credential for the upstream"})
        assert gateway.both().count(told) == 1, "requests do not tell it again"
    assert provider.seen == []
    for secret in [FIRST, SECOND, TOKEN]:
        assert secret not in gateway.both()

    put(gateway, "/routes/ai", route(provider, "$secret://vault/main/providers/other"))
    second = vault(server, SECOND)
    second.answers["/v1/kv/gate/providers"]["data"]["data"]["other"] = f"Bearer {SECOND}"
    put(gateway, "/secrets/vault/main", manager(second))
    assert sent(gateway, provider) == f"Bearer {SECOND}", "as soon as it has a value"


def test_one_missing_key_takes_no_other_instance_down(start, provider):
    def instance(name, priority, credential):
        proxy = route(provider, credential)["plugins"]["ai-proxy"]
        return {"name": name, "weight": 1, "priority": priority, **proxy}

    proxy = {
        "instances": [instance("a", 1, "$env://NO_SUCH_KEY"), instance("b", 0, "$env://A_KEY")],
        "fallback_strategy": "instance_health_and_rate_limiting",
    }
    resources = {"routes": [{"id": "ai", "uri": "/v1/*", "plugins": {"ai-proxy-multi": proxy}}]}
    gateway = start(resources, environment={"A_KEY": f"Bearer {FIRST}"})
    assert sent(gateway, provider) == f"Bearer {FIRST}"
    assert len(provider.seen) == 1
    gateway.wait_for('"upstream_status":"500, 200"')
    assert FIRST not in gateway.both()


def test_fields_that_are_no_credential_keep_a_reference_without_a_value(start, server, provider):
    door = {"key-auth": {"realm": "$env://NO_SUCH_REALM"}}
    resources = {"routes": [{**route(provider, f"Bearer {FIRST}", plugins=door), "id": "ai"}]}
    gateway = start(resources)
    gateway.wait_for(re.escape("plugins.key-auth.realm: no value for $env://NO_SUCH_REALM"))
    status, headers, _ = fetch("POST", f"{gateway.url}/v1/chat/completions", ASKED)
    assert (status, headers["www-authenticate"]) == (401, 'apikey realm="$env://NO_SUCH_REALM"')


def test_certificates_come_from_the_environment_and_a_vault(start, server, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-keyout", key, "-out", cert, "-subj", "/CN=secret.example",
         "-addext", "subjectAltName=DNS:secret.example"],
        check=True, capture_output=True,
    )
    at = server({})
    (port,) = free_ports(1)
    tls = {"addr": f"127.0.0.1:{port}", "tls": {}}
    gateway = start(
        settings={"proxy": {"listen": [tls]}}, environment={"A_CHAIN": cert.read_text()}
    )
    put(gateway, "/secrets/vault/main", manager(at))
    place = "$secret://vault/main/tls/key"
    put(gateway, "/ssls/1", {"sni": "secret.example", "cert": "$env://A_CHAIN", "key": place})
    told = f'/ssls/1: key: no value for {place}: vault/main: there is no secret "tls"'
    gateway.wait_for(re.escape(told))

    def shown():
        context = ssl.create_default_context(cafile=str(cert))
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            with context.wrap_socket(plain, server_hostname="secret.example") as secured:
                return secured.getpeercert()["subject"]

    with pytest.raises((ssl.SSLError, OSError)):
        shown()
    at.answers["/v1/kv/gate/tls"] = {"data": {"key": key.read_text()}}
    put(gateway, "/secrets/vault/main", {**manager(at), "namespace": "anew"})
    assert shown() == ((("commonName", "secret.example"),),)
    answer = json.dumps(gateway.configure("GET", "/ssls/1"))
    assert key.read_text().splitlines()[1] not in gateway.both() + answer


def test_secrets_lie_encrypted_and_keys_may_be_changed(start, provider):
    old, new = "qeddd145sfvddff3", "edd1c9f0985e76a2edd1c9f0985e76a2"
    gateway = start(settings={"data_encryption": {"keyring": [old]}})
    put(gateway, "/routes/ai", route(provider, f"Bearer {FIRST}"))
    consumer = {"username": "team_a", "plugins": {"key-auth": {"key": DOOR}}}
    put(gateway, "/consumers", consumer)

    def shown():
        return gateway.configure("GET", "/routes/ai")[1]["value"]["plugins"]["ai-proxy"]["auth"]

    assert shown() == {"header": {"authorization": f"Bearer {FIRST}"}}
    assert sent(gateway, provider) == f"Bearer {FIRST}"
    gateway.stop()
    lying = (gateway.folder / "data" / "tollgate.redb").read_bytes()
    assert b"team_a" in lying, "the rest can be read"
    for secret in [FIRST, DOOR]:
        assert secret.encode() not in lying

    gateway.settings["data_encryption"]["keyring"] = [new, old]
    gateway.file.write_text(json.dumps(gateway.settings))
    gateway.start()
    assert shown() == {"header": {"authorization": f"Bearer {FIRST}"}}
    assert sent(gateway, provider) == f"Bearer {FIRST}"
    for secret in [FIRST, DOOR, old, new]:
        assert secret not in gateway.both()
