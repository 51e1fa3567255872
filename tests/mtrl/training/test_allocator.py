"""Freed memory is kept, so that an update finds its pages where the last one left them."""

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource
import torch
from mtrl.training.allocator import keep_freed_memory

kept = keep_freed_memory()
def update():
    blocks = [torch.zeros(1 << 18) for _ in range(30)]  # 1 MiB each
for _ in range(3):
    update()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    update()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**environment: str) -> tuple[bool, int]:
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    kept, count = map(int, done.stdout.split())
    return bool(kept), count


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_pages_are_asked_for_once() -> None:
    kept, count = faults()
    assert kept and count < 1_000  # 10 x 30 MiB are 76,800 pages


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_the_users_own_settings_stay() -> None:
    kept, count = faults(MALLOC_MMAP_THRESHOLD_="65536")
    assert not kept and count > 10_000
