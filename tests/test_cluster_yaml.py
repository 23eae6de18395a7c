"""The cluster file: accepted by Ray, closed to strangers, and not billing in its sleep."""

import re
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).parents[1] / "cluster.yaml"


@pytest.fixture
def config():
    return yaml.safe_load(FILE.read_text())


def test_ray_accepts_it(config):
    validate_config(prepare_config(config))


def test_a_broken_one_would_not_be_accepted(config):
    config["head_node_type"] = "no such type"
    with pytest.raises(ValueError, match="head_node_type"):
        validate_config(prepare_config(config))


def test_ray_accepts_it_for_machines_of_your_own_too(config):
    """As the README says: its block in the place of everything above `file_mounts`."""
    text = FILE.with_name("README.md").read_text()
    block = next(b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "provider:" in b)
    _, kept = FILE.read_text().split("\nfile_mounts:", 1)
    own = yaml.safe_load(block + "\nfile_mounts:" + kept)
    validate_config(prepare_config(own))
    assert "available_node_types" not in own
    assert own["setup_commands"] == config["setup_commands"]


def test_nothing_is_inherited_that_opens_the_cluster(config):
    prepared = prepare_config(config)
    starts = " ".join(prepared["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in starts
    assert "0.0.0.0" not in yaml.safe_dump(prepared)
    assert "RAY_AUTH_MODE=token" in " ".join(prepared["setup_commands"])
    assert "nightly" not in " ".join(prepared["setup_commands"])


def test_workers_come_and_go_and_spot_machines_are_tried_first(config):
    types = config["available_node_types"]
    workers = {name: kind for name, kind in types.items() if name != config["head_node_type"]}
    assert all(kind["min_workers"] == 0 for kind in workers.values())
    assert all(kind["max_workers"] == config["max_workers"] for kind in workers.values())
    first = max(workers)  # Ray takes the last name of two types that fit equally
    assert workers[first]["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert any("InstanceMarketOptions" not in kind["node_config"] for kind in workers.values())
    assert config["provider"]["cache_stopped_nodes"] is False


def test_versions_are_pinned(config):
    install = " ".join(config["setup_commands"])
    for package in ("ray[default]", "torch", "torchvision"):
        assert f"'{package}==" in install
