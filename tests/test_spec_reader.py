"""The reader: YAML text becomes plain data with places, or problems that name line and column."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.errors import JobError
from render.spec.reader import MAX_BYTES, decode, read_yaml


def read(text):
    return read_yaml(text, "job.yaml")


def refusal(text):
    with pytest.raises(JobError) as caught:
        read(text)
    (problem,) = caught.value.problems
    return problem


def noted(text):
    return [problem for _, problem in read(text).problems]


def test_data_comes_with_the_place_of_every_key_and_value():
    document = read("input:\n  path: clip.mp4\nlist:\n  - 1\n  - {a: 2}\n")
    assert document.data == {"input": {"path": "clip.mp4"}, "list": [1, {"a": 2}]}
    assert (document.keys["input", "path"].line, document.keys["input", "path"].column) == (2, 3)
    assert document.values["input", "path"].text == "job.yaml:2:9"
    assert document.values["list", 1].text == "job.yaml:5:5"
    assert document.values["list", 1, "a"].text == "job.yaml:5:9"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("12:30", "12:30"),
        ("2026-01-02", "2026-01-02"),
        ("1_000", "1_000"),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("+7", 7),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("-.inf", -math.inf),
        ("~", None),
        ("", None),
        ("null", None),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("0-119x2", "0-119x2"),
        ("ünïcödé 🎨", "ünïcödé 🎨"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    data = read(f"key: {text}").data
    assert data == {"key": value}
    assert type(data["key"]) is type(value)


def test_not_a_number_is_read_as_such():
    assert math.isnan(read("key: .nan").data["key"])


def test_an_empty_text_has_no_data():
    assert read("").data is None
    assert read("# only a comment\n").data is None


def test_every_repeated_key_is_reported_with_both_lines():
    problems = noted("a: 1\nb: {c: 1}\na: 2\na: 3\nd:\n  e: 1\n  e: 2\n")
    assert [(problem.where, problem.key) for problem in problems] == [
        ("job.yaml:3:1", "a"),
        ("job.yaml:4:1", "a"),
        ("job.yaml:7:3", "d.e"),
    ]
    assert "first on line 1" in problems[0].found
    assert "first on line 6" in problems[2].found


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [ls]", "!mine 1", "!!binary aGk=", "!!set {a, b}"]
)
def test_tags_that_would_make_objects_are_refused_and_do_nothing(text):
    (problem,) = noted(f"key: {text}")
    assert problem.where == "job.yaml:1:6"
    assert problem.key == "key"
    assert "the tag !" in problem.found


@pytest.mark.parametrize("text", ["!!int abc", "!!bool maybe", "9" * 5000])
def test_a_scalar_that_its_type_cannot_hold_is_a_problem(text):
    (problem,) = noted(f"key: {text}")
    assert "a value of the type" in problem.allowed
    assert len(str(problem)) < 200


@pytest.mark.parametrize("key", ["1", "true", "null", "1.5", "? [a]\n", "? {a: 1}\n", '"\\ud800"'])
def test_keys_are_text(key):
    (problem,) = noted(f"{key}: value")
    assert "a key that is text" in problem.allowed


def test_merge_keys_are_refused_but_quoted_ones_are_text():
    (problem,) = noted("base: &base {a: 1}\nmore: {<<: *base}")
    assert (problem.where, problem.key) == ("job.yaml:2:8", "more")
    assert "merge key" in problem.found
    assert read("'<<': 1").data == {"<<": 1}


def test_an_alias_repeats_data_without_sharing_it():
    data = read("a: &x {n: [1]}\nb: *x").data
    assert data == {"a": {"n": [1]}, "b": {"n": [1]}}
    data["a"]["n"].append(2)
    assert data["b"] == {"n": [1]}


def test_a_problem_in_what_aliases_repeat_is_told_once():
    assert len(noted("a: &x {n: !no 1}\nb: *x\nc: *x")) == 1


def test_an_alias_of_what_it_stands_in_is_refused():
    assert refusal("a: &a [1, *a]").where == "job.yaml:1:4"


def test_aliases_of_aliases_are_not_expanded_beyond_bounds():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 18)]
    assert "more than 20000 values" in refusal("\n".join(lines)).found


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000, "? " * 50_000])
def test_deep_nesting_is_refused_before_it_is_followed(text):
    assert "nested more than" in refusal(text).found


def test_many_values_are_refused():
    assert "more than 20000 values" in refusal("- 1\n" * 25_000).found


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("a: b: c", "1:5", "a colon where no key can stand"),
        ("a:\n\tb: 1", "2:1", "a tab"),
        ("a: @home", "1:4", "a character of YAML's own"),
        ("a: 1\nb: 'open\nc: 2", "2:4", "a quote that is not closed"),
        ("a: {b: 1\nc: 2", "1:4", "a { that is not closed"),
        ("a: [b, c\nd: 2", "1:4", "a [ that is not closed"),
        ("a: 1\nsize:2\nb: 3", "2:1", "a line without a colon"),
        ("a:\n  - 1\n b: 2", "3:2", "fits none of the columns"),
        ("a: *glob", "1:4", "an alias without an anchor"),
        ("a: 1\n---\nb: 2", "2:1", "a second document"),
        ("a: &x 1\nb: &x 2", "2:4", "an &anchor for the second time"),
        ("a: [1, ,]", "1:8", "no value here"),
        ('a: "c:\\path"', "1:8", "an escape that YAML has not"),
        ("a: 1\nb: \x01", "2:4", "the character '\\x01'"),
    ],
)
def test_a_syntax_error_is_told_in_words_and_with_its_place(text, where, found):
    problem = refusal(text)
    assert problem.where == f"job.yaml:{where}"
    assert found in problem.found
    assert problem.allowed != "YAML"


@pytest.mark.parametrize("text", ['a: "\\UFFFFFFFF"', "%YAML 1." + "9" * 5000 + "\n---\na: 1"])
def test_numbers_beyond_reason_in_the_syntax_are_refused(text):
    assert refusal(text).where == "job.yaml"


def test_a_byte_order_mark_of_utf_8_is_taken_off():
    assert decode(b"\xef\xbb\xbfa: 1", "job.yaml") == "a: 1"


@pytest.mark.parametrize(
    ("raw", "where", "found"),
    [
        ("a: 1\nb: käse".encode("latin-1"), "job.yaml:2:5", "the byte 0xe4"),
        ("a: 1".encode("utf-16"), "job.yaml:1:1", "text in UTF-16"),
        (b"x" * (MAX_BYTES + 1), "job.yaml", "more than 1000 kB"),
    ],
)
def test_a_file_that_is_no_utf_8_text_of_fair_size_is_refused(raw, where, found):
    with pytest.raises(JobError) as caught:
        decode(raw, "job.yaml")
    (problem,) = caught.value.problems
    assert problem.where == where
    assert found in problem.found


printable = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | printable,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(printable, inside, max_size=4),
    max_leaves=15,
)  # fmt: skip


@settings(deadline=None)
@given(values)
def test_any_json_is_read_as_what_it_says(value):
    assert read(json.dumps(value, ensure_ascii=False)).data == value


@settings(deadline=None)
@given(st.text() | st.text("ab:-[]{}&*!|>#'\"%@`?,~<\\\n\t 01.", max_size=60))
def test_any_text_gives_data_or_problems(text):
    problems = outcome(lambda: read(text).problems)
    for _, problem in problems:
        assert problem.where.startswith("job.yaml")
        assert "\n" not in str(problem)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_text_or_a_problem(raw):
    problems = outcome(lambda: [] if decode(raw, "job.yaml").encode() in raw else [None])
    assert len(problems) <= 1


def outcome(read_problems):
    try:
        return read_problems()
    except JobError as error:
        return [(None, problem) for problem in error.problems]
