"""L-BFGS: the whole objective minimised by SciPy, from the same value and gradient that SGD samples."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from .batches import Batches
from .objective import Objective
from .reports import Ending, EpochReport, Listener, Outcome
from .state import TrainingState

REACHED_A_LIMIT = 1  # SciPy's status after maxiter iterations or maxfun evaluations


class LBFGS:
    """Minimises an objective over all rows at once (Byrd et al. 1995).

    Parameters
    ----------
    objective : Objective
    batches : Batches
        The training rows; their batches are only the portions in which the sums over rows are taken.
    state : TrainingState
        Moved on with every iteration.
    tol : float
        Converged once no component of the gradient is larger, or once an iteration lowers the objective by
        less than a 10,000th of it, relatively.
    max_fun : int
        Largest number of evaluations of the objective.

    Attributes
    ----------
    ran_out : bool
        Whether the last run used up its iterations or evaluations.
    """

    def __init__(
        self, objective: Objective, batches: Batches, state: TrainingState, *, tol: float, max_fun: int
    ) -> None:
        self.objective, self.batches, self.state = objective, batches, state
        self.tol, self.max_fun, self.ran_out = tol, max_fun, False

    def run(self, max_iter: int, listener: Listener | None = None) -> Outcome:
        """Take up to max_iter iterations; the parameters of the last finished one are left in the network."""
        theta = self.objective.network.theta
        progress = _Progress(theta, self.state, self.batches.n_team_rows, listener)
        outcome = progress.outcome
        try:
            result = self._minimise(theta.astype(np.float64), max_iter, progress)
            outcome.ending = Ending.CONVERGED if result.success else Ending.MAX_ITER
            self.ran_out = result.status == REACHED_A_LIMIT
        except StopIteration:
            pass
        except KeyboardInterrupt:
            outcome.ending = Ending.INTERRUPTED
            if not outcome.reports or self.batches.team.size > 1:
                raise
        finally:
            np.copyto(theta, progress.kept)
        if progress.stopped:
            outcome.ending = Ending.STOPPED
        doubtful = not outcome.reports or outcome.ending is Ending.MAX_ITER
        if doubtful and not np.isfinite(self.objective.value(self.batches)):
            outcome.ending = Ending.DIVERGED
        outcome.still_improving = outcome.ending is Ending.MAX_ITER
        return outcome

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


class _Progress:
    """What the iterations have come to: the parameters after the last finished one, and a report of each."""

    def __init__(self, theta: NDArray, state: TrainingState, n_rows: int, listener: Listener | None) -> None:
        self.kept, self.value, self.outcome, self.stopped = theta.copy(), np.inf, Outcome(), False
        self._state, self._n_rows, self._listener = state, n_rows, listener
        self._start = perf_counter()

    def end_iteration(self, x: NDArray) -> None:
        """Take down an iteration that led to x."""
        np.copyto(self.kept, x, casting="same_kind")
        self._state.epoch += 1
        start, self._start = self._start, perf_counter()
        report = EpochReport(self._state.epoch, self.value, None, self._n_rows, self._start - start)
        self.outcome.reports.append(report)
        if self._listener and _tell(self._listener, report):
            self.stopped = True
            # Ends SciPy's loop from SciPy 1.11 on; older versions let it through.
            raise StopIteration


def _tell(listener: Listener, report: EpochReport) -> bool:
    listener.begin_epoch()
    return listener.end_epoch(report)
