"""Frame ranges: text that people write, and the frames that it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from render.spec.ranges import FrameRange, select_frames

adapter = TypeAdapter(FrameRange)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("5", [5]),
        ("0-3", [0, 1, 2, 3]),
        ("7-", [7, 8, 9]),
        ("-2", [0, 1, 2]),
        ("-", list(range(10))),
        ("0-9x4", [0, 4, 8]),
        ("1-x3", [1, 4, 7]),
        ("3-3", [3]),
        ("002-004", [2, 3, 4]),
    ],
)
def test_both_ends_are_included_and_may_be_left_out(text, frames):
    assert list(select_frames(adapter.validate_python(text), 10)) == frames


def test_no_range_means_every_frame():
    assert select_frames(None, 4) == range(4)
    assert select_frames(None, 0) == range(0)


def test_one_frame_may_be_written_as_a_number():
    assert adapter.validate_python(5) == "5"


def test_space_around_a_range_is_dropped():
    assert adapter.validate_python(" 0-3 ") == "0-3"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "1-2-3",
        "5x2",
        "0-9x0",
        "0-9x",
        "1.5",
        "0 - 9",
        "1,2",
        "٣",
        "9" * 10,
        True,
        1.0,
        None,
    ],
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValidationError, match="not a range"):
        adapter.validate_python(value)


def test_a_range_does_not_end_before_it_starts():
    with pytest.raises(ValidationError, match="ends before it starts"):
        adapter.validate_python("9-3")


@pytest.mark.parametrize("text", ["10", "10-", "3-10", "12-15"])
def test_a_range_outside_the_frames_names_those_that_there_are(text):
    with pytest.raises(IndexError, match=f"frames {text} asked for, but the frames are 0-9"):
        select_frames(text, 10)


def test_no_range_fits_where_there_are_no_frames():
    with pytest.raises(IndexError, match="there are no frames"):
        select_frames("0", 0)


@given(st.data())
def test_a_range_selects_as_its_numbers_say(data):
    count = data.draw(st.integers(1, 500))
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    stride = data.draw(st.integers(1, 600))
    text = adapter.validate_python(f"{first}-{last}x{stride}")
    assert list(select_frames(text, count)) == [
        frame for frame in range(count) if first <= frame <= last and (frame - first) % stride == 0
    ]


@given(st.text("0123456789-x ", max_size=12), st.integers(1, 99))
def test_what_is_accepted_selects_frames_or_says_that_they_are_not_there(text, count):
    try:
        frames = select_frames(adapter.validate_python(text), count)
    except (ValidationError, IndexError) as error:
        frames = range(0)
        assert str(error)  # noqa: PT017
    assert all(0 <= frame < count for frame in frames)
