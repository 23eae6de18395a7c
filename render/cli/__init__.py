"""The command line: arguments in, exit codes out.

Exit codes: 0 finished, 1 some frames failed, 2 the job or the command is wrong, 130 interrupted.
What people read goes to stderr; stdout carries what programs read: paths and tables, or one JSON value
with `--json`. The last line of `run` is always one JSON object with the outcome.
"""

from __future__ import annotations

from render.cli import jobs, look, machine  # noqa: F401 - they add their commands
from render.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the `render` command."""
    app()
