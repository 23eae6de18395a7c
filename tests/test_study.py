"""Studies: every cell rendered by the farm, and one sheet of them all."""

import numpy as np
import pytest
from conftest import smooth_noise
from PIL import Image

from render.report.sheet import GAP, LONG_SIDE, contact_sheet
from render.study import run


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(smooth_noise(64, 48, 5)).save(folder / "one.png")
    return folder


def test_every_cell_is_painted_and_all_are_on_the_sheet(cluster, images_job, folder):
    job = images_job(
        folder, "study={style.layers: [{relu1_1: 1}, {relu2_1: 1}], style.weight: [2, 9]}"
    )
    notes = []
    summary = run(job, on_event=notes.append)
    assert (summary.status, summary.frames_total, summary.frames_done) == ("finished", 4, 4)
    names = sorted(path.parent.name for path in job.output.path.glob("*/one.png"))
    assert names == [
        "000-relu1_1-style.weight-2", "001-relu1_1-style.weight-9",
        "002-relu2_1-style.weight-2", "003-relu2_1-style.weight-9",
    ]  # fmt: skip
    painted = {(job.output.path / name / "one.png").read_bytes() for name in names}
    assert len(painted) == 4
    with Image.open(job.output.path / "contact_sheet.png") as sheet:
        assert sheet.width == GAP + 2 * (64 + GAP)
    again = run(job)
    assert (again.frames_reused, again.evaluations) == (4, 0)


def test_the_sheet_keeps_every_picture_and_cuts_long_labels():
    pictures = [
        ("a label that is far too long for it " * 9, smooth_noise(800, 400, n)) for n in range(3)
    ]
    sheet = contact_sheet(pictures)
    assert sheet.shape[1] == GAP + 2 * (LONG_SIDE + GAP)
    assert sheet.shape[0] > 2 * 180
    right_edge = sheet[:, -GAP:]
    assert np.array_equal(right_edge, np.broadcast_to(right_edge[0, 0], right_edge.shape))
