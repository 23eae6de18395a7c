"""The estimate: a real trial in processes of its own, and what follows from it for other sizes."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import smooth_noise
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from render import estimate as module
from render.cli import app
from render.dryrun import dry_run
from render.errors import EngineError, SourceError, WeightsError
from render.estimate import Line, estimate, look_ahead
from render.materials import read_materials
from render.media.stills import encode_png
from render.spec.load import dump_job
from render.study import plan_all
from render.trial import Trial, try_painting

MB = 1_000_000


@pytest.fixture
def tried(monkeypatch):
    """Trials that are made up: 1 ms and 100 bytes for every pixel, beside 10 ms and 500 MB."""

    def make(_job, _materials, contents, _at_once):
        sizes = [content.shape[0] * content.shape[1] for content in contents]
        return [Trial(n, n * 1e-3, 0.01, 500 * MB + 100 * n, 2.0) for n in sizes]

    monkeypatch.setattr(module, "try_painting", make)
    monkeypatch.setattr(module, "free_memory", lambda: 8000 * MB)


def ahead(job):
    return [look_ahead(one.job, one.plan, one.source) for one in plan_all(job)]


def test_a_real_trial_in_two_processes_finds_time_and_memory(video_job, tmp_path):
    """Also of a job with masks, which are left out."""
    Image.new("L", (8, 8), 255).save(tmp_path / "all.png")
    mask = tmp_path / "all.png"
    job = video_job(f"style.regions=[{{content: {mask}, style: {mask}}}]")
    small, large = try_painting(
        job, read_materials(job), [smooth_noise(48, 27, 1), smooth_noise(96, 54, 1)], 2
    )
    assert (small.pixels, large.pixels) == (48 * 27, 96 * 54)
    assert large.evaluation > 0
    assert large.memory >= small.memory > 100 * MB
    assert large.load > 0


class Deadly:
    """Ends the process that receives it, as the system does for want of memory."""

    def __reduce__(self):
        return os.abort, ()


def test_a_trial_that_the_system_kills_is_told_as_such(video_job):
    job = video_job()
    with pytest.raises(EngineError, match="for want of memory"):
        try_painting(job, read_materials(job), [Deadly()], 1)


def test_what_keeps_a_trial_from_beginning_is_told_as_it_is(video_job, tmp_path, capfd):
    (tmp_path / "w.pth").write_bytes(b"no weights")
    job = video_job(f"model.weights={tmp_path}/w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth is no state dict"):
        try_painting(job, read_materials(job), [smooth_noise(48, 27, 1)], 1)
    assert "Traceback" not in capfd.readouterr().err


def test_what_was_tried_at_two_sizes_tells_of_larger_ones():
    line = Line([Trial(100, 1.0, 0.5, 1000, 2.0), Trial(400, 4.0, 0.5, 1300, 2.0)])
    assert line.evaluation(1600) == pytest.approx(16)
    assert line.around(1600) == pytest.approx(0.5)
    assert line.memory(1600) == pytest.approx(2500)
    assert line.most_pixels(2500) == pytest.approx(1600)


def test_a_frame_is_tried_at_half_its_size_too_unless_that_is_too_small_to_be_painted(
    video_job, monkeypatch
):
    tried = []

    def make(_job, _materials, contents, _at_once):
        tried.append([content.shape[:2] for content in contents])
        return [Trial(content.size, 1.0, 0.01, MB, 2.0) for content in contents]

    monkeypatch.setattr(module, "try_painting", make)
    deep = "style.layers={relu5_1: 1}"
    for job, sizes in (
        (video_job(), [(27, 48), (54, 96)]),
        (video_job(deep), [(54, 96)]),
        (video_job(deep, "model.arch=vgg19", "output.size=64"), [(36, 64)]),
    ):
        estimate(ahead(job))
        assert tried.pop() == sizes
    assert module._contents(smooth_noise(1920, 200, 1), 32)[-1].shape == (53, 512, 3)
    assert module._contents(smooth_noise(2000, 64, 1), 32)[-1].shape == (32, 1000, 3)


def test_pictures_that_cannot_be_read_are_passed_over(images_job, tmp_path, tried):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(smooth_noise(64, 48, 1))[:200])
    with pytest.raises(SourceError, match="photos: none of its frames can be read"):
        ahead(images_job(folder))
    (folder / "b.png").write_bytes(encode_png(smooth_noise(64, 48, 1)))
    (part,) = ahead(images_job(folder))
    assert (part.width, part.height) == (64, 48)


def test_a_plain_frame_is_tried_like_any_other(video_job):
    job = video_job()
    [trial] = try_painting(job, read_materials(job), [np.zeros((54, 96, 3), np.uint8)], 1)
    assert trial.evaluation > 1e-4


def test_more_workers_take_less_time_and_more_memory(video_job, tried):
    found = estimate(ahead(video_job("farm.workers=2")))
    assert found.here == 2
    assert found.seconds[1] > found.seconds[2]
    # A frame that follows another: 3 evaluations of 96×54 pixels.
    assert found.later == pytest.approx(0.01 + 3 * 96 * 54 * 1e-3)
    assert found.memory == pytest.approx(500 * MB + 100 * 96 * 54)
    assert found.warnings == ()


def test_a_busy_machine_does_not_make_two_workers_look_faster_than_they_are(
    video_job, tried, monkeypatch
):
    calm = module.try_painting

    def busy(job, materials, contents, at_once):
        slow = 25 if at_once == 1 else 1
        trials = calm(job, materials, contents, at_once)
        return [replace(trial, evaluation=slow * trial.evaluation) for trial in trials]

    monkeypatch.setattr(module, "try_painting", busy)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 2)
    found = estimate(ahead(video_job("farm.workers=2")))
    assert 1 < found.seconds[1] / found.seconds[2] <= 2


def test_the_cells_of_a_study_are_counted_together(video_job, tried):
    alone = estimate(ahead(video_job("farm.workers=1")))
    both = estimate(ahead(video_job("farm.workers=1", "study={style.weight: [1, 2]}")))
    start = module.RAY_START + 2.0
    assert both.seconds[1] - start == pytest.approx(2 * (alone.seconds[1] - start))


def test_a_frame_that_will_not_fit_is_told_with_the_size_that_will(video_job, tried, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 500 * MB + 100 * 96 * 27)
    (warning,) = estimate(ahead(video_job("farm.workers=1"))).warnings
    assert "a frame will not fit" in warning
    assert "use a larger machine" in warning


def test_workers_that_will_not_fit_are_told_with_the_number_that_will(
    video_job, tried, monkeypatch
):
    monkeypatch.setattr(module, "free_memory", lambda: 900 * MB)
    (warning,) = estimate(ahead(video_job("farm.workers=2"))).warnings
    assert "2 workers take about 1.0 GB" in warning
    assert "farm.workers=1" in warning


@pytest.mark.parametrize(("cards", "each", "here"), [(1, 0.25, 4), (4, 2, 2), (2, "auto", 2)])
def test_workers_that_share_a_gpu_share_its_memory(
    video_job, tried, monkeypatch, cards, each, here
):
    card = SimpleNamespace(total_memory=1200 * MB)
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(module.torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(module.torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 64)
    found = estimate(
        ahead(
            video_job(f"farm.gpus_per_worker={each}", "farm.workers=auto", "input.cuts=[3, 6, 9]")
        )
    )
    assert found.here == here
    assert ["farm.workers=2" in warning for warning in found.warnings] == [True] * (here > cards)


def test_the_dry_run_shows_it_to_people_and_to_programs(video_job, tried, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(dump_job(video_job("farm.workers=2")))
    shown = CliRunner().invoke(app, ["plan", str(path)])
    assert shown.exit_code == 0, shown.output
    assert "12 frames, 2 shots, 2 units" in shown.output
    assert "(this machine)" in shown.output
    assert "more than 2 workers would hardly be faster" in shown.output
    data = json.loads(CliRunner().invoke(app, ["plan", str(path), "--json"]).stdout)
    assert data["estimate"]["workers_here"] == 2
    assert data["forecast"]["speedup"]["2"] == 2
    alone = CliRunner().invoke(app, ["plan", str(path), "farm.workers=1"])
    assert "more than 2 workers would hardly be faster" in alone.output


def test_labels_of_cells_are_shown_as_they_are(video_job, capsys):
    study = 'study={output.name: ["{stem}[/x]", "night[red]"]}'
    dry_run(video_job(study), measure=False).show(Console())
    shown = capsys.readouterr().out
    assert "{stem}[/x]" in shown
    assert "night[red]" in shown


def test_a_study_is_planned_cell_by_cell(video_job):
    found = dry_run(video_job("study={style.weight: [1, 2]}"), measure=False)
    data = found.to_data()
    assert [cell["label"] for cell in data["cells"]] == ["style.weight 1", "style.weight 2"]
    assert [cell["frames"] for cell in data["cells"]] == [12, 12]
    assert data["forecast"]["evaluations"] == 2 * (2 * 6 + 10 * 3)
