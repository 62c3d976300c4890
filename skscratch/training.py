"""Training: epochs of minibatch steps, and the loop that decides how many.

:meth:`Trainer.run_epoch` is one pass over the rows, which is what ``partial_fit`` does; :meth:`Trainer.run`
repeats it until training has converged, diverged, been interrupted or used up its epochs, which is ``fit``.

Nothing here knows the estimator. What lives on between calls is a :class:`TrainingState`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from .batches import Batch, Batches
from .objective import Objective, Piece
from .optimizers import Optimizer, clip_to_norm
from .reports import Ending, EpochReport, Listener, Outcome
from .schedules import Schedule
from .state import TrainingState
from .stopping import Best, Checkpoint, Patience, diverged


@dataclass
class Validation:
    """Rows that are not trained on, and how they are judged; ``score`` is None where the loss is watched."""

    objective: Objective
    batches: Batches
    score: Callable[[], float] | None = None

    def judge(self, report: EpochReport) -> float:
        """Measure the present parameters and return what is watched, of which less is better."""
        report.validation_loss = self.objective.data_loss(self.batches)
        report.score = -report.validation_loss if self.score is None else float(self.score())
        return -report.score


class Trainer:
    """Minimises an objective by minibatch steps.

    Parameters
    ----------
    objective : Objective
    optimizer : Optimizer
    schedule : Schedule
    batches : Batches
        The training rows.
    state : TrainingState
        Moved on with every epoch.
    rng : numpy.random.Generator
        Draws the order of the rows (and whatever else training draws); brought to where state.rng left off.
    eta_0, momentum : float
        Initial learning rate, and momentum.
    shuffle : bool
        Whether to draw a new order for every epoch.
    max_grad_norm : float or None
        Largest norm of the gradient; None for no limit.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        schedule: Schedule,
        batches: Batches,
        state: TrainingState,
        rng: np.random.Generator,
        *,
        eta_0: float,
        momentum: float,
        shuffle: bool,
        max_grad_norm: float | None = None,
    ) -> None:
        self.objective, self.optimizer, self.schedule = objective, optimizer, schedule
        self.batches, self.state = batches, state
        self.eta_0, self.momentum, self.shuffle = eta_0, momentum, shuffle
        self.max_grad_norm, self._rng = max_grad_norm, rng
        rng.bit_generator.state = state.rng
        self._checkpoint = Checkpoint(objective.network.theta, optimizer.memory)

    def run_epoch(self) -> EpochReport:
        """Take one pass over the rows and report it; an epoch that fails leaves no trace.

        The loss is the objective as training met it: the mean over the batches, each before its own step,
        and the penalty of the parameters that the epoch began with.
        """
        state, schedule = self.state, self.schedule
        start = perf_counter()
        epoch = state.epoch - state.schedule_start
        eta = self.eta_0 * schedule.factor(epoch)
        self.optimizer.begin_epoch(eta, schedule.momentum(epoch, self.momentum))
        self._checkpoint.save()
        try:
            loss = self._pass_over_rows()
        except BaseException:
            self._undo_epoch()
            raise
        if diverged(loss, self.objective.network.theta):
            self._undo_epoch()
            return EpochReport(state.epoch + 1, np.inf, eta, perf_counter() - start)
        state.rng = self._rng.bit_generator.state
        state.epoch += 1
        return EpochReport(state.epoch, loss, eta, perf_counter() - start)

    def _undo_epoch(self) -> None:
        self._checkpoint.restore()
        self._rng.bit_generator.state = self.state.rng

    def _pass_over_rows(self) -> float:
        batches, loss = self.batches, self.objective.loss
        penalty, total = self.objective.penalty(), 0.0
        order = batches.random_order(self._rng) if self.shuffle else None
        for block, filled in batches.blocks(order):
            for batch in filled:
                self.step(batch)
            total += block.total_loss(loss, len(filled))
            if not np.isfinite(total):
                break
        return total / batches.n_rows + penalty

    def step(self, batch: Batch) -> None:
        """Take one step: the gradient of the batch, then the update of the parameters."""
        objective = self.objective
        objective.data_gradient(batch)
        pieces: Iterable[Piece] = objective.penalised()
        if self.max_grad_norm is not None:
            pieces = list(pieces)
            clip_to_norm(objective.gradient, self.max_grad_norm)
        self.optimizer.step(pieces)

    def run(
        self,
        max_iter: int,
        patience: Patience | None,
        validation: Validation | None = None,
        listener: Listener | None = None,
    ) -> Outcome:
        """Train for up to max_iter epochs.

        Parameters
        ----------
        max_iter : int
            Largest number of epochs.
        patience : Patience or None
            Watches the validation if there is one, else the training loss; None trains to the end.
        validation : Validation or None
            Judges each epoch; the best one's parameters are restored at the end.
        listener : Listener or None
            Told of every epoch; may stop training.

        Returns
        -------
        Outcome

        Raises
        ------
        KeyboardInterrupt
            If it comes before the first epoch has ended.
        """
        theta = self.objective.network.theta
        outcome, best = Outcome(), Best(theta) if validation else None
        try:
            for _ in range(max_iter):
                if listener:
                    listener.begin_epoch()
                report = self.run_epoch()
                if not np.isfinite(report.loss):
                    outcome.ending = Ending.DIVERGED
                    break
                watched = validation.judge(report) if validation else report.loss
                if best:
                    best.offer(watched, theta, report.epoch)
                outcome.reports.append(report)
                if listener and listener.end_epoch(report):
                    outcome.ending = Ending.STOPPED
                    break
                if patience and patience.is_spent_by(watched):
                    if not self.schedule.on_plateau():
                        outcome.ending = Ending.CONVERGED
                        break
                    patience.restart()
        except KeyboardInterrupt:
            if not outcome.reports:
                raise
            outcome.ending = Ending.INTERRUPTED
        if best and best.epoch:
            best.restore(theta)
            outcome.best_epoch, outcome.best_score = best.epoch, -best.value
        if outcome.ending is Ending.MAX_ITER and patience and not validation:
            outcome.still_improving = max_iter > patience.limit
        return outcome

    def present_loss(self) -> float:
        """Return the objective for the present parameters, over all training rows."""
        return self.objective.data_loss(self.batches) + self.objective.penalty()
