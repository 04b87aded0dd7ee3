"""What operators see of an exchange: the access log, the metrics, the closed door."""

import json
import os
import subprocess

import openai
import pytest
from conftest import ai_route
from process import wait_until

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
CLOSED = {
    "consumers": [{"username": "team_a", "plugins": {"key-auth": {"key": "key-of-team-a"}}}],
}


def sdk(gateway, key="sk-client"):
    """The SDK before a gateway."""
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)


def drained(stream):
    """Reads a stream to its end."""
    for _ in stream:
        pass


@pytest.mark.parametrize("stream", [False, True])
def test_the_access_log_tells_model_tokens_and_time_to_first_token(openai_llama, stream):
    model = f"asked-for-{stream}"
    fields = {**ASKED, "model": model, "max_tokens": 8, "extra_body": {"ignore_eos": True}}
    reply = sdk(openai_llama).chat.completions.create(**fields, stream=stream)
    if stream:
        drained(reply)
    entry = openai_llama.entry(0, lambda entry: entry.get("model") == model)

    assert entry["status"] == 200
    assert entry["request_type"] == ("ai_stream" if stream else "ai_chat")
    assert entry["completion_tokens"] == 8
    assert entry["prompt_tokens"] > 0
    assert entry["total_tokens"] == entry["prompt_tokens"] + 8
    assert 0 <= entry["time_to_first_token"] <= entry["latency"] + 1


def test_a_relayed_answer_without_a_dialect_is_logged_as_complete(start, tap, llama):
    before = tap(llama)
    gateway = start({"routes": [ai_route("openai", before.url)]})
    for number in range(3):
        sdk(gateway).models.list()
        entry = gateway.entry(number)
        assert (entry["llm_ended"], entry["end"]) == ("complete", "complete")
    assert len(before.links) == 1, "a finished exchange leaves its connection to the next"


def test_no_secret_and_no_body_is_logged(openai_aimock):
    asked = [{"role": "user", "content": "hello, my password is swordfish"}]
    sdk(openai_aimock, "sk-very-secret").chat.completions.create(model="quiet", messages=asked)
    openai_aimock.entry(0, lambda entry: entry.get("model") == "quiet")
    words = openai_aimock.out() + openai_aimock.err()
    assert "sk-very-secret" not in words
    assert "upstream-key" not in words
    assert "swordfish" not in words


def test_metrics_count_tokens_latency_and_status(start, llama):
    gateway = start({"routes": [ai_route("openai", llama.url)]})
    fields = {**ASKED, "max_tokens": 8, "extra_body": {"ignore_eos": True}}
    sdk(gateway).chat.completions.create(**fields)
    drained(sdk(gateway).chat.completions.create(**fields, stream=True))

    def completion(kind):
        labels = {"route_id": "ai", "request_type": kind, "llm_model": "gpt-4o"}
        return gateway.samples("apisix_llm_completion_tokens", **labels)

    wait_until(lambda: completion("ai_stream") == [8], "the stream to be counted")
    assert completion("ai_chat") == [8]
    assert gateway.samples("apisix_llm_latency_count", type="ttft") == [1]
    assert sum(gateway.samples("apisix_llm_latency_count", type="total")) == 2
    assert sum(gateway.samples("apisix_http_status", code="200", response_source="upstream")) == 2
    assert sum(gateway.samples("apisix_llm_active_connections")) == 0


def test_promtool_reads_the_metrics(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    drained(sdk(gateway).chat.completions.create(**ASKED, stream=True))
    wait_until(lambda: gateway.samples("apisix_llm_latency_count"), "the exchange to be counted")
    verdict = subprocess.run(
        [os.environ.get("PEERS_PROMTOOL", "promtool"), "check", "metrics"],
        input=gateway.exposition(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Exit 3 is advice about names; they are APISIX's, and the boards that read them are many.
    advice = [line for line in verdict.stderr.splitlines() if line]
    assert verdict.returncode in (0, 3), verdict.stderr
    assert all("non-counter metrics should not" in line
               or "counter metrics should have" in line
               or "no help text" in line
               or "metric names should" in line for line in advice), verdict.stderr


def test_a_route_with_key_auth_is_closed_and_opens_to_a_key(start, tap, aimock):
    before = tap(aimock)
    closed = ai_route("openai", before.url, plugins={"key-auth": {"header": "X-Key"}})
    del closed["plugins"]["ai-proxy"]["auth"]["header"]
    gateway = start({**CLOSED, "routes": [closed]})

    for headers in ({}, {"X-Key": "key-of-nobody"}):
        with pytest.raises(openai.AuthenticationError):
            sdk(gateway).chat.completions.create(**ASKED, extra_headers=headers)
    assert before.links == []

    opened = sdk(gateway).chat.completions.create(**ASKED, extra_headers={"X-Key": "key-of-team-a"})
    assert opened.choices[0].message.content.startswith("Hello from the mock.")
    assert b"X-Consumer-Username: team_a".lower() in before.link().received.lower()
    entry = gateway.entry(0, lambda entry: entry["status"] == 200)
    assert "team_a" in str(entry)


def test_the_sdks_own_key_can_be_the_consumers_key(start, tap, aimock):
    before = tap(aimock)
    route = ai_route(
        "openai",
        before.url,
        plugins={"key-auth": {"header": "authorization", "hide_credentials": True}},
    )
    consumers = [
        {"username": "team_a", "plugins": {"key-auth": {"key": "Bearer key-of-team-a"}}}
    ]
    gateway = start({"consumers": consumers, "routes": [route]})

    with pytest.raises(openai.AuthenticationError):
        sdk(gateway, "key-of-nobody").chat.completions.create(**ASKED)
    sdk(gateway, "key-of-team-a").chat.completions.create(**ASKED)
    received = before.link().received
    assert b"key-of-team-a" not in received
    assert b"authorization: Bearer upstream-key" in received


def test_file_logger_writes_the_chosen_format(start, aimock, tmp_path):
    log = tmp_path / "chosen.log"
    chosen = {"model": "$llm_model", "tokens": "$llm_completion_tokens", "path": "$uri"}
    route = ai_route(
        "openai",
        aimock.url,
        plugins={"file-logger": {"path": str(log), "log_format": chosen}},
        logging={"summaries": True, "payloads": True},
    )
    gateway = start({"routes": [route]})
    sdk(gateway).chat.completions.create(**ASKED)

    entry = json.loads(wait_until(lambda: log.exists() and log.read_text(), "the logger's entry"))
    assert (entry["model"], entry["path"]) == ("gpt-4o", "/v1/chat/completions")
    assert str(entry["tokens"]) == "18"
    assert entry["llm_summary"]["completion_tokens"] == 18
    assert entry["llm_request"]["messages"] == ASKED["messages"]
    assert entry["llm_response_text"]["content"].startswith("Hello from the mock.")
