"""The goals for speed: what is wanted of which workloads, and whether the results meet it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peers import ADAM, FLOOR, ONE_THREAD, OURS_ABOVE
from workloads import WORKLOADS

STEPS = [w.name for w in WORKLOADS if w.unit == "step"]
SMALLEST = ["clusters", "digits-32"]
SPARSE = ["sparse", "text", "text-200000"]


@dataclass(frozen=True)
class Goal:
    """A bound on the median ratio of a tool: a lower one for other tools, an upper one for skscratch's own.

    ``busy`` says whether the goal is for the busy machine or for the quiet one; None means both.
    """

    text: str
    tool: str
    workloads: list[str]
    bound: float
    busy: bool | None = None

    @property
    def is_upper_bound(self) -> bool:
        return self.tool in (*OURS_ABOVE, ADAM)

    def holds(self, ratio: float) -> bool:
        return ratio <= self.bound if self.is_upper_bound else ratio >= self.bound

    def applies_to(self, result: dict[str, Any]) -> bool:
        return self.busy is None or self.busy == (result["busy"] > 0)

    def medians(self, result: dict[str, Any]) -> dict[str, float]:
        """Return the median ratio of each workload that was measured, by the workload's title."""
        measured = [line for name, line in result["workloads"].items() if name in self.workloads]
        return {
            line["title"]: line["ratios"][self.tool][1] for line in measured if self.tool in line["ratios"]
        }

    def verdict(self, result: dict[str, Any]) -> list[str] | None:
        """Return met or missed, the worst ratio and its workload; None if there is no result for the goal."""
        medians = self.medians(result) if self.applies_to(result) else {}
        if not medians:
            return None
        missed = sum(not self.holds(ratio) for ratio in medians.values())
        worst = (max if self.is_upper_bound else min)(medians, key=lambda title: medians[title])
        share = f" in {missed} of {len(medians)}" if len(medians) > 1 else ""
        return [f"**missed**{share}" if missed else "met", f"{medians[worst]:.2f}", worst]


GOALS = [
    Goal(
        "faster than JAX with 100 hidden units or more, and on 784-15-10",
        "JAX",
        [name for name in STEPS if name not in (*SMALLEST, *SPARSE)],
        1.0,
    ),
    Goal("at least 0.7 times as fast as JAX on 2-5-3 and 64-32-10", "JAX", SMALLEST, 0.7),
    Goal("at least 5 times as fast as scikit-learn on 2-5-3 and 64-32-10", "scikit-learn", SMALLEST, 5.0),
    Goal("faster than PyTorch on every network", "PyTorch", STEPS, 1.0),
    Goal("at least 5 times as fast as scikit-learn on text", "scikit-learn", ["text"], 5.0),
    Goal("not slower than scikit-learn on uniformly sparse rows", "scikit-learn", ["sparse"], 1.0),
    Goal(
        "at most 1.4 times the matrix products alone on 784-100-10",
        FLOOR,
        ["mnist-100-32bit", "mnist-100-64bit"],
        1.4,
    ),
    Goal("at most 1.25 times the matrix products alone on 784-512-512-10", FLOOR, ["mnist-512"], 1.25),
    Goal("fixed cost of a fit not above scikit-learn's", "scikit-learn", ["one-epoch"], 1.0),
    Goal("prediction of one row not slower than scikit-learn's", "scikit-learn", ["predict-1"], 1.0),
    Goal(
        "an Adam step at most 1.3 times an SGD step",
        ADAM,
        [name for name in STEPS if name not in SPARSE],
        1.3,
    ),
    Goal(
        "with several cores, quiet: at most 1.05 times as long as on one thread",
        ONE_THREAD,
        STEPS,
        1.05,
        busy=False,
    ),
    Goal(
        "with several cores, one busy: at most 1.4 times as long as on one thread, up to 784-100-10",
        ONE_THREAD,
        [name for name in STEPS if name != "mnist-512"],
        1.4,
        busy=True,
    ),
]
