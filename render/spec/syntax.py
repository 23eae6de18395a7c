"""YAML text as nodes: bounded, and with syntax errors in words."""

from __future__ import annotations

from typing import NamedTuple

import yaml
from yaml.composer import Composer
from yaml.nodes import Node
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from render.errors import JobError, Problem
from render.spec.scalars import CoreResolver

MAX_DEPTH = 20
"""Lists and mappings within each other."""
MAX_NODES = 20_000
"""Values in all, counted wherever an alias repeats them."""
SMALLER = "a job file in YAML, which is far smaller"


def compose(text: str, name: str) -> Node | None:
    """Read one YAML document as PyYAML's nodes; `None` if it is empty.

    Args:
        text: the document.
        name: what messages call it, such as the path of the file.

    Raises:
        JobError: it is no YAML, or too deep or too large.
    """
    try:
        return _Loader(text, name).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise JobError([_in_words(error, name)]) from None
    except ReaderError as error:
        found = f"the character {text[error.position]!r}"
        where = f"{name}:{line_and_column(text[: error.position])}"
        raise JobError([Problem(where, "", found, "text without control characters")]) from None
    except (ValueError, OverflowError):  # PyYAML takes "\UFFFFFFFF" and %YAML 1.99...9 for numbers
        found = "an escape such as \\UFFFFFFFF that stands for no character"
        raise JobError([Problem(name, "", found, "YAML")]) from None


def line_and_column(before: str) -> str:
    """`LINE:COLUMN`, both from 1, of what follows the text `before`."""
    lines = before.split("\n")
    return f"{len(lines)}:{len(lines[-1]) + 1}"


class _Loader(Reader, Scanner, Parser, Composer, CoreResolver):
    """PyYAML's composer with bounds; the order of the bases is that of PyYAML's own loaders."""

    def __init__(self, text: str, name: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        CoreResolver.__init__(self)
        self.name = name
        self.depth = 0
        self.nodes = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self.depth += 1
        self.nodes += 1
        excess = too_much(self.depth, self.nodes)
        if excess:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            where = f"{self.name}:{mark.line + 1}:{mark.column + 1}"
            raise JobError([Problem(where, "", excess, SMALLER)])
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def too_much(depth: int, nodes: int) -> str | None:
    """What goes beyond the bounds, in words; `None` if nothing does."""
    if depth > MAX_DEPTH:
        return f"lists and mappings nested more than {MAX_DEPTH} deep"
    return f"more than {MAX_NODES} values" if nodes > MAX_NODES else None


class _Reading(NamedTuple):
    """What PyYAML says of an error (a part of it), and the same for people."""

    part: str
    found: str
    allowed: str
    at_begin: bool = False
    """Point at where the unfinished part begins, not at where it should have ended."""


_READINGS = (
    _Reading("'\\t' that cannot start any token", "a tab", "spaces to indent lines, never tabs"),
    _Reading(
        "cannot start any token",
        "a value that begins with a character of YAML's own",
        "quotes around text that begins with one of @ ` %",
    ),
    _Reading(
        "mapping values are not allowed",
        "a colon where no key can stand",
        "one `key: value` to a line, keys of one mapping in one column; quotes around text with a"
        " colon and a space in it",
    ),
    _Reading(
        "expected <block end>",
        "a line that fits none of the columns before it",
        "keys of one mapping in one column, likewise the dashes of a list",
    ),
    _Reading(
        "could not find expected ':'",
        "a line without a colon",
        "`key: value`, with a space after the colon",
        at_begin=True,
    ),
    _Reading(
        "while scanning a quoted scalar",
        "a quote that is not closed",
        "a closing quote",
        at_begin=True,
    ),
    _Reading(
        "expected ',' or '}'",
        "a { that is not closed",
        "commas between keys, and a closing }",
        at_begin=True,
    ),
    _Reading(
        "expected ',' or ']'",
        "a [ that is not closed",
        "commas between items, and a closing ]",
        at_begin=True,
    ),
    _Reading(
        "while parsing a flow node", "no value here", "a value, then a comma or a closing bracket"
    ),
    _Reading(
        "undefined alias",
        "an alias without an anchor",
        "quotes around text that begins with *, or an &anchor further up",
    ),
    _Reading("expected a single document", "a second document (---)", "one document in a file"),
    _Reading("duplicate anchor", "an &anchor for the second time", "every anchor once"),
    _Reading(
        "unknown escape character",
        "an escape that YAML has not",
        "single quotes around text with backslashes",
    ),
)


def _in_words(error: yaml.MarkedYAMLError, name: str) -> Problem:
    described = f"{error.context or ''}: {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    found, allowed = f"what is not YAML ({error.problem or error.context})", "YAML"
    for reading in _READINGS:
        if reading.part in described:
            found, allowed = reading.found, reading.allowed
            mark = error.context_mark if reading.at_begin and error.context_mark else mark
            break
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    return Problem(where, "", found, allowed)
