"""Train the same networks with skscratch, scikit-learn, PyTorch and JAX, side by side.

    python benchmarks/compare.py [--rounds 5] [--limit 60] [--workloads NAME,NAME]
                                 [--threads 1|all|both] [--busy N] [--data FOLDER]
                                 [--results FILE] [--markdown FILE] [--figure FILE]
    python benchmarks/compare.py --from FILE [--markdown FILE] [--figure FILE]

For each workload, every tool trains once to warm up (JAX compiles here) and then once per round, in
turns, so a busy moment of the machine affects all of them. The results are ratios of two times of the
same round; the report has their medians and quartiles, and the final loss on the training rows. All tools
take the same number of steps. Their losses differ because each draws its own initial weights and order of
rows, and because scikit-learn's initial weights are smaller.

Each setting of the threads runs in its own process. With one thread, environment variables limit BLAS
and OpenMP before they load, and the process is bound to one core, since JAX obeys no other limit. The
clock is then the CPU time of the process, which other programs disturb least. With all threads, it is
wall-clock time. A busy machine distorts it: threads wait for each other, so tools that use several
threads lose most. The report names the load.

`--busy N` adds a table for a busy machine: all threads, while N other processes do nothing but count.
It takes a tenth of the epochs, since some tools take thirty times as long there.

`--results` saves what the report needs as JSON, and `--from` makes the report and the chart from such a file
without measuring anything.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from chart import draw
from peers import ALL_THREADS, ONE_THREAD, OURS, OURS_ABOVE, TOOLS, LeftOut, check_dtype, cross_entropy
from report import markdown, setting_of
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info
from workloads import WORKLOADS, Workload

Clock = Callable[[], float]

# A thread pool spins for a moment after its work; the next tool waits for it to stop.
PAUSE = 0.1

LIBRARIES = {"PyTorch": "torch", "JAX": "jax", "TensorFlow": "tensorflow"}
VERSIONS_OF = ["skscratch", "numpy", "scipy", "sklearn", "torch", "jax", "tensorflow"]
LIMITED_TO_ONE_THREAD = {
    name: "1"
    for name in [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "BLIS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ]
}
# Variables that change what BLAS and the other libraries do; the report names those that are set.
TELLING_PREFIXES = ("BLIS_", "GOMP_", "JAX_", "MKL_", "OMP_", "OPENBLAS_", "VECLIB_", "XLA_")


def main() -> None:
    arguments = parse_arguments()
    if arguments.measure is not None:
        result = measure(arguments)
        arguments.measure.write_text(json.dumps(result))
        return
    results = measure_all(arguments) if arguments.source is None else arguments.source
    text = markdown(results)
    print(text)
    if arguments.results is not None:
        arguments.results.write_text(as_json(results), encoding="utf-8")
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    if arguments.figure is not None:
        draw(results[0], setting_of(results[0]), arguments.figure)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Workloads: " + "; ".join(f"{workload.name} ({workload.title})" for workload in WORKLOADS),
    )
    _add_what_to_measure(parser)
    parser.add_argument(
        "--from",
        dest="source",
        type=_results,
        metavar="FILE",
        help="report these results, which --results saved; measures nothing",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="file to write the tables to")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="file to draw the chart in")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.source is not None:
        _refuse_measuring(parser, arguments)
    if arguments.figure is not None and not importlib.util.find_spec("matplotlib"):
        parser.error("--figure needs matplotlib, which is not installed; python -m pip install matplotlib")
    return arguments


def _add_what_to_measure(parser: argparse.ArgumentParser) -> None:
    """Add the options that have no effect with --from."""
    group = parser.add_argument_group("what is measured")
    group.add_argument("--rounds", type=int, default=5, help="timed runs of every tool")
    group.add_argument(
        "--limit", type=float, default=60, help="seconds after which a workload has no next round"
    )
    group.add_argument(
        "--workloads", type=_names, default=list(WORKLOADS), help="names, with commas; default all"
    )
    group.add_argument("--threads", choices=["1", "all", "both"], default="both")
    group.add_argument("--busy", type=int, default=0, metavar="N", help="add a table with N busy processes")
    group.add_argument("--data", type=Path, help="folder with MNIST's IDX files, plain or gzip")
    group.add_argument("--results", type=Path, metavar="FILE", help="JSON file to save the results in")


def _refuse_measuring(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with an error if --from stands beside an option that says what to measure."""
    names = ["rounds", "limit", "workloads", "threads", "busy", "data", "results"]
    given = [f"--{name}" for name in names if getattr(arguments, name) != parser.get_default(name)]
    if given:
        parser.error(f"--from measures nothing, so {', '.join(given)} has no effect; leave it out")


