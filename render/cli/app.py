"""What all commands share: the application, how errors are told, the arguments that they have alike."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from render.errors import JobError, RenderError

FRAMES_FAILED, WRONG = 1, 2

app = typer.Typer(
    help="Neural style transfer for videos and large image sets, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)

JobFile = Annotated[Path, typer.Argument(metavar="JOB.yaml", help="The job file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[key=value ...]", help="Settings that replace those of the file: output.size=256"
    ),
]
Output = Annotated[
    Path, typer.Argument(metavar="OUTPUT", help="A video made by render, or its folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@contextmanager
def reported(outcome: dict[str, Any] | None = None, *, as_json: bool = False) -> Iterator[None]:
    """Turn errors that people should read into lines, and exit code 2.

    Args:
        outcome: of a run, in which they are kept too; a fault of this program then gets exit code 1.
        as_json: print them as JSON too.
    """
    try:
        yield
    except RenderError as error:
        problems = error.problems if isinstance(error, JobError) else ()
        for problem in problems or (error,):
            say(f"error: {problem}")
        told: dict[str, Any] = {"error": str(error)}
        if problems:
            told["problems"] = [asdict(problem) for problem in problems]
        if outcome is not None:
            outcome.update(told)
        elif as_json:
            tell(told)
        raise typer.Exit(WRONG) from None
    except Exception as error:
        if outcome is None or isinstance(error, typer.Exit):
            raise
        outcome["error"] = f"{type(error).__name__}: {error}"
        traceback.print_exc()  # a fault of this program; the outcome is to come behind it
        raise typer.Exit(FRAMES_FAILED) from None


def say(text: str) -> None:
    """A line for people; long paths are not to be broken."""
    errors.print(text, style="red", markup=False, highlight=False, soft_wrap=True)


def tell(data: object) -> None:
    """A line for programs."""
    print(json.dumps(data), flush=True)
