"""The doctor: looks at real things, and says what to do about those that do not work."""

import json

from typer.testing import CliRunner

from render import doctor
from render.cli import app
from render.errors import FarmError


def test_a_whole_machine_is_found_so_with_a_real_actor(cluster):
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert "an actor started and answered" in found["ray"]["found"]
    assert {"python", "torch", "ffmpeg", "encoders", "weights", "writing", "disk", "memory"} <= set(
        found
    )
    assert "h264" in found["encoders"]["found"]


def test_whatever_does_not_work_comes_with_what_to_do(monkeypatch, tmp_path):
    def refuse(*_):
        raise FarmError("Ray cannot be started on this machine: no")

    monkeypatch.setattr(doctor, "connected", refuse)
    monkeypatch.setattr(doctor, "get_ffmpeg_exe", lambda: str(tmp_path / "no-ffmpeg"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 2
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert found["ray"]["state"] == found["ffmpeg"]["state"] == "broken"
    assert "pip install" in found["ffmpeg"]["mend"]
    assert found["weights"]["state"] == "warning"
    assert found["weights"]["mend"].startswith("python -c")
    assert all(each["mend"] for each in found.values() if each["state"] != "ok")


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    def refuse(*_):
        raise FarmError("Ray cannot be joined at 10.0.0.1:6379: refused")

    monkeypatch.setattr(doctor, "connected", refuse)
    findings = {each.what: each for each in doctor.examine("10.0.0.1:6379")}
    assert "10.0.0.1:6379" in findings["ray"].found
    assert findings["ray"].mend == "ray status --address 10.0.0.1:6379"
