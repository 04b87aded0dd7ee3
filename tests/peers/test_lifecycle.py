"""From start to end: what is said at the start, reloads, draining, an APISIX configuration."""

import json
import os
import pathlib
import signal
import subprocess

from conftest import ai_route, stopped
from gateway import ADMIN_KEY, BINARY, as_yaml, fetch, free_ports
from process import Process, wait_until
from raw_client import RawClient

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def test_the_banner_says_what_listens_where(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    banner = gateway.err()
    for port in (gateway.proxy, gateway.admin, gateway.control, gateway.metrics):
        assert f"127.0.0.1:{port}" in banner
    assert ADMIN_KEY not in banner


def test_the_status_pages_answer(start):
    gateway = start()
    control = f"http://127.0.0.1:{gateway.control}"
    for path in ("/status", "/status/ready"):
        status, _, body = fetch("GET", control + path)
        assert (status, json.loads(body)["status"]) == (200, "ok")


def test_a_generated_key_is_told_once_and_kept_private(start):
    ports = free_ports(1)
    gateway = start(settings={"admin": {"listen": f"127.0.0.1:{ports[0]}"}})
    kept = [path for path in pathlib.Path(gateway.folder, "data").iterdir() if "key" in path.name]
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
    key = kept[0].read_text().strip()
    assert len(key) >= 16
    assert gateway.both().count(key) == 1

    url = f"http://127.0.0.1:{ports[0]}/apisix/admin/routes"
    assert fetch("GET", url)[0] == 401
    assert fetch("GET", url, headers={"X-API-KEY": key})[0] == 200

    gateway.stop()
    gateway.start()
    assert gateway.both().count(key) == 1
    assert fetch("GET", url, headers={"X-API-KEY": key})[0] == 200


def test_an_admin_api_for_others_needs_a_long_key(tmp_path):
    settings = {"admin": {"listen": "0.0.0.0:0", "key": "short"}, "data_dir": str(tmp_path / "d")}
    settings["proxy"] = {"listen": ["127.0.0.1:0"]}
    file = tmp_path / "tollgate.yaml"
    file.write_text(as_yaml(settings))
    ended = subprocess.run(
        [BINARY, "run", "-c", file], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert ended.returncode != 0
    assert "admin" in ended.stderr and "16" in ended.stderr


def test_hangup_reopens_the_access_log(start, aimock, tmp_path):
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"
    gateway = start(
        {"routes": [ai_route("openai", aimock.url)]},
        settings={"access_log": {"path": str(log), "format": "$request_method $uri $status"}},
    )
    fetch("POST", gateway.url + CHAT, BODY)
    wait_until(lambda: log.read_text() == f"POST {CHAT} 200\n", "the first line")

    log.rename(moved)
    gateway.signal(signal.SIGHUP)
    wait_until(log.exists, "the new file")
    fetch("GET", f"{gateway.url}/none")
    wait_until(lambda: log.read_text() == "GET /none 404\n", "the second line")
    assert moved.read_text().count("\n") == 1


def test_hangup_reads_the_resources_again(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    gateway.signal(signal.SIGHUP)
    gateway.wait_for("reloading resources")
    assert fetch("POST", gateway.url + CHAT, BODY)[0] == 200


def test_a_variable_of_the_environment_overrides_a_setting(tmp_path):
    settings = {
        "proxy": {"listen": ["127.0.0.1:0"]},
        "admin": {"listen": "127.0.0.1:0", "key": "not-this-key-at-all"},
        "control": {"listen": "127.0.0.1:0"},
        "metrics": {"listen": "127.0.0.1:0"},
    }
    (tmp_path / "tollgate.yaml").write_text(as_yaml(settings))
    environment = {**os.environ, "TOLLGATE_ADMIN_KEY": "the-key-of-the-environment"}
    # Without `run` and without a file's name: the file of the working directory.
    process = Process([BINARY], tmp_path, "tollgate", environment)
    with stopped(process):
        admin = process.wait_for(r"admin\s+(http://127\.0\.0\.1:[1-9]\d*/apisix/admin)").group(1)
        for key, status in (("not-this-key-at-all", 401), ("the-key-of-the-environment", 200)):
            assert fetch("GET", f"{admin}/routes", headers={"X-API-KEY": key})[0] == status


def test_terminate_lets_a_running_stream_end(start, slow_aimock):
    gateway = start({"routes": [ai_route("openai", slow_aimock.url)]})
    client = RawClient(gateway.proxy, CHAT, {**BODY, "stream": True})
    client.read_until(b"Hello")
    gateway.signal(signal.SIGTERM)
    answer = client.read_to_end()

    assert b"data: [DONE]" in answer
    assert answer.endswith(b"0\r\n\r\n")
    assert gateway.wait() == 0
    entry = gateway.entry(0)
    assert entry["status"] == 200
    assert "client_disconnect" not in str(entry)


def test_terminate_does_not_wait_for_ever(start, tap, aimock):
    stalling = tap(aimock, hold_after=400)
    routes = {"routes": [ai_route("openai", stalling.url)]}
    gateway = start(routes, settings={"drain_timeout_ms": 200})
    client = RawClient(gateway.proxy, CHAT, {**BODY, "stream": True})
    client.read_until(b"data: ")
    gateway.signal(signal.SIGTERM)
    gateway.wait(20)
    assert b"[DONE]" not in client.read_to_end()


def test_terminate_closes_idle_connections_and_ends(start, aimock):
    gateway = start({"routes": [ai_route("openai", aimock.url)]})
    client = RawClient(gateway.proxy, CHAT, BODY)
    client.read_until(b"Hello from the mock")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(20) == 0


def test_an_apisix_configuration_is_taken_as_it_is(tmp_path, aimock):
    proxy, control, metrics = free_ports(3)
    (tmp_path / "config.yaml").write_text(
        f"""
apisix:
  node_listen:
    - ip: 127.0.0.1
      port: {proxy}
  enable_ipv6: false
  enable_control: true
  control:
    ip: 127.0.0.1
    port: {control}
deployment:
  role: data_plane
  role_data_plane:
    config_provider: yaml
plugins:
  - ai-proxy
  - prometheus
plugin_attr:
  prometheus:
    export_addr:
      ip: 127.0.0.1
      port: {metrics}
nginx_config:
  worker_processes: 1
  http:
    lua_shared_dict:
      some-dict: 10m
"""
    )
    (tmp_path / "apisix.yaml").write_text(
        f"""
# As in APISIX: comments, block style, plain scalars.
routes:
  - id: chat
    uri: /v1/*
    methods: [POST]
    plugins:
      prometheus: {{}}
      ai-proxy:
        provider: openai-compatible
        auth:
          header:
            Authorization: Bearer upstream-key
        override:
          endpoint: "{aimock.url}/v1/chat/completions"
#END
"""
    )
    process = Process([BINARY, "run", "-c", "config.yaml"], tmp_path, "tollgate")
    with stopped(process):
        process.wait_for(f"127.0.0.1:{proxy}")
        url = f"http://127.0.0.1:{proxy}{CHAT}"

        def answered():
            try:
                return fetch("POST", url, BODY)
            except ConnectionError:
                return None

        status, _, body = wait_until(answered, "the gateway to answer")
        assert status == 200
        assert b"Hello from the mock" in body
        assert fetch("GET", f"http://127.0.0.1:{control}/v1/routes")[0] == 200
        page = f"http://127.0.0.1:{metrics}/apisix/prometheus/metrics"
        assert b"apisix_llm_completion_tokens" in fetch("GET", page)[2]
        assert process.err().count("lua_shared_dict") == 1
