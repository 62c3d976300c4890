"""Stopping: when training has done its work, and which parameters it hands over.

Each class owns one decision. None of them outlives a fit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .state import TrainingState


class Patience:
    """Spent after ``n_iter_no_change`` epochs in a row without an improvement that counts.

    An improvement counts if the watched value, of which less is better, falls more than ``tol`` below the
    last value that counted (Prechelt 1998, section 2). So slow progress in small steps counts in the end.
    """

    def __init__(self, n_iter_no_change: float, tol: float) -> None:
        self.limit, self._tol = n_iter_no_change, tol
        self.restart()

    def restart(self) -> None:
        """Forget what was seen: the next value counts."""
        self._reference = math.inf
        self._stale = 0

    def is_spent_by(self, value: float) -> bool:
        """Take in the value of one epoch and tell whether patience is at its end."""
        if value < self._reference - self._tol or math.isinf(self._reference):
            self._reference, self._stale = value, 0
        else:
            self._stale += 1
        return self._stale >= self.limit


class Best:
    """The parameters of the epoch with the lowest watched value; a copy, never an alias."""

    def __init__(self) -> None:
        self._kept: tuple[float, int, NDArray | None] = (math.inf, 0, None)

    @property
    def value(self) -> float:
        """The lowest value so far."""
        return self._kept[0]

    @property
    def epoch(self) -> int:
        """The epoch that it belongs to; 0 before there is one."""
        return self._kept[1]

    def offer(self, value: float, theta: NDArray, epoch: int) -> None:
        """Keep a copy of theta if its value is below every one before."""
        if value < self.value:
            self._kept = (value, epoch, theta.copy())

    def restore(self, theta: NDArray) -> None:
        """Overwrite theta with the best parameters, if any were offered."""
        if self._kept[2] is not None:
            np.copyto(theta, self._kept[2])


ALARM = 100.0


def diverged(loss: float, theta: NDArray, present_loss: Callable[[], float]) -> bool:
    """Return whether the loss or any parameter has left the finite numbers.

    The loss of an epoch is measured while the parameters still move. Where it is alarmingly high, the one of
    the parameters that the epoch left behind is computed as well.
    """
    if not (math.isfinite(loss) and np.isfinite(theta).all()):
        return True
    return loss > ALARM and not math.isfinite(present_loss())


class Checkpoint:
    """A training as it stood after its last whole epoch, so that what came after can be undone.

    It is complete when it exists, and is put in the place of the one before by a single assignment: an
    interrupt at any moment finds either the one or the other.
    """

    def __init__(self, theta: NDArray, state: TrainingState, n_reports: int) -> None:
        self.n_reports = n_reports
        # Of all that the state holds, only the optimizer's vectors are changed in place.
        memory = {name: copy.copy(value) for name, value in state.memory.items()}
        self._theta, self._state = theta.copy(), vars(state) | {"memory": memory}

    def restore(self, theta: NDArray, state: TrainingState) -> None:
        """Bring theta, the optimizer's memory and the rest of the state back to what they were."""
        np.copyto(theta, self._theta)
        for name, value in self._state["memory"].items():
            if isinstance(value, np.ndarray):
                np.copyto(state.memory[name], value)
            else:
                state.memory[name] = value
        vars(state).update({name: value for name, value in self._state.items() if name != "memory"})
