"""What a client sees, and the log tells, when the preferred of two real servers goes wrong.

Every fault is set before either server, and met by an answer in one piece, by a stream before it
has said anything, and by a stream that has. All cells are asked at once; each is a test.
"""

import concurrent.futures
import contextlib
import dataclasses
import socket

import anthropic
import openai
import pytest
from conftest import stopped
from forger import Forger, error_event, garbage, nothing, refusal, truncated_gzip
from gateway import Gateway
from several import all_idle, instance, route, trails_of
from tap import Tap, after_content, before_content, in_body

# Greedy, or the noise of the random model may end before its first word.
GREEDY = {"extra_body": {"temperature": 0}}
ASKED = {
    "model": "m",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 8,
    **GREEDY,
}
INPUT = {"model": "m", "input": "hello", "max_output_tokens": 8, **GREEDY}
# The length of a silence that is a failure; the servers are quicker than this, even under load.
SILENCE = 2500
SERVERS = ["aimock", "llama"]


def tapped(**faults):
    """The server behind a tap with these faults."""
    return lambda server: Tap(server.url, **faults)


def forged(forge):
    """The server's answers, changed."""
    return lambda server: Forger(server.url, forge)


@dataclasses.dataclass
class Elsewhere:
    """An address that is no server's."""

    url: str
    held: contextlib.ExitStack = dataclasses.field(default_factory=contextlib.ExitStack)

    def close(self):
        """Gives up what makes the address what it is."""
        self.held.close()


def refusing(_):
    """The port is somebody's, who does not listen."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    nobody = Elsewhere(f"http://127.0.0.1:{held.getsockname()[1]}")
    nobody.held.enter_context(held)
    return nobody


def nameless(_):
    """A name without an address."""
    return Elsewhere("http://no-such-host.invalid")


def plain(server):
    """TLS is to be spoken to a server that does not; one says so, the other waits for more."""
    return Elsewhere(server.url.replace("http://", "https://"))


def full(_):
    """The queue of those who want to connect is full, so that connecting takes for ever."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = Elsewhere(f"http://127.0.0.1:{listener.getsockname()[1]}")
    waiting.held.enter_context(listener)
    for _ in range(3):
        one = waiting.held.enter_context(socket.socket())
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
    return waiting


