"""What the C library does with freed memory."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
from pathlib import Path
import torch
from render.allocation import keep_memory

def filled():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

keep_memory()
before = filled()
small = []
for n in range(60):
    size = (3 + n % 3) << 20
    features = [torch.ones(size // 4) for _ in range(3)]
    small += [torch.ones(1 + k % 24) for k in range(40)]  # what a search notes of every evaluation
    del features
print((filled() - before) >> 10)
"""


def kept(environment):
    """Megabytes with which a process ends that has never had more than 15 at once in use."""
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc")
def test_without_a_cache_of_small_pieces_features_are_put_where_some_of_their_size_have_been():
    environment = {name: os.environ[name] for name in os.environ if name != "GLIBC_TUNABLES"}
    wasteful = kept(environment)
    environment["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0"
    assert 3 * kept(environment) < wasteful