def _names(text: str) -> list[Workload]:
    known = {workload.name: workload for workload in WORKLOADS}
    unknown = [name for name in text.split(",") if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown workloads {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return [known[name] for name in text.split(",")]


def _results(path: str) -> list[dict[str, Any]]:
    """Read what --results saved."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{error}; it must be a file that --results saved") from error


def as_json(results: list[dict[str, Any]]) -> str:
    """Return the results as JSON, with every list of numbers on one line."""
    text = json.dumps(results, ensure_ascii=False, indent=1)
    return re.sub(r"\[[^][{}]*\]", lambda match: " ".join(match[0].split()), text) + "\n"


def measure_all(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every setting of the threads that was asked for."""
    settings = ["1", "all"] if arguments.threads == "both" else [arguments.threads]
    results = [run_in_child(setting, 0) for setting in settings]
    if arguments.busy:
        with other_processes(arguments.busy):
            results.append(run_in_child("all", arguments.busy))
    return results


def run_in_child(setting: str, busy: int) -> dict[str, Any]:
    """Measure in a fresh process, with the threads set before anything is imported there."""
    variables = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    if setting == "1":
        variables |= LIMITED_TO_ONE_THREAD
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        # Of repeated options, the last one counts.
        options = ["--threads", setting, "--busy", str(busy), "--measure", str(path)]
        command = [sys.executable, *sys.argv, *options]
        subprocess.run(command, env=variables, check=True)
        return json.loads(path.read_text())


@contextmanager
def other_processes(n: int) -> Iterator[None]:
    """Context manager in which n other processes count without end."""
    counting = [sys.executable, "-c", "n = 0\nwhile True: n += 1"]
    processes = [subprocess.Popen(counting) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


# In the child


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    one_thread = arguments.threads == "1"
    if one_thread and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    clock = time.process_time if one_thread else time.perf_counter
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    # The number of epochs is fixed here; scikit-learn warns that it has not converged.
    warnings.simplefilter("ignore", ConvergenceWarning)
    installed = {
        tool for tool in TOOLS["fit"] if tool not in LIBRARIES or importlib.util.find_spec(LIBRARIES[tool])
    }
    results = {
        workload.name: measure_workload(workload, arguments, clock, installed)
        for workload in arguments.workloads
        if not (one_thread and workload.kind == "search")  # a search runs two processes
    }
    return {
        "threads": 1 if one_thread else count_cores(),
        "busy": arguments.busy,
        "clock": "CPU time" if one_thread else "wall-clock time",
        "load": load,
        "environment": environment(),
        "data": "real MNIST" if arguments.data else "random images in the shape of MNIST",
        "rounds": arguments.rounds,
        "missing": sorted(set(TOOLS["fit"]) - installed),
        "workloads": results,
    }


def measure_workload(
    workload: Workload, arguments: argparse.Namespace, clock: Clock, installed: set[str]
) -> dict[str, Any]:
    """Prepare all tools, warm them up, then time them in turns."""
    problem = workload.load(arguments.data, shorter=10 if arguments.busy else 1)
    runs: dict[str, Callable[[], Any]] = {}
    losses: dict[str, float | None] = {}
    left_out: dict[str, str] = {}
    for tool, prepare in TOOLS[workload.kind].items():
        if tool not in installed or (arguments.threads == "1" and tool in (ONE_THREAD, ALL_THREADS)):
            continue
        if workload.alone and tool != OURS:
            continue
        try:
            runs[tool] = prepare(problem)
        except LeftOut as reason:
            left_out[tool] = str(reason)
            continue
        result = runs[tool]()
        check_dtype(problem, result)
        losses[tool] = cross_entropy(problem, result)
    seconds: dict[str, list[float]] = {tool: [] for tool in runs}
    tools = list(runs)
    start = time.perf_counter()
    for i in range(arguments.rounds):
        if i and time.perf_counter() - start > arguments.limit:
            print(f"{workload.name}: stopped after {i} rounds", file=sys.stderr)
            break
        first = i % len(tools)
        for tool in tools[first:] + tools[:first]:
            seconds[tool].append(time_one(runs[tool], clock))
    count = workload.count(problem)
    mine = 1e3 * statistics.median(seconds[OURS]) / count
    print(f"{workload.name}: {mine:.4g} ms per {workload.unit}", file=sys.stderr, flush=True)
    return {
        "title": workload.title,
        "unit": workload.unit,
        "seconds": significant(statistics.median(seconds[OURS]) / count),
        "ratios": {tool: quartiles(seconds, tool) for tool in seconds if tool != OURS},
        "losses": {tool: significant(loss) for tool, loss in losses.items() if loss is not None},
        "left_out": left_out,
    }


def quartiles(seconds: dict[str, list[float]], tool: str) -> list[float]:
    """Return the quartiles of a tool's time over ours, or of ours over that of the tools in OURS_ABOVE."""
    mine, other = np.array(seconds[OURS]), np.array(seconds[tool])
    ratios = mine / other if tool in OURS_ABOVE else other / mine
    return [significant(ratio) for ratio in np.percentile(ratios, [25, 50, 75])]


def significant(value: float) -> float:
    """Round to five significant digits, more than any table shows."""
    return float(f"{value:.5g}")


def time_one(run: Callable[[], Any], clock: Clock) -> float:
    gc.collect()
    time.sleep(PAUSE)
    start = clock()
    run()
    return clock() - start


def count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Return what a reader must know to compare this table with another."""
    versions = {"Python": platform.python_version()}
    for name in VERSIONS_OF:
        if importlib.util.find_spec(name):
            versions[name] = getattr(importlib.import_module(name), "__version__", "unknown")
    return {
        "cpu": f"{_cpu_name()}, {platform.system()}",
        "cores": count_cores(),
        "versions": versions,
        "pools": _thread_pools(),
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(TELLING_PREFIXES)
        },
    }


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _thread_pools() -> list[str]:
    pools = []
    for pool in threadpool_info():
        library = Path(pool["filepath"]).name.split(".")[0].split("-")[0]
        kernel = f", {pool['architecture']} kernels" if "architecture" in pool else ""
        n = pool["num_threads"]
        pools.append(f"{library} ({n} thread{'s' if n != 1 else ''}{kernel})")
    return sorted(set(pools))


if __name__ == "__main__":
    main()
