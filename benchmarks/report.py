"""Tables of the comparison, and its goals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from peers import ADAM, ALL_THREADS, FLOOR, ONE_THREAD, OURS
from workloads import WORKLOADS

STEPS = [w.name for w in WORKLOADS if w.unit == "step"]
SMALLEST = ["clusters", "digits-32"]
SPARSE = ["sparse", "text", "text-200000"]

COLUMNS = {
    OURS: "skscratch",
    "scikit-learn": "scikit-learn",
    "PyTorch": "PyTorch",
    "JAX": "JAX",
    "TensorFlow": "TensorFlow",
    FLOOR: "skscratch ÷ matrix products alone",
    ADAM: "Adam ÷ SGD",
    ONE_THREAD: "skscratch ÷ itself on one thread",
    ALL_THREADS: "all threads ÷ skscratch",
}
# In these columns our own time is divided by the other.
OURS_ABOVE = (FLOOR, ONE_THREAD)

NOTES = """\
The column of skscratch is its time. The columns of the other tools say how many times as long they
took; below 1, they are faster. Each entry is the median ratio over the rounds, with the quartiles in
brackets. After the semicolon is the final cross-entropy on the training rows (for predict_proba, on the
predicted rows). All tools take the same number of steps; their losses differ because each draws its own
initial weights and order of rows, and because scikit-learn's initial weights are smaller. The matrix
products alone are `np.dot(..., out=)`: forward, weight gradient, input gradient. Adam ÷ SGD compares
skscratch with itself. Where a column says "on one thread", BLAS was held to one thread by threadpoolctl;
"all threads" is skscratch inside `all_blas_threads()`.
"""


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio of a column: a lower one for other tools, an upper one for ours against ourselves.

    ``busy`` says whether the goal is for the busy machine or for the quiet one; None means both.
    """

    text: str
    tool: str
    workloads: list[str]
    bound: float
    busy: bool | None = None

    def holds(self, ratio: float) -> bool:
        return ratio <= self.bound if self.tool in (*OURS_ABOVE, ADAM) else ratio >= self.bound


GOALS = [
    Goal(
        "faster than JAX with 100 hidden units or more, and on 784-15-10",
        "JAX",
        [name for name in STEPS if name not in (*SMALLEST, *SPARSE)],
        1.0,
    ),
    Goal("at least 0.7 times as fast as JAX on the two smallest networks", "JAX", SMALLEST, 0.7),
    Goal(
        "at least 5 times as fast as scikit-learn on the two smallest networks", "scikit-learn", SMALLEST, 5.0
    ),
    Goal("faster than PyTorch on every training workload", "PyTorch", STEPS, 1.0),
    Goal("at least 5 times as fast as scikit-learn on text", "scikit-learn", ["text"], 5.0),
    Goal("not slower than scikit-learn on uniformly sparse rows", "scikit-learn", ["sparse"], 1.0),
    Goal(
        "at most 1.4 times the matrix products alone at 784-100-10",
        FLOOR,
        ["mnist-100-32bit", "mnist-100-64bit"],
        1.4,
    ),
    Goal("at most 1.25 times the matrix products alone at 784-512-512-10", FLOOR, ["mnist-512"], 1.25),
    Goal("fixed cost of a fit not above scikit-learn's", "scikit-learn", ["one-epoch"], 1.0),
    Goal("prediction of one row not slower than scikit-learn's", "scikit-learn", ["predict-1"], 1.0),
    Goal(
        "an Adam step at most 1.3 times an SGD step",
        ADAM,
        [name for name in STEPS if name not in SPARSE],
        1.3,
    ),
    Goal(
        "on a busy machine at most 1.4 times as long as on one thread, up to 784-100-10",
        ONE_THREAD,
        [name for name in STEPS if name != "mnist-512"],
        1.4,
        busy=True,
    ),
    Goal(
        "on a quiet machine not slower than on one thread (within 5 %)", ONE_THREAD, STEPS, 1.05, busy=False
    ),
]


