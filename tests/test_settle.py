"""How a process computes."""

import os
import platform
import subprocess
import sys

import pytest

from render.settle import beginning_tuned, tunables

PROGRAM = """
import resource, sys
import torch
from render.settle import settle

if sys.argv[1] == "settled":
    settle(1, gpu=False)
found = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(16 << 20)  # 64 MB
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(found)[10])  # at first the heap grows to where there is room for what is in use
"""


def faults(how):
    """Pages that the system has to make ready for 64 MB which were freed a moment ago."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc")
def test_a_settled_process_keeps_the_memory_that_it_frees():
    assert faults("settled") < 200 < faults("not")


MIXED = """
from pathlib import Path
import torch
from render.settle import keep_memory

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc")
def test_without_a_cache_of_small_pieces_features_are_put_where_some_of_their_size_have_been():
    """No more than 15 MB are in use at once; glibc 2.36 with that cache ends with 320."""
    command = [sys.executable, "-c", MIXED]
    with beginning_tuned():
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 60


VARIABLE = "GLIBC_TUNABLES"


def test_the_environment_of_this_process_comes_back(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with beginning_tuned():
        assert os.environ[VARIABLE] == "glibc.malloc.tcache_count=0"
    assert VARIABLE not in os.environ


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv(VARIABLE, "glibc.malloc.arena_max=2")
    assert tunables() == {VARIABLE: "glibc.malloc.arena_max=2"}
    with beginning_tuned():
        assert os.environ[VARIABLE] == "glibc.malloc.arena_max=2"
    assert os.environ[VARIABLE] == "glibc.malloc.arena_max=2"
