"""Handing a job to a Ray cluster through its Jobs API."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from render.errors import FarmError

EXCLUDES = (".git", "out", "*.render", ".venv", "__pycache__", "build")
"""What is not sent along: Ray refuses packages over 512 MiB, and frames travel another way."""


def submit(
    job_file: Path,
    overrides: Sequence[str],
    address: str | None,
    working_dir: Path,
    *,
    wait: bool,
) -> int:
    """Submit `render run` with `working_dir` sent along; print the log as it comes.

    Args:
        job_file: a file inside `working_dir`.
        overrides: `key=value` each; paths in them are read on the cluster, in the sent folder.
        address: of the dashboard, such as http://127.0.0.1:8265; `None`: `$RAY_ADDRESS`.
        working_dir: the folder that the cluster gets a copy of.
        wait: follow the log until the job ends.

    Returns:
        0 if the job succeeded or was only handed in, else 1.

    Raises:
        FarmError: the job file lies elsewhere, or the cluster cannot be reached or refuses.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        raise FarmError("no cluster named: give --address http://HOST:8265 or set RAY_ADDRESS")
    folder = working_dir.resolve()
    try:
        inside = job_file.resolve().relative_to(folder)
    except ValueError:
        raise FarmError(
            f"{job_file} lies outside {folder}, which is what the cluster gets; see --working-dir"
        ) from None
    # The entrypoint is a shell command on the cluster: every word is quoted.
    entrypoint = shlex.join(["python", "-m", "render", "run", inside.as_posix(), *overrides])
    try:
        client = JobSubmissionClient(address)
        job = client.submit_job(
            entrypoint=entrypoint,
            runtime_env={"working_dir": str(folder), "excludes": list(EXCLUDES)},
        )
        print(f"submitted as {job} to {address}")
        if not wait:
            return 0
        asyncio.run(_follow(client, job))
        status = client.get_job_status(job)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise FarmError(f"the cluster at {address} did not take the job: {error}") from error
    print(f"{job}: {status.value.lower()}")
    return 0 if status == JobStatus.SUCCEEDED else 1


async def _follow(client: JobSubmissionClient, job: str) -> None:
    async for text in client.tail_job_logs(job):
        print(text, end="", flush=True)
