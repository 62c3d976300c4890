"""A chart of the comparison: each library's time over ours, for each network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# Hues that stay apart for colour-blind readers, and in grey by their markers.
STYLES = {
    "scikit-learn": {"color": "#d97706", "marker": "s"},
    "PyTorch": {"color": "#1d4ed8", "marker": "o"},
    "JAX": {"color": "#047857", "marker": "D"},
    "TensorFlow": {"color": "#6b7280", "marker": "^"},
}
TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
MARGIN = 1.25  # of the axis, as a factor beyond the lowest and the highest ratio


def draw(result: dict[str, Any], setting: str, path: Path) -> None:
    """Draw the median ratios of the training steps in one setting of the threads, on a log scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = [line for line in result["workloads"].values() if line["unit"] == "step" and _measured(line)]
    if not lines:
        raise SystemExit("Nothing to draw: no training step was measured with another library.")
    with plt.rc_context({"font.size": 11}):
        figure, axes = plt.subplots(figsize=(7, 0.8 + 0.52 * len(lines)), layout="constrained")
        _draw_background(axes, len(lines))
        for tool in _measured(*lines):
            _draw_tool(axes, lines, tool, _measured(*lines))
        _label(axes, lines)
        axes.set_xlabel(f"time of the library / time of skscratch\n{setting}")
        figure.legend(loc="outside upper center", ncols=len(STYLES), frameon=False, handletextpad=0.2)
        figure.savefig(path, dpi=200)
    plt.close(figure)


def _measured(*lines: dict[str, Any]) -> list[str]:
    return [tool for tool in STYLES if any(tool in line["ratios"] for line in lines)]


def _draw_background(axes: Any, n: int) -> None:
    """Draw a band behind every other network, and the line of those that are as fast as skscratch."""
    for i in range(0, n, 2):
        axes.axhspan(i - 0.5, i + 0.5, color="0.95", linewidth=0, zorder=0)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="0.85", linewidth=0.8)
    axes.axvline(1, color="0.2", linewidth=1.5, zorder=1)
    for text, dx, side in [("faster", -6, "right"), ("slower than skscratch", 6, "left")]:
        axes.annotate(
            text,
            (1, -0.5),
            xytext=(dx, 3),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color="0.25",
        )


def _draw_tool(axes: Any, lines: list[dict[str, Any]], tool: str, tools: list[str]) -> None:
    """Draw a tool's ratios as points, each with a line from 1, beside those of the other tools."""
    shift = 0.27 * (tools.index(tool) - (len(tools) - 1) / 2)
    rows = [i for i, line in enumerate(lines) if tool in line["ratios"]]
    y = [i + shift for i in rows]
    x = [lines[i]["ratios"][tool][1] for i in rows]
    style = STYLES[tool]
    axes.hlines(y, 1, x, color=style["color"], linewidth=2, alpha=0.5, zorder=2)
    axes.plot(x, y, linestyle="none", markersize=6.5, label=tool, zorder=3, **style)


def _label(axes: Any, lines: list[dict[str, Any]]) -> None:
    ratios = [line["ratios"][tool][1] for line in lines for tool in _measured(line)]
    low, high = min(1, *ratios) / MARGIN, max(1, *ratios) * MARGIN
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set(xscale="log", xlim=(low, high), ylim=(len(lines) - 0.5, -0.5))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    # Words before the sizes take a line of their own.
    names = [re.sub(r"^(\D+) (?=\d)", r"\1\n", line["title"]) for line in lines]
    axes.set_yticks(range(len(lines)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
