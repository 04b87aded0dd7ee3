"""Fixtures: upstreams and gateways, each started once and always stopped."""

import contextlib

import pytest
from gateway import Gateway
from tap import Tap
from upstreams import Aimock, Llama

LOGGED = {"prometheus": {}}


def ai_route(provider, upstream, identity="ai", uri="/v1/*", plugins=None, **fields):
    """A route that sends everything below `uri` to one provider at `upstream`."""
    proxy = {
        "provider": provider,
        "auth": {"header": {"authorization": "Bearer upstream-key"}},
        "override": {"endpoint": upstream},
        **fields,
    }
    return {
        "id": identity,
        "uri": uri,
        "plugins": {"ai-proxy": proxy, **LOGGED, **(plugins or {})},
    }


@contextlib.contextmanager
def stopped(process):
    """Stops the process whatever happens, and shows its words when the test fails."""
    try:
        yield process
    except BaseException:
        print(process.both())
        raise
    finally:
        process.stop()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder for what lives as long as the run."""
    return tmp_path_factory.mktemp("peers")


@pytest.fixture(scope="session")
def aimock(folder):
    """Canned answers in every dialect."""
    with stopped(Aimock(folder)) as process:
        yield process


@pytest.fixture(scope="session")
def slow_aimock(folder):
    """The same with 50 ms between the events of a stream."""
    with stopped(Aimock(folder, "aimock-slow", delay_ms=50)) as process:
        yield process


@pytest.fixture(scope="session")
def llama(folder):
    """A real model server."""
    with stopped(Llama(folder)) as process:
        yield process


@pytest.fixture
def start(tmp_path):
    """Starts gateways of a test's own; all are stopped at its end."""
    with contextlib.ExitStack() as stack:

        def started(resources=None, name="tollgate", **more):
            place = tmp_path / name
            return stack.enter_context(stopped(Gateway(place, resources, **more)))

        yield started


@pytest.fixture
def tap():
    """Makes taps before upstreams; all are closed at the test's end."""
    taps = []

    def made(upstream, **faults):
        taps.append(Tap(upstream.url, **faults))
        return taps[-1]

    yield made
    for one in taps:
        one.close()


@pytest.fixture(scope="session")
def openai_aimock(folder, aimock):
    """A gateway in front of aimock as an OpenAI upstream."""
    routes = {"routes": [ai_route("openai", aimock.url)]}
    with stopped(Gateway(folder / "openai-aimock", routes)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def openai_llama(folder, llama):
    """A gateway in front of llama.cpp as an OpenAI upstream."""
    routes = {"routes": [ai_route("openai", llama.url)]}
    with stopped(Gateway(folder / "openai-llama", routes)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def anthropic_aimock(folder, aimock):
    """A gateway in front of aimock as an Anthropic upstream."""
    routes = {"routes": [ai_route("anthropic", aimock.url)]}
    with stopped(Gateway(folder / "anthropic-aimock", routes)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def anthropic_llama(folder, llama):
    """A gateway in front of llama.cpp as an Anthropic upstream."""
    routes = {"routes": [ai_route("anthropic", llama.url)]}
    with stopped(Gateway(folder / "anthropic-llama", routes)) as gateway:
        yield gateway
