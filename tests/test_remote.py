"""Object storage is asked patiently: what passes is waited out, what does not is one line."""

import errno

import pytest

from render import remote, storage
from render.errors import OutputError, SourceError
from render.spec.url import Url


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)


def test_waits_grow_are_drawn_by_chance_and_have_a_bound(bucket, object_storage, monkeypatch):
    object_storage.behave()
    bounds, waits = [], []
    monkeypatch.setattr(remote.random, "uniform", lambda low, high: bounds.append(high) or low)
    monkeypatch.setattr(remote.time, "sleep", waits.append)
    monkeypatch.setattr(remote, "FIRST_WAIT", 1.0)
    object_storage.next = ["slow down"] * 99
    with pytest.raises(OutputError, match=r"a\.png: given up after 8 attempts.* reduce your"):
        storage.write(bucket / "a.png", b"")
    assert object_storage.requests["PUT"] == remote.ATTEMPTS  # the backend adds none of its own
    assert bounds == [1, 2, 4, 8, 16, 20, 20]
    assert waits == [0] * 7


def test_a_server_that_is_not_there_is_one_line(object_storage, monkeypatch):
    nobody = remote.fsspec.filesystem(
        "s3", endpoint_url="http://127.0.0.1:9", **remote._OPTIONS["s3"]
    )
    nobody.retries = 1
    monkeypatch.setattr(remote, "_system", lambda _: nobody)
    with pytest.raises(SourceError, match=r"given up after 8 attempts .* Could not connect"):
        storage.read(Url("s3://bucket/a.png"))


def test_missing_credentials_are_one_line_that_says_what_to_do(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(remote, "_system", remote._system.__wrapped__)
    with pytest.raises(SourceError, match="no credentials; set AWS_ACCESS_KEY_ID and"):
        storage.read(Url("s3://bucket/a.png"))


def test_access_that_is_refused_is_no_trouble_that_passes(monkeypatch):
    asked = []

    class Closed:
        def cat_file(self, path):
            asked.append(path)
            raise PermissionError(errno.EACCES, "Access Denied.")

    monkeypatch.setattr(remote, "_system", lambda _: Closed())
    with pytest.raises(SourceError, match=r"a\.png: access is refused \(Access Denied\)"):
        storage.read(Url("s3://bucket/a.png"))
    assert asked == ["bucket/a.png"]


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(*_, **__):
        raise ImportError("no gcsfs")

    monkeypatch.setattr(remote.fsspec, "filesystem", missing)
    remote._system.cache_clear()
    with pytest.raises(SourceError, match=r"pip install 'render-nst\[gcs\]'"):
        storage.read(Url("gs://bucket/a.png"))
