"""`tollgate check` and `tollgate demo`, as a person types them."""

import json
import os
import re
import subprocess

import pytest
from conftest import stopped
from gateway import BINARY, fetch, free_ports
from process import Process, wait_until

SINGLE = """
routes:
  - id: one
    uri: /v1/chat/completions
    plugins:
      ai-proxy: {
        "provider": "openai",
        "auth": { "header": { "authorization": "Bearer sk-xxx" } },
        "options": { "model": "gpt-4", "temperature": 0.7, "stream": true },
        "timeout": 30000,
        "ssl_verify": true,
        "logging": { "summaries": true, "payloads": false }
      }
#END
"""
SEVERAL = """
routes:
  - id: several
    uri: /v1/chat/completions
    plugins:
      ai-proxy-multi: {
        "instances": [
          { "name": "openai-primary",  "provider": "openai",   "weight": 10, "priority": 0,
            "auth": { "header": { "authorization": "Bearer sk-xxx" } },
            "options": { "model": "gpt-4" } },
          { "name": "deepseek-backup", "provider": "deepseek", "weight": 5,  "priority": 1,
            "auth": { "header": { "authorization": "Bearer ds-xxx" } },
            "options": { "model": "deepseek-chat" } }
        ],
        "balancer": { "algorithm": "roundrobin" },
        "fallback_strategy": "instance_health_and_rate_limiting"
      }
#END
"""


def check(folder, **files):
    """Runs `tollgate check` on files with these contents, named for their keyword."""
    names = []
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.write_text(text.lstrip("\n"))
        names.append(path.name)
    return subprocess.run(
        [BINARY, "check", *names], cwd=folder, capture_output=True, text=True, timeout=60
    )


def words(ended):
    """All that was printed."""
    return ended.stdout + ended.stderr


# check


def test_the_reference_configuration_with_one_provider_loads(tmp_path):
    ended = check(tmp_path, apisix=SINGLE)
    assert ended.returncode == 0, words(ended)


def test_the_reference_configuration_with_several_providers_loads(tmp_path):
    ended = check(tmp_path, apisix=SEVERAL)
    assert ended.returncode == 0, words(ended)


def test_a_backup_that_outranks_the_primary_is_warned_about(tmp_path):
    ended = check(tmp_path, apisix=SEVERAL)
    assert "deepseek-backup" in words(ended)


def test_a_wrong_type_is_told_with_file_line_path_and_both_values(tmp_path):
    ended = check(tmp_path, apisix=SINGLE.replace("30000", '"soon"'))
    assert ended.returncode == 1
    told = words(ended)
    assert "apisix.yaml:9" in told
    assert "plugins.ai-proxy.timeout" in told
    assert "expected" in told and "integer" in told
    assert "soon" in told or "string" in told


def test_each_fault_is_told_not_only_the_first(tmp_path):
    second = SINGLE.replace("routes:\n", "").replace("id: one", "id: two").replace("30000", "-1")
    both = SINGLE.replace("30000", '"soon"').replace("#END\n", second.lstrip("\n"))
    told = words(check(tmp_path, apisix=both))
    assert "apisix.yaml:9" in told
    assert "apisix.yaml:20" in told


def test_each_fault_of_one_plugin_is_told(tmp_path):
    twice = SINGLE.replace("30000", '"soon"').replace("ssl_verify: true", "ssl_verify: 7")
    twice = twice.replace('"ssl_verify": true', '"ssl_verify": 7')
    told = words(check(tmp_path, apisix=twice))
    assert "plugins.ai-proxy.timeout: " in told
    assert "plugins.ai-proxy.ssl_verify: " in told


SECRET = """
routes:
  - id: one
    uri: /x
    plugins:
      ai-proxy:
        provider: openai
        auth:
          header:
            Authorization: REFERENCE
#END
"""


def test_a_variable_that_is_not_set_is_a_warning(tmp_path):
    ended = check(tmp_path, apisix=SECRET.replace("REFERENCE", "$env://NO_SUCH_KEY"))
    assert ended.returncode == 0, words(ended)
    (warning,) = [line for line in words(ended).splitlines() if "NO_SUCH_KEY" in line]
    assert warning.startswith("warning: apisix.yaml:9:")
    assert warning.endswith(
        "routes[0].plugins.ai-proxy.auth.header.Authorization: no value for $env://NO_SUCH_KEY: "
        'environment variable "NO_SUCH_KEY" is not set'
    )


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("$secret://vault/main/a/key", "there is no secret manager vault/main"),
        ("$secret://aws/main/key", "secret manager aws is not available in this version"),
        ("$secret://vault/key", "expected $secret://vault/<id>/<path>/<field>"),
    ],
)
def test_a_reference_that_no_environment_gives_a_value_is_a_fault(tmp_path, reference, why):
    ended = check(tmp_path, apisix=SECRET.replace("REFERENCE", reference))
    assert ended.returncode == 1
    assert f"Authorization: no value for {reference}: {why}" in words(ended)


CERTIFICATE = """
ssls:
  - id: one
    sni: a.example
    cert: CHAIN
    key: $env://NO_SUCH_KEY
secrets:
  - id: vault/main
    uri: http://127.0.0.1:1
    prefix: kv
    token: t
#END
"""


