"""Training: epochs of minibatch steps, and the loop that decides how many.

:meth:`Trainer.run_epoch` is one pass over the rows, which is what ``partial_fit`` does; :meth:`Trainer.run`
repeats it until training has converged, diverged, been interrupted or used up its epochs, which is ``fit``.

Nothing here knows the estimator. What lives on between calls is a :class:`TrainingState`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from .batches import Batch, Batches
from .checks import as_float, brief
from .objective import Objective, Piece
from .optimizers import Optimizer, clip_to_norm
from .penalty import Tuning
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

    def judge(self, report: EpochReport) -> None:
        """Measure the present parameters and note the result."""
        report.validation_loss = self.objective.data_loss(self.batches)
        if self.score is None:
            report.score = -report.validation_loss
            return
        returned = self.score()
        report.score = as_float(returned)
        if not np.isfinite(report.score):
            raise ValueError(
                f"The scorer (scoring) returned {brief(returned)} for the validation rows after epoch "
                f"{report.epoch}; only finite numbers can judge a training. Choose another scoring, or other "
                "validation rows."
            )


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
    tuning : Tuning or None
        Sets the strength of the penalty on the way; None leaves it as it is.
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
        tuning: Tuning | None = None,
    ) -> None:
        self.objective, self.optimizer, self.schedule = objective, optimizer, schedule
        self.batches, self.state = batches, state
        self.eta_0, self.momentum, self.shuffle = eta_0, momentum, shuffle
        self.max_grad_norm, self.tuning, self._rng = max_grad_norm, tuning, rng
        rng.bit_generator.state = state.rng

    def run_epoch(self, validation: Validation | None = None) -> EpochReport:
        """Take one pass over the rows, judge what came of it and report both.

        The loss is the objective as training met it: the mean over the batches, each before its own step,
        and the penalty of the parameters that the epoch began with. It is infinite if training diverged.
        """
        state, schedule, start = self.state, self.schedule, perf_counter()
        eta = self.eta_0 * schedule.factor(state.epoch)
        self.optimizer.begin_epoch(eta, schedule.momentum(state.epoch, self.momentum))
        report = EpochReport(state.epoch + 1, self._pass_over_rows(), eta, self.batches.n_team_rows)
        if diverged(report.loss, self.objective.network.theta, lambda: self.objective.value(self.batches)):
            report.loss = np.inf
        else:
            if validation:
                validation.judge(report)
            if self.tuning:
                self.tuning.end_epoch(self.objective, self.batches, self._rng)
        state.rng = self._rng.bit_generator.state
        state.epoch += 1
        report.seconds = perf_counter() - start
        return report

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
        while batches.team.average(self.objective.gradient, 0):
            # The rows here are used up, but others in the team still have some.
            self._update()
        return batches.mean(total) + penalty

    def step(self, batch: Batch) -> None:
        """Take one step: the gradient of the batch, then the update of the parameters."""
        self.objective.data_gradient(batch)
        self.batches.team.average(self.objective.gradient, batch.Y.shape[-1])
        self._update()

    def _update(self) -> None:
        objective = self.objective
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
        *,
        after: Outcome | None = None,
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
        after : Outcome or None
            What the same training came to before, to which this course is added.

        Returns
        -------
        Outcome

        Raises
        ------
        KeyboardInterrupt
            If it comes before the first epoch has ended.
        """
        course = _Course(self, after or Outcome(judged=validation is not None))
        outcome = course.outcome
        try:
            outcome.ending = self._epochs(max_iter, patience, validation, listener, course)
            if outcome.ending is Ending.DIVERGED:
                course.go_back()
        except BaseException as error:
            course.go_back()
            if not isinstance(error, KeyboardInterrupt) or not outcome.reports:
                raise
            outcome.ending = Ending.INTERRUPTED
        course.restore_best()
        if outcome.ending is Ending.MAX_ITER and patience and not validation:
            outcome.still_improving = max_iter > patience.limit
        return outcome

    def _epochs(
        self,
        max_iter: int,
        patience: Patience | None,
        validation: Validation | None,
        listener: Listener | None,
        course: _Course,
    ) -> Ending:
        """Train epoch by epoch; return why it ended."""
        for _ in range(max_iter):
            if listener:
                listener.begin_epoch()
            report = self.run_epoch(validation)
            if not report.is_finite:
                return Ending.DIVERGED
            course.keep(report)
            if listener and listener.end_epoch(report):
                return Ending.STOPPED
            if patience and patience.is_spent_by(report.watched):
                if not self.schedule.on_plateau():
                    return Ending.CONVERGED
                patience.restart()
        return Ending.MAX_ITER


class _Course:
    """What the epochs of one course have come to, and the way back to the last whole one."""

    def __init__(self, trainer: Trainer, outcome: Outcome) -> None:
        self._trainer, self.outcome, self._best = trainer, outcome, Best()
        self._mark()

    def _mark(self) -> None:
        trainer, objective = self._trainer, self._trainer.objective
        checkpoint = Checkpoint(objective.network.theta, trainer.state, len(self.outcome.reports))
        self._last = checkpoint, objective.alpha, copy(self._best)

    def keep(self, report: EpochReport) -> None:
        """Take in an epoch that has ended well."""
        if report.score is not None:
            self._best.offer(report.watched, self._trainer.objective.network.theta, report.epoch)
        self.outcome.reports.append(report)
        self.outcome.restored = False
        self._mark()

    def go_back(self) -> None:
        """Undo whatever came after the last epoch that was kept."""
        trainer, (checkpoint, alpha, self._best) = self._trainer, self._last
        checkpoint.restore(trainer.objective.network.theta, trainer.state)
        trainer.objective.penalise(alpha)
        trainer._rng.bit_generator.state = trainer.state.rng
        del self.outcome.reports[checkpoint.n_reports :]

    def restore_best(self) -> None:
        """Bring the parameters of the best epoch back, if epochs were judged."""
        best = self._best
        if best.epoch:
            best.restore(self._trainer.objective.network.theta)
            self.outcome.best_epoch, self.outcome.best_score = best.epoch, -best.value
            self.outcome.restored = True
