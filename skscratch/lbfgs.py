"""L-BFGS: SciPy minimises the objective from its exact value and gradient over all rows."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from .batches import Batches
from .callbacks import NO_CALLBACKS, Callback
from .history import EpochRecord, StopReason, TrainingResult
from .objective import Objective
from .training_state import TrainingState

Evaluate = Callable[[EpochRecord], None]
REACHED_A_LIMIT = 1  # SciPy's status after maxiter iterations or maxfun evaluations


class LBFGS:
    """Minimises an objective over all rows at once (Byrd et al. 1995).

    Parameters
    ----------
    objective : Objective
        Its network's parameters are updated in place.
    batches : Batches
        The training rows; sums over all rows are accumulated batch by batch.
    state : TrainingState
        Updated with every iteration.
    tol : float
        Training has converged when no component of the gradient exceeds tol in absolute value, or when an
        iteration lowers the objective by a relative amount of less than tol / 10,000.
    max_fun : int
        Maximum number of evaluations of the objective.
    """

    parameters = ("max_fun",)

    def __init__(
        self, objective: Objective, batches: Batches, state: TrainingState, *, tol: float, max_fun: int
    ) -> None:
        self.objective, self.batches, self.state = objective, batches, state
        self.tol, self.max_fun = tol, max_fun

    def run(
        self, n_epochs: int, callbacks: Callback = NO_CALLBACKS, evaluate: Evaluate | None = None
    ) -> TrainingResult:
        """Run up to n_epochs iterations; the network keeps the parameters of the last complete one.

        ``evaluate`` writes the values of a validation set into the record of each iteration. A
        KeyboardInterrupt ends training and is not raised again.
        """
        theta = self.objective.network.theta
        progress = _Progress(theta, self.state, self.batches.n_global_rows, callbacks, evaluate)
        try:
            reason = _stop_reason(self._minimise(theta.astype(np.float64), n_epochs, progress))
        except _CallbackStop as stop:
            if stop.__cause__:
                raise stop.__cause__ from None
            reason = StopReason.CALLBACK
        except KeyboardInterrupt:
            reason = StopReason.INTERRUPTED
        finally:
            np.copyto(theta, progress.kept)
        is_doubtful = not progress.records or reason in (StopReason.MAX_ITER, StopReason.LINE_SEARCH)
        if (
            is_doubtful
            and reason is not StopReason.INTERRUPTED
            and not np.isfinite(self.objective.value(self.batches))
        ):
            reason = StopReason.DIVERGED
        return TrainingResult(reason, progress.records, validated=evaluate is not None)

    def _minimise(self, x: NDArray, max_iter: int, progress: _Progress) -> OptimizeResult:
        def evaluate(x: NDArray) -> tuple[float, NDArray]:
            np.copyto(self.objective.network.theta, x, casting="same_kind")
            progress.value, gradient = self.objective.value_and_gradient(self.batches)
            return progress.value, gradient.astype(np.float64)

        return minimize(
            evaluate,
            x,
            method="L-BFGS-B",
            jac=True,
            callback=progress.end_iteration,
            options={
                "maxiter": max_iter,
                "maxfun": self.max_fun,
                "gtol": self.tol,
                # A ReLU network's objective has kinks, along which L-BFGS would make tiny steps without end.
                "ftol": 1e-4 * self.tol,
                "maxls": 50,
            },
        )


def _stop_reason(result: OptimizeResult) -> StopReason:
    if result.success:
        return StopReason.CONVERGED
    return StopReason.MAX_ITER if result.status == REACHED_A_LIMIT else StopReason.LINE_SEARCH


class _CallbackStop(BaseException):
    """Leaves SciPy's loop. It is not an Exception, so no ``except Exception`` on the way catches it."""


class _Progress:
    """The parameters after the last complete iteration, and the records of all iterations."""

    def __init__(
        self,
        theta: NDArray,
        state: TrainingState,
        n_rows: int,
        callbacks: Callback,
        evaluate: Evaluate | None,
    ) -> None:
        self.kept, self.value, self.records = theta.copy(), np.inf, list[EpochRecord]()
        self._theta, self._state, self._n_rows = theta, state, n_rows
        self._callbacks, self._evaluate = callbacks, evaluate
        self._start = perf_counter()

    def end_iteration(self, x: NDArray) -> None:
        """Keep the parameters x of a complete iteration, record it and call the callbacks."""
        try:
            stops = self._callbacks_stop(self._record(x))
        except StopIteration as error:
            # SciPy would treat a callback's StopIteration as its own stop signal and hide it.
            raise _CallbackStop from error
        if stops:
            raise _CallbackStop

    def _record(self, x: NDArray) -> EpochRecord:
        np.copyto(self._theta, x, casting="same_kind")
        record = EpochRecord(self._state.epoch + 1, self.value, None, self._n_rows)
        if self._evaluate:
            self._evaluate(record)
        start, self._start = self._start, perf_counter()
        record.seconds = self._start - start
        np.copyto(self.kept, self._theta)
        self._state.epoch += 1
        self.records.append(record)
        return record

    def _callbacks_stop(self, record: EpochRecord) -> bool:
        self._callbacks.on_epoch_begin()
        return self._callbacks.on_epoch_end(record)
