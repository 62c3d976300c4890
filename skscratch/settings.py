"""Settings: the resolved hyperparameters of one training run.

Every "auto" is resolved here, and nowhere else:

====================== ====================================== ======================= ========================
parameter="auto"       "one_cycle", "cosine" or a function    other schedules         L-BFGS
====================== ====================================== ======================= ========================
``max_iter``           30, or enough for 400 steps, but at    200                     200
                       most 200
``learning_rate_init`` 0.2 for SGD, 0.01 for Adam             0.05 for SGD, 0.001     not used
                                                              for Adam
``n_iter_no_change``   unlimited                              10                      not used
``alpha``              3 / N, selected anew after two thirds  3 / N                   3 / N
                       of the epochs
``batch_size``         n / 64, from 32 to 256                 n / 64, from 32 to 256  not used
``hidden_layer_sizes`` one layer of 10 units per output, from 10 per output, from 100 10 per output, from 100
                       100 to 256                             to 256                  to 256
``max_grad_norm``      outputs / 20, at least 0.5             outputs / 20, at least  not used
                                                              0.5
====================== ====================================== ======================= ========================

N is the effective sample size, n the number of training rows. In partial_fit, N covers all calls so far. If
the effective size of a fit or a call is below 32, alpha is multiplied by that over 32. A batch never has more
than n rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import Any, Self

from .batches import Batches
from .hyperparameters import Hyperparameters, given_hidden_sizes
from .objective import Objective
from .optimizers import OPTIMIZERS, Optimizer
from .sample_size import alpha_from_precision, sample_size
from .schedules import Schedule, make_schedule, schedule_class
from .stopping import Patience, StoppingRule
from .training_state import TrainingState

SMALLEST_AUTO_BATCH, LARGEST_AUTO_BATCH = 32, 256  # rows
FEWEST_AUTO_UNITS, MOST_AUTO_UNITS, AUTO_UNITS_PER_OUTPUT = 100, 256, 10
# With many labels the gradient is longer. With many classes a higher limit was better, too.
SMALLEST_AUTO_GRAD_NORM, OUTPUTS_PER_GRAD_NORM = 0.5, 20
FEWEST_REFIT_EPOCHS = 3  # fewer are too few to anneal the rate
FEWEST_EPOCHS_TO_SELECT_ALPHA = 12  # with fewer, the network has learned little by that time


@dataclass(frozen=True)
class Settings:
    """The settings of one training run; immutable.

    Attributes
    ----------
    params : Hyperparameters
        The parameters as the user set them.
    batch_size : int
        Number of rows in a minibatch.
    n_epochs : int
        Number of epochs in a cycle of the schedule, and the largest number of epochs in ``fit`` before a
        refit. For L-BFGS, the largest number of iterations. 0 if unknown: ``partial_fit`` with
        max_iter="auto".
    learning_rate : str or callable
        The name of the schedule, or the user's function.
    learning_rate_init : float
        The initial learning rate; NaN for L-BFGS, which has none.
    max_grad_norm : float or None
        The largest norm of the gradient of the mean loss; None if it has no limit.
    n_refit_epochs : int
        Number of epochs reserved for the refit on all rows.
    patience : float
        Number of epochs without improvement after which training stops; infinite if all epochs are trained.
    alpha_selection_epoch : int or None
        The epoch of a cycle after which alpha is selected; None if it is not.
    phase : str
        "search" or "refit" if there are both, else empty.
    """

    params: Hyperparameters
    batch_size: int
    n_epochs: int
    learning_rate: str | Callable[[float], float]
    learning_rate_init: float
    max_grad_norm: float | None
    n_refit_epochs: int = 0
    patience: float = inf
    alpha_selection_epoch: int | None = None
    phase: str = ""

    @classmethod
    def for_fit(cls, params: Hyperparameters, n_rows: int, n_outputs: int, *, refits: bool) -> Self:
        """Return the settings of a fit on n_rows. With ``refits``, some epochs may be left for a refit."""
        batch_size = rows_per_batch(params.batch_size, n_rows)
        n_batches = -(-n_rows // batch_size)
        n_epochs = number_of_epochs(params.max_iter, params.solver, params.learning_rate, n_batches)
        n_refit_epochs = refit_epochs(n_epochs, params.learning_rate) if refits else 0
        n_epochs -= n_refit_epochs
        learning_rate = _constant_if_too_short(params.learning_rate, n_epochs)
        patience, selection_epoch = inf, None
        if params.solver in OPTIMIZERS:
            selection_epoch = alpha_selection_epoch(params.alpha, learning_rate, n_epochs)
            if params.early_stopping or not schedule_class(params.learning_rate).anneals:
                patience = epochs_of_patience(params.n_iter_no_change, params.learning_rate)
        return cls(
            params,
            batch_size,
            n_epochs,
            learning_rate,
            initial_learning_rate(params.learning_rate_init, params.solver, learning_rate),
            largest_grad_norm(params.max_grad_norm, n_outputs),
            n_refit_epochs,
            patience,
            selection_epoch,
            "search" if n_refit_epochs else "",
        )

    @classmethod
    def for_refit(cls, params: Hyperparameters, n_rows: int, n_outputs: int, n_epochs: int) -> Self:
        """Return the settings of a refit on all rows: half the initial rate, annealed along a cosine."""
        eta_0 = initial_learning_rate(params.learning_rate_init, params.solver, params.learning_rate)
        batch_size = rows_per_batch(params.batch_size, n_rows)
        max_grad_norm = largest_grad_norm(params.max_grad_norm, n_outputs)
        return cls(params, batch_size, n_epochs, "cosine", eta_0 / 2, max_grad_norm, phase="refit")

    @classmethod
    def for_partial_fit(cls, params: Hyperparameters, n_rows: int, n_outputs: int) -> Self:
        """Return the settings of one call of partial_fit: one epoch in a cycle of max_iter epochs."""
        n_epochs = 0 if params.max_iter == "auto" else int(params.max_iter)
        if callable(params.learning_rate) and not n_epochs:
            raise ValueError(
                "With a callable learning_rate, partial_fit needs max_iter, the number of calls in one cycle "
                "of the schedule. Set max_iter to an int."
            )
        learning_rate = _constant_if_too_short(params.learning_rate, n_epochs)
        return cls(
            params,
            rows_per_batch(params.batch_size, n_rows),
            n_epochs,
            learning_rate,
            initial_learning_rate(params.learning_rate_init, params.solver, learning_rate),
            largest_grad_norm(params.max_grad_norm, n_outputs),
            alpha_selection_epoch=alpha_selection_epoch(params.alpha, learning_rate, n_epochs),
        )

    @property
    def minibatches(self) -> bool:
        """Whether the solver trains on minibatches; L-BFGS needs all rows at once."""
        return self.params.solver in OPTIMIZERS

    def resolved(self) -> dict[str, float | None]:
        """Return the fitted attributes that show what "auto" became.

        Alpha, which training selects, and the size of the network are not among them. None stands for what
        the solver does not use, for an unknown number of epochs, and for no limit on the gradient.
        """
        numbers: dict[str, float | None] = {
            "batch_size_": self.batch_size,
            "learning_rate_init_": self.learning_rate_init,
            "max_grad_norm_": self.max_grad_norm,
            "n_iter_no_change_": self.patience,
        }
        if not self.minibatches:
            numbers = dict.fromkeys(numbers)
        return numbers | {"max_iter_": self.n_epochs + self.n_refit_epochs or None}

    def alpha(self, batches: Batches, state: TrainingState) -> float:
        """Return the initial alpha, the strength of the L2 penalty; "auto" takes note of the rows."""
        if self.params.alpha == "auto":
            return alpha_from_precision(state.prior_precision, sample_size(state, batches), batches)
        return float(self.params.alpha)

    def make_optimizer(self, objective: Objective, state: TrainingState) -> Optimizer:
        """Return the optimizer; it resumes with the memory in the state if that is of the same solver."""
        solver = self.params.solver
        memory = state.memory if state.solver == solver else None
        optimizer_class = OPTIMIZERS[solver]
        options = {name: getattr(self.params, name) for name in optimizer_class.parameters}
        optimizer = optimizer_class(objective, self.learning_rate_init, memory, **options)
        state.solver, state.memory = solver, optimizer.memory
        return optimizer

    def make_schedule(self, state: TrainingState) -> Schedule:
        """Return the schedule of the learning rate."""
        return make_schedule(
            self.learning_rate, self.learning_rate_init, self.n_epochs, self.params.power_t, state
        )

    def make_stopping_rules(self, schedule: Schedule) -> list[StoppingRule]:
        """Return the rules that may stop training before the last epoch."""
        rules: list[StoppingRule] = []
        if self.patience < inf:
            rules.append(Patience(self.patience, self.params.tol, schedule))
        return rules


def _constant_if_too_short(learning_rate: Any, n_epochs: int) -> Any:
    """Return the schedule, or "constant" if the cycle has one epoch or an unknown number of epochs."""
    cannot = n_epochs in (0, 1) and schedule_class(learning_rate).ends_at_zero
    return "constant" if cannot else learning_rate


def hidden_sizes(hidden_layer_sizes: Any, n_outputs: int) -> tuple[int, ...]:
    """Return the sizes of the hidden layers.

    "auto" is one layer with 10 units for each output, at least 100 and at most 256.
    """
    if isinstance(hidden_layer_sizes, str) and hidden_layer_sizes == "auto":
        return (min(max(FEWEST_AUTO_UNITS, AUTO_UNITS_PER_OUTPUT * n_outputs), MOST_AUTO_UNITS),)
    return given_hidden_sizes(hidden_layer_sizes)


def rows_per_batch(batch_size: Any, n_rows: int) -> int:
    """Return the batch size, at most n_rows; "auto" is n_rows / 64, at least 32 and at most 256."""
    if batch_size == "auto":
        batch_size = min(max(SMALLEST_AUTO_BATCH, n_rows // 64), LARGEST_AUTO_BATCH)
    return min(int(batch_size), n_rows)


def number_of_epochs(max_iter: Any, solver: str, learning_rate: Any, n_batches: int) -> int:
    """Return the largest number of epochs.

    "auto" is 30 for a schedule that anneals; with few rows it is more, to reach 400 steps, but at most 200.
    It is 200 for other schedules and for L-BFGS.
    """
    if max_iter != "auto":
        return int(max_iter)
    if solver not in OPTIMIZERS or not schedule_class(learning_rate).anneals:
        return 200
    return min(max(30, -(-400 // n_batches)), 200)


def initial_learning_rate(learning_rate_init: Any, solver: str, learning_rate: Any) -> float:
    """Return the initial learning rate; NaN for L-BFGS, which has none.

    "auto" depends on the optimizer and on whether the schedule anneals.
    """
    if solver not in OPTIMIZERS:
        return nan
    if learning_rate_init != "auto":
        return float(learning_rate_init)
    optimizer, anneals = OPTIMIZERS[solver], schedule_class(learning_rate).anneals
    return optimizer.rate_annealed if anneals else optimizer.rate_constant


def largest_grad_norm(max_grad_norm: Any, n_outputs: int) -> float | None:
    """Return the limit on the norm of the gradient, or None; "auto" is n_outputs / 20, at least 0.5."""
    if max_grad_norm == "auto":
        return max(SMALLEST_AUTO_GRAD_NORM, n_outputs / OUTPUTS_PER_GRAD_NORM)
    return None if max_grad_norm is None else float(max_grad_norm)


def epochs_of_patience(n_iter_no_change: Any, learning_rate: Any) -> float:
    """Return the patience in epochs; "auto" is 10, but unlimited with a schedule that anneals."""
    if n_iter_no_change != "auto":
        return inf if n_iter_no_change == inf else int(n_iter_no_change)
    return inf if schedule_class(learning_rate).anneals else 10


def refit_epochs(n_epochs: int, learning_rate: Any) -> int:
    """Return how many epochs are reserved for a refit: a quarter, or 0 if the rate cannot anneal."""
    n_refit = n_epochs // 4 if schedule_class(learning_rate).ends_at_zero else 0
    return n_refit if n_refit >= FEWEST_REFIT_EPOCHS else 0


def alpha_selection_epoch(alpha: Any, learning_rate: Any, n_epochs: int) -> int | None:
    """Return the epoch after which alpha="auto" is selected: two thirds of the cycle, or None."""
    if alpha != "auto" or not schedule_class(learning_rate).anneals:
        return None
    return round(2 * n_epochs / 3) if n_epochs >= FEWEST_EPOCHS_TO_SELECT_ALPHA else None