def test_certificates_are_checked_too(tmp_path):
    told = check(tmp_path, apisix=CERTIFICATE.replace("CHAIN", "$env://NO_SUCH_CHAIN"))
    assert told.returncode == 0, words(told)
    assert "ssls[0].cert: no value for $env://NO_SUCH_CHAIN" in words(told)
    unasked = check(tmp_path, apisix=CERTIFICATE.replace("CHAIN", "$secret://vault/main/tls/chain"))
    assert unasked.returncode == 0, words(unasked)
    assert "vault" not in words(unasked)
    broken = CERTIFICATE.replace("CHAIN", "x" * 128).replace("$env://NO_SUCH_KEY", "y" * 64)
    ended = check(tmp_path, apisix=broken)
    assert ended.returncode == 1
    assert "ssls[0].cert: " in words(ended) and "PEM" in words(ended)
    assert "y" * 64 not in words(ended)


def test_an_unknown_plugin_is_told(tmp_path):
    ended = check(tmp_path, apisix=SINGLE.replace("ai-proxy", "ai-prxy"))
    assert ended.returncode == 1
    assert "ai-prxy" in words(ended)


def test_broken_yaml_is_told_with_its_line(tmp_path):
    ended = check(tmp_path, apisix='routes:\n  - id: "a\n#END\n')
    assert ended.returncode == 1
    assert re.search(r"apisix\.yaml:\d+", words(ended))


def test_settings_are_checked_too(tmp_path):
    good = check(tmp_path, tollgate="proxy: { listen: ['127.0.0.1:9080'] }\n")
    assert good.returncode == 0, words(good)
    wrong = check(tmp_path, tollgate="proxy: { listn: ['127.0.0.1:9080'] }\n")
    assert wrong.returncode == 1
    assert "proxy.listn" in words(wrong) or "listn" in words(wrong)
    assert "listen" in words(wrong)
    assert "tollgate.yaml:1" in words(wrong)


def test_one_bad_file_of_two_fails_the_check(tmp_path):
    ended = check(tmp_path, apisix=SINGLE, other="routes: 7\n#END\n")
    assert ended.returncode == 1
    assert "other.yaml" in words(ended)


def test_a_file_that_is_not_there_is_told(tmp_path):
    ended = subprocess.run(
        [BINARY, "check", "none.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "none.yaml" in words(ended)


def test_a_wrong_command_line_is_usage(tmp_path):
    ended = subprocess.run(
        [BINARY, "rnu"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "Usage" in ended.stderr


# demo


@pytest.fixture
def demo(tmp_path):
    """A running demo on a port of its own, and the lines that it printed to be tried."""
    proxy = free_ports(1)[0]
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    # The operators' doors would stand on fixed ports, which somebody else may have.
    for door in ("ADMIN", "CONTROL", "METRICS"):
        clean[f"TOLLGATE_{door}_LISTEN"] = "127.0.0.1:0"
    command = [BINARY, "demo", "--listen", f"127.0.0.1:{proxy}"]
    process = Process(command, tmp_path, "demo", clean)
    with stopped(process):
        process.wait_for(r"curl .*")

        def lines():
            said = process.out() + process.err()
            return [line.strip() for line in said.splitlines() if line.strip().startswith("curl ")]

        def serving():
            try:
                return fetch("GET", f"http://127.0.0.1:{proxy}/v1/models")[0] == 200
            except ConnectionError:
                return False

        wait_until(serving, "the demo to serve")
        yield process, lines()


def test_the_printed_lines_work_as_printed(demo):
    process, lines = demo
    assert len(lines) >= 3
    answers = []
    for line in lines:
        ended = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        assert "error" not in ended.stdout, f"{line}\n{ended.stdout}"
        answers.append(ended.stdout)

    streamed = next(answer for answer in answers if answer.startswith("data: "))
    assert streamed.rstrip().endswith("data: [DONE]")
    assert '"usage"' in streamed
    assert process.running()


def test_the_printed_fallback_is_answered_by_the_spare_instance(demo):
    process, lines = demo
    line = next(line for line in lines if "/fallback/" in line)
    ended = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=True)
    assert "says hello" in json.loads(ended.stdout)["choices"][0]["message"]["content"]

    def entry():
        said = process.out().splitlines()
        entries = [json.loads(one) for one in said if one.startswith("{")]
        return next((one for one in entries if one.get("route_id") == "fallback"), None)

    logged = wait_until(entry, "the access log entry")
    assert logged["upstream_status"] == "429, 200"
    assert logged["instance"] == "spare"


def test_the_demo_logs_model_tokens_and_time_to_first_token(demo):
    process, lines = demo
    line = next(line for line in lines if '"stream":true' in line)
    subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, check=True)

    def entry():
        said = process.out() + process.err()
        entries = [json.loads(one) for one in said.splitlines() if one.startswith("{")]
        return next((one for one in entries if one.get("model") == "demo"), None)

    logged = wait_until(entry, "the access log entry")
    assert logged["completion_tokens"] > 0
    assert logged["prompt_tokens"] > 0
    assert "time_to_first_token" in logged
