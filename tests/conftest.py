"""How the suite runs as a whole: the threads of parallel workers, their number, and garbage collection."""

import gc
import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a core of its own. BLAS reads this when NumPy is imported, which comes later.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Return what ``-n auto`` means: the cores that this process may use, at most 8 of them."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(len(cores), 8)


def pytest_collection_finish():
    # What was imported stays, and the tests of memory need not go through it whenever they collect garbage.
    gc.freeze()
