"""The commands that render nothing, and how `run` refuses: one clear line, exit code 2."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from render.cli import app
from render.spec.load import dump_job
from render.spec.schema import job_schema

JOBS = Path(__file__).parents[1] / "jobs"


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def job_file(video_job, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(video_job()))
    return path


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    return path


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_jobs_that_come_along_are_right(path):
    result = call("check", path)
    assert result.exit_code == 0, result.output
    assert path.read_text().startswith("# yaml-language-server: $schema=job.schema.json")


def test_two_errors_in_one_file_are_both_shown_with_line_and_column(job_file):
    data = yaml.safe_load(job_file.read_text())
    data["optimize"]["evaluatoins"] = 3
    data["output"]["crf"] = "good"
    job_file.write_text(yaml.safe_dump(data))
    result = call("check", job_file)
    assert result.exit_code == 2
    for key in ("optimize.evaluatoins", "output.crf"):
        line = next(line for line in result.stderr.splitlines() if key in line)
        assert f"{job_file}:" in line
        assert "allowed:" in line


@pytest.mark.parametrize(
    ("override", "told"),
    [("output.path=out.txt", r"out\.txt"), ("output.codec=prores", r"\.\w+ does not hold prores")],
)
def test_a_file_that_cannot_be_written_is_found_without_opening_anything(job_file, override, told):
    result = call("check", job_file, override)
    assert result.exit_code == 2
    assert re.search(told, result.stderr)


def test_the_plan_lists_shots_and_units(job_file):
    result = call("plan", job_file, "--no-measure")
    assert result.exit_code == 0, result.output
    assert "12 frames, 2 shots, 2 units" in result.output
    assert "about 42 evaluations" in result.output
    data = json.loads(call("plan", job_file, "--json", "--no-measure", "temporal.segment=3").stdout)
    assert [unit["frames"] for unit in data["units"]] == [
        [0, 3, 1],
        [3, 6, 1],
        [6, 9, 1],
        [9, 12, 1],
    ]


def test_the_plan_shows_who_waits_for_whom_and_what_more_workers_gain(job_file):
    settings = ["temporal.parallel=anchors", "temporal.segment=3", "temporal.bridge=2"]
    result = call("plan", job_file, "--no-measure", "input.cuts=[]", *settings)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    data = json.loads(
        call("plan", job_file, "--no-measure", "--json", "input.cuts=[]", *settings).stdout
    )
    anchors, segment, *_ = data["units"]
    assert segment["towards"] == anchors["frames"]["at"][1]
    assert any("previous anchor" in line for line in lines)
    assert any(
        line.endswith(f"frame 0 frame {segment['towards']}, over {segment['bridge']}")
        for line in lines
    )
    path, total = data["forecast"]["critical_path"], data["forecast"]["evaluations"]
    assert any(
        line.startswith(f"what must be done one after the other: {path / total:.0%} of all")
        for line in lines
    )
    speeds = data["forecast"]["speedup"]
    assert [*speeds] == [str(2**n) for n in range(9)]
    gains = ", ".join(f"{crew}: {speed:.1f}" for crew, speed in speeds.items())
    assert f"speed-up to expect by workers of one speed: {gains}" in lines
    assert data["forecast"]["exact"]


def test_the_plan_says_what_stages_wait_for_and_what_is_only_a_bound(job_file, monkeypatch):
    waves = ["input.cuts=[]", "optimize.warm_evaluations=16", "optimize.evaluations=40"]
    waits, bound = "a stage of a frame waits for", "(at best: so long a plan"
    assert waits not in call("plan", job_file, "--no-measure").output
    shown = call("plan", job_file, "--no-measure", *waves).output
    assert waits in shown
    assert bound not in shown
    monkeypatch.setattr("render.schedule.MOST_STEPS", 23)
    assert bound in call("plan", job_file, "--no-measure", *waves).output
    told = json.loads(call("plan", job_file, "--no-measure", "--json", *waves).stdout)
    assert not told["forecast"]["exact"]


def test_the_schema_is_printed_as_it_lies_beside_the_jobs():
    assert json.loads(call("schema").stdout) == job_schema()
    assert call("schema").stdout == (JOBS / "job.schema.json").read_text()


BAD = {
    "missing input": (["input.path=nowhere.mp4"], "nowhere.mp4"),
    "not a video": (["input.path={text}"], "notes.mp4"),
    "empty folder": (["input={{kind: images, path: {empty}}}"], "empty"),
    "too long a name": (["input.path=" + "a" * 300], "input.path"),
    "unknown key": (["optimize.steps=3"], "optimize.steps"),
    "wrong type": (["optimize.evaluations=many"], "optimize.evaluations"),
    "range outside the clip": (["input.frames=0-99"], "0-11"),
    "unreadable style": (["style.images.0.path={text}"], "style.images.0.path"),
    "output that cannot be written": (["output.path={text}/out.mp4"], "output.path"),
    "weights that cannot be had": (["model.weights=imagenet"], "model.weights to procedural"),
    "weights that are not there": (["model.weights=nowhere.pth"], "nowhere.pth"),
    "unknown layer": (["style.layers={{relu9_9: 1}}"], "relu9_9"),
    "malformed override": (["evaluations"], "evaluations"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_line_before_anything_is_rendered(
    name, job_file, text_file, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network, and no waiting for it
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    overrides, named = BAD[name]
    overrides = [text.format(text=text_file, empty=tmp_path / "empty") for text in overrides]
    result = call("run", job_file, *overrides)
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line]
    assert len(errors) == 1, result.stderr
    assert errors[0].startswith("error: ")
    assert named in errors[0]
    assert json.loads(result.stdout.splitlines()[-1])["status"] == "failed"
    assert not (tmp_path / "out.render/frames").exists()


def test_a_job_file_that_is_not_there_is_named(tmp_path):
    result = call("run", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "none.yaml" in result.stderr


def test_submitting_needs_a_cluster_and_a_file_inside_the_folder(job_file, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert "no cluster named" in call("submit", job_file).stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = call("submit", job_file, "--address", "http://127.0.0.1:1", "--working-dir", elsewhere)
    assert result.exit_code == 2
    assert "lies outside" in result.stderr
    assert os.fspath(elsewhere) in result.stderr


def test_files_that_only_the_cells_of_a_study_name_are_looked_for(job_file, style_picture, clip):
    images = f"style.images.0.path: [{style_picture}, /none/a.png, /none/b.png]"
    study = f"study={{{images}, input.path: [{clip}], style.weight: [1, 2]}}"
    settings = ["optimize.start=/none/s.png", "input.path=/none/clip.mp4", study]
    told = json.loads(call("check", job_file, "--json", *settings).stdout)
    assert told["missing"] == {
        "optimize.start": "/none/s.png",
        f"cell /none/a.png, {clip}, style.weight 1: style.images.0.path": "/none/a.png",
        f"cell /none/b.png, {clip}, style.weight 1: style.images.0.path": "/none/b.png",
    }


def test_programs_are_told_of_what_is_wrong_as_data(job_file):
    told = json.loads(call("check", job_file, "--json", "optimize.start=none.png").stdout)
    assert told["problems"] == []
    assert told["missing"].keys() == {"optimize.start"}
    result = call("check", job_file, "--json", "output.crf=good", "optimize.steps=3")
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert sorted(problem["key"] for problem in told["problems"]) == [
        "optimize.steps",
        "output.crf",
    ]
    missing = json.loads(call("plan", job_file, "--json", "input.path=nowhere.mp4").stdout)
    assert "nowhere.mp4" in missing["error"]
