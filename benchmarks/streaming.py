"""Measure `partial_fit` on hashed text: its time and memory beside those of the parameters.

    python benchmarks/streaming.py [--units 32] [--chunks 10]

Chunks of 1,000 rows of 64 words, hashed to more and more features, are passed to `partial_fit`, each
number of features in a process of its own. A chunk holds only a few of the features. So the time of its
steps is nearly the same for all of them, and what grows are the passes over all parameters: a call checks
and copies them, catches them up, and takes their norm and their largest value.

Memory is the peak of what Python and NumPy allocate, measured by tracemalloc in a second run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from workloads import words

N_ROWS, SIZES = 1000, [2**14, 2**17, 2**20]
LIMIT = 6.0  # times the parameters


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--chunks", type=int, default=10)
    arguments = parser.parse_args()
    print(f"{'features':>10} {'parameters':>12} {'a call':>10} {'peak memory / parameters':>26}")
    ratio = 0.0
    for n_features in SIZES:
        given = (n_features, arguments.units, arguments.chunks)
        seconds, _ = in_fresh_process(*given, False)
        _, ratio = in_fresh_process(*given, True)
        megabytes = 4 * n_features * arguments.units / 1e6
        print(f"{n_features:10} {megabytes:9.1f} MB {1e3 * seconds:7.0f} ms {ratio:26.2f}", flush=True)
    met = ratio <= LIMIT
    print(f"at most {LIMIT:g} times the parameters: {'met' if met else 'missed'}")
    return int(not met)


def in_fresh_process(n_features: int, units: int, n_chunks: int, traced: bool) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(measure, n_features, units, n_chunks, traced).result()


def measure(n_features: int, units: int, n_chunks: int, traced: bool) -> tuple[float, float]:
    """Return the median seconds of a call after the first one, and the peak memory over the parameters."""
    from skscratch import ScratchMLPClassifier

    clf = ScratchMLPClassifier(units, alpha=1e-4, random_state=0)
    chunks = [words(N_ROWS, n_features, seed=i) for i in range(n_chunks)]
    chunks = [(X.astype(np.float32), y) for X, y in chunks]
    if traced:
        tracemalloc.start()
    seconds = []
    for X, y in chunks:
        start = time.perf_counter()
        clf.partial_fit(X, y, classes=range(10))
        seconds.append(time.perf_counter() - start)
    peak = tracemalloc.get_traced_memory()[1] if traced else 0
    parameters = sum(array.nbytes for array in (*clf.coefs_, *clf.intercepts_))
    return statistics.median(seconds[1:]), peak / parameters


if __name__ == "__main__":
    sys.exit(main())
