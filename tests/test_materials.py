"""Pictures that a job names beside its input."""

import numpy as np
import pytest
from PIL import Image

from render.errors import SourceError
from render.materials import mask_fingerprints, mask_path, mask_piece, read_masks, read_materials
from render.spec.job import Job


def job(folder, **parts):
    data = {
        "input": {"kind": "video", "path": "/a/clip.mp4"},
        "output": {"path": "/a/out.mp4"},
        "style": {"images": [{"path": str(folder / "style.png")}], **parts.pop("style", {})},
        **parts,
    }
    return Job.model_validate(data)


@pytest.fixture
def folder(tmp_path):
    pixels = np.full((6, 8, 4), 255, np.uint8)
    pixels[:, 4:, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "style.png")
    for index in range(3):
        mask = np.zeros((6, 8), np.uint8)
        mask[:, : 2 * index] = 200
        Image.fromarray(mask).save(tmp_path / f"mask_{index:04d}.png")
    return tmp_path


def test_a_job_without_extras_has_none(folder):
    Image.new("RGB", (8, 6), "red").save(folder / "style.png")
    found = read_materials(job(folder))
    assert found.styles[0].shape == (6, 8, 3)
    assert list(found.extras.alphas) == [None]
    assert list(found.extras.parts) == []
    assert found.extras.start is None


def test_alpha_parts_and_start_are_read(folder):
    regions = [
        {"content": "/a/c.png", "style": str(folder / "mask_0002.png")},
        {"content": "/a/d.png"},
    ]
    made = job(
        folder, style={"regions": regions}, optimize={"start": str(folder / "mask_0001.png")}
    )
    extras = read_materials(made).extras
    assert extras.alphas[0][0].tolist() == [255] * 4 + [0] * 4
    assert extras.parts[0][0].tolist() == [200] * 4 + [0] * 4
    assert extras.parts[1] is None
    assert extras.start.shape == (6, 8, 3)


def test_a_mask_is_one_for_all_frames_or_one_for_each(folder):
    regions = [
        {"content": str(folder / "mask_%04d.png")},
        {"content": str(folder / "mask_0001.png")},
    ]
    made = job(folder, style={"regions": regions})
    for index in range(3):
        each, same = read_masks(made, index)
        assert (each > 0).sum() == 12 * index
        assert (same > 0).sum() == 12


def test_the_index_stands_where_the_name_says(tmp_path):
    assert mask_path(tmp_path / "m_%06d.png", 7).name == "m_000007.png"
    assert mask_path(tmp_path / "m%d.png", 123).name == "m123.png"
    assert mask_path(tmp_path / "50%.png", 7).name == "50%.png"


def test_what_is_clear_in_a_mask_does_not_count(folder):
    made = job(folder, style={"regions": [{"content": str(folder / "style.png")}]})
    assert read_masks(made, 0)[0][0].tolist() == [255] * 4 + [0] * 4


def test_what_cannot_be_read_is_named_by_its_key(folder):
    gone = str(folder / "gone_%03d.png")
    made = job(folder, style={"regions": [{"content": gone, "style": gone}]})
    with pytest.raises(SourceError, match=r"^style\.regions\.0\.style: "):
        read_materials(made)
    with pytest.raises(SourceError, match=r"^style\.regions\.0\.content: .*gone_005"):
        read_masks(made, 5)
    with pytest.raises(SourceError, match=r"^optimize\.start: "):
        read_materials(job(folder, optimize={"start": gone}))


def test_a_fingerprint_tells_of_which_frame_the_mask_is_another_one(folder):
    each, same = str(folder / "mask_%04d.png"), str(folder / "mask_0001.png")
    made = job(folder, style={"regions": [{"content": each}, {"content": same}]})

    def pieces(region):
        text = mask_fingerprints(made, range(4))[f"style.regions.{region}.content"]
        return [mask_piece(text, place) for place in range(4)]

    before = [pieces(0), pieces(1)]
    assert len(set(before[0])) == 4
    assert len(set(before[1])) == 1
    Image.new("L", (8, 6), 9).save(folder / "mask_0002.png")
    Image.new("L", (8, 6), 9).save(folder / "mask_0003.png")
    assert [old == new for old, new in zip(before[0], pieces(0), strict=True)] == [1, 1, 0, 0]
    assert pieces(1) == before[1]
    Image.new("L", (8, 6), 9).save(folder / "mask_0001.png")
    assert not {*pieces(1)} & {*before[1]}
