"""Listing pictures: natural order, as bytes that any database sorts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from render.media.listing import natural


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_in_names_sort_by_their_value(numbers):
    names = [f"frame{number}.png" for number in numbers]
    assert sorted(names, key=natural) == [f"frame{number}.png" for number in sorted(numbers)]


def tuples(text):
    """The order that people expect, as Python compares it: numbers by value, folder by folder."""
    parts = re.split(r"(\d+)", text.casefold().replace("/", "\0"))
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts), text


@given(st.lists(st.text("ab0129/. \0éß漢", max_size=12), max_size=12))
def test_bytes_sort_like_numbers_and_texts(names):
    assert sorted(names, key=natural) == sorted(names, key=tuples)