JSON, OPENING, CONTENT = "json", "before content", "after content"
# name -> mode -> what stands in the way, and how the log tells it: its word, status, whose fault
PROVIDER, KEY = "provider", "key"
ALIKE = {
    "refused": (refusing, ("connect", 500, PROVIDER)),
    "reset": (tapped(deny=True), ("cut", 500, PROVIDER)),
    "no tls": (plain, {"aimock": ("tls", 500, PROVIDER), "llama": ("timeout", 504, PROVIDER)}),
    "no name": (nameless, ("resolve", 500, PROVIDER)),
    "no connection": (full, ("timeout", 504, PROVIDER)),
    "cut before the head": (tapped(cut_after=0), ("cut", 500, PROVIDER)),
    "end before the head": (tapped(end_after=0), ("cut", 500, PROVIDER)),
    "stall before the head": (tapped(hold_after=0), ("timeout", 504, PROVIDER)),
    "401": (forged(refusal(401)), ("status", 401, KEY)),
    "402": (forged(refusal(402)), ("status", 402, KEY)),
    "403": (forged(refusal(403)), ("status", 403, KEY)),
    "429": (forged(refusal(429)), ("status", 429, KEY)),
    "429, retry later": (forged(refusal(429, retry_after="7")), ("status", 429, KEY)),
    "500": (forged(refusal(500)), ("status", 500, PROVIDER)),
    "502": (forged(refusal(502)), ("status", 502, PROVIDER)),
    "503": (forged(refusal(503)), ("status", 503, PROVIDER)),
}
TABLE = {
    **{name: {JSON: cell, OPENING: cell} for name, cell in ALIKE.items()},
    "cut": {
        JSON: (tapped(cut_after=in_body), ("cut", 200, PROVIDER)),
        OPENING: (tapped(cut_after=before_content), ("cut", 200, PROVIDER)),
        CONTENT: (tapped(cut_after=after_content), ("upstream_cut", 200, PROVIDER)),
    },
    "end": {
        JSON: (tapped(end_after=in_body), ("cut", 200, PROVIDER)),
        OPENING: (tapped(end_after=before_content), ("cut", 200, PROVIDER)),
        CONTENT: (tapped(end_after=after_content), ("upstream_cut", 200, PROVIDER)),
    },
    "stall": {
        JSON: (tapped(hold_after=in_body), ("timeout", 200, PROVIDER)),
        OPENING: (tapped(hold_after=before_content), ("timeout", 200, PROVIDER)),
        CONTENT: (tapped(hold_after=after_content), ("read_error", 200, PROVIDER)),
    },
    "garbage": {
        JSON: (forged(garbage), ("not_json", 200, PROVIDER)),
        OPENING: (forged(garbage), ("no_content", 200, PROVIDER)),
    },
    "nothing": {
        JSON: (forged(nothing), ("not_json", 200, PROVIDER)),
        OPENING: (forged(nothing), ("no_content", 200, PROVIDER)),
    },
    "truncated gzip": {
        JSON: (forged(truncated_gzip(None)), ("coding", 200, PROVIDER)),
        OPENING: (forged(truncated_gzip(before_content)), ("coding", 200, PROVIDER)),
        CONTENT: (forged(truncated_gzip(after_content)), ("read_error", 200, PROVIDER)),
    },
    "error event": {
        OPENING: (forged(error_event(before_content)), ("error_event", 200, PROVIDER)),
        CONTENT: (forged(error_event(after_content)), ("error_event", 200, PROVIDER)),
    },
}
# How an SDK tells an error event.
REPORTED = {"chat": "APIError", "messages": "APIStatusError", "responses": "ResponseErrorEvent"}
# Every fault as chat, and some as the other dialects that both servers speak.
SOME = ["refused", "reset", "stall before the head", "429", "503", "cut", "stall", "error event"]
DIALECTS = {"chat": list(TABLE), "messages": SOME, "responses": SOME}
CELLS = [
    (dialect, fault, mode, server)
    for dialect, faults in DIALECTS.items()
    for fault in faults
    for mode in TABLE[fault]
    for server in SERVERS
]


@dataclasses.dataclass
class Seen:
    """What a client saw of one answer."""

    text: str = ""
    finish: str | None = None
    error: Exception | None = None


def ask(gateway, place, dialect, mode):
    """Asks as the official SDK of the dialect does."""
    seen = Seen()
    try:
        with contextlib.closing(client(gateway, place, dialect)) as asking:
            (ASKING[dialect, mode == JSON])(asking, seen)
    except Exception as error:  # what it is, is judged by the test
        seen.error = error
    return seen


def client(gateway, place, dialect):
    """The SDK's client, which does not ask again by itself."""
    if dialect == "messages":
        base = f"{gateway.url}/{place}"
        return anthropic.Anthropic(base_url=base, api_key="sk", max_retries=0)
    return openai.OpenAI(base_url=f"{gateway.url}/{place}/v1", api_key="sk", max_retries=0)


# How each dialect is asked


def chat(asking, seen):
    choice = asking.chat.completions.create(**ASKED).choices[0]
    seen.text, seen.finish = choice.message.content, choice.finish_reason


def chat_stream(asking, seen):
    for chunk in asking.chat.completions.create(**ASKED, stream=True):
        for choice in chunk.choices:
            seen.text += choice.delta.content or ""
            seen.finish = seen.finish or choice.finish_reason


def messages(asking, seen):
    reply = asking.messages.create(**ASKED)
    seen.text, seen.finish = reply.content[0].text, reply.stop_reason


