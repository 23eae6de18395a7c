"""How often the page of something that is running is written."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Lets a page be written at most every `every` seconds.

    Args:
        every: seconds; a page that takes long to make is made less often.
    """

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._due = 0.0

    def update(self, write: Callable[[], object]) -> None:
        """Write the page again, if it is time to."""
        begun = time.monotonic()
        if begun < self._due:
            return
        write()
        took = time.monotonic() - begun
        self._due = time.monotonic() + max(self._every, 30 * took)
