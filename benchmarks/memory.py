"""Measure the memory that training needs, on large data and on small integers.

    python benchmarks/memory.py [--gigabytes 2] [--folder FOLDER]

There are two cases, each in its own process, for skscratch and for scikit-learn's MLPClassifier:

- a float32 matrix in a file, opened with `np.load(mmap_mode="r")`;
- 60,000 images of 784 uint8 pixels, in memory.

Growth is the peak of the process's own (anonymous) memory during `fit`, minus its value before, when
the libraries are loaded and a small fit is done. Pages of the mapped file belong to the system's cache
and are not counted. The second number is the peak of what Python and NumPy allocated, measured by
tracemalloc, which sees even short-lived arrays.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEGABYTE = 2**20
N_FEATURES, N_CLASSES = 784, 10
LIMIT_ON_FILE = 300  # megabytes
N_IMAGES = 60_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the mapped file")
    parser.add_argument("--folder", type=Path, help="folder for this file; it must not be on a RAM disk")
    arguments = parser.parse_args()
    images = N_IMAGES * N_FEATURES / MEGABYTE
    failed = False
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "X.npy"
        write_rows(path, int(arguments.gigabytes * 2**30) // (4 * N_FEATURES))
        print(f"{'data':24} {'tool':12} {'growth':>10} {'allocated':>10} {'seconds':>8}  goal")
        for title, data, limit in [
            (f"{arguments.gigabytes:g} GB float32 mapped", path, LIMIT_ON_FILE),
            (f"{images:.0f} MB uint8", None, images),
        ]:
            for tool in ("skscratch", "scikit-learn"):
                growth, allocated, seconds = in_fresh_process(tool, data)
                verdict = ""
                if tool == "skscratch":
                    worst = max(growth or 0.0, allocated)
                    met = worst < limit
                    failed |= not met
                    verdict = f"below {limit:.0f} MB: {'met' if met else 'missed'}"
                shown = "unknown" if growth is None else f"{growth:.0f} MB"
                print(f"{title:24} {tool:12} {shown:>10} {allocated:7.0f} MB {seconds:8.1f}  {verdict}")
    return int(failed)


def write_rows(path: Path, n: int) -> None:
    """Write n rows of noise around ten centres, in chunks."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, N_FEATURES))
    centres = 0.3 * rng.standard_normal((N_CLASSES, N_FEATURES), dtype=np.float32)
    for start in range(0, n, 10_000):
        piece = X[start : start + 10_000]
        rng.standard_normal(out=(noise := np.empty(piece.shape, np.float32)), dtype=np.float32)
        np.add(noise, centres[labels(n)[start : start + 10_000]], out=piece)
    X.flush()


def labels(n: int) -> NDArray:
    return np.arange(n) % N_CLASSES


def in_fresh_process(tool: str, path: Path | None) -> tuple[float | None, float, float]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(measure, tool, path).result()


def measure(tool: str, path: Path | None) -> tuple[float | None, float, float]:
    """Return growth and allocation in megabytes, and the seconds of one epoch."""
    warnings.simplefilter("ignore")
    model = make_model(tool)
    if path is None:
        X = np.random.default_rng(0).integers(0, 4, (N_IMAGES, N_FEATURES), dtype=np.uint8)
    else:
        X = np.load(path, mmap_mode="r")
    y = labels(len(X))
    model.fit(np.array(X[:1000]), y[:1000])
    tracemalloc.start()
    start = time.perf_counter()
    with sampled_growth() as sampled:
        model.fit(X, y)
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    growth = None if sampled.growth is None else sampled.growth / MEGABYTE
    return growth, peak / MEGABYTE, seconds


def make_model(tool: str) -> Any:
    if tool == "skscratch":
        from skscratch import ScratchMLPClassifier as Classifier
    else:
        from sklearn.neural_network import MLPClassifier as Classifier
    return Classifier(
        (100,),
        solver="sgd",
        alpha=1e-4,
        batch_size=200,
        learning_rate_init=0.01,
        max_iter=1,
        n_iter_no_change=1,
        random_state=0,
    )


@contextmanager
def sampled_growth():
    """Sample the process's anonymous memory in a thread; only Linux reports it."""
    result = SimpleNamespace(growth=None)
    before = anonymous_memory()
    if before is None:
        yield result
        return
    highest, done = before, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield result
    finally:
        done.set()
        watcher.join()
        result.growth = highest - before


def anonymous_memory() -> int | None:
    """Return the bytes of memory that belong to this process and to no file; None if unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text().splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    return None


if __name__ == "__main__":
    sys.exit(main())
