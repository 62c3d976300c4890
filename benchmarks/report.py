"""The report of the comparison: tables of medians, goals, and the details behind them."""

from __future__ import annotations

from typing import Any

from goals import GOALS
from peers import ADAM, ALL_THREADS, FLOOR, ONE_THREAD, OURS

COLUMNS = {
    "scikit-learn": "scikit-learn",
    "PyTorch": "PyTorch",
    "JAX": "JAX",
    "TensorFlow": "TensorFlow",
    FLOOR: "skscratch / products",
    ADAM: "Adam / SGD",
}
MORE_COLUMNS = {
    ONE_THREAD: "skscratch / one thread",
    ALL_THREADS: "all threads / skscratch",
}
GOAL_COLUMNS = ["goal", "result", "worst ratio", "where"]

NOTE = """\
The column "skscratch, ms" is its time in milliseconds: of one training step or, in the last rows, of the
whole call. The columns of the other libraries are their time divided by that of skscratch: above 1 they are
slower, below 1 faster. JAX is compiled. "skscratch / products" divides a step of skscratch by its matrix
products alone, and "Adam / SGD" a step with Adam by a step with SGD. All ratios are medians. The data are
float32 unless the row says float64. What is empty was not measured.
"""

GOALS_NOTE = """\
The worst ratio is the median ratio that misses the goal most, or that meets it with the smallest margin.
"""

DETAILS_NOTE = """\
The quartiles are those of the ratios over the rounds. A single number means that the rounds agree to two
decimals, or that there was only one. "skscratch / one thread" divides the time of skscratch by its time with
BLAS held to one thread by threadpoolctl. "all threads / skscratch" divides the time inside
`all_blas_threads()` by the time of the default. The final loss is the cross-entropy on the training rows,
for predict_proba on the predicted rows.
"""


def markdown(results: list[dict[str, Any]]) -> str:
    """Return the whole report; the documentation shows its parts, which begin with a comment, one by one."""
    parts = ["<!-- medians -->\n", NOTE]
    for result in results:
        parts += [f"### {setting_of(result)}\n", _table(_medians(result), align_right=True)]
    parts += ["<!-- machine -->\n", _surroundings(results[0])]
    parts += ["<!-- goals -->\n", GOALS_NOTE, _table(_first_verdicts(results))]
    parts += ["<!-- details -->\n", DETAILS_NOTE]
    for result in results:
        parts += [*_details(result), *(_goals_of(result) if result is not results[0] else [])]
    return "\n".join(part for part in parts if part)


def setting_of(result: dict[str, Any]) -> str:
    """Return the number of threads and of busy processes, as a heading."""
    threads = "One thread" if result["threads"] == 1 else f"{result['threads']} threads"
    busy = result["busy"]
    return f"{threads}, beside {busy} busy process{'es' if busy > 1 else ''}" if busy else threads


def _surroundings(result: dict[str, Any]) -> str:
    environment = result["environment"]
    versions = ", ".join(f"{name} {value}" for name, value in environment["versions"].items())
    lines = [
        f"CPU: {environment['cpu']}, {environment['cores']} cores. Versions: {versions}.",
        f"Up to {result['rounds']} rounds. The data of the networks with 784 features: {result['data']}.",
    ]
    if result["missing"]:
        lines.append(f"Not installed, so not measured: {', '.join(result['missing'])}.")
    return "\n".join(lines) + "\n"


# Medians


def _medians(result: dict[str, Any]) -> list[list[str]]:
    lines = result["workloads"].values()
    tools = _tools(result, COLUMNS)
    rows = [["network, batch", "skscratch, ms", *tools.values()]]
    for line in lines:
        rows.append([line["title"], _milliseconds(line), *(_median(line, tool) for tool in tools)])
    return rows


def _tools(result: dict[str, Any], columns: dict[str, str]) -> dict[str, str]:
    """Return those of the columns that hold anything."""
    lines = result["workloads"].values()
    return {tool: name for tool, name in columns.items() if any(tool in line["ratios"] for line in lines)}


def _milliseconds(line: dict[str, Any]) -> str:
    value = 1e3 * line["seconds"]
    return f"{value:#.3g}".rstrip(".") if value < 999.5 else f"{value:,.0f}"


def _median(line: dict[str, Any], tool: str) -> str:
    if tool not in line["ratios"]:
        return ""
    median = line["ratios"][tool][1]
    return f"{median:.2f}" if median < 2 else f"{median:.1f}"


# Goals


def _first_verdicts(results: list[dict[str, Any]]) -> list[list[str]]:
    """Return each goal's verdict in the first setting in which it was measured."""
    rows = [GOAL_COLUMNS]
    for goal in GOALS:
        verdicts = [verdict for result in results if (verdict := goal.verdict(result))]
        rows.append([goal.text, *(verdicts[0] if verdicts else ["not measured", "", ""])])
    return rows


def _goals_of(result: dict[str, Any]) -> list[str]:
    verdicts = [(goal.text, goal.verdict(result)) for goal in GOALS]
    rows = [[text, *verdict] for text, verdict in verdicts if verdict]
    return ["#### Goals\n", _table([GOAL_COLUMNS, *rows])] if rows else []


# Details


def _details(result: dict[str, Any]) -> list[str]:
    return [
        f"### {setting_of(result)}\n",
        _pools(result),
        "#### Quartiles\n",
        _table(_quartiles(result), align_right=True),
        _left_out(result),
        "#### Final losses\n",
        _table(_losses(result), align_right=True),
    ]


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


def _quartiles(result: dict[str, Any]) -> list[list[str]]:
    tools = _tools(result, COLUMNS | MORE_COLUMNS)
    rows = [["network, batch", *tools.values()]]
    for line in result["workloads"].values():
        if line["ratios"]:
            rows.append([line["title"], *(_range(line, tool) for tool in tools)])
    return rows


def _range(line: dict[str, Any], tool: str) -> str:
    if tool not in line["ratios"]:
        return ""
    low, _, high = (f"{ratio:.2f}" for ratio in line["ratios"][tool])
    return low if low == high else f"{low} to {high}"


def _losses(result: dict[str, Any]) -> list[list[str]]:
    names = {OURS: "skscratch"} | COLUMNS | {ADAM: "skscratch, Adam"}
    lines = result["workloads"].values()
    tools = {tool: name for tool, name in names.items() if any(tool in line["losses"] for line in lines)}
    rows = [["network, batch", *tools.values()]]
    for line in lines:
        losses = [line["losses"].get(tool) for tool in tools]
        rows.append([line["title"], *("" if loss is None else f"{loss:.4f}" for loss in losses)])
    return rows


def _left_out(result: dict[str, Any]) -> str:
    reasons: dict[tuple[str, str], list[str]] = {}
    for line in result["workloads"].values():
        for tool, reason in line["left_out"].items():
            if reason:
                reasons.setdefault((tool, reason), []).append(line["title"])
    return "".join(
        f"- {(COLUMNS | MORE_COLUMNS)[tool]} was not measured on {'; '.join(titles)}: {reason}.\n"
        for (tool, reason), titles in reasons.items()
    )


# Markdown


def _table(rows: list[list[str]], align_right: bool = False) -> str:
    """Return a table in Markdown; with ``align_right``, all columns but the first hold numbers."""
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    end = ":" if align_right else "-"
    rules = ["-" * (widths[0] + 2), *("-" * (width + 1) + end for width in widths[1:])]
    lines.insert(1, "|" + "|".join(rules) + "|")
    return "\n".join(lines) + "\n"
