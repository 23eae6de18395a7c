"""Single pictures: what a preview shows, and a picture without a job file."""

import numpy as np
import pytest
from conftest import smooth_noise
from PIL import Image
from typer.testing import CliRunner

from render.cli import app
from render.errors import JobError, OutputError, SourceError
from render.pipeline import run
from render.places import store_folder
from render.single import GAP, beside, paint_image, preview

QUICK = [
    "model.arch=vgg16",
    "model.weights=procedural",
    "style.layers={relu1_1: 1}",
    "content.layers={relu2_1: 1}",
    "optimize.evaluations=3",
]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(smooth_noise(120, 80, 3)).save(path)
    return path


def test_a_preview_shows_the_original_beside_the_result(video_job):
    (path,) = preview(video_job(), [7], size=64)
    shown = np.asarray(Image.open(path))
    assert shown.shape == (36, 64 + GAP + 64, 3)
    original, painted = shown[:, :64].astype(int), shown[:, -64:].astype(int)
    assert 3 < np.abs(original - painted).mean() < 100


@pytest.mark.parametrize("way", ["waves", "chain"])
def test_at_the_jobs_size_a_preview_is_what_the_farm_paints(video_job, way):
    job = video_job("optimize.warm_evaluations=16", f"temporal.parallel={way}", "farm.workers=1")
    (path,) = preview(job, [0], size=96)
    run(job)
    shown, painted = Image.open(path), Image.open(store_folder(job) / "frames/000000.png")
    assert shown.crop((96 + GAP, 0, 2 * 96 + GAP, 54)).tobytes() == painted.tobytes()


def test_previewing_a_frame_that_is_not_there_names_those_that_are(video_job):
    with pytest.raises(SourceError, match=r"--frame 12: the frames are 0-11$"):
        preview(video_job(), [12])
    with pytest.raises(SourceError, match="--frame 2: the frames are 0-8, every 4"):
        preview(video_job("input.frames=0-11x4"), [2])


def test_a_preview_is_not_written_through_a_link(video_job, tmp_path):
    job = video_job()
    (tmp_path / "elsewhere").mkdir()
    store_folder(job).mkdir()
    (store_folder(job) / "preview").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="preview is a link"):
        preview(job, [0], size=32)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_one_picture_needs_no_job_file_and_leaves_nothing_beside_it(photo, style_picture, tmp_path):
    out = tmp_path / "made" / "painted.jpg"
    arguments = ["image", "--content", photo, "--styles", style_picture, photo, "--output", out]
    result = CliRunner().invoke(app, [*map(str, arguments), *QUICK, "output.size=90"])
    assert result.exit_code == 0, result.output
    with Image.open(out) as made:
        assert (made.format, made.size) == ("JPEG", (90, 60))
    assert [path.name for path in out.parent.iterdir()] == ["painted.jpg"]


def test_a_picture_can_be_scaled_back_up_to_its_own_size(photo, style_picture, tmp_path):
    out = tmp_path / "a.png"
    paint_image(photo, [style_picture], out, [*QUICK, "output.size=60", "output.enlarge=true"])
    with Image.open(out) as made:
        assert made.size == (120, 80)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("output.path=elsewhere", r"output\.path: .*what --content and --output say"),
        ("output.format=jpeg", r"output\.format: .*what --content and --output say"),
        ("input={kind: images, path: others}", r"input: .*what --content and --output say"),
        ("study={style.weight: [1, 4]}", "study: .*one picture"),
    ],
)
def test_what_one_picture_cannot_have_is_refused(photo, style_picture, tmp_path, override, said):
    with pytest.raises(JobError, match=said):
        paint_image(photo, [style_picture], tmp_path / "a.png", [*QUICK, override])


def test_many_pictures_are_not_painted_one_for_all(photo, style_picture, tmp_path):
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    (tmp_path / "list.txt").write_text("photo.png\nother.png\n")
    for many in (tmp_path, tmp_path / "list.txt"):
        with pytest.raises(SourceError, match=r"--content .*: holds 2 pictures.*render run"):
            paint_image(many, [style_picture], tmp_path / "made" / "a.png", QUICK)


def test_two_styles_after_one_option_are_both_used(photo, style_picture, tmp_path):
    job = paint_image(photo, [style_picture, photo], tmp_path / "a.png", QUICK)
    assert [image.path for image in job.style.images] == [style_picture, photo]


def test_settings_of_any_length_are_no_style_pictures(photo, style_picture, tmp_path):
    layers = ", ".join(f"relu{block}_1: 1.{'0' * 60}" for block in range(1, 6))
    arguments = ["image", "--content", photo, "--styles", style_picture, "--output", photo]
    result = CliRunner().invoke(app, [*map(str, arguments), f"style.layers={{{layers}}}"])
    assert result.exit_code == 2, result.output
    assert "would overwrite an input" in result.stderr


def test_the_content_is_never_overwritten(photo, style_picture):
    before = photo.read_bytes()
    with pytest.raises(OutputError, match="overwrite"):
        paint_image(photo, [style_picture], photo, QUICK)
    assert photo.read_bytes() == before


def test_nor_is_another_picture_that_is_read(photo, style_picture, tmp_path):
    start = tmp_path / "start.png"
    start.write_bytes(style_picture.read_bytes())
    with pytest.raises(OutputError, match=r"overwrite an input \(optimize\.start\)"):
        paint_image(photo, [style_picture], start, [*QUICK, f"optimize.start={start}"])
    (tmp_path / "list.txt").write_text("photo.png")
    with pytest.raises(OutputError, match="overwrite an input"):
        paint_image(tmp_path / "list.txt", [style_picture], photo, QUICK)


def test_an_unknown_extension_is_refused_with_those_that_are_known(photo, style_picture, tmp_path):
    with pytest.raises(OutputError, match="jpeg"):
        paint_image(photo, [style_picture], tmp_path / "a.doc", QUICK)


def test_a_picture_that_its_format_cannot_hold_is_an_error_with_its_name(style_picture, tmp_path):
    wide = tmp_path / "wide.png"
    Image.fromarray(np.zeros((800, 16_400, 3), np.uint8)).save(wide)
    out = tmp_path / "out.webp"
    settings = [*QUICK, "output.size=64", "output.enlarge=true"]
    with pytest.raises(OutputError, match=r"out\.webp: 16400×800 pixels cannot be written as webp"):
        paint_image(wide, [style_picture], out, settings)
    assert not out.exists()


def test_beside_keeps_both_pictures_whole():
    before, after = smooth_noise(10, 8, 1), smooth_noise(10, 8, 2)
    whole = beside(before, after)
    assert np.array_equal(whole[:, :10], before)
    assert np.array_equal(whole[:, -10:], after)
