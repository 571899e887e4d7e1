"""Freed memory is kept: a batch does not fault its pages in anew."""

import subprocess
import sys

import pytest

# Prints the page faults of ten rounds in which 64 MiB are filled and freed, and their pages.
ROUNDS = """
import resource, sys
import torch
from jpegprep.common.cpu import use_processors
from jpegprep.common.parallel import in_order
if sys.argv[1] == "training":
    use_processors(1)
if sys.argv[1] == "images":
    list(in_order(len, [], 1))
def block():
    return torch.ones(2**24)
for _ in range(10):  # until the heap has a place for it
    block()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    block()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, 2**26 // resource.getpagesize())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is Linux's")
def test_freed_memory_is_kept() -> None:
    """Ten blocks, one after another, lie in memory that is there; by default each faults in."""
    for how in ("training", "images", "default"):
        told = subprocess.run(
            [sys.executable, "-c", ROUNDS, how], check=True, capture_output=True, text=True
        )
        faults, pages = map(int, told.stdout.split())
        assert faults > 5 * pages if how == "default" else faults < pages
