"""How a run ends: in order or at once when it is told to stop, and always with an outcome in one line.

Ray ends the process of a driver from within, without a word, when the head of its cluster is gone,
and `kill -9` asks nobody. So a second process waits for the first to end, and speaks where it left
nothing said.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

INTERRUPTED = 130
"""Exit code of a run that was told to stop."""
_CUT_OFF = {
    "status": "failed",
    "error": "the process was ended from outside, or the head of its Ray cluster is gone; what is "
    "finished is kept, and the same command goes on",
}
_WITNESS = f"""
import sys
if not sys.stdin.buffer.read():
    print({json.dumps(_CUT_OFF)!r}, flush=True)
"""


@contextmanager
def last_line(outcome: Mapping[str, Any]) -> Iterator[None]:
    """Print the outcome as the last line on stdout, as it is when the context ends.

    The first SIGINT or SIGTERM inside raises `KeyboardInterrupt`; the second ends the process.
    """
    # In a session of its own: a terminal's Ctrl-C is not meant for it, nor what ends a Ray job.
    witness = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WITNESS], stdin=subprocess.PIPE, start_new_session=True
    )

    def dismiss() -> None:
        with suppress(OSError):  # it was killed before
            witness.communicate(b".")

    def stop_in_order(_signal: int, _frame: FrameType | None) -> None:
        _on_signals(stop_at_once)
        raise KeyboardInterrupt

    def stop_at_once(_signal: int, _frame: FrameType | None) -> None:
        """Wait for nothing more: what is committed is safe, and Ray clears up by itself."""
        line = json.dumps({**outcome, "status": "incomplete"}) + "\n"
        os.write(sys.stdout.fileno(), line.encode())
        dismiss()
        os._exit(INTERRUPTED)

    before = _on_signals(stop_in_order)
    try:
        yield
    finally:
        stopped = signal.getsignal(signal.SIGTERM) is stop_at_once
        if stopped:  # from here on a second signal would only take the exit code away
            _on_signals(signal.SIG_IGN)
        print(json.dumps(outcome), flush=True)
        dismiss()
        if not stopped:
            for sign, handler in before.items():
                signal.signal(sign, handler)


def _on_signals(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
) -> dict[int, Any]:
    return {sign: signal.signal(sign, handler) for sign in (signal.SIGINT, signal.SIGTERM)}
