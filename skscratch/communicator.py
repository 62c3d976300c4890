"""Communicator: the collective operations of data-parallel training.

Training asks its communicator for every value that depends on the rows of *all* processes. Without MPI there
is a :class:`SingleProcess`, whose methods change nothing; skip this file at first.
:class:`skscratch.parallel.MPICommunicator` connects the ranks of MPI.

====== ==============================================================================
symbol meaning
====== ==============================================================================
g_r    mean gradient of the rows of process r in the global batch
n_r    number of those rows
====== ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from .targets import ClassEncoding


class Communicator(Protocol):
    """The interface. Every method is collective: all processes call it, in the same order."""

    rank: int
    size: int

    def check_agreement(self, parameters: Mapping[str, Any], **optional: Any) -> None:
        """Raise, on all processes, unless they can train together.

        Their estimators must have the same parameters, and the same optional arrays must be passed.
        """

    def union(self, encoding: ClassEncoding) -> ClassEncoding:
        """Return the encoding of the classes of all processes."""

    def broadcast(self, theta: NDArray, state: Mapping[str, Any], encoding: ClassEncoding) -> None:
        """Overwrite theta, and the optimizer's vectors in the state, with those of process 0."""

    def sum(self, *numbers: float) -> tuple[Any, ...]:
        """Return the sum of each number over all processes; a sum of integers is an integer."""

    def max(self, number: float) -> float:
        """Return the maximum of the number over all processes."""

    def average_gradient(self, gradient: NDArray, n_rows: int) -> int:
        """Average the gradient over the global batch, in place; return the number of rows in that batch.

        gradient <- sum_r n_r g_r / sum_r n_r

        The gradient of a process without rows (n_rows = 0) is ignored. If no process has rows, gradient is
        left unchanged.
        """


class SingleProcess:
    """The communicator of a single process, whose own rows are all rows."""

    rank = 0
    size = 1

    def check_agreement(self, parameters: Mapping[str, Any], **optional: Any) -> None:
        """Do nothing: there is no other process."""

    def union(self, encoding: ClassEncoding) -> ClassEncoding:
        """Return the encoding unchanged."""
        return encoding

    def broadcast(self, theta: NDArray, state: Mapping[str, Any], encoding: ClassEncoding) -> None:
        """Do nothing: theta and the state are already those of process 0."""

    def sum(self, *numbers: float) -> tuple[Any, ...]:
        """Return the numbers unchanged."""
        return numbers

    def max(self, number: float) -> float:
        """Return the number unchanged."""
        return number

    def average_gradient(self, gradient: NDArray, n_rows: int) -> int:
        """Leave the gradient unchanged and return n_rows: the batch is the global batch."""
        return n_rows


SINGLE_PROCESS = SingleProcess()
