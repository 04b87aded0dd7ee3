"""The official OpenAI SDK through the gateway, to aimock and to llama.cpp."""

import json
import urllib.error
import urllib.request

import openai
import pytest
from conftest import ai_route
from gateway import fetch

HELLO = [{"role": "user", "content": "hello"}]
ANSWER = "Hello from the mock. One two three four five six seven eight nine ten."
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
# llama.cpp's own members beside OpenAI's: they must arrive for the lengths to hold.
GREEDY = {"temperature": 0, "seed": 1, "max_tokens": 24, "extra_body": {"ignore_eos": True}}


def sdk(base):
    """A client as users make it, without retries that would hide a failure."""
    return openai.OpenAI(base_url=f"{base}/v1", api_key="sk-client", max_retries=0, timeout=60)


def asking(text):
    """One user message."""
    return [{"role": "user", "content": text}]


def joined(stream):
    """A chat stream's text, its usage, and how many chunks had text."""
    parts, usage = [], None
    for chunk in stream:
        parts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        usage = chunk.usage or usage
    return "".join(parts), usage, len(parts)


@pytest.fixture
def client(openai_aimock):
    """The SDK before aimock."""
    return sdk(openai_aimock.url)


@pytest.fixture
def llama_client(openai_llama):
    """The SDK before llama.cpp."""
    return sdk(openai_llama.url)


# Chat


def test_chat(client):
    reply = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert reply.choices[0].message.content == ANSWER
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (2, 18)


def test_chat_stream_that_asks_for_usage(client):
    stream = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    text, usage, parts = joined(stream)
    assert text == ANSWER
    assert parts == 9
    assert (usage.prompt_tokens, usage.completion_tokens) == (2, 18)


def test_chat_stream_that_does_not_ask_for_usage_gets_it_too(client):
    text, usage, _ = joined(
        client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
    )
    assert text == ANSWER
    assert usage.total_tokens == 20


def test_the_upstream_gets_the_clients_bytes_and_the_gateways_key(start, tap, aimock):
    before_aimock = tap(aimock)
    gateway = start({"routes": [ai_route("openai", before_aimock.url)]})
    status, _, _ = fetch(
        "POST",
        f"{gateway.url}/v1/chat/completions",
        {"model": "gpt-4o", "x_unknown": [1.50, {}], "messages": HELLO},
        {"authorization": "Bearer sk-client", "accept-encoding": "gzip"},
    )
    head, _, body = before_aimock.link().received.partition(b"\r\n\r\n")
    assert status == 200
    assert b"authorization: Bearer upstream-key" in head
    assert b"sk-client" not in head
    assert b"accept-encoding" not in head.lower()
    assert body == (
        b'{"model": "gpt-4o", "x_unknown": [1.5, {}],'
        b' "messages": [{"role": "user", "content": "hello"}]}'
    )


def test_tool_call_and_its_result(client):
    first = client.chat.completions.create(
        model="gpt-4o", messages=asking("weather"), tools=[WEATHER_TOOL]
    )
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Oslo", "unit": "celsius"}

    result = {"role": "tool", "tool_call_id": call.id, "content": "21"}
    turn = [*asking("weather"), first.choices[0].message, result]
    second = client.chat.completions.create(model="gpt-4o", messages=turn, tools=[WEATHER_TOOL])
    assert second.choices[0].message.content == "It is 21 degrees in Oslo."


def test_tool_call_in_a_stream(client):
    stream = client.chat.completions.create(
        model="gpt-4o", messages=asking("weather"), tools=[WEATHER_TOOL], stream=True
    )
    calls = [
        call
        for chunk in stream
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    ]
    arguments = "".join(call.function.arguments or "" for call in calls)
    assert calls[0].function.name == "get_weather"
    assert json.loads(arguments) == {"city": "Oslo", "unit": "celsius"}


