"""YAML files as plain data that remembers where each part of it stands.

The YAML here is that of version 1.2's core schema (see `scalars`). Anchors and aliases work.
Refused are merge keys (`<<`, which 1.2 has not), tags that would make objects, keys that are no
text, the same key twice, and whatever grows without bound: large files, deep nesting, aliases of
aliases of aliases.
"""

from __future__ import annotations

import contextlib

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from render.errors import JobError, Problem
from render.spec.document import Document, KeyPath, Place, dotted, printable, shortened
from render.spec.scalars import SCALARS, TAG
from render.spec.syntax import SMALLER, compose, line_and_column, too_much

MAX_BYTES = 1_000_000


class _Builder:
    """Turns nodes into data, and notes places and problems on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.problems: dict[Place, Problem] = {}  # an alias repeats a problem; it is told once
        self._open: list[Node] = []

    def build(self, node: Node, path: KeyPath = ()) -> object:
        """The data of `node`, which stands at `path`."""
        place = self.values[path] = self._place(node)
        if node in self._open:
            self._stop(place, path, "an alias of what it stands in", "aliases that end somewhere")
        excess = too_much(len(self._open) + 1, len(self.values))
        if excess:
            self._stop(place, path, f"{excess} (what aliases repeat included)", SMALLER)
        self._open.append(node)
        data = self._data(node, path)
        self._open.pop()
        return data

    def _data(self, node: Node, path: KeyPath) -> object:
        kind = {MappingNode: "map", SequenceNode: "seq", ScalarNode: "str"}[type(node)]
        tag = node.tag.removeprefix(TAG)
        if tag != kind and not (kind == "str" and tag in SCALARS):
            self._note(self.values[path], path, f"the tag {_short_tag(node)}", "a value without it")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(tag, node.value, path)

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not _is_text(key_node):
                found = f"the key {printable(shortened(str(key_node.value)))}"
                if not isinstance(key_node, ScalarNode):
                    found = "a list or mapping as a key"
                self._note(place, path, found, "a key that is text (in quotes, if it is meant)")
                continue
            key = key_node.value
            here = (*path, key)
            if key == "<<" and key_node.style is None:
                self._note(place, path, "a merge key (<<)", "the keys themselves, written out")
            elif here in self.keys:
                found = f"the key a second time (first on line {self.keys[here].line})"
                self._note(place, here, found, "every key once")
            else:
                self.keys[here] = place
                data[key] = self.build(value_node, here)
        return data

    def _scalar(self, tag: str, text: str, path: KeyPath) -> object:
        if tag not in SCALARS:
            return text
        form, convert = SCALARS[tag]
        if form.match(text):
            with contextlib.suppress(ValueError):  # Python refuses to read thousands of digits
                return convert(text)
        self._note(
            self.values[path], path, printable(shortened(text)), f"a value of the type `{tag}`"
        )
        return None

    def _place(self, node: Node) -> Place:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return Place(0, line, column, f"{self.name}:{line}:{column}")

    def _note(self, place: Place, path: KeyPath, found: str, allowed: str) -> None:
        self.problems.setdefault(place, Problem(place.text, dotted(path), found, allowed))

    def _stop(self, place: Place, path: KeyPath, found: str, allowed: str) -> None:
        raise JobError([Problem(place.text, dotted(path), found, allowed)])


def _is_text(node: Node) -> bool:
    """Whether it is text; half a surrogate pair, which no encoding can write, is not."""
    return (
        isinstance(node, ScalarNode)
        and node.tag == f"{TAG}str"
        and not any("\ud800" <= character <= "\udfff" for character in node.value)
    )


def _short_tag(node: Node) -> str:
    return printable(shortened(node.tag.replace(TAG, "!!")))


def read_yaml(text: str, name: str) -> Document:
    """Read one YAML document.

    Args:
        text: the document; of an empty one the data is `None`.
        name: what messages call it, such as the path of the file.

    Raises:
        JobError: it is no YAML, or goes beyond the bounds of this module.
    """
    node = compose(text, name)
    if node is None:
        return Document(name, None)
    builder = _Builder(name)
    data = builder.build(node)
    return Document(name, data, builder.keys, builder.values, tuple(builder.problems.items()))


def decode(raw: bytes, name: str) -> str:
    """The text of a file; a byte order mark of UTF-8 is taken off.

    Raises:
        JobError: the file is too large, or its bytes are not UTF-8.
    """
    if len(raw) > MAX_BYTES:
        found = f"more than {MAX_BYTES // 1000} kB"
        raise JobError([Problem(name, "", found, SMALLER)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"the byte 0x{raw[error.start]:02x}, which is not UTF-8"
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            found = "text in UTF-16"
        where = f"{name}:{line_and_column(raw[: error.start].decode())}"
        raise JobError([Problem(where, "", found, "a job file in YAML, saved as UTF-8")]) from None
