"""Videos and frames in object storage."""

import numpy as np
import pytest
from conftest import smooth_noise

from render import storage
from render.errors import SourceError
from render.materials import mask_fingerprints, read_masks, read_materials
from render.media.copies import local_copy
from render.media.source import open_source
from render.media.stills import encode_png
from render.spec.job import Job
from render.spec.media import Output, VideoInput


def open_film(path, **keys):
    return open_source(
        VideoInput(kind="video", path=path, **keys), Output(path="/nowhere", size=64)
    )


def test_a_video_in_object_storage_is_the_same_video(bucket, clip, object_storage):
    storage.send(clip, bucket / "films" / "clip.mp4")
    object_storage.behave()
    here, there = open_film(str(clip)), open_film(f"{bucket}/films/clip.mp4")
    assert there.given == bucket / "films/clip.mp4"
    assert there.name(3) == "clip.mp4 frame 3"
    assert there.fingerprint() == here.fingerprint()
    pictures = zip(here.read(range(12)), there.read(range(12)), strict=True)
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in pictures)
    assert object_storage.requests["GET"] == 1
    open_film(f"{bucket}/films/clip.mp4")
    assert object_storage.requests["GET"] == 1  # a copy is made once


def test_a_video_that_changed_is_copied_again(bucket):
    storage.write(bucket / "a", b"1")
    assert local_copy(bucket / "a").read_bytes() == b"1"
    storage.write(bucket / "a", b"2")
    assert local_copy(bucket / "a").read_bytes() == b"2"


def test_what_is_no_video_is_told_by_the_name_that_the_job_gives(bucket):
    storage.write(bucket / "clip.mp4", b"nothing of the kind")
    with pytest.raises(SourceError, match=rf"^{bucket}/clip\.mp4: not a video"):
        open_film(f"{bucket}/clip.mp4")
    with pytest.raises(
        SourceError, match=rf"^{bucket}/none\.mp4: the folder is empty or not there"
    ):
        open_film(f"{bucket}/none.mp4")


def test_numbered_frames_in_object_storage_play_like_a_video(bucket):
    for number in range(3):
        storage.write(bucket / f"shot/{number:03}.png", encode_png(smooth_noise(32, 20, number)))
    source = open_film(f"{bucket}/shot", rate="24")
    assert (source.count, source.rate) == (3, 24)
    assert [frame.index for frame in source.read(range(3))] == [0, 1, 2]


def test_styles_masks_and_starts_are_read_from_object_storage(bucket):
    picture, mask = smooth_noise(32, 20, 1), np.full((20, 32), 200, np.uint8)
    storage.write(bucket / "style.png", encode_png(picture))
    storage.write(bucket / "mask_0002.png", encode_png(np.dstack([mask] * 3)))
    job = Job.model_validate(
        {
            "input": {"kind": "video", "path": "/a/clip.mp4"},
            "output": {"path": "/a/out.mp4"},
            "style": {
                "images": [{"path": f"{bucket}/style.png"}],
                "regions": [{"content": f"{bucket}/mask_%04d.png"}],
            },
            "optimize": {"start": f"{bucket}/style.png"},
        }
    )
    materials = read_materials(job)
    assert np.array_equal(materials.styles[0], picture)
    assert np.array_equal(materials.extras.start, picture)
    assert np.array_equal(read_masks(job, 2)[0], mask)
    before = mask_fingerprints(job, range(2, 4))
    storage.write(bucket / "mask_0003.png", b"1")
    assert mask_fingerprints(job, range(2, 4)) != before
    with pytest.raises(SourceError, match=r"style\.regions\.0\.content: s3://.*mask_0007"):
        read_masks(job, 7)
