"""How fast this machine paints, beside a plain loop in the manner of the well-known programs."""

from render.bench.compare import Row, Settings, compare
from render.bench.machine import Machine, describe

__all__ = ["Machine", "Row", "Settings", "compare", "describe"]
