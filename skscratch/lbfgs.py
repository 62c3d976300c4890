"""L-BFGS: the whole objective minimised by SciPy, from the same value and gradient that SGD samples."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .batches import Batches
from .objective import Objective
from .reports import Ending, EpochReport, Listener, Outcome
from .state import TrainingState


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
    """

    def __init__(
        self, objective: Objective, batches: Batches, state: TrainingState, *, tol: float, max_fun: int
    ) -> None:
        self.objective, self.batches, self.state = objective, batches, state
        self.tol, self.max_fun = tol, max_fun
        self._value = np.inf

    def guessing_loss(self) -> float:
        """Return the loss of equal probabilities for all outcomes."""
        return self.objective.loss.guessing(self.batches.n_outputs)

    def present_loss(self) -> float:
        """Return the objective for the present parameters, over all training rows."""
        return self.objective.data_loss(self.batches) + self.objective.penalty()

    def run(self, max_iter: int, listener: Listener | None = None) -> Outcome:
        """Take up to max_iter iterations; the parameters of the last finished one are left in the network."""
        theta = self.objective.network.theta
        outcome, kept, start, stopped = Outcome(), theta.copy(), perf_counter(), False

        def end_iteration(x: NDArray) -> None:
            nonlocal start, stopped
            np.copyto(kept, x, casting="same_kind")
            self.state.epoch += 1
            now = perf_counter()
            report = EpochReport(self.state.epoch, self._value, None, now - start)
            start = now
            outcome.reports.append(report)
            if listener and _tell(listener, report):
                stopped = True
                # Ends SciPy's loop from SciPy 1.11 on; older versions let it through.
                raise StopIteration

        try:
            result = minimize(
                self._evaluate,
                theta.astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                callback=end_iteration,
                options={
                    "maxiter": max_iter,
                    "maxfun": self.max_fun,
                    "gtol": self.tol,
                    # A ReLU network's objective has kinks, along which L-BFGS would creep for ever.
                    "ftol": 1e-4 * self.tol,
                    "maxls": 50,
                },
            )
            outcome.ending = Ending.CONVERGED if result.success else Ending.MAX_ITER
        except StopIteration:
            pass
        except KeyboardInterrupt:
            outcome.ending = Ending.INTERRUPTED
            if not outcome.reports:
                raise
        finally:
            np.copyto(theta, kept)
        if stopped:
            outcome.ending = Ending.STOPPED
        if not outcome.reports and not np.isfinite(self.present_loss()):
            outcome.ending = Ending.DIVERGED
        outcome.still_improving = outcome.ending is Ending.MAX_ITER
        return outcome

    def _evaluate(self, x: NDArray) -> tuple[float, NDArray]:
        np.copyto(self.objective.network.theta, x, casting="same_kind")
        self._value, gradient = self.objective.value_and_gradient(self.batches)
        return self._value, gradient.astype(np.float64)


def _tell(listener: Listener, report: EpochReport) -> bool:
    listener.begin_epoch()
    return listener.end_epoch(report)
