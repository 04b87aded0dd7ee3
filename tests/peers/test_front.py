"""The HTTP front as curl sees it: TLS, HTTP/2, a plain upstream."""

import json
import subprocess

import pytest
from conftest import ai_route
from gateway import fetch, free_ports

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def curl(*arguments):
    """What curl printed, its exit code checked."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def posting(body):
    """The arguments of a JSON POST, whose last printed line is protocol version and status.

    `body` is a document, or the name of a file that has it.
    """
    return [
        "--header", "content-type: application/json",
        "--data", json.dumps(body) if isinstance(body, dict) else f"@{body}",
        "--write-out", "\n%{http_version} %{http_code}",
    ]  # fmt: skip


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost and its key, made by OpenSSL."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return cert, key


@pytest.mark.parametrize(("option", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
@pytest.mark.parametrize("stream", [False, True])
def test_tls_with_a_certificate_from_files(start, aimock, certificate, option, version, stream):
    cert, key = certificate
    port = free_ports(1)[0]
    listener = {"addr": f"127.0.0.1:{port}", "tls": {"cert": str(cert), "key": str(key)}}
    start({"routes": [ai_route("openai", aimock.url)]}, settings={"proxy": {"listen": [listener]}})

    url = f"https://localhost:{port}{CHAT}"
    said = curl(option, "--cacert", str(cert), *posting({**BODY, "stream": stream}), url)
    assert said.endswith(f"\n{version} 200")
    assert ("data: [DONE]" if stream else "Hello from the mock") in said


def test_http2_with_prior_knowledge(openai_aimock):
    said = curl("--http2-prior-knowledge", *posting(BODY), openai_aimock.url + CHAT)
    assert said.endswith("\n2 200")
    assert "Hello from the mock" in said


def test_a_body_is_asked_for_when_the_client_waits_to_be_asked(openai_aimock, tmp_path):
    large = tmp_path / "body.json"
    large.write_text(json.dumps({**BODY, "user": "x" * 2_000_000}))
    # Without the asking, curl would wait longer than its whole time.
    waiting = ["--header", "expect: 100-continue", "--expect100-timeout", "100"]
    said = curl(*waiting, *posting(large), openai_aimock.url + CHAT)
    assert said.endswith("\n1.1 200")


def test_a_route_with_an_upstream_and_no_plugin_is_a_plain_proxy(start, slow_aimock):
    node = slow_aimock.url.removeprefix("http://")
    route = {"id": "plain", "uri": "/*", "upstream": {"type": "roundrobin", "nodes": {node: 1}}}
    gateway = start({"routes": [route]})
    status, _, models = fetch("GET", f"{gateway.url}/v1/models?limit=1")
    streamed = curl("--no-buffer", *posting({**BODY, "stream": True}), gateway.url + CHAT)

    assert status == 200
    assert "gpt-4o" in [model["id"] for model in json.loads(models)["data"]]
    assert "data: [DONE]" in streamed
    entry = gateway.entry(1)
    assert entry["status"] == 200
    assert entry["route_id"] == "plain"


def test_a_plain_upstream_that_is_not_there_is_502(start):
    port = free_ports(1)[0]
    upstream = {"type": "roundrobin", "nodes": {f"127.0.0.1:{port}": 1}}
    gateway = start({"routes": [{"id": "plain", "uri": "/*", "upstream": upstream}]})
    assert fetch("GET", gateway.url + "/x")[0] == 502
