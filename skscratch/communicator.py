"""Team: the processes that train one network together, each of them on its own rows.

Whatever training has to know of *all* rows it asks its team for. :class:`Alone` is the team of one process,
for which its own rows are all rows; read over it and nothing is lost. :mod:`skscratch.parallel` has the team
of many.

====== ==============================================================================
symbol meaning
====== ==============================================================================
g_r    mean gradient of the rows that member r has in the joint batch
n_r    number of those rows
====== ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from .targets import ClassEncoding


class Communicator(Protocol):
    """What training asks of a team. Each question is put by all members, in the same order."""

    rank: int
    size: int

    def check_agreement(self, parameters: Mapping[str, Any], **optional: Any) -> None:
        """Raise, on all members, unless they can train together.

        They must bring the same parameters of the estimator, and pass the same of the optional arrays.
        """

    def union(self, encoding: ClassEncoding) -> ClassEncoding:
        """Return the labels that any member has seen."""

    def broadcast(self, theta: NDArray, state: Mapping[str, Any], encoding: ClassEncoding) -> None:
        """Overwrite theta, and the optimizer's vectors in the state, with the first member's."""

    def sum(self, *numbers: float) -> tuple[Any, ...]:
        """Return the sum over all members of each number; whole numbers stay whole."""

    def max(self, number: float) -> float:
        """Return the largest of all members' numbers."""

    def average_gradient(self, gradient: NDArray, n_rows: int) -> int:
        """Turn the mean gradient of n_rows rows into that of the joint batch, and return how many that has.

        gradient <- sum_r n_r g_r / sum_r n_r

        A member without rows (n_rows = 0) need not bring a gradient. If nobody has rows, gradient is left.
        """


class SingleProcess:
    """The team of one process."""

    rank = 0
    size = 1

    def check_agreement(self, parameters: Mapping[str, Any], **optional: Any) -> None:
        """Nobody else has parameters."""

    def union(self, encoding: ClassEncoding) -> ClassEncoding:
        """There are no other labels."""
        return encoding

    def broadcast(self, theta: NDArray, state: Mapping[str, Any], encoding: ClassEncoding) -> None:
        """Nobody disagrees."""

    def sum(self, *numbers: float) -> tuple[Any, ...]:
        """The numbers are the sums."""
        return numbers

    def max(self, number: float) -> float:
        """The number is the largest."""
        return number

    def average_gradient(self, gradient: NDArray, n_rows: int) -> int:
        """The gradient is the mean."""
        return n_rows


SINGLE_PROCESS = SingleProcess()
