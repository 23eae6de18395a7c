"""The list of pictures on disk: the order and the facts of what was found, and no half of it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from render.errors import SourceError
from render.media import manifest
from render.media.listing import natural
from render.media.manifest import Manifest, Picture, make_manifest
from render.storage import Entry


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(manifest, "SHARD", 4)
    monkeypatch.setattr(manifest, "SHARDS_KEPT", 2)


def make(names, **keys):
    entries = (Entry(name, len(name), str(7 * len(name))) for name in names)
    return make_manifest(entries, lambda name: (len(name), 10), {"path": "/in"}, **keys)


NAMES = st.lists(st.text("ab12/é\udce9漢.", min_size=1, max_size=9), unique=True, max_size=30)


@given(NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_list_holds_what_was_found_in_natural_order(names):
    made = make(names)
    expected = [
        Picture(name, len(name), 10, len(name), str(7 * len(name)))
        for name in sorted(names, key=natural)
    ]
    assert list(made) == expected
    assert [made[n] for n in reversed(range(len(made)))] == expected[::-1]
    assert made[1:3] == expected[1:3]


def test_the_order_of_a_list_is_kept():
    assert [picture.name for picture in make(["b", "a", "c"], ordered=True)] == ["b", "a", "c"]


def test_its_digests_tell_names_and_sizes_from_dates():
    def digests(entries, **keys):
        made = make_manifest(iter(entries), lambda _: (1, 1), {}, **keys)
        return made.content, made.dates

    content, dates = digests([Entry("a", 1, "x"), Entry("b", 2, "y")])
    assert digests([Entry("b", 2, "y"), Entry("a", 1, "x")]) == (content, dates)
    touched = digests([Entry("a", 1, "z"), Entry("b", 2, "y")])
    assert touched[0] == content
    assert touched[1] != dates
    assert digests([Entry("a", 9, "x"), Entry("b", 2, "y")])[0] != content
    # Where stamps follow the content, they count with it.
    assert (
        digests([Entry("a", 1, "x")], stamped=True)[0]
        != digests([Entry("a", 1, "z")], stamped=True)[0]
    )


def test_a_passing_list_is_gone_with_its_last_user_and_a_moved_one_stays(tmp_path):
    made = make([f"{n}.png" for n in range(10)])
    passing = made.folder
    kept = made.move(tmp_path / "pictures")
    made = make(["other.png"]).move(tmp_path / "pictures")
    assert [picture.name for picture in made] == ["other.png"]
    del made, kept
    assert not passing.exists()
    assert len(Manifest(tmp_path / "pictures")) == 1


def test_a_list_that_is_moved_to_where_it_is_stays(tmp_path):
    made = make(["a.png", "b.png"]).move(tmp_path / "pictures")
    assert [picture.name for picture in made.move(tmp_path / "pictures")] == ["a.png", "b.png"]
    assert len(Manifest(tmp_path / "pictures")) == 2


@pytest.mark.parametrize("file", ["index.json", "000000.jsonl"])
def test_a_list_that_is_not_whole_is_refused(tmp_path, file):
    made = make(["a", "b"]).move(tmp_path / "pictures")
    (made.folder / file).write_bytes(b"{")
    with pytest.raises(SourceError):
        list(Manifest(made.folder))


def test_what_goes_wrong_while_looking_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest.tempfile, "tempdir", str(tmp_path))

    def found():
        yield Entry("a", 1, "x")
        raise SourceError("the bucket is gone")

    with pytest.raises(SourceError, match="gone"):
        make_manifest(found(), lambda _: (1, 1), {})
    assert not list(tmp_path.iterdir())
