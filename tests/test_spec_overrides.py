"""Overrides: `key=value` arguments change the data of a job before it is checked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.spec.base import CommandLineText
from render.spec.overrides import apply_overrides
from render.spec.reader import read_yaml

JOB = "input: {kind: video, path: clip.mp4}\nstyle:\n  images:\n    - path: a.jpg\noptimize:\n"


def overridden(*overrides, text=JOB):
    return apply_overrides(read_yaml(text, "job.yaml"), overrides)


def refusal(*overrides):
    ((_, problem),) = overridden(*overrides).problems
    return problem


def test_an_override_replaces_a_value_wherever_it_is():
    data = overridden("input.path=other.mp4", "style.images.0.path=b.jpg").data
    assert data["input"] == {"kind": "video", "path": "other.mp4"}
    assert data["style"]["images"] == [{"path": "b.jpg"}]


def test_overrides_apply_in_order():
    assert overridden("seed=1", "seed=2").data["seed"] == 2
    data = overridden("farm={workers: 2}", "farm.retries=5").data
    assert data["farm"] == {"workers": 2, "retries": 5}


def test_keys_and_sections_that_are_not_there_are_made():
    data = overridden("optimize.evaluations=5", "farm.workers=2").data
    assert data["optimize"] == {"evaluations": 5}
    assert data["farm"] == {"workers": 2}


def test_a_mapping_replaces_the_mapping_wholly():
    assert overridden("input={kind: images}").data["input"] == {"kind": "images"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("1e-3", 0.001),
        ("true", True),
        ("", None),
        ("null", None),
        ("yes", "yes"),
        ("'5'", "5"),
        ('"a: b"', "a: b"),
        ("[1, a]", [1, "a"]),
        ("{a: {b: c}}", {"a": {"b": "c"}}),
        (" spaced ", "spaced"),
        ("a=b", "a=b"),
        ("*.png", "*.png"),
        ("take #1.mp4", "take #1.mp4"),
        ("key: value", "key: value"),
        ("@home", "@home"),
        ("- dash", "- dash"),
        ("!important", "!important"),
    ],
)
def test_the_value_is_a_plain_scalar_or_yaml_in_brackets_or_quotes(text, value):
    assert overridden(f"key={text}").data["key"] == value


def test_text_remembers_that_it_was_typed_on_the_command_line():
    data = overridden("a=x", "b=[x, {c: x}]").data
    texts = [data["a"], data["b"][0], data["b"][1]["c"]]
    assert all(type(text) is CommandLineText for text in texts)
    assert type(data["input"]["path"]) is str


def test_the_document_that_is_overridden_stays_as_it_is():
    document = read_yaml(JOB, "job.yaml")
    apply_overrides(document, ["input.path=x", "style.images=[]"])
    assert document == read_yaml(JOB, "job.yaml")


def test_what_an_override_set_is_placed_at_the_override():
    document = overridden("style.images=[{path: b.jpg}]", "farm.workers=0")
    assert document.place(("style", "images", 0, "path")).text == (
        "override style.images=[{path: b.jpg}]"
    )
    assert document.place(("farm", "workers")).text == "override farm.workers=0"
    assert document.place(("farm", "missing")).text == "override farm.workers=0"
    assert document.place(("input", "path")).text == "job.yaml:1:28"
    assert document.place(("style", "missing")).text == "job.yaml:2:1"


@pytest.mark.parametrize(
    ("override", "key", "found", "allowed"),
    [
        ("optimize.evaluations", "", "no = sign", "key=value"),
        ("=5", "", "an empty key", "key=value"),
        ("input..path=x", "", "an empty key", "key=value"),
        ("style.images.1.path=x", "style.images.1", "no item 1", "an index below 1"),
        ("style.images.-1.path=x", "style.images.-1", "no item -1", "an index below 1"),
        ("style.images." + "9" * 5000 + "=x", "style.images.99", "no item 99", "an index below 1"),
        ("a." * 500 + "a=x", "", "a key of 501 parts", "at most 20"),
        ("style.images.path=x", "style.images.path", "no item path", "an index below 1"),
        ("cuts.0.x=1", "cuts.0", "no item 0", "cuts=[...]"),
        ("input.path.name=x", "input.path.name", "'clip.mp4' at input.path", "input.path=value"),
        ("a=[1", "a", "a [ that is not closed", "quotes for plain text"),
        ("a={b: 1, b: 2}", "a", "the key a second time", "every key once"),
        ("a=" + "9" * 5000, "a", "'999", "a shorter number"),
    ],
)
def test_an_override_that_cannot_be_applied_is_told_as_typed(override, key, found, allowed):
    problem = refusal(override)
    assert problem.where == f"override {override}"
    assert problem.key.startswith(key)
    assert len(problem.key) <= 100
    assert found in problem.found
    assert allowed in problem.allowed


def test_an_override_that_cannot_be_applied_changes_nothing():
    assert overridden("new.0.x=1", "input.path.name=x").data == read_yaml(JOB, "job.yaml").data


@settings(deadline=None)
@given(st.lists(st.text() | st.from_regex(r"(style|images|0|\.|x){1,5}=[\[{\"'a:0,]{0,5}")))
def test_any_arguments_give_data_or_problems(arguments):
    document = overridden(*arguments)
    assert isinstance(document.data, dict)
    for place, problem in document.problems:
        assert place.override > 0
        assert "\n" not in str(problem)
