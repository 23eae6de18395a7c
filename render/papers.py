"""The small JSON files beside the frames: the plan, which is needed, and notes, which can be lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from render.errors import OutputError
from render.files import write_atomically
from render.plan import Plan


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan down, with a digest by which damage is seen."""
    data = plan.to_data()
    write_note(path, {**data, "sha256": _digest(data)})


def read_plan(path: Path) -> Plan:
    """The plan that was written down.

    Raises:
        FileNotFoundError: there is none.
        OutputError: it is damaged, of another version of this program, or cannot be read.
    """
    try:
        data = json.loads(path.read_bytes())
        if data.pop("sha256") != _digest(data):
            raise ValueError
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise no_plan(path, "is damaged") from None
    except OSError as error:
        raise no_plan(path, f"cannot be read ({error.strerror})") from None
    try:
        return Plan.from_data(data)
    except (ValueError, TypeError, KeyError):
        raise OutputError(
            f"{path} is of another version of this program; finish with that one, or start over with "
            "--fresh"
        ) from None


def no_plan(path: Path, wrong: str) -> OutputError:
    """The error that there are frames without a plan."""
    return OutputError(
        f"{path} {wrong}, so that nobody knows what the frames there were made from; put it "
        "back, or start over with --fresh"
    )


def write_note(path: Path, data: Mapping[str, Any]) -> None:
    """Write a mapping down."""
    write_atomically(path, _json(data).encode())


def read_note(path: Path) -> dict[str, Any]:
    """The mapping in a file; empty if it is missing or damaged."""
    with suppress(OSError, ValueError, RecursionError):
        data = json.loads(path.read_bytes())
        if isinstance(data, dict):
            return data
    return {}


class Notes:
    """What is noted in a folder of how its job went.

    Args:
        folder: of the job.
    """

    def __init__(self, folder: Path) -> None:
        self._summary = folder / "summary.json"
        self._output = folder / "output.json"
        self._measured: dict[str, Any] = {}

    def receipt(self) -> dict[str, Any] | None:
        """What the final file was made of, when it was last written; `None` if that is not known."""
        data = read_note(self._output)
        return data if data.keys() >= {"made_of", "sha256", "frames"} else None

    def keep_receipt(self, receipt: Mapping[str, Any]) -> None:
        """Note what the final file was made of."""
        write_note(self._output, receipt)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`."""
        write_note(self._summary, {**self._measured, **summary})

    def drop_summary(self, *, painted: bool) -> None:
        """Delete `summary.json`, which tells how another run ended.

        Args:
            painted: whether this run paints anything. What was measured goes into its summary if not.
        """
        before = {} if painted else read_note(self._summary)
        self._measured = {key: before[key] for key in ("metrics",) if key in before}
        with suppress(OSError):  # writing the next one says what is wrong
            self._summary.unlink()

    def add_to_summary(self, more: Mapping[str, Any]) -> None:
        """Put more into `summary.json`, beside what is there."""
        self.write_summary({**read_note(self._summary), **more})


def _digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(data).encode()).hexdigest()


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"