def test_chat_with_a_real_model(llama_client, llama):
    through = llama_client.chat.completions.create(model="any", messages=HELLO, **GREEDY)
    straight = sdk(llama.url).chat.completions.create(model="any", messages=HELLO, **GREEDY)
    assert through.choices[0].message.content == straight.choices[0].message.content
    assert through.choices[0].finish_reason == "length"
    assert through.usage.completion_tokens == 24


def test_stream_of_a_real_model(llama_client, llama):
    def asked(client):
        return joined(
            client.chat.completions.create(model="any", messages=HELLO, stream=True, **GREEDY)
        )

    text, usage, parts = asked(llama_client)
    expected, _, _ = asked(sdk(llama.url))
    assert text == expected
    assert parts > 1
    assert usage.completion_tokens == 24


# Responses


def test_responses(client):
    reply = client.responses.create(model="gpt-4o", input="hello")
    assert reply.output_text == ANSWER
    assert reply.status == "completed"


def test_responses_stream(client):
    events = list(client.responses.create(model="gpt-4o", input="hello", stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == ANSWER
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"


def test_responses_with_a_real_model(llama_client):
    reply = llama_client.responses.create(model="any", input="hello", max_output_tokens=16)
    assert reply.usage.output_tokens > 0
    assert reply.usage.input_tokens > 0


def test_responses_stream_of_a_real_model(llama_client):
    events = list(
        llama_client.responses.create(model="any", input="hello", max_output_tokens=16, stream=True)
    )
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    final = events[-1].response
    assert events[-1].type == "response.completed"
    assert "".join(deltas) == final.output_text
    assert final.usage.output_tokens > 0


# Embeddings and models


def test_embeddings(client):
    reply = client.embeddings.create(model="text-embedding-3-small", input="embed me")
    assert reply.data[0].embedding == pytest.approx([0.1, 0.2, 0.3])


def test_embeddings_of_a_real_model(llama_client, llama):
    through = llama_client.embeddings.create(model="any", input=["one", "two"])
    straight = sdk(llama.url).embeddings.create(model="any", input=["one", "two"])
    assert [one.embedding for one in through.data] == [
        pytest.approx(one.embedding) for one in straight.data
    ]
    assert through.usage.prompt_tokens > 0


def test_models(client, llama_client):
    assert "gpt-4o" in [model.id for model in client.models.list()]
    assert [model.id for model in llama_client.models.list()] == ["tiny-random"]


def test_head_of_the_root_is_answered(openai_aimock):
    status, _, body = fetch("HEAD", f"{openai_aimock.url}/v1/models")
    assert status < 500
    assert body == b""


# Errors


@pytest.mark.parametrize(
    ("text", "kind", "status"),
    [
        ("deny me", openai.AuthenticationError, 401),
        ("miss me", openai.NotFoundError, 404),
        ("slow down", openai.RateLimitError, 429),
        ("break", openai.InternalServerError, 500),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_of_the_upstream_keeps_its_type_and_body(client, text, kind, status, stream):
    with pytest.raises(kind) as refusal:
        client.chat.completions.create(model="gpt-4o", messages=asking(text), stream=stream)
    assert refusal.value.status_code == status
    assert refusal.value.body["message"] in (
        "bad key",
        "no such model",
        "too many requests",
        "broken",
    )


def test_an_empty_object_is_the_gateways_own_400(client, openai_aimock):
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", body={}, cast_to=object)
    assert openai_aimock.running()


def test_a_body_that_is_no_json_is_400(openai_aimock):
    request = urllib.request.Request(
        f"{openai_aimock.url}/v1/chat/completions",
        b"{nonsense",
        {"content-type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=30)
    with refusal.value as answer:
        assert answer.code == 400
        assert json.load(answer)


def test_a_path_without_a_route_is_the_gateways_404(openai_aimock):
    lost = openai.OpenAI(base_url=f"{openai_aimock.url}/none", api_key="sk", max_retries=0)
    with pytest.raises(openai.NotFoundError) as refusal:
        lost.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert "error_msg" in refusal.value.response.json()
