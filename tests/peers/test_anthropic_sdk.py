"""The official Anthropic SDK, natively to an Anthropic upstream; run by two of its versions."""

import anthropic
import pytest

HELLO = [{"role": "user", "content": "hello"}]
ANSWER = "Hello from the mock. One two three four five six seven eight nine ten."
MODEL = "claude-opus-4-5"
TOOL = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
# Greedy, or the noise of the random model may end before its first word.
GREEDY = {"max_tokens": 16, "extra_body": {"temperature": 0}}
CURRENT = int(anthropic.__version__.split(".")[0]) >= 2


def sdk(base):
    """A client as users make it, without retries that would hide a failure."""
    return anthropic.Anthropic(base_url=base, api_key="sk-client", max_retries=0, timeout=60)


@pytest.fixture
def client(anthropic_aimock):
    """The SDK before aimock."""
    return sdk(anthropic_aimock.url)


@pytest.fixture
def llama_client(anthropic_llama):
    """The SDK before llama.cpp."""
    return sdk(anthropic_llama.url)


def test_message(client):
    reply = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    assert reply.content[0].text == ANSWER
    assert reply.stop_reason == "end_turn"


def test_message_stream(client):
    with client.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == ANSWER
    assert final.stop_reason == "end_turn"


def test_tool_use(client):
    asked = [{"role": "user", "content": "weather"}]
    reply = client.messages.create(model=MODEL, max_tokens=64, messages=asked, tools=[TOOL])
    assert reply.stop_reason == "tool_use"
    assert reply.content[0].input == {"city": "Oslo", "unit": "celsius"}


def test_the_version_header_of_the_client_reaches_the_upstream(client, aimock):
    client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
    headers = aimock.last("/v1/messages")["headers"]
    assert headers["anthropic-version"] == ("2026-10-21" if CURRENT else "2023-06-01")


def test_message_of_a_real_model(llama_client):
    reply = llama_client.messages.create(model=MODEL, messages=HELLO, **GREEDY)
    assert reply.stop_reason in ("max_tokens", "end_turn")
    assert reply.usage.output_tokens > 0


def test_message_stream_of_a_real_model(llama_client):
    with llama_client.messages.stream(model=MODEL, messages=HELLO, **GREEDY) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "".join(block.text for block in final.content)
    assert final.usage.output_tokens > 0


def test_count_tokens(llama_client):
    assert llama_client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 0


def test_models(llama_client):
    assert [model.id for model in llama_client.models.list(limit=5)] == ["tiny-random"]


def test_an_error_of_the_upstream_keeps_its_type_and_body(client):
    asked = [{"role": "user", "content": "slow down"}]
    with pytest.raises(anthropic.RateLimitError) as refusal:
        client.messages.create(model=MODEL, max_tokens=64, messages=asked)
    assert refusal.value.body["error"]["message"] == "too many requests"


def test_a_request_in_no_dialect_is_the_gateways_own_400(client):
    with pytest.raises(anthropic.BadRequestError):
        client.post("/v1/nothing", body={}, cast_to=object)
