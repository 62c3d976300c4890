"""Count operations and allocations: the counts are the same on a busy and on an idle machine.

    python benchmarks/counts.py [--check FILE] [--record FILE]

It counts the cost of one step of `fit` on dense float32 rows, for some networks:

- NumPy calls: functions, ufuncs and methods of arrays that skscratch calls. Operators between arrays
  are not calls; they count as instructions.
- instructions: bytecodes that the interpreter executes in skscratch.
- large allocations: source lines that allocate at least one number for each row of the batch.

For the whole fit, it measures the peak of memory beyond X and y, the memory that remains afterwards,
and the size of the weights for comparison.

A count per step is the difference between a fit with many steps and one with fewer, divided by the
difference in steps. So it excludes costs per call or per epoch. `--record` writes the counts to a file.
`--check` compares with such a file and fails if a count grew by more than 5 %. Counts depend on the
versions of Python, NumPy and scikit-learn; a file from other versions is not compared.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import sys
import threading
import tracemalloc
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

PACKAGE = "skscratch"
TOLERANCE = 1.05


@dataclass(frozen=True)
class Net:
    """A network, and the two numbers of batches that are compared."""

    name: str
    n_features: int
    hidden: tuple[int, ...]
    n_classes: int
    batch_size: int
    few: int
    many: int

    def data(self, n_batches: int) -> tuple[NDArray, NDArray]:
        rng = np.random.default_rng(0)
        n = n_batches * self.batch_size
        X = rng.standard_normal((n, self.n_features), dtype=np.float32)
        return X, np.arange(n) % self.n_classes

    def fit(self, X: NDArray, y: NDArray) -> Any:
        # Imported here, because NumPy's calls must be counted from the import on.
        from skscratch import ScratchMLPClassifier

        model = ScratchMLPClassifier(
            self.hidden,
            activation="relu",
            solver="sgd",
            alpha=1e-4,
            batch_size=self.batch_size,
            learning_rate_init=0.01,
            max_iter=1,
            n_iter_no_change=1,
            random_state=0,
        )
        return model.fit(X, y)


CALLS, INSTRUCTIONS, ALLOCATIONS, MEMORY = (
    "NumPy calls per step",
    "instructions per step",
    "large allocations per step",
    "memory",
)
TINY = Net("2-5-3, batch 100", 2, (5,), 3, 100, 128, 256)
SMALL = Net("64-32-10, batch 32", 64, (32,), 10, 32, 128, 256)
MEDIUM = Net("784-100-10, batch 200", 784, (100,), 10, 200, 10, 20)
# A vector of this batch is larger than NumPy's own casting buffers, so these are not counted.
LONG = Net("54-100-7, batch 65536", 54, (100,), 7, 65536, 2, 4)
COUNTS = [
    (TINY, CALLS),
    (TINY, INSTRUCTIONS),
    (SMALL, CALLS),
    (SMALL, INSTRUCTIONS),
    (MEDIUM, CALLS),
    (MEDIUM, INSTRUCTIONS),
    (MEDIUM, MEMORY),
    (LONG, ALLOCATIONS),
]


def count_per_step(net: Net, counting: Callable[[], Any]) -> Counter[str]:
    """Return what one step adds to the counter that the context manager `counting` yields."""
    totals = []
    with counting() as counter:
        net.fit(*net.data(net.few))  # lazy imports and caches
        for n_batches in (net.few, net.many):
            X, y = net.data(n_batches)
            counter.clear()
            net.fit(X, y)
            totals.append(Counter(counter))
    steps = net.many - net.few
    growth = {name: (totals[1][name] - totals[0][name]) / steps for name in totals[1]}
    return Counter({name: value for name, value in growth.items() if value})


# NumPy calls


class CountedFunction:
    """Replaces a NumPy function and counts the calls from the package."""

    def __init__(self, name: str, function: Any, counter: Counter[str]) -> None:
        self._name, self._function, self._counter = name, function, counter

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _is_ours(sys._getframe(1)):
            self._counter[self._name] += 1
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


@contextmanager
def numpy_calls() -> Iterator[Counter[str]]:
    """Count functions by replacing them in the module numpy, and methods by the profiler.

    The package must not be imported before, since it may keep references to functions.
    """
    if PACKAGE in sys.modules:
        raise RuntimeError(f"{PACKAGE} is already imported; count its calls in a new process.")
    counter: Counter[str] = Counter()
    originals = {name: value for name, value in vars(np).items() if _is_function(value)}
    for name, function in originals.items():
        setattr(np, name, CountedFunction(name, function, counter))

    def profile(frame: types.FrameType, event: str, function: Any) -> None:
        if event == "c_call" and _is_ours(frame) and _is_numpys(function):
            counter[function.__qualname__] += 1

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield counter
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        for name, function in originals.items():
            setattr(np, name, function)


def _is_function(value: Any) -> bool:
    kinds = (np.ufunc, types.BuiltinFunctionType, types.FunctionType, type(np.dot))
    return isinstance(value, kinds)


def _is_numpys(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    home = function if owner is None or isinstance(owner, types.ModuleType) else type(owner)
    return str(getattr(home, "__module__", "")).split(".")[0] == "numpy"


def _is_ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).split(".")[0] == PACKAGE


# Instructions and allocations


@contextmanager
def _tracing(trace: Callable[..., Any]) -> Iterator[None]:
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


@contextmanager
def instructions() -> Iterator[Counter[str]]:
    """Count the bytecodes that the package executes, by function."""
    counter: Counter[str] = Counter()

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        if not _is_ours(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            counter[frame.f_code.co_name] += 1
        return trace

    with _tracing(trace):
        yield counter


def large_allocations(n_bytes: int) -> Callable[[], Any]:
    """Count the lines of the package during which memory rose by n_bytes, even briefly."""

    @contextmanager
    def counting() -> Iterator[Counter[str]]:
        counter: Counter[str] = Counter()
        place, before = "", 0

        def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
            nonlocal place, before
            if not _is_ours(frame):
                return None
            # Between the previous event and this one, the line `place` was running.
            now, peak = tracemalloc.get_traced_memory()
            if peak - before >= n_bytes and place:
                counter[place] += 1
            # After a return, the rest of the caller's line runs.
            running = frame.f_back if event == "return" and frame.f_back else frame
            place = f"{Path(running.f_code.co_filename).name}:{running.f_lineno}"
            before = now
            tracemalloc.reset_peak()
            return trace

        tracemalloc.start()
        try:
            with _tracing(trace):
                yield counter
        finally:
            tracemalloc.stop()

    return counting


def memory_of_fit(net: Net) -> dict[str, int]:
    """Return the peak bytes of a fit, the bytes that remain, and the bytes of the weights."""
    X, y = net.data(net.many)
    net.fit(X, y)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    model = net.fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weights = sum(array.nbytes for array in (*model.coefs_, *model.intercepts_))
    return {"peak": peak - before, "left": after - before, "weights": weights}


# The table


def measure(net: Net, what: str) -> dict[str, Any]:
    """Return one kind of count; run it in a new process."""
    # Training for one epoch does not converge, which is no news here.
    warnings.simplefilter("ignore")
    if what == MEMORY:
        return memory_of_fit(net)
    counting = {
        CALLS: numpy_calls,
        INSTRUCTIONS: instructions,
        ALLOCATIONS: large_allocations(4 * net.batch_size),
    }[what]
    return dict(count_per_step(net, counting))


def measure_all() -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Return all counts by name, and the parts of each."""
    counts, details = {}, {}
    context = multiprocessing.get_context("spawn")
    for net, what in COUNTS:
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            parts = executor.submit(measure, net, what).result()
        if what == MEMORY:
            for name in ("peak", "left", "weights"):
                counts[f"{net.name}: {name}, KiB"] = round(parts[name] / 1024, 1)
        else:
            counts[f"{net.name}: {what}"] = round(sum(parts.values()), 2)
            details[f"{net.name}: {what}"] = parts
    return counts, details


