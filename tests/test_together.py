"""A batch from files to files: as if each had been painted alone, and one bad one fails alone."""

from io import BytesIO

import numpy as np
import pytest
import torch
from conftest import smooth_noise
from PIL import Image
from PIL.ExifTags import Base

from render import together
from render.errors import OutputError, SourceError
from render.materials import read_materials
from render.media.images import Opened, Original
from render.media.stills import Still, read_still
from render.painted import DivergedError
from render.painter import Painter
from render.rescue import Rescuer
from render.together import Finished, Unreadable, Wanted, paint_pictures


class Drawn:
    """A picture that is in no file."""

    def __init__(self, seed, width=48, height=40, alpha=False, exif=b""):
        self.exif = exif
        self.pixels = smooth_noise(width, height, seed)
        solid = np.full((height, width), 255, np.uint8)
        solid[: height // 2] = 0
        self.alpha = solid if alpha else None

    def read(self):
        height, width = self.pixels.shape[:2]
        return Opened(Still(self.pixels, self.alpha, self.exif, "png"), (width, height), "digest")


@pytest.fixture(scope="module")
def rescuer(make_data, style_picture, tmp_path_factory):
    from render.spec.document import Document
    from render.spec.load import build_job

    folder = tmp_path_factory.mktemp("together")
    data = make_data({"kind": "images", "path": str(folder)}, folder / "out")
    data["output"]["format"] = "png"
    job = build_job(Document("test", data), (), folder)
    materials = read_materials(job)
    device = torch.device("cpu")
    return Rescuer(job, lambda job: Painter(job, materials.styles, device, materials.extras))


def files(rescuer, *pictures):
    found = paint_pictures(rescuer, [Wanted(n, "a.png", picture) for n, picture in pictures])
    return {one.frame: one.data for one in found}


def test_pictures_painted_together_are_those_painted_alone_to_the_bit(rescuer):
    # On this processor; elsewhere rounding may differ, which is why batches are never cut.
    pictures = [(n, Drawn(n)) for n in range(3)]
    painted = files(rescuer, *pictures)
    assert len(set(painted.values())) == 3
    for number, picture in pictures:
        assert files(rescuer, (number, picture)) == {number: painted[number]}


def test_a_picture_is_what_the_painter_makes_of_a_frame(rescuer):
    for alpha in (False, True):
        drawn = Drawn(5, alpha=alpha)
        painted = rescuer._painter.paint(drawn.pixels, index=9, alpha=drawn.alpha).pixels
        (found,) = paint_pictures(rescuer, [Wanted(9, "a.png", drawn)])
        still = Image.open(BytesIO(found.data))
        assert np.array_equal(np.asarray(still)[..., :3], painted)
        assert still.mode == ("RGBA" if alpha else "RGB")
        assert found.evaluations == 6


def test_other_sizes_and_forms_in_a_batch_are_painted_beside_each_other(rescuer):
    pictures = [(0, Drawn(0)), (1, Drawn(1, width=40)), (2, Drawn(2, alpha=True)), (3, Drawn(3))]
    painted = files(rescuer, *pictures)
    assert painted == {k: v for one in pictures for k, v in files(rescuer, one).items()}


def test_one_picture_that_cannot_be_read_is_left_out(rescuer):
    found = paint_pictures(
        rescuer, [Wanted(0, "a.png", Drawn(0)), Wanted(1, "b.png", Unreadable("torn"))]
    )
    bad = next(one for one in found if one.frame == 1)
    assert bad == Finished(1, reason="torn", final=True)
    assert {one.frame: one.data for one in found if one.data} == files(rescuer, (0, Drawn(0)))


def test_what_is_odd_about_a_picture_is_told_with_it(rescuer, tmp_path):
    path = tmp_path / "odd.png"
    Image.fromarray(smooth_noise(40, 30, 1)).save(path, icc_profile=b"no profile")
    odd = Wanted(0, "a.png", Original(path, path.read_bytes(), None, None))
    found = {one.frame: one for one in paint_pictures(rescuer, [odd, Wanted(1, "b.png", Drawn(1))])}
    assert "odd.png: its colour profile cannot be used" in found[0].notes[0]
    assert found[1].notes == ()


def test_what_a_file_cannot_hold_is_left_out_and_told_with_its_picture(rescuer):
    exif = Image.Exif()
    exif[Base.ImageDescription] = "x" * 70_000
    pictures = [(0, Drawn(0)), (1, Drawn(1, exif=exif.tobytes()))]
    found = paint_pictures(rescuer, [Wanted(n, f"{n}.jpg", drawn) for n, drawn in pictures])
    assert [len(one.notes) for one in found] == [0, 1]
    assert found[1].notes[0].startswith("1.jpg: its EXIF block of 70")
    assert all(one.data for one in found)


def test_one_picture_that_cannot_be_written_fails_alone_and_for_good(rescuer, monkeypatch):
    expected = files(rescuer, (0, Drawn(0)))
    honest = together.encode_still

    def encode(*given, name, **options):
        if name == "b.png":
            raise OutputError(f"{name}: it is too wide")
        return honest(*given, name=name, **options)

    monkeypatch.setattr(together, "encode_still", encode)
    found = paint_pictures(rescuer, [Wanted(0, "a.png", Drawn(0)), Wanted(1, "b.png", Drawn(1))])
    assert {one.frame: one.data for one in found if one.data} == expected
    bad = next(one for one in found if one.frame == 1)
    assert (bad.reason, bad.final) == ("b.png: it is too wide", True)


def test_where_painting_fails_each_picture_is_painted_alone(rescuer, monkeypatch):
    expected = files(rescuer, (0, Drawn(0)), (2, Drawn(2)))
    honest = rescuer._painter.stylizer.stylize
    bad = torch.from_numpy(Drawn(1).pixels[0, 0].copy()).float() / 255

    def stylize(content, **keys):
        if any(torch.equal(one[:, 0, 0], bad) for one in content):
            raise DivergedError("the loss is not finite")
        return honest(content, **keys)

    monkeypatch.setattr(rescuer._painter.stylizer, "stylize", stylize)
    monkeypatch.setattr(rescuer, "_build", lambda _: rescuer._painter)
    found = paint_pictures(rescuer, [Wanted(n, "a.png", Drawn(n)) for n in range(3)])
    assert {one.frame: one.data for one in found if one.data} == expected
    assert [(one.frame, one.final) for one in found if one.reason] == [(1, False)]


def test_an_original_is_read_where_it_is_sent_or_where_it_lies(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(smooth_noise(60, 40, 1)).save(path)
    sent, lying = Original(path, path.read_bytes(), 30, None), Original(path, None, 30, None)
    read = lying.read()
    assert (read.still.pixels.shape, read.full) == ((20, 30, 3), (60, 40))
    path.unlink()
    assert np.array_equal(sent.read().still.pixels, read.still.pixels)
    assert sent.read().digest == read.digest
    with pytest.raises(SourceError):
        lying.read()
    with pytest.raises(SourceError, match=r"a\.png"):
        read_still(path, b"no picture")
