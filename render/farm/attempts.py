"""What has gone wrong so far, and what follows from it.

Faults of a frame and faults of the farm have budgets of their own: a spot machine that is taken away
says nothing about the frame that it held, and a frame that kills every worker says nothing about
the machines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from render.errors import FarmError

NODE_FAULTS = 2
"""Workers that may die on a node before new ones are sent elsewhere."""


class Attempts:
    """Counts faults.

    Args:
        retries: how often a stage of a frame is tried again after a fault of its own.
        losses: workers that may be lost in a row, without any answer in between.
    """

    def __init__(self, retries: int, losses: int) -> None:
        self._retries = retries
        self._losses = losses
        self._of_frames: Counter[tuple[tuple[int, ...], int]] = Counter()
        self._of_nodes: Counter[str] = Counter()
        self._in_a_row = 0

    def fault(self, frames: tuple[int, ...], stage: int) -> int | None:
        """Count a fault of frames painted at once: the number of the failed attempt; `None`: enough.

        Each stage has the whole budget: a stage that was painted has shown that the frame was sound.
        """
        self._of_frames[frames, stage] += 1
        attempt = self._of_frames[frames, stage]
        return attempt if attempt <= self._retries else None

    def lost(self, node: str | None, reason: str) -> None:
        """Count a worker that died, on a node if that is known.

        Raises:
            FarmError: so many died in a row that the farm is at fault.
        """
        if node is not None:
            self._of_nodes[node] += 1
        self._in_a_row += 1
        if self._in_a_row > self._losses:
            raise FarmError(f"{self._in_a_row} workers in a row died; the last: {reason}")

    def answered(self) -> None:
        """A worker gave an answer, so the farm as such works."""
        self._in_a_row = 0

    def avoided(self, nodes: Collection[str]) -> list[str]:
        """Those of the nodes on which workers keep dying; none if that would be all of them."""
        bad = sorted(node for node in nodes if self._of_nodes[node] >= NODE_FAULTS)
        return bad if len(bad) < len(nodes) else []


def failure_limit(text: str | None, frames: int) -> float | None:
    """How many frames may fail, of a job with so many.

    Args:
        text: a number, or a share such as `5%`; `None`: any number.
        frames: of the job.
    """
    if text is None:
        return None
    return float(text[:-1]) / 100 * frames if text.endswith("%") else float(text)
