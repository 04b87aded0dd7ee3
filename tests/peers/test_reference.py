"""The reference configurations unchanged, which name hosts of the internet."""

import pathlib
import subprocess
import sys

import pytest

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
