"""URLs in job files: named like paths, with a path's manners, and no secrets in them."""

from pathlib import Path

import pytest
import yaml
from conftest import JOB_TEXT

from render.errors import JobError
from render.spec.load import dump_job, load_job
from render.spec.url import Url, inside, read_url


def load(tmp_path, text, *overrides):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return load_job(path, overrides)


def test_inputs_may_be_urls_and_come_back_from_a_dump(tmp_path):
    text = JOB_TEXT.replace("path: clip.mp4", "path: s3://films/a/clip.mp4")
    job = load(tmp_path, text, "style.images.0.path=gs://styles/b.jpg")
    assert job.input.path == Url("s3://films/a/clip.mp4")
    assert isinstance(job.input.path, Url)
    assert job.style.images[0].path == Url("gs://styles/b.jpg")
    assert job.output.path == tmp_path / "../out/clip.mp4" or job.output.path.is_absolute()
    dumped = dump_job(job)
    assert yaml.safe_load(dumped)["input"]["path"] == "s3://films/a/clip.mp4"
    assert load(tmp_path, dumped) == job


def test_a_file_url_is_a_path(tmp_path):
    text = JOB_TEXT.replace("path: clip.mp4", f"path: file://{tmp_path}/a%20b/clip.mp4")
    assert load(tmp_path, text).input.path == tmp_path / "a b" / "clip.mp4"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/clip.mp4", "no such kind of URL"),
        ("s3://user:secret@films/clip.mp4", "no user or password"),
        ("s3:///clip.mp4", "a bucket's name belongs behind"),
        ("s3://films/a/../b.mp4", "mean nothing there"),
        ("s3://films//b.mp4", "mean nothing there"),
        ("file://elsewhere/clip.mp4", "a path of another machine"),
        ("simplecache::s3://films/clip.mp4", None),
    ],
)
def test_other_urls_are_refused_with_what_may_be(tmp_path, url, why):
    if why is None:  # no URL at all, but an odd path
        assert isinstance(load(tmp_path, JOB_TEXT.replace("clip.mp4", url, 1)).input.path, Path)
        return
    with pytest.raises(JobError, match=f"{why}.*allowed: a path, or a URL such as s3://") as caught:
        load(tmp_path, JOB_TEXT.replace("clip.mp4", url, 1))
    assert "job.yaml:4:9: input.path" in str(caught.value)


def test_weights_lie_on_a_disk(tmp_path):
    with pytest.raises(JobError, match=r"model\.weights.*a path on the machine's own disk"):
        load(tmp_path, JOB_TEXT, "model.weights=s3://bucket/vgg19.pth")


def test_a_url_has_the_manners_of_a_path():
    url = Url("s3://films/a/b.c/clip.mp4")
    assert (url.scheme, url.bucket, url.key) == ("s3", "films", "a/b.c/clip.mp4")
    assert (url.name, url.stem, url.suffix) == ("clip.mp4", "clip", ".mp4")
    assert url.parent == "s3://films/a/b.c"
    assert url.with_suffix(".render") == "s3://films/a/b.c/clip.render"
    assert url.with_name("x") / "y.png" == "s3://films/a/b.c/x/y.png"
    bucket = Url("s3://films")
    assert (bucket.name, bucket.parent, bucket / "a") == ("", "s3://films", "s3://films/a")
    assert read_url("s3://films/a/") == "s3://films/a"


def test_names_in_a_list_may_be_urls_themselves():
    assert inside(Path("/in"), "a.png") == Path("/in/a.png")
    assert inside(Path("/in"), "gs://b/a.png") == "gs://b/a.png"
    assert inside(Url("s3://b/in"), "x/a.png") == "s3://b/in/x/a.png"
