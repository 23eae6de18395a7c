"""Lines of the ledger: what this program wrote is read back, anything else is no record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render.ledger import Record, parse_record, write_record

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def record(frame, stage, sha256, info):
    file = f"frames/{frame:06}.png" if stage is None else f"stages/{frame:06}.{stage}.png"
    return Record(frame, file, sha256, info, stage)


RECORDS = st.builds(
    record,
    st.integers(0, 10**9),
    st.none() | st.integers(0, 15),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record):
    assert parse_record(write_record(record)) == record


@given(st.binary(max_size=80) | JSON.map(lambda data: json.dumps(data).encode()))
def test_any_other_line_is_no_record(line):
    assert parse_record(line) is None


@given(RECORDS, st.sampled_from(["frame", "file", "sha256", "info", "stage"]), JSON)
def test_a_line_with_anything_in_a_field_is_a_record_of_the_right_types_or_none(record, key, value):
    data = json.loads(write_record(record)) | {key: value}
    found = parse_record(json.dumps(data).encode())
    if found is not None:
        assert type(found.frame) is int
        assert found.frame >= 0
        assert found.file.startswith(("frames/", "stages/"))
        assert found.stage is None or type(found.stage) is int
        assert type(found.sha256) is str
        assert type(found.info) is dict


@pytest.mark.parametrize(
    "file",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "frames/../../x.png",
        "frames/000001.png\n",
        "frames/000002.png",
        "stages/000001.0.png",
        "job.yaml",
    ],
)
def test_a_line_that_names_a_file_elsewhere_is_no_record(file):
    assert (
        parse_record(json.dumps({"frame": 1, "file": file, "sha256": "", "info": {}}).encode())
        is None
    )


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"frame": true, "file": "frames/000001.png", "sha256": "", "info": {}}',
        b'{"frame": -1, "file": "frames/000001.png", "sha256": "", "info": {}}',
        b'{"frame": 1' + b"0" * 5000 + b"}",
        b"\xff\xfe\x00",
    ],
)
def test_lines_that_once_were_trouble_are_no_records(line):
    assert parse_record(line) is None
