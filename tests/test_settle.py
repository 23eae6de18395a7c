"""How a process computes."""

import platform
import subprocess
import sys

import pytest

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
print(max(found[10:]))  # until then the heap grows to where there is room for what is in use
"""


def faults(how):
    """Pages that the system has to make ready for 64 MB which were freed a moment ago."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc")
def test_a_settled_process_keeps_the_memory_that_it_frees():
    assert faults("settled") < 200 < faults("not")
