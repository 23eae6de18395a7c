"""Plain scalars by the core schema of YAML 1.2, the newer and plainer of its rules.

Only `true` and `false` are booleans (not `on`, `no`, `y`), `12:30` and dates are text, and `1e-3`
is a number. PyYAML's own rules are those of YAML 1.1, which surprise people in all of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from yaml.resolver import BaseResolver

TAG = "tag:yaml.org,2002:"
"""What `!!` stands for."""


class ScalarType(NamedTuple):
    """One type of plain scalars: how they are written, and what they mean."""

    form: re.Pattern[str]
    convert: Callable[[str], object]


def _integer(text: str) -> int:
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(text if base == 10 else text[2:], base)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


SCALARS = {
    "null": ScalarType(re.compile(r"(?:~|null|Null|NULL|)\Z"), lambda _: None),
    "bool": ScalarType(
        re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), lambda text: text.lower() == "true"
    ),
    "int": ScalarType(re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), _integer),
    "float": ScalarType(
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        _float,
    ),
}
"""The types by tag, to be tried in this order; a scalar that fits none is text."""


class CoreResolver(BaseResolver):
    """PyYAML's hook for the types of plain scalars, set to `SCALARS`."""


for _tag, _scalar in SCALARS.items():
    CoreResolver.add_implicit_resolver(TAG + _tag, _scalar.form, None)


def read_scalar(text: str) -> object:
    """The value of a plain scalar: `5`, `1e-3`, `true`, nothing, or the text itself.

    Raises:
        ValueError: a whole number with thousands of digits, which Python refuses to read.
    """
    for form, convert in SCALARS.values():
        if form.match(text):
            return convert(text)
    return text
