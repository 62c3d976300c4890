"""Stopping: when training has done its work, and which parameters it hands over.

Each class owns one decision. None of them outlives a fit.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Patience:
    """Spent after ``n_iter_no_change`` epochs in a row without an improvement that counts.

    An improvement counts if the watched value, of which less is better, falls more than ``tol`` below the last
    value that counted (Prechelt 1998, section 2). Slow progress in many small steps therefore counts in the end.
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

    def __init__(self, theta: NDArray) -> None:
        self._theta = theta.copy()
        self.value = math.inf
        self.epoch = 0

    def offer(self, value: float, theta: NDArray, epoch: int) -> None:
        """Keep theta if its value is below every one before."""
        if value < self.value:
            np.copyto(self._theta, theta)
            self.value, self.epoch = value, epoch

    def restore(self, theta: NDArray) -> None:
        """Overwrite theta with the best parameters, if any epoch was offered."""
        if self.epoch:
            np.copyto(theta, self._theta)


def diverged(loss: float, theta: NDArray) -> bool:
    """Return whether the loss or any parameter has left the finite numbers."""
    return not (math.isfinite(loss) and np.isfinite(theta).all())


class Checkpoint:
    """Parameters and optimizer memory as an epoch found them, so that a failed epoch can be undone."""

    def __init__(self, theta: NDArray, memory: dict[str, Any]) -> None:
        self._theta, self._memory = theta, memory
        self._saved_theta = np.empty_like(theta)
        self._saved_memory = copy.deepcopy(memory)

    def save(self) -> None:
        """Take note of the present."""
        np.copyto(self._saved_theta, self._theta)
        _copy_into(self._saved_memory, self._memory)

    def restore(self) -> None:
        """Go back to what was saved."""
        np.copyto(self._theta, self._saved_theta)
        _copy_into(self._memory, self._saved_memory)


def _copy_into(target: dict[str, Any], source: dict[str, Any]) -> None:
    for name, value in source.items():
        if isinstance(value, np.ndarray):
            np.copyto(target[name], value)
        else:
            target[name] = value
