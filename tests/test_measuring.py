"""Measuring an output folder, without any farm."""

import json

import pytest
from media_clips import hurt_clip
from typer.testing import CliRunner

from render.cli import app
from render.errors import OutputError
from render.inputs import make_plan
from render.measuring import measure_output, table
from render.media.frames import going_on
from render.media.source import open_source
from render.media.stills import encode_png
from render.papers import Notes
from render.spec.document import Document
from render.spec.load import build_job
from render.store import Store


@pytest.fixture
def output(video_job):
    """An output of all frames but the last, not repainted, in units of three."""
    job = video_job("temporal.segment=3")
    source = open_source(job.input)
    with Store(job) as store:
        store.keep_plan(make_plan(job))
        store.notes.write_summary({"status": "incomplete"})
        for frame in source.read(range(11)):
            data = encode_png(frame.pixels)
            info = {"loss": {"style": 2.0, "content": 1.0}}
            store.commit(frame.index, f"frames/{frame.index:06}.png", data, info)
    return job.output.path


def test_an_output_is_measured_against_its_source_and_its_summary_says_so(output):
    found = measure_output(output)
    assert len(found.metrics.frames) == 11
    assert found.metrics.over_floor() == 1
    assert [frame.frame for frame in found.metrics.frames if frame.seam] == [3, 9]
    assert [sorted(frame.back) for frame in found.metrics.frames[6:8]] == [[], [1]]
    summary = json.loads((found.folder / "summary.json").read_text())
    assert summary["status"] == "incomplete"
    assert summary["metrics"] == found.to_data()
    assert summary["metrics"]["style_loss"] == 2.0


def test_the_sample_clip_is_measured_along_its_exact_motion_too(output):
    found = measure_output(output)
    assert found.exact.coverage > found.metrics.coverage
    assert found.to_data()["true_flow"]["coverage"] == found.exact.coverage
    assert dict(table(found))["share compared, true motion"] == f"{found.exact.coverage:.1%}"


def commit_contents(job):
    """An output of all frames that can be read, not repainted."""
    source = open_source(job.input)
    with Store(job) as store:
        store.keep_plan(make_plan(job))
        for frame in going_on(source.read, source.frames):
            if frame is not None:
                store.commit(
                    frame.index, f"frames/{frame.index:06}.png", encode_png(frame.pixels), {}
                )


def test_no_motion_is_known_across_the_cut_of_the_sample_clip(video_job):
    job = video_job("input.cuts=[]")
    commit_contents(job)
    found = measure_output(job.output.path)
    assert [1 in frame.back for frame in found.metrics.frames[5:8]] == [True, True, True]
    assert [1 in frame.back for frame in found.exact.frames[5:8]] == [True, False, True]


def test_a_frame_that_cannot_be_read_is_passed_over_and_only_the_sample_clip_is_taken_for_it(
    make_data, tmp_path
):
    given = hurt_clip(tmp_path / "hurt.mkv", 7, "-c:v", "ffv1", "-g", "1")
    data = make_data({"kind": "video", "path": str(given), "cuts": []}, tmp_path / "out.mp4")
    job = build_job(Document("test", data), [], tmp_path)
    commit_contents(job)
    found = measure_output(job.output.path)
    assert [frame.frame for frame in found.metrics.frames] == [*range(7), *range(8, 20)]
    assert found.exact is None
    assert "true_flow" not in found.to_data()


def test_metrics_stay_in_the_summary_until_a_frame_is_painted(output):
    """What a run leaves that has nothing to paint, and one that has."""
    metrics = measure_output(output).to_data()
    folder = output.with_suffix(".render")
    for painted, kept in ((False, {"metrics": metrics}), (True, {})):
        notes = Notes(folder)
        notes.drop_summary(painted=painted)
        notes.write_summary({"status": "finished"})
        summary = json.loads((folder / "summary.json").read_text())
        assert summary == {"status": "finished", **kept}


def test_the_command_prints_a_table_or_json(output):
    text = CliRunner().invoke(app, ["metrics", str(output)])
    assert text.exit_code == 0
    assert "warping error over the source's" in text.stdout
    assert len(text.stdout.splitlines()) == len(table(measure_output(output)))  # none is broken
    data = json.loads(CliRunner().invoke(app, ["metrics", str(output), "--json"]).stdout)
    assert data["warping_error_over_floor"] == 1
    assert len(data["per_frame"]) == 11
    assert data["per_frame"][2]["back"].keys() == {"1", "2"}


def test_units_that_follow_each_other_in_a_shot_meet_at_a_seam(video_job):
    assert make_plan(video_job()).seams == frozenset()
    assert make_plan(video_job("temporal.segment=2")).seams == {2, 4, 8, 10}


def test_what_is_no_output_is_refused(tmp_path, video_job):
    with pytest.raises(OutputError, match="no output of render"):
        measure_output(tmp_path / "none.mp4")
    assert not (tmp_path / "none.render").exists()
    job = video_job()
    with Store(job):
        pass
    with pytest.raises(OutputError, match="no finished frame yet"):
        measure_output(job.output.path)