def messages_stream(asking, seen):
    for event in asking.messages.create(**ASKED, stream=True):
        if event.type == "content_block_delta":
            seen.text += event.delta.text
        if event.type == "message_delta":
            seen.finish = event.delta.stop_reason


def responses(asking, seen):
    reply = asking.responses.create(**INPUT)
    seen.text, seen.finish = reply.output_text, reply.status


def responses_stream(asking, seen):
    for event in asking.responses.create(**INPUT, stream=True):
        if event.type == "response.output_text.delta":
            seen.text += event.delta
        if event.type == "error":
            seen.error = event
        if event.type == "response.completed":
            seen.finish = event.response.status


ASKING = {
    ("chat", True): chat,
    ("chat", False): chat_stream,
    ("messages", True): messages,
    ("messages", False): messages_stream,
    ("responses", True): responses,
    ("responses", False): responses_stream,
}


def cell_route(number, stack, servers, log):
    """The route of one cell: a server behind its fault, and the other one."""
    dialect, fault, mode, name = CELLS[number]
    make, _ = TABLE[fault][mode]
    faulty = stack.enter_context(contextlib.closing(make(servers[name])))
    other = other_than(name)
    more = {"provider": "anthropic"} if dialect == "messages" else {}
    return route(
        [instance(name, faulty.url, 1, **more), instance(other, servers[other].url, **more)],
        log,
        identity=str(number),
        uri=f"/{number}/*",
        timeout=SILENCE,
        fallback_strategy="instance_health_and_rate_limiting",
        fallback_http_statuses=[401, 402, 403],
    )


def other_than(name):
    """The other server's name."""
    return next(one for one in SERVERS if one != name)


@pytest.fixture(scope="module")
def asked(folder, aimock, llama):
    """Every cell's view from both sides: what its client saw, and its trail in the log."""
    servers = {"aimock": aimock, "llama": llama}
    numbers = range(len(CELLS))
    place = folder / "faults"
    place.mkdir()
    logs = [place / f"{number}.log" for number in numbers]
    with contextlib.ExitStack() as stack:
        routes = [cell_route(number, stack, servers, logs[number]) for number in numbers]
        gateway = stack.enter_context(stopped(Gateway(place, {"routes": routes})))

        def one(number):
            dialect, _, mode, _ = CELLS[number]
            return ask(gateway, number, dialect, mode)

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            seen = list(pool.map(one, numbers))
        told = [trails_of(log, 1)[0] for log in logs]
        yield dict(zip(CELLS, zip(seen, told, strict=True), strict=True))


def facts(attempt):
    """What a trail tells of an attempt, its duration aside."""
    return attempt["ended"], attempt["status"], attempt.get("fault")


@pytest.mark.parametrize(("dialect", "fault", "mode", "name"), CELLS)
def test_what_a_fault_leads_to(asked, dialect, fault, mode, name):
    seen, trail = asked[dialect, fault, mode, name]
    _, expected = TABLE[fault][mode]
    expected = expected[name] if isinstance(expected, dict) else expected
    assert (trail[0]["instance"], trail[0]["chosen"]) == (name, "roundrobin")
    assert facts(trail[0]) == expected
    if mode == CONTENT:
        assert len(trail) == 1
        assert seen.text and not seen.finish
        # An answer that is not whole is told by the HTTP library, an error by the dialect.
        said = REPORTED[dialect] if fault == "error event" else "RemoteProtocolError"
        assert type(seen.error).__name__ == said, repr(seen.error)
        return
    (answered,) = trail[1:]
    assert (answered["instance"], answered["chosen"]) == (other_than(name), "fallback")
    assert facts(answered) == ("complete", 200, None)
    assert seen.error is None
    assert seen.text and seen.finish
    assert seen.text.startswith("Hello from the mock.") == (name == "llama")


