"""Stopping rules, checkpoints and the test for divergence.

Each object serves one training run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from .history import EpochRecord
from .schedules import Schedule
from .training_state import TrainingState

# Pairs of an array and the array that it was copied from.
Originals = Sequence[tuple[NDArray, NDArray]]


class StoppingRule(Protocol):
    """A rule that the trainer evaluates after every epoch."""

    def stops(self, record: EpochRecord) -> bool:
        """Return whether training has converged after this epoch."""


class Patience:
    """Stops after ``n_iter_no_change`` consecutive epochs without improvement.

    The monitored value improves if it falls more than ``tol`` below the reference, which is its value at the
    last improvement (Prechelt 1998, section 2). Many small steps thus add up to an improvement. When patience
    runs out, the schedule may reduce the learning rate instead; patience then starts again.
    """

    def __init__(self, n_iter_no_change: float, tol: float, schedule: Schedule | None = None) -> None:
        self._limit, self._tol = n_iter_no_change, tol
        self._schedule = Schedule() if schedule is None else schedule
        self.restart()

    def restart(self) -> None:
        """Forget the reference: the next value counts as an improvement."""
        self._reference = math.inf
        self._n_stale = 0

    def runs_out(self, value: float) -> bool:
        """Record the monitored value of one epoch; return whether patience has run out."""
        if value < self._reference - self._tol or math.isinf(self._reference):
            self._reference, self._n_stale = value, 0
        else:
            self._n_stale += 1
        return self._n_stale >= self._limit

    def stops(self, record: EpochRecord) -> bool:
        """Return whether patience has run out and the schedule does not reduce the learning rate."""
        if not self.runs_out(record.monitored):
            return False
        self.restart()
        return not self._schedule.on_plateau()


class BestCheckpoint:
    """A copy of the parameters with the lowest monitored value; ``epoch`` is 0 if there is none yet.

    Every copy is made into the same buffer. An interrupt may leave it half filled, but then theta is still
    that of the best epoch, so offering it again completes the copy.
    """

    def __init__(self) -> None:
        self.value, self.epoch = math.inf, 0
        self._theta: NDArray | None = None
        self._is_complete = True

    def offer(self, value: float, theta: NDArray, epoch: int) -> None:
        """Copy theta if its monitored value is the lowest so far."""
        if value < self.value:
            self._is_complete = False
            self.value, self.epoch = value, epoch
        if epoch == self.epoch and not self._is_complete:
            if self._theta is None:
                self._theta = np.empty_like(theta)
            np.copyto(self._theta, theta)
            self._is_complete = True

    def restore(self, theta: NDArray) -> None:
        """Overwrite theta with the best parameters, if any were offered."""
        if self._theta is not None:
            np.copyto(theta, self._theta)


class Checkpoint:
    """The parameters and the state before an epoch; ``restore`` goes back to them.

    ``save`` is called before an epoch and ``discard`` when it is complete. Arrays are copied into the same
    buffers every time. An interrupt in ``save`` may leave these half filled, but then theta and the state are
    still those before the epoch, so ``restore`` leaves them as they are.

    Parameters
    ----------
    theta : ndarray
    state : TrainingState
    originals : sequence of (array, original) pairs
        Arrays of theta or of the state that were just copied from an original. The first ``save`` copies
        nothing then: the original is the copy. It is never written to.
    """

    def __init__(self, theta: NDArray, state: TrainingState, originals: Originals = ()) -> None:
        self._state = state
        self._live = [theta, *filter(_is_array, state.memory.values())]
        found = {id(array): original for array, original in originals}
        self._originals = [found.get(id(array)) for array in self._live]
        self._copies: list[NDArray | None] = [None] * len(self._live)
        self._entry: _Entry | None = None

    def save(self, progress: Any = None) -> None:
        """Save the current parameters and state, and any other value of the epoch."""
        state = self._state
        counts = {name: value for name, value in state.memory.items() if not _is_array(value)}
        numbers = vars(state) | {"memory": counts, "rng": state.rng.bit_generator.state}
        self._entry = entry = _Entry(numbers, progress)
        for i, (array, original) in enumerate(zip(self._live, self._originals, strict=True)):
            copy = self._copies[i]
            if copy is None and original is not None:
                self._copies[i] = original
            elif copy is None or copy is original:  # an original is never written to
                self._copies[i] = array.copy()
            else:
                np.copyto(copy, array)
        entry.is_complete = True

    def discard(self) -> None:
        """Forget what was saved: the epoch is complete."""
        self._entry = None

    def restore(self) -> Any:
        """Restore what was saved, if anything is; return the ``progress`` that was saved with it, or None."""
        entry = self._entry
        if entry is None:
            return None
        if entry.is_complete:
            for array, copy in zip(self._live, self._copies, strict=True):
                np.copyto(array, cast(NDArray, copy))
            numbers = dict(entry.numbers)
            self._state.memory.update(numbers.pop("memory"))
            self._state.rng.bit_generator.state = numbers.pop("rng")
            vars(self._state).update(numbers)
        return entry.progress


@dataclass
class _Entry:
    numbers: dict[str, Any]
    progress: Any
    is_complete: bool = False


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


RECHECK_LOSS_ABOVE = 100.0
RECHECK_PARAMETERS_ABOVE = 1000.0


def diverged(loss: float, theta: NDArray, current_loss: Callable[[], float]) -> bool:
    """Return whether the loss or any parameter has become infinite or NaN.

    The loss of an epoch is the mean over its batches, each before its own step. If it or a parameter is very
    large, ``current_loss`` computes the loss of the current parameters as well.
    """
    largest = max(float(theta.max()), -float(theta.min()))
    if not (math.isfinite(loss) and math.isfinite(largest)):
        return True
    is_alarming = loss > RECHECK_LOSS_ABOVE or largest > RECHECK_PARAMETERS_ABOVE
    return is_alarming and not math.isfinite(current_loss())
