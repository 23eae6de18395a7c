"""A run's log, `log.jsonl`: one line of JSON for each thing that happened, appended by every run.

What the ledger tells is not told again: which frame went where, and which is done.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from render.farm.events import Event, FrameDone, FrameSent, OnEvent, StageDone


def logged(on_event: OnEvent, path: Path) -> OnEvent:
    """Writes events down and hands them on.

    Args:
        on_event: is told every event.
        path: the file that lines are added to; one that cannot be written ends no run.
    """

    def log(event: Event) -> None:
        if not isinstance(event, FrameSent | StageDone | FrameDone):
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = {"at": now, "event": type(event).__name__, **asdict(event)}
            with suppress(OSError), path.open("a") as file:
                file.write(json.dumps(line, default=str) + "\n")
        on_event(event)

    return log