def versions() -> dict[str, str]:
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "NumPy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", type=Path, help="file to compare with")
    parser.add_argument("--record", type=Path, help="file to write the counts to")
    parser.add_argument("--details", action="store_true", help="list the parts of each count")
    arguments = parser.parse_args()
    counts, details = measure_all()
    recorded = _recorded(arguments.check)
    for name, value in counts.items():
        then = f"  (recorded: {recorded[name]:g})" if name in recorded else ""
        print(f"{name:55} {value:10g}{then}")
        # Lines that allocate are always listed, other parts on demand.
        if name in details and (arguments.details or ALLOCATIONS in name):
            for part, number in Counter(details[name]).most_common():
                print(f"{'':8}{number:8.2f}  {part}")
    if arguments.record:
        content = {"versions": versions(), "counts": counts}
        arguments.record.write_text(json.dumps(content, indent=2) + "\n")
    grown = [name for name in counts if name in recorded and counts[name] > TOLERANCE * recorded[name]]
    if grown:
        print("These counts grew by more than 5 %:", "; ".join(grown))
    return 1 if grown else 0


def _recorded(path: Path | None) -> dict[str, float]:
    if path is None:
        return {}
    content = json.loads(path.read_text())
    if content["versions"] != versions():
        print(f"Not compared: {path} was recorded with other versions, {content['versions']}.")
        return {}
    return content["counts"]


if __name__ == "__main__":
    sys.exit(main())
