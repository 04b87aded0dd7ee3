"""Configuration that changes under traffic, is killed in the middle, or is wrong."""

import http.client
import json
import random
import signal
import threading

import openai
import pytest
from conftest import ai_route
from gateway import fetch
from process import wait_until
from several import Traffic

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
ROUNDS = 20
CHANGES = 1000


def without_id(route):
    """The route as a PUT has it: the id is in the path."""
    return {name: value for name, value in route.items() if name != "id"}


def test_a_route_put_by_the_admin_api_serves_at_once(start, aimock):
    gateway = start()
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk", max_retries=0)
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 404

    status, stored = gateway.configure("PUT", "/routes/1", without_id(ai_route("openai", aimock.url)))
    assert status == 201
    assert stored["key"] == "/apisix/routes/1"

    def served():
        return fetch("POST", gateway.url + CHAT, BODY)[0] == 200

    wait_until(served, "the route to be served", 5)
    reply = client.chat.completions.create(**BODY)
    assert reply.choices[0].message.content.startswith("Hello from the mock.")

    assert gateway.configure("DELETE", "/routes/1")[0] == 200
    wait_until(lambda: not served(), "the route to be gone", 5)


def test_an_unknown_provider_is_refused(start, aimock):
    gateway = start()
    route = without_id(ai_route("open-ai", aimock.url))
    status, refusal = gateway.configure("PUT", "/routes/1", route)
    assert status == 400
    assert "provider" in refusal["error_msg"]
    assert gateway.configure("GET", "/routes/1")[0] == 404


def test_every_acknowledged_write_survives_kill_9(start):
    gateway = start()
    acknowledged = {}
    dice = random.Random(7)
    for number in range(ROUNDS):
        enough, stop = threading.Event(), threading.Event()
        wanted = dice.randint(1, 25)

        def write(number=number, enough=enough, stop=stop, wanted=wanted):
            count = 0
            while not stop.is_set():
                identity, uri = f"r{dice.randint(0, 60)}", f"/round-{number}/write-{count}"
                route = {"uri": uri, "upstream": {"type": "roundrobin", "nodes": {"127.0.0.1:9": 1}}}
                try:
                    status, _ = gateway.configure("PUT", f"/routes/{identity}", route)
                except (OSError, http.client.HTTPException, ValueError):
                    # Killed before the answer: it may be there or not.
                    acknowledged[identity] = {acknowledged.get(identity), uri}
                    return
                assert status in (200, 201)
                acknowledged[identity] = uri
                count += 1
                if count == wanted:
                    enough.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert enough.wait(60)
        gateway.signal(signal.SIGKILL)
        stop.set()
        writer.join(60)
        gateway.wait()
        gateway.start()

        _, listing = gateway.configure("GET", "/routes")
        found = {item["value"]["id"]: item["value"]["uri"] for item in listing["list"]}
        for identity, uri in acknowledged.items():
            possible = uri if isinstance(uri, set) else {uri}
            assert found.get(identity) in possible, f"{identity} after round {number}"
        # What an unanswered write left is settled by what was found.
        acknowledged = {identity: found.get(identity) for identity in acknowledged}