def ratios(line: dict[str, Any], tool: str) -> np.ndarray | None:
    """Return a tool's time over ours for each round, or ours over theirs where the column says so."""
    if tool not in line["seconds"]:
        return None
    mine, other = np.array(line["seconds"][OURS]), np.array(line["seconds"][tool])
    return mine / other if tool in OURS_ABOVE else other / mine


def markdown(results: list[dict[str, Any]]) -> str:
    """Return the whole report: environment, one table for each setting of the threads, goals."""
    parts = [_surroundings(results[0]), NOTES]
    for result in results:
        parts += [f"### {_setting(result)}\n", _pools(result), _table(_lines(result))]
        parts += [_left_out(result)]
    parts += ["### Goals\n", _table(_goals(results))]
    return "\n".join(part for part in parts if part)


def _setting(result: dict[str, Any]) -> str:
    threads = "One thread" if result["threads"] == 1 else f"{result['threads']} threads"
    busy = result["busy"]
    return f"{threads}, {busy} busy process{'es' if busy > 1 else ''} beside" if busy else threads


def _surroundings(result: dict[str, Any]) -> str:
    environment = result["environment"]
    versions = ", ".join(f"{name} {value}" for name, value in environment["versions"].items())
    lines = [
        f"CPU: {environment['cpu']}, {environment['cores']} cores. Versions: {versions}.",
        f"Rounds: up to {result['rounds']}. MNIST: {result['data']}.",
    ]
    if result["missing"]:
        lines.append(f"Not installed, so not measured: {', '.join(result['missing'])}.")
    return "\n".join(lines) + "\n"


def _pools(result: dict[str, Any]) -> str:
    pools = ", ".join(result["environment"]["pools"])
    variables = result["environment"]["variables"]
    settings = ", ".join(f"{name}={value}" for name, value in variables.items()) or "none"
    load = result["load"]
    return (
        f"Clock: {result['clock']}. Thread pools: {pools}. "
        f"Environment variables: {settings}. "
        f"Load of the machine before the measurement: {'unknown' if load is None else f'{load:.1f}'}.\n"
    )


def _lines(result: dict[str, Any]) -> list[list[str]]:
    lines = result["workloads"].values()
    tools = [tool for tool in COLUMNS if any(tool in line["seconds"] for line in lines)]
    rows = [["workload", "dtype", *(COLUMNS[tool] for tool in tools)]]
    for line in lines:
        rows.append([line["title"], line["dtype"], *(_cell(line, tool) for tool in tools)])
    return rows


def _cell(line: dict[str, Any], tool: str) -> str:
    values = ratios(line, tool)
    if values is None:
        return ""
    loss = line["losses"][tool]
    after = "" if loss is None else f"; {loss:.4f}"
    if tool == OURS:
        milliseconds = 1e3 * np.median(line["seconds"][OURS]) / line["count"]
        time = f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.3g} s"
        return f"{time} per {line['unit']}{after}"
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]{after}"


def _left_out(result: dict[str, Any]) -> str:
    reasons: dict[tuple[str, str], list[str]] = {}
    for line in result["workloads"].values():
        for tool, reason in line["left_out"].items():
            if not reason:
                continue
            reasons.setdefault((tool, reason), []).append(line["title"])
    return "".join(
        f"Not measured: {COLUMNS[tool]} in {', '.join(titles)}: {reason}.\n"
        for (tool, reason), titles in reasons.items()
    )


def _goals(results: list[dict[str, Any]]) -> list[list[str]]:
    rows = [["goal", *(_setting(result) for result in results)]]
    for goal in GOALS:
        rows.append([goal.text, *(_verdict(goal, result) for result in results)])
    return rows


def _verdict(goal: Goal, result: dict[str, Any]) -> str:
    if goal.busy is not None and goal.busy != (result["busy"] > 0):
        return ""
    met, missed = [], []
    for name in goal.workloads:
        line = result["workloads"].get(name)
        values = None if line is None else ratios(line, goal.tool)
        if values is None:
            continue
        middle = float(np.median(values))
        (met if goal.holds(middle) else missed).append(f"{name} {middle:.2f}")
    groups = {"missed": missed, "met": met}
    parts = [f"{word}: {', '.join(names)}" for word, names in groups.items() if names]
    return "; ".join(parts) or "not measured"


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
