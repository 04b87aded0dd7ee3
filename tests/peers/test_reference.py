"""The reference configurations unchanged, which name hosts of the internet."""

import json
import pathlib
import subprocess
import sys

import pytest
from gateway import BINARY, as_yaml
from reference_hosts import EXAMPLE, ONE, SEVERAL

HERE = pathlib.Path(__file__).parent
OWN = ["unshare", "--user", "--map-root-user", "--net", "--mount"]


def test_the_reference_configurations_do_as_described_before_hosts_of_their_names():
    """Runs `reference_hosts.py` where those names and ports are ours to give."""
    if subprocess.run([*OWN, "true"], capture_output=True, timeout=60).returncode:
        pytest.skip("this machine does not let a user have a network of one's own")
    command = [*OWN, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    ended = subprocess.run(
        [*command, "reference_hosts.py"], cwd=HERE, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


def check(folder, plugins):
    """What `tollgate check` says of a route with these plugins."""
    resources = {"routes": [{"id": "ai", "uri": "/v1/*", "plugins": plugins}]}
    (folder / "apisix.yaml").write_text(f"{as_yaml(resources)}\n#END\n")
    command = [BINARY, "check", "apisix.yaml"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [line for line in (ended.stdout + ended.stderr).splitlines() if "warning" in line]


def test_the_check_warns_of_the_backup_that_outranks_the_primary_and_of_nothing_else(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENAI_AUTH_HEADER", "Bearer from-the-environment")
    several = json.loads(SEVERAL)
    (warning,) = check(tmp_path, {"ai-proxy-multi": several})
    assert '"deepseek-backup" is preferred to "openai-primary"' in warning
    several["instances"][1]["priority"] = -1
    assert check(tmp_path, {"ai-proxy-multi": several}) == []
    assert check(tmp_path, {"ai-proxy": json.loads(ONE)}) == []
    assert check(tmp_path, json.loads(EXAMPLE)) == []