def test_a_thousand_changes_fail_no_request(start, aimock):
    gateway = start()
    route = without_id(ai_route("openai", aimock.url))
    assert gateway.configure("PUT", "/routes/ai", route)[0] == 201
    wait_until(lambda: fetch("POST", gateway.url + CHAT, BODY)[0] == 200, "the route", 5)
    clients = [Traffic(gateway.proxy) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for number in range(CHANGES):
            if number % 2:
                route["plugins"]["ai-proxy"]["options"] = {"temperature": number / CHANGES}
                status, _ = gateway.configure("PUT", "/routes/ai", route)
            else:
                other = {"uri": f"/other/{number}", "plugins": {}, "upstream": {"nodes": {"127.0.0.1:9": 1}}}
                status, _ = gateway.configure("PUT", f"/routes/other-{number % 50}", other)
            assert status in (200, 201), status
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join(60)

    assert [client.faults for client in clients] == [[], [], []]
    assert all(client.answered > 20 for client in clients), [c.answered for c in clients]


# Standalone files


def test_a_bad_file_keeps_the_last_good_configuration(start, aimock):
    good = {"routes": [ai_route("openai", aimock.url)]}
    gateway = start(good)
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 200

    gateway.write('routes:\n  - id: a\n    uri: "/a\n#END\n')
    gateway.wait_for(r"apisix\.yaml:\d+")
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 200

    moved = {"routes": [ai_route("openai", aimock.url, uri="/moved/*")]}
    gateway.write(moved)
    wait_until(lambda: fetch("POST", gateway.url + CHAT, BODY)[0] == 404, "the mended file")


def test_a_wrong_field_is_told_with_file_line_and_path(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    gateway.write(
        "routes:\n"
        "  - id: ai\n"
        "    uri: /v1/*\n"
        "    plugins:\n"
        "      ai-proxy:\n"
        "        provider: openai\n"
        "        auth: {}\n"
        "        timeout: soon\n"
        "#END\n"
    )
    told = gateway.wait_for(r".*apisix\.yaml:8\b.*").group(0)
    assert "timeout" in told
    assert "routes" in told
    # The item keeps its last good form.
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 200


def test_a_file_without_its_end_mark_is_not_taken(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    gateway.write("routes: []\n")
    gateway.wait_for(r"#END")
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 200


def test_the_admin_api_refuses_writes_beside_a_file(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    status, _ = gateway.configure("PUT", "/routes/1", without_id(ai_route("openai", aimock.url)))
    assert 400 <= status < 500
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 200


# The reference configuration with one provider

REFERENCE = {
    "provider": "openai",
    "auth": {"header": {"authorization": "Bearer sk-xxx"}},
    "options": {"model": "gpt-4", "temperature": 0.7, "stream": True},
    "timeout": 30000,
    "ssl_verify": True,
    "logging": {"summaries": True, "payloads": False},
}


# The reference configuration with several providers.
SEVERAL = {
    "instances": [
        {
            "name": "openai-primary",
            "provider": "openai",
            "weight": 10,
            "priority": 0,
            "auth": {"header": {"authorization": "Bearer sk-xxx"}},
            "options": {"model": "gpt-4"},
        },
        {
            "name": "deepseek-backup",
            "provider": "deepseek",
            "weight": 5,
            "priority": 1,
            "auth": {"header": {"authorization": "Bearer ds-xxx"}},
            "options": {"model": "deepseek-chat"},
        },
    ],
    "balancer": {"algorithm": "roundrobin"},
    "fallback_strategy": "instance_health_and_rate_limiting",
}


@pytest.mark.parametrize(
    ("plugin", "configuration"), [("ai-proxy", REFERENCE), ("ai-proxy-multi", SEVERAL)]
)
def test_the_admin_api_takes_the_reference_configurations(start, plugin, configuration):
    gateway = start()
    route = {"uri": CHAT, "plugins": {plugin: configuration}}
    status, _ = gateway.configure("PUT", "/routes/1", route)
    _, stored = gateway.configure("GET", "/routes/1")
    assert status == 201
    assert stored["value"]["plugins"] == {plugin: configuration}


def reference_at(upstream, log, **fields):
    """The reference configuration, its endpoint alone replaced, with a logger beside it."""
    proxy = {**REFERENCE, "override": {"endpoint": upstream}, **fields}
    plugins = {"ai-proxy": proxy, "file-logger": {"path": str(log)}}
    return {"routes": [{"id": "ai", "uri": "/v1/*", "plugins": plugins}]}


def test_the_reference_configuration_works_as_described(start, tap, aimock, tmp_path):
    before, log = tap(aimock), tmp_path / "file.log"
    gateway = start(reference_at(before.url, log))
    asked = {**BODY, "model": "gpt-3.5-turbo", "temperature": 0.1, "stream": False}
    status, headers, body = fetch("POST", gateway.url + CHAT, asked)

    head, _, sent = before.link().received.partition(b"\r\n\r\n")
    arrived = json.loads(sent)
    assert b"authorization: Bearer sk-xxx" in head
    assert (arrived["model"], arrived["temperature"], arrived["stream"]) == ("gpt-4", 0.7, True)
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert body.endswith(b"data: [DONE]\n\n")

    line = wait_until(lambda: log.exists() and log.read_text(), "the logger's entry")
    entry = json.loads(line.splitlines()[0])
    summary = entry["llm_summary"]
    assert summary["model"] == "gpt-4"
    assert summary["request_model"] == "gpt-3.5-turbo"
    assert "duration" in summary
    assert "prompt_tokens" in summary and "completion_tokens" in summary
    assert "llm_request" not in entry and "llm_response_text" not in entry


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_does_not_answer_is_504(start, tap, aimock, tmp_path, stream):
    silent = tap(aimock, hold_after=0)
    gateway = start(reference_at(silent.url, tmp_path / "file.log", timeout=200))
    status, _, _ = fetch("POST", gateway.url + CHAT, {**BODY, "stream": stream})
    assert status == 504
