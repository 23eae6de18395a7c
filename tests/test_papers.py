"""The papers beside the frames: a plan comes back whole or not at all, notes may be lost."""

import pytest

from render.errors import OutputError
from render.inputs import make_plan
from render.papers import read_note, read_plan, write_note, write_plan
from render.plan import Plan


def test_a_plan_comes_back(video_job, tmp_path):
    plan = make_plan(video_job())
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


def test_a_plan_with_another_number_in_it_is_no_plan(video_job, tmp_path):
    path = tmp_path / "plan.json"
    write_plan(path, make_plan(video_job()))
    path.write_text(path.read_text().replace("12", "11"))
    with pytest.raises(OutputError, match=r"plan\.json is damaged"):
        read_plan(path)


def test_a_plan_of_another_version_is_not_called_damaged(video_job, tmp_path, monkeypatch):
    plan = make_plan(video_job())
    data = plan.to_data()
    del data["units"][0]["chained"]
    monkeypatch.setattr(Plan, "to_data", lambda _: data)
    write_plan(tmp_path / "plan.json", plan)
    with pytest.raises(OutputError, match=r"plan\.json is of another version.*--fresh"):
        read_plan(tmp_path / "plan.json")


def test_no_plan_is_something_else_than_one_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_plan(tmp_path / "plan.json")
    with pytest.raises(OutputError, match="cannot be read"):
        read_plan(tmp_path)


def test_a_note_comes_back(tmp_path):
    write_note(tmp_path / "note.json", {"seconds": 1.5})
    assert read_note(tmp_path / "note.json") == {"seconds": 1.5}


@pytest.mark.parametrize("content", [None, b"", b"null", b"[1]", b"{", b"[" * 100_000])
def test_a_note_that_is_missing_or_damaged_is_empty(tmp_path, content):
    path = tmp_path / "note.json"
    if content is not None:
        path.write_bytes(content)
    assert read_note(path) == {}
