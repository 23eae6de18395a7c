"""The index of finished pictures: the ledger is the truth, whatever happens to SQLite."""

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from render import index
from render.index import Index, index_folder
from render.ledger import Record, write_record


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def record(frame, sha256="0" * 64):
    return Record(frame, f"pictures/{frame}.jpg", sha256, {"seconds": frame})


def append(ledger, given, *records):
    lines = [write_record(one) for one in records]
    with ledger.open("ab") as file:
        file.write(b"".join(lines))
    if given is not None:
        given.add(records, lines)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "frames.jsonl"


def test_what_was_taken_in_is_found_now_and_by_the_next_run(ledger):
    made = Index(ledger)
    append(ledger, made, record(7), record(100_000), record(0))
    for _ in range(2):
        assert list(made) == [0, 7, 100_000]
        assert len(made) == 3
        assert made[7] == record(7)
        assert 8 not in made
        assert -1 not in made
        with pytest.raises(KeyError):
            made[8]
        made.close()
        made = Index(ledger)
    made.close()


def test_an_index_that_is_missing_stale_or_damaged_is_made_from_the_ledger(ledger):
    made = Index(ledger)
    append(ledger, made, record(1), record(2))
    made.close()
    (file,) = index_folder().glob("*.sqlite")
    append(ledger, None, record(3))  # by a run that was killed before it told the index
    for harm in (
        lambda: None,
        file.unlink,
        lambda: file.write_bytes(b"SQLite format 3\0" + b"x" * 99),
    ):
        harm()
        made = Index(ledger)
        assert list(made) == [1, 2, 3]
        assert made[3] == record(3)
        made.close()


def test_another_ledger_under_the_same_name_is_read_anew(ledger):
    made = Index(ledger)
    append(ledger, made, *(record(frame) for frame in range(50)))
    made.close()
    ledger.unlink()
    append(ledger, None, record(99))
    made = Index(ledger)
    assert list(made) == [99]
    made.close()
    append(ledger, None, *(record(frame, "1" * 64) for frame in range(80)))
    made = Index(ledger)
    assert made[40].sha256 == "1" * 64
    made.close()


def test_a_picture_that_was_lost_counts_again_once_it_is_made_again(ledger):
    made = Index(ledger)
    append(ledger, made, record(5), record(6))
    append(ledger, made, record(5, ""))
    assert list(made) == [6]
    made.close()
    made = Index(ledger)
    assert 5 not in made
    append(ledger, made, record(5, "2" * 64))
    assert made[5].sha256 == "2" * 64
    made.close()


def test_a_line_cut_short_or_damaged_costs_its_picture_only(ledger):
    append(ledger, None, record(1))
    with ledger.open("ab") as file:
        file.write(b"no record\n" + write_record(record(2)) + write_record(record(3))[:-9])
    made = Index(ledger)
    assert list(made) == [1, 2]
    assert made.unreadable == 1
    assert made.end == len(ledger.read_bytes()) - len(write_record(record(3))[:-9])
    made.close()


def test_a_line_that_rots_costs_its_picture_only(ledger):
    made = Index(ledger)
    append(ledger, made, *(record(frame) for frame in range(30)))
    made.close()
    data = ledger.read_bytes()
    ledger.write_bytes(data.replace(b'"frame": 15', b'"frame"\0\0\0\0'))
    made = Index(ledger)
    assert made.unreadable == 1
    assert [one.frame for one in made.values()] == [*range(15), *range(16, 30)]
    append(ledger, made, record(15))
    made.close()
    made = Index(ledger)
    assert len(list(made.values())) == 30
    made.close()


def test_without_a_cache_there_is_an_index_all_the_same(ledger, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    made = Index(ledger)
    append(ledger, made, record(1))
    assert made[1] == record(1)
    made.close()


def test_an_index_that_may_only_be_read_is_not_used(ledger, monkeypatch):
    made = Index(ledger)
    append(ledger, made, record(1))
    made.close()
    ledger.unlink()  # so that what is in the index is to be deleted
    append(ledger, None, record(2))
    connect = sqlite3.connect

    def as_another_user(path):
        return connect(f"file:{path}?mode=ro", uri=True) if path else connect("")

    monkeypatch.setattr(sqlite3, "connect", as_another_user)
    made = Index(ledger)
    assert list(made) == [2]
    append(ledger, made, record(3))
    assert made[3] == record(3)
    made.close()


def fill(made):
    """Let the disk of an index be full."""
    (pages,) = made._database.execute("PRAGMA page_count").fetchone()
    made._database.execute(f"PRAGMA max_page_count = {pages}")


MANY = [record(frame) for frame in range(5000)]


def test_a_cache_whose_disk_is_full_ends_nothing(ledger, monkeypatch):
    monkeypatch.setattr(index, "COMMIT_EVERY", 1000)
    made = Index(ledger)
    append(ledger, made, *MANY[:1000])
    fill(made)
    append(ledger, made, *MANY[1000:])
    assert [made[frame].frame for frame in made] == list(range(5000))
    made.close()
    made = Index(ledger)
    assert len(made) == 5000
    made.close()


def test_a_cache_whose_disk_is_full_in_the_end_is_only_behind(ledger):
    made = Index(ledger)
    fill(made)
    append(ledger, made, *MANY)
    made.close()
    made = Index(ledger)
    assert len(made) == 5000
    made.close()


FRAMES = st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=40)


@given(st.lists(FRAMES, max_size=6), st.integers(1, 20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_what_a_dictionary_would_be(ledger, monkeypatch, runs, every):
    monkeypatch.setattr(index, "COMMIT_EVERY", every)
    ledger.unlink(missing_ok=True)
    expected = {}
    for turn, frames in enumerate(runs):
        made = Index(ledger, anew=turn == 0)
        for place, (frame, lost) in enumerate(frames):
            one = record(frame, "" if lost else f"{turn}{place}")
            append(ledger, made, one)
            if lost:
                expected.pop(frame, None)
            else:
                expected[frame] = one
        assert dict(made) == expected
        assert len(made) == len(expected)
        if turn % 2:
            made.close()
        else:
            made._database.close()  # as if the run had been killed
            if made._file is not None:
                made._file.close()
