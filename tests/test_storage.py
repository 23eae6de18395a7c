"""Files in object storage: whole or not there, whatever the server and the connection do."""

import errno
from pathlib import Path

import pytest

from render import storage
from render.errors import OutputError, SourceError
from render.spec.url import Url


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(storage, "FIRST_WAIT", 0.01)


@pytest.fixture(params=["s3", "memory", "disk"])
def folder(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("bucket") / "some" / "folder"
    return tmp_path if request.param == "disk" else Url(f"memory://{tmp_path.name}/folder")


def test_what_was_written_is_read_and_replaced_whole(folder):
    place = folder / "a b#c?d=ü%20.bin"
    assert storage.facts(place) is None
    storage.write(place, b"first")
    storage.write(place, b"second")
    assert storage.read(place) == b"second"
    assert storage.facts(place).size == 6
    assert storage.facts(folder) is None


def test_what_is_not_there_is_named(folder):
    with pytest.raises(SourceError, match=r"none\.png: (not there|cannot be read)"):
        storage.read(folder / "none.png")


def test_a_folder_is_listed_page_by_page(bucket, monkeypatch, object_storage):
    monkeypatch.setattr(storage, "PAGE", 3)
    names = ["a.png", "b/c.png", "b/d/e.png", *(f"n{number}.png" for number in range(6))]
    for name in names:
        storage.write(bucket / "in" / name, name.encode())
    storage.write(bucket / "in2" / "other.png", b"")
    object_storage.behave()
    listing = storage.listed(bucket / "in")
    first = next(listing)
    assert (first.name, first.size) == ("a.png", 5)
    assert object_storage.requests == {"GET": 1}
    assert [entry.name for entry in listing] == names[1:]
    assert object_storage.requests == {"GET": 3}
    shallow = [entry.name for entry in storage.listed(bucket / "in", deep=False)]
    assert shallow == [names[0], *names[3:]]
    assert list(storage.listed(bucket / "nothing")) == []


def test_a_stamp_changes_with_the_content(bucket):
    place = bucket / "a.png"
    stamps = []
    for data in (b"one", b"two", b"two"):
        storage.write(place, data)
        stamps += [entry.stamp for entry in storage.listed(bucket)]
        assert storage.facts(place).stamp == stamps[-1]
    assert stamps[0] != stamps[1] == stamps[2]


def test_backends_without_pages_are_listed_too():
    folder = Url("memory://listing/in")
    for name in ("b/c.png", "a.png"):
        storage.write(folder / name, b"1234")
    assert [(each.name, each.size) for each in storage.listed(folder)] == [
        ("a.png", 4),
        ("b/c.png", 4),
    ]
    assert [each.name for each in storage.listed(folder, deep=False)] == ["a.png"]


@pytest.mark.parametrize("fault", ["slow down", "error", "cut before", "cut after", "short"])
def test_faults_that_pass_are_waited_out(bucket, object_storage, fault):
    place = bucket / "a.bin"
    data = bytes(range(256)) * 64
    object_storage.next = [fault] if fault == "short" else [fault] * 2  # there is no body to cut
    storage.write(place, data)
    assert object_storage.next == []
    object_storage.next = [fault] * 3
    assert storage.read(place) == data
    object_storage.next = [fault]
    assert [entry.name for entry in storage.listed(bucket)] == ["a.bin"]
    assert object_storage.next == []


def test_nothing_is_lost_or_halved_on_a_server_that_fails_at_random(bucket, object_storage):
    object_storage.share = 0.3
    written = {f"{number:02}.bin": bytes([number]) * 1000 * number for number in range(40)}
    for name, data in written.items():
        storage.write(bucket / name, data)
    assert {each.name: storage.read(bucket / each.name) for each in storage.listed(bucket)} == (
        written
    )
    assert object_storage.failed.total() > 20
    assert set(object_storage.failed) > {"slow down", "error", "cut before", "cut after", "short"}


def test_waits_grow_are_drawn_by_chance_and_have_a_bound(bucket, object_storage, monkeypatch):
    object_storage.behave()
    bounds, waits = [], []
    monkeypatch.setattr(storage.random, "uniform", lambda low, high: bounds.append(high) or low)
    monkeypatch.setattr(storage.time, "sleep", waits.append)
    monkeypatch.setattr(storage, "FIRST_WAIT", 1.0)
    object_storage.next = ["slow down"] * 99
    with pytest.raises(OutputError, match=r"a\.png: given up after 8 attempts.* reduce your"):
        storage.write(bucket / "a.png", b"")
    assert object_storage.requests["PUT"] == storage.ATTEMPTS  # the backend adds none of its own
    assert bounds == [1, 2, 4, 8, 16, 20, 20]
    assert waits == [0] * 7


def test_a_large_file_goes_there_and_back(bucket, object_storage, tmp_path):
    data = bytes(range(256)) * 4096 * 4
    (tmp_path / "a.mp4").write_bytes(data)
    object_storage.next = ["cut before", "short"]
    storage.send(tmp_path / "a.mp4", bucket / "a.mp4")
    object_storage.next = ["short", "error", "short"]
    storage.fetch(bucket / "a.mp4", tmp_path / "new" / "b.mp4")
    assert (tmp_path / "new" / "b.mp4").read_bytes() == data
    assert len(list((tmp_path / "new").iterdir())) == 1
    with pytest.raises(SourceError, match="none"):
        storage.fetch(bucket / "none", tmp_path / "new" / "none")
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_what_is_gone_may_be_removed_again(bucket):
    storage.write(bucket / "a", b"1")
    storage.remove(bucket / "a")
    storage.remove(bucket / "a")
    assert storage.facts(bucket / "a") is None


def test_a_bucket_that_is_not_there_is_one_line(object_storage):
    missing = Url("s3://no-such-bucket/in")
    for attempt in (
        lambda: storage.read(missing / "a.png"),
        lambda: list(storage.listed(missing)),
        lambda: storage.write(missing / "a.png", b""),
    ):
        with pytest.raises((SourceError, OutputError), match="bucket does not exist") as caught:
            attempt()
        assert "s3://no-such-bucket/in" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_line(object_storage, monkeypatch):
    nobody = storage.fsspec.filesystem(
        "s3", endpoint_url="http://127.0.0.1:9", **storage._OPTIONS["s3"]
    )
    nobody.retries = 1
    monkeypatch.setattr(storage, "_system", lambda _: nobody)
    with pytest.raises(SourceError, match=r"given up after 8 attempts .* Could not connect"):
        storage.read(Url("s3://bucket/a.png"))


def test_missing_credentials_are_one_line_that_says_what_to_do(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(storage, "_system", storage._system.__wrapped__)
    with pytest.raises(SourceError, match="no credentials; set AWS_ACCESS_KEY_ID and"):
        storage.read(Url("s3://bucket/a.png"))


def test_access_that_is_refused_is_no_trouble_that_passes(monkeypatch):
    asked = []

    class Closed:
        def cat_file(self, path):
            asked.append(path)
            raise PermissionError(errno.EACCES, "Access Denied.")

    monkeypatch.setattr(storage, "_system", lambda _: Closed())
    with pytest.raises(SourceError, match=r"a\.png: access is refused \(Access Denied\)"):
        storage.read(Url("s3://bucket/a.png"))
    assert asked == ["bucket/a.png"]


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(*_, **__):
        raise ImportError("no gcsfs")

    monkeypatch.setattr(storage.fsspec, "filesystem", missing)
    storage._system.cache_clear()
    with pytest.raises(SourceError, match=r"pip install 'render-nst\[gcs\]'"):
        storage.read(Url("gs://bucket/a.png"))


def test_paths_are_written_atomically_too(tmp_path):
    with pytest.raises(OutputError):
        storage.write(Path("/proc/none/a"), b"")
    storage.write(tmp_path / "deep" / "a", b"1")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a"]
