"""A worker for which memory runs out says so, and what to do; not the name of a class."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from XRayTo3DLib.errors import lacks_memory
from XRayTo3DLib.jobs import JobFolder, JobStatus
from XRayTo3DLib.jobs.run import follow, start_worker

posix = pytest.mark.skipif(os.name == "nt", reason="limits and signals as POSIX has them")

LIMITED = """
import resource, sys
from pathlib import Path
import numpy, SimpleITK, vtkmodules.all
import XRayTo3DLib.dataset.population
from XRayTo3DLib.cli.as_job import run_as_job
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(run_as_job(sys.argv[1], sys.argv[2:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory can be limited on Linux alone")
def test_a_worker_that_gets_no_more_memory_is_told_in_a_sentence(tmp_path: Path) -> None:
    """A real command with a real limit: a CT of 0.1 mm voxels needs gigabytes."""
    job = JobFolder.create(tmp_path / "job", "test", {})
    numbers = ["--people", "1", "--test", "0", "--spacing", "0.1", "--workers", "1"]
    start_worker(job, ["-c", LIMITED, str(job.path), "dataset", "synthetic", "-o", str(tmp_path / "people"), *numbers])
    list(follow(job))
    state = job.state()
    assert state.status is JobStatus.FAILED, job.log_end()
    assert state.message.startswith("there was not enough memory. Close other programs"), job.log_end()
    assert "Error" not in state.message


def no_memory() -> list[BaseException]:
    """As Python, NumPy, PyTorch (card and processor), SimpleITK and VTK say it."""
    import torch

    return [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.0 GB)"),
        RuntimeError("Exception thrown in SimpleITK ImageFileReader_Execute: Failed to allocate memory for image."),
        RuntimeError("std::bad_alloc"),
    ]


def test_every_library_s_word_for_it_is_known() -> None:
    assert [lacks_memory(error) for error in no_memory()] == [True] * 6
    assert not lacks_memory(RuntimeError("shape mismatch")) and not lacks_memory(ValueError("out of memory range"))


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@posix
def test_a_process_of_the_worker_that_the_system_kills_is_told(tmp_path: Path) -> None:
    """What Linux does when memory runs out."""
    job = JobFolder.create(tmp_path / "job", "test", {})
    with pytest.raises(Exception, match="terminated abruptly"), job.working(), ProcessPoolExecutor(1) as pool:
        pool.submit(killed).result()
    state = job.state()
    assert state.status is JobStatus.FAILED and "mostly because memory ran out" in state.message
    assert "start it again" in state.message