@pytest.fixture
def exhausted(start, aimock, llama, tmp_path):
    """A gateway before both servers, each of which answers as it is told to."""
    with contextlib.ExitStack() as stack:

        def made(*answers):
            pairs = zip(SERVERS, (aimock, llama), answers, strict=True)
            instances = []
            for priority, (name, server, forge) in enumerate(pairs):
                forger = stack.enter_context(contextlib.closing(Forger(server.url, forge)))
                instances.append(instance(name, forger.url, -priority))
            log = tmp_path / "requests.log"
            return start({"routes": [route(instances, log, uri="/all/*")]}), log

        yield made


@pytest.mark.parametrize("mode", [JSON, OPENING])
def test_when_all_refuse_a_client_is_told_when_to_come_again(exhausted, mode):
    gateway, log = exhausted(refusal(429, retry_after="70"), refusal(503, retry_after="9"))
    seen = ask(gateway, "all", "chat", mode)
    assert isinstance(seen.error, openai.InternalServerError), repr(seen.error)
    assert seen.error.status_code == 502
    assert seen.error.body["message"] == "forged"
    assert seen.error.response.headers["retry-after"] == "9"
    (trail,) = trails_of(log, 1)
    assert [facts(attempt) for attempt in trail] == [
        ("status", 429, KEY),
        ("status", 503, PROVIDER),
    ]
    # Once both breakers are open, whoever recovers soonest is asked first, and asked all the same.
    for _ in range(5):
        ask(gateway, "all", "chat", mode)
    trail = trails_of(log, 6)[5]
    assert [attempt["instance"] for attempt in trail] == ["llama", "aimock"]
    assert trail[0]["chosen"] == "soonest"


@pytest.mark.parametrize("mode", [JSON, OPENING])
def test_when_all_say_nothing_the_failure_is_told_as_the_gateways(exhausted, mode):
    gateway, log = exhausted(garbage, nothing)
    seen = ask(gateway, "all", "chat", mode)
    assert isinstance(seen.error, openai.InternalServerError), repr(seen.error)
    assert seen.error.status_code == 502
    word = "not_json" if mode == JSON else "no_content"
    (trail,) = trails_of(log, 1)
    assert [facts(attempt) for attempt in trail] == [(word, 200, PROVIDER)] * 2


def test_callers_do_not_notice_that_four_of_five_instances_are_ill(start, aimock, llama, tmp_path):
    log = tmp_path / "requests.log"
    ill = [
        ("dead", 3, 2, refusing),
        ("slow", 2, 2, tapped(hold_after=before_content)),
        ("out of quota", 2, 1, forged(refusal(429, retry_after="60"))),
        ("out of its mind", 1, 1, forged(garbage)),
    ]
    with contextlib.ExitStack() as stack:
        instances = [instance("well", llama.url)]
        for name, weight, priority, make in ill:
            place = stack.enter_context(contextlib.closing(make(aimock)))
            instances.append(instance(name, place.url, priority) | {"weight": weight})
        fields = {
            "fallback_strategy": "instance_health_and_rate_limiting",
            "timeouts": {"first_content_ms": 1500},
        }
        gateway = start({"routes": [route(instances, log, uri="/all/*", **fields)]})
        modes = [JSON, OPENING] * 20
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda mode: ask(gateway, "all", "chat", mode), modes))
        assert [repr(seen.error) for seen in answers if seen.error] == []
        assert all(seen.text and seen.finish for seen in answers)
        told = trails_of(log, len(modes))
        attempts = [attempt for trail in told for attempt in trail]
        ends = {(attempt["instance"], attempt["ended"]) for attempt in attempts}
        # The slow one is slow in its streams only.
        assert {
            ("dead", "connect"),
            ("slow", "first_content_timeout"),
            ("slow", "complete"),
        } <= ends
        assert {("out of quota", "status"), ("well", "complete")} <= ends
        mad = {ended for name, ended in ends if name == "out of its mind"}
        assert mad <= {"not_json", "no_content"} and mad
        assert all(trail[-1]["ended"] == "complete" for trail in told)
        all_idle(gateway, *{attempt["instance"] for attempt in attempts})
