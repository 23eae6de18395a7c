"""Files in object storage: whole or not there, whatever the server and the connection do."""

from pathlib import Path

import pytest

from render import remote, storage
from render.errors import OutputError, SourceError
from render.spec.url import Url


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.01)


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


def test_what_a_disk_cannot_tell_or_delete_is_named(tmp_path):
    place = tmp_path / ("long" * 100)
    with pytest.raises(SourceError, match="long: cannot be read: File name too long"):
        storage.facts(place)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder: cannot be deleted: "):
        storage.remove(tmp_path / "folder")


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


@pytest.mark.parametrize("folder", ["s3", "memory"], indirect=True)
def test_names_that_would_lead_elsewhere_on_a_disk_are_left_aside(folder):
    names = ["../up.png", "/etc/x.png", "a/../../b.png", "s3://b/c.png", "a//b.png", "./d.png"]
    for name in [*names, "a/b.png", "..c.png"]:
        storage.write(folder / name, b"")
    assert [entry.name for entry in storage.listed(folder)] == ["..c.png", "a/b.png"]


def test_a_copy_may_have_a_name_as_long_as_the_disk_allows(tmp_path):
    place, name = Url("memory://long/name.bin"), "n" * 255
    storage.write(place, b"1234")
    storage.fetch(place, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        storage.fetch(place, tmp_path / f"n{name}")


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


def test_paths_are_written_atomically_too(tmp_path):
    with pytest.raises(OutputError):
        storage.write(Path("/proc/none/a"), b"")
    storage.write(tmp_path / "deep" / "a", b"1")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a"]
