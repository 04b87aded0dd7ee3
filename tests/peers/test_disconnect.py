"""A client that leaves takes its upstream connection with it, at once."""

import statistics
import time

import pytest
from conftest import ai_route
from gateway import fetch
from process import wait_until
from raw_client import RawClient

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**BODY, "stream": True}
# Several tries, since another process of the machine may hold up one of them.
TRIES = 5
AT_ONCE = 0.100


def left_after(client, link, how):
    """Seconds from the client's close until the gateway closed the upstream connection."""
    start = time.monotonic()
    getattr(client, how)()
    assert link.closed.wait(30), "the upstream connection stays open after the client left"
    return link.closed_at - start


def active(gateway):
    """Exchanges in flight, over all labels."""
    return sum(gateway.samples("apisix_llm_active_connections"))


def attempts(gateway, ended):
    """How many attempts ended so."""
    return sum(gateway.samples("apisix_llm_attempts_total", ended=ended))


@pytest.mark.parametrize("how", ["leave", "vanish"])
def test_a_client_that_leaves_before_the_answer(start, tap, aimock, how):
    silent = tap(aimock, hold_after=0)
    gateway = start({"routes": [ai_route("openai", silent.url)]})
    delays = []
    for number in range(TRIES):
        client = RawClient(gateway.proxy, CHAT, BODY)
        link = silent.link(number)
        assert link.asked.wait(30)
        wait_until(lambda: active(gateway) == 1, "the gauge to count the exchange")
        delays.append(left_after(client, link, how))

    assert statistics.median(delays) < AT_ONCE, delays
    wait_until(lambda: active(gateway) == 0, "the gauge to return to zero")
    entry = gateway.entry(0, lambda entry: "client_disconnect" in str(entry))
    assert entry["llm_ended"] == "client_disconnect"
    wait_until(lambda: attempts(gateway, "client_disconnect") == TRIES, "every attempt to be counted")


@pytest.mark.parametrize("how", ["leave", "vanish"])
def test_a_client_that_leaves_in_the_middle_of_a_stream(start, tap, slow_aimock, how):
    passing = tap(slow_aimock)
    gateway = start({"routes": [ai_route("openai", passing.url)]})
    delays = []
    for number in range(TRIES):
        client = RawClient(gateway.proxy, CHAT, STREAM)
        client.read_until(b"Hello")
        delays.append(left_after(client, passing.link(number), how))

    assert statistics.median(delays) < AT_ONCE, delays
    wait_until(lambda: active(gateway) == 0, "the gauge to return to zero")
    assert gateway.entry(0, lambda entry: "client_disconnect" in str(entry))


def test_a_client_that_leaves_while_the_upstream_is_silent_in_a_stream(start, tap, aimock):
    stalling = tap(aimock, hold_after=400)
    gateway = start({"routes": [ai_route("openai", stalling.url)]})
    client = RawClient(gateway.proxy, CHAT, STREAM)
    client.read_until(b"data: ")
    delay = left_after(client, stalling.link(), "leave")

    assert delay < 10 * AT_ONCE
    assert gateway.entry(0, lambda entry: "client_disconnect" in str(entry))


def test_the_next_client_is_served_after_one_has_left(start, tap, slow_aimock):
    passing = tap(slow_aimock)
    gateway = start({"routes": [ai_route("openai", passing.url)]})
    client = RawClient(gateway.proxy, CHAT, STREAM)
    client.read_until(b"Hello")
    client.leave()

    status, _, body = fetch("POST", gateway.url + CHAT, BODY)
    assert status == 200
    assert b"Hello from the mock" in body


def test_a_stream_cut_by_the_upstream_does_not_look_complete(start, tap, aimock):
    cutting = tap(aimock, cut_after=700)
    gateway = start({"routes": [ai_route("openai", cutting.url)]})
    client = RawClient(gateway.proxy, CHAT, STREAM)
    answer = client.read_to_end()

    assert b"data: " in answer
    assert b"[DONE]" not in answer
    assert not answer.endswith(b"0\r\n\r\n"), "the end of a chunked body says that it is whole"
    wait_until(lambda: active(gateway) == 0, "the gauge to return to zero")


def test_the_time_of_an_exchange_ends_before_its_answer(start, tap, aimock):
    silent = tap(aimock, hold_after=0)
    gateway = start({"routes": [ai_route("openai", silent.url, timeouts={"total_ms": 200})]})
    status, _, body = fetch("POST", gateway.url + CHAT, BODY)

    assert (status, b"total_ms" in body) == (504, True)
    assert gateway.entry(0)["llm_ended"] == "total_timeout"
    wait_until(lambda: active(gateway) == 0, "the gauge to return to zero")
    assert attempts(gateway, "total_timeout") == 1
    assert silent.link().closed.wait(30)


def test_the_time_of_an_exchange_ends_in_the_middle_of_a_stream(start, tap, aimock):
    stalling = tap(aimock, hold_after=400)
    gateway = start({"routes": [ai_route("openai", stalling.url, timeouts={"total_ms": 1500})]})
    client = RawClient(gateway.proxy, CHAT, STREAM)
    answer = client.read_to_end()

    assert b"data: " in answer
    assert b"[DONE]" not in answer
    assert not answer.endswith(b"0\r\n\r\n"), "the end of a chunked body says that it is whole"
    entry = gateway.entry(0)
    assert (entry["llm_ended"], entry["end"]) == ("total_timeout", "cut")
    wait_until(lambda: active(gateway) == 0, "the gauge to return to zero")
    assert attempts(gateway, "total_timeout") == 1
    assert stalling.link().closed.wait(30)
