"""Each way to choose an instance, with the real binary before real servers."""

import concurrent.futures
import json
import socket

import pytest
from conftest import stopped
from gateway import fetch
from several import BODY, CHAT, STREAM, first, instance, multi_route, route, trails_of
from upstreams import Llama


def named(name, server, **more):
    """An instance whose name comes back as the model of the answer."""
    return instance(name, server.url, options={"model": name}, **more)


def by(algorithm, **more):
    """A balancer."""
    return {"balancer": {"algorithm": algorithm, **more}}


def ask(gateway, body, **headers):
    """The model of one answer."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, text = fetch("POST", gateway.url + CHAT, body, headers)
    assert status == 200, text
    return json.loads(text)["model"]


def ask_all(gateway, bodies, at_once):
    """Sends these, some at once, and waits for all answers."""
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda body: fetch("POST", gateway.url + CHAT, body), bodies))
    assert [status for status, _, _ in answers] == [200] * len(bodies)


def said(text, turns=()):
    """A conversation that ends with these words."""
    messages = [
        {"role": "system", "content": "be brief"},
        *turns,
        {"role": "user", "content": text},
    ]
    return {**BODY, "messages": messages}


# roundrobin


def test_roundrobin_keeps_the_exact_sequence_of_its_weights(start, tmp_path, aimock, llama):
    log = tmp_path / "requests.log"
    servers = [("a", aimock, 3), ("b", llama, 2), ("c", aimock, 1)]
    instances = [named(name, server) | {"weight": weight} for name, server, weight in servers]
    gateway = start(multi_route(instances, log, **by("roundrobin")))
    for body in [BODY, STREAM] * 9:
        assert fetch("POST", gateway.url + CHAT, body)[0] == 200
    asked = "".join(first(trail) for trail in trails_of(log, 18))
    # It begins at any place of its round, which nginx has too for these weights.
    assert asked in "abacba" * 4, asked


def test_a_change_elsewhere_does_not_start_the_round_again(start, tmp_path, aimock):
    log = tmp_path / "requests.log"
    instances = [named(name, aimock) for name in "abcd"]
    resources = multi_route(instances, log)
    gateway = start(resources)
    asked = ""
    for number in range(8):
        asked += ask(gateway, BODY)
        other = {
            "id": "other",
            "uri": f"/other/{number}",
            "upstream": {"nodes": {"127.0.0.1:9": 1}},
        }
        gateway.write({"routes": [*resources["routes"], other]})
    assert asked in "abcd" * 3, asked


# chash


def test_only_the_share_of_an_added_instance_moves(start, aimock):
    gateway = start()
    users = [f"user-{number}" for number in range(60)]

    def placed(names):
        instances = [named(name, aimock) for name in names]
        put = route(instances, **by("chash", hash_on="header", key="x-user"))
        identity = put.pop("id")
        assert gateway.configure("PUT", f"/routes/{identity}", put)[0] in (200, 201)
        return {user: ask(gateway, BODY, x_user=user) for user in users}

    two = placed("ab")
    assert set(two.values()) == {"a", "b"}
    assert placed("ab") == two
    three = placed("abc")
    moved = [user for user in users if three[user] != two[user]]
    assert {three[user] for user in moved} == {"c"}
    assert 5 <= len(moved) <= 35
    # Those of the one that goes are spread, and nobody else moves.
    left = placed("bc")
    assert all(left[user] == three[user] for user in users if three[user] != "a")
    assert placed("ab") == two


# least_busy, ewma


@pytest.mark.parametrize("algorithm", ["least_busy", "ewma"])
def test_a_slow_instance_gets_less(start, tmp_path, aimock, slow_aimock, algorithm):
    log = tmp_path / "requests.log"
    instances = [named("slow", slow_aimock), named("quick", aimock)]
    gateway = start(multi_route(instances, log, **by(algorithm)))
    ask_all(gateway, [STREAM] * 120, 8)
    asked = [first(trail) for trail in trails_of(log, 120)]
    assert 1 <= asked.count("slow") <= 30, asked.count("slow")


def test_an_instance_that_never_ends_its_answers_is_passed_over(
    start, tmp_path, tap, aimock, llama
):
    log = tmp_path / "requests.log"
    silent = tap(aimock, hold_after=0)
    instances = [named("silent", silent), named("b", llama)]
    gateway = start(multi_route(instances, log, **by("least_busy")))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # One of the first two goes to either.
        stuck = pool.submit(ask_all, gateway, [BODY] * 2, 2)
        assert silent.link().asked.wait(30)
        trails_of(log, 1)
        ask_all(gateway, [BODY, STREAM] * 5, 1)
        silent.release()
        stuck.result(60)
    asked = [first(trail) for trail in trails_of(log, 12)]
    assert asked == ["b"] * 11 + ["silent"]


# prefix


def test_the_turns_of_a_conversation_stay_together(start, aimock):
    gateway = start(multi_route([named(name, aimock) for name in "abc"], **by("prefix")))
    conversations = {f"question {number}": [] for number in range(200)}
    places = {question: [] for question in conversations}

    def take_turn(question, turn):
        words, turns = f"{question}, {turn}", conversations[question]
        places[question].append(ask(gateway, said(words, turns)))
        turns += [{"role": "user", "content": words}, {"role": "assistant", "content": "hm"}]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for turn in range(4):
            list(pool.map(lambda question, turn=turn: take_turn(question, turn), conversations))
    stayed = sum(place == asked[0] for asked in places.values() for place in asked)
    assert stayed >= 0.9 * 800, stayed
    load = [sum(asked.count(name) for asked in places.values()) for name in "abc"]
    assert max(load) <= 1.25 * 800 / 3, load


# semantic


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """A real model that reads one text at a time, so that a text always has the same vector."""
    with stopped(Llama(tmp_path_factory.mktemp("embedder"), "embedder", at_once=1)) as process:
        yield process


CODE, FRENCH = "write a function that sorts a list", "translate this sentence to french"
SEMANTIC = by("semantic")


def semantic(server, **more):
    """The options of semantic balancing, with an embeddings server."""
    embeddings = {
        "provider": "openai",
        "model": "tiny-random",
        "endpoint": server if isinstance(server, str) else server.url,
        "auth": {"header": {"authorization": "Bearer embeddings-key"}},
        "timeout": 30000,
        **more,
    }
    return {"embeddings": embeddings, "threshold": 0.999, "fallback": "general", "debugging": True}


def alike(aimock, **more):
    """Instances with examples."""
    return [
        named("general", aimock, examples=["what is the capital of Norway"]),
        named("coder", aimock, examples=[CODE, "why does this not compile"], **more),
        named("translator", aimock, examples=[FRENCH]),
    ]


def test_a_prompt_goes_to_the_instance_that_real_embeddings_find_alike(
    start, tmp_path, aimock, embedder
):
    log = tmp_path / "requests.log"
    gateway = start(multi_route(alike(aimock), log, semantic_opts=semantic(embedder), **SEMANTIC))
    for words, name in [(CODE, "coder"), (FRENCH, "translator"), (CODE, "coder")]:
        status, headers, text = fetch("POST", gateway.url + CHAT, said(words))
        assert (status, json.loads(text)["model"]) == (200, name)
        assert headers["x-ai-semantic-picked-instance"] == name
        assert headers["x-ai-semantic-scores"].startswith(f"{name}:1.0000")
    status, headers, text = fetch("POST", gateway.url + CHAT, said("0123456789" * 40))
    assert json.loads(text)["model"] == "general"
    assert headers["x-ai-semantic-picked-instance"] == "fallback"
    assert [trail[0]["chosen"] for trail in trails_of(log, 4)] == ["semantic"] * 4


def test_an_alike_instance_that_fails_is_followed_by_the_fallback(
    start, tmp_path, tap, aimock, embedder
):
    log = tmp_path / "requests.log"
    instances = alike(aimock)
    instances[1]["override"]["endpoint"] = tap(aimock, cut_after=0).url
    gateway = start(multi_route(instances, log, semantic_opts=semantic(embedder), **SEMANTIC))
    assert ask(gateway, said(CODE)) == "general"
    ((failed, answered),) = trails_of(log, 1)
    assert (failed["instance"], failed["chosen"], failed["ended"]) == ("coder", "semantic", "cut")
    assert (answered["instance"], answered["chosen"]) == ("general", "fallback")


def test_embeddings_that_do_not_come_cost_their_timeout_and_the_fallback_answers(
    start, tmp_path, tap, aimock, embedder
):
    log = tmp_path / "requests.log"
    silent = tap(embedder, hold_after=0)
    options = semantic(silent, timeout=200)
    gateway = start(multi_route(alike(aimock), log, semantic_opts=options, **SEMANTIC))
    for number in range(2):
        # The answer comes while the embeddings server still says nothing.
        assert ask(gateway, said(CODE)) == "general"
        assert silent.link(number).closed.wait(30)
        assert silent.link(number).sent == 0
    # It is asked again, and heard once it speaks.
    silent.release()
    assert ask(gateway, said(CODE)) == "coder"


def test_an_embeddings_server_that_is_down_leaves_the_fallback(start, tmp_path, aimock):
    log = tmp_path / "requests.log"
    with socket.socket() as held:
        # A port of ours on which nobody listens.
        held.bind(("127.0.0.1", 0))
        options = semantic(f"http://127.0.0.1:{held.getsockname()[1]}")
        gateway = start(multi_route(alike(aimock), log, semantic_opts=options, **SEMANTIC))
        assert [ask(gateway, said(words)) for words in (CODE, FRENCH)] == ["general"] * 2
    assert [first(trail) for trail in trails_of(log, 2)] == ["general"] * 2
    assert "embeddings" in gateway.err()
    assert "embeddings-key" not in gateway.both()
