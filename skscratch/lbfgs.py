"""L-BFGS: the objective over all rows, minimised by SciPy, from the value and gradient that SGD estimates."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from .batches import Batches
from .callbacks import NO_CALLBACKS, Callback
from .history import EpochRecord, StopReason, TrainingResult
from .objective import Objective
from .training_state import TrainingState

REACHED_A_LIMIT = 1  # SciPy's status after maxiter iterations or maxfun evaluations


class LBFGS:
    """Minimises an objective over all rows at once (Byrd et al. 1995).

    Parameters
    ----------
    objective : Objective
    batches : Batches
        The training rows; the sums over all rows are taken batch by batch.
    state : TrainingState
        Updated with every iteration.
    tol : float
        Training has converged once no component of the gradient is larger, or once an iteration lowers the
        objective by less than a 10,000th of it, relatively.
    max_fun : int
        Largest number of evaluations of the objective.
    """

    parameters = ("max_fun",)

    def __init__(
        self, objective: Objective, batches: Batches, state: TrainingState, *, tol: float, max_fun: int
    ) -> None:
        self.objective, self.batches, self.state = objective, batches, state
        self.tol, self.max_fun = tol, max_fun

    def run(self, n_epochs: int, callbacks: Callback = NO_CALLBACKS) -> TrainingResult:
        """Take up to n_epochs iterations; the network keeps the parameters of the last finished one.

        An interrupt ends training.
        """
        theta = self.objective.network.theta
        progress = _Progress(theta, self.state, self.batches.n_global_rows, callbacks)
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
        return TrainingResult(reason, progress.records)

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
                # A ReLU network's objective has kinks, along which L-BFGS would creep for ever.
                "ftol": 1e-4 * self.tol,
                "maxls": 50,
            },
        )


def _stop_reason(result: OptimizeResult) -> StopReason:
    if result.success:
        return StopReason.CONVERGED
    return StopReason.MAX_ITER if result.status == REACHED_A_LIMIT else StopReason.LINE_SEARCH


class _CallbackStop(BaseException):
    """Ends SciPy's loop, which has no other way out; no Exception, so that nothing in between catches it."""


class _Progress:
    """The parameters after the last finished iteration, and the record of each."""

    def __init__(self, theta: NDArray, state: TrainingState, n_rows: int, callbacks: Callback) -> None:
        self.kept, self.value, self.records = theta.copy(), np.inf, list[EpochRecord]()
        self._state, self._n_rows, self._callbacks = state, n_rows, callbacks
        self._start = perf_counter()

    def end_iteration(self, x: NDArray) -> None:
        """Record an iteration that led to x."""
        np.copyto(self.kept, x, casting="same_kind")
        self._state.epoch += 1
        start, self._start = self._start, perf_counter()
        record = EpochRecord(self._state.epoch, self.value, None, self._n_rows, self._start - start)
        self.records.append(record)
        try:
            self._callbacks.on_epoch_begin()
            stops = self._callbacks.on_epoch_end(record)
        except StopIteration as error:
            # SciPy would take it for its own signal.
            raise _CallbackStop from error
        if stops:
            raise _CallbackStop
