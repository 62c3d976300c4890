"""Training: minibatch steps, epochs, and the loop over epochs.

:meth:`Trainer.run_epoch` is one pass over the training set. :meth:`Trainer.run` repeats it until training
converges, diverges, is stopped or reaches its largest number of epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np

from .alpha_selection import AlphaSelection
from .batches import Batch, Batches
from .callbacks import NO_CALLBACKS, Callback
from .checks import as_float, short_repr
from .history import EpochRecord, StopReason, TrainingResult
from .objective import Objective
from .optimizers import Optimizer, clip_to_norm
from .schedules import Schedule
from .stopping import BestCheckpoint, Checkpoint, Originals, StoppingRule, diverged
from .training_state import TrainingState


@dataclass
class Validation:
    """The validation set and its score.

    Attributes
    ----------
    objective : Objective
    batches : Batches
    score : callable or None
        Scores the current parameters; None if the validation loss is the score.
    decides : bool
        Whether patience monitors the score and the best epoch is restored. Otherwise both values are only
        recorded.
    """

    objective: Objective
    batches: Batches
    score: Callable[[], Any] | None = None
    decides: bool = True

    def evaluate(self, record: EpochRecord) -> None:
        """Write the validation loss and the score of the current parameters into the record."""
        record.score_decides = self.decides
        record.validation_loss = self.objective.data_loss(self.batches)
        if self.score is None:
            record.score = -record.validation_loss
            return
        returned = self.score()
        record.score = as_float(returned)
        if not np.isfinite(record.score):
            raise ValueError(
                f"The scorer (scoring) returned {short_repr(returned)} for the validation set after epoch "
                f"{record.epoch}, but a score must be a finite number. Choose another scoring, or another "
                "validation set."
            )


class Trainer:
    """Minimises an objective by minibatch steps.

    Parameters
    ----------
    objective : Objective
    optimizer : Optimizer
    schedule : Schedule
    batches : Batches
        The training set.
    state : TrainingState
        Updated in every epoch.
    shuffle : bool
        Whether to shuffle the rows in every epoch.
    max_grad_norm : float or None
        Largest norm of the data term's gradient; None for no limit.
    alpha_selection : AlphaSelection or None
        Selects alpha once, late in training; None keeps the initial alpha.
    originals : sequence of (array, original) pairs
        Where arrays of theta and of the state were copied from, see :class:`Checkpoint`.
    phase : str
        The phase of the fit, for the records.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        schedule: Schedule,
        batches: Batches,
        state: TrainingState,
        *,
        shuffle: bool,
        max_grad_norm: float | None = None,
        alpha_selection: AlphaSelection | None = None,
        originals: Originals = (),
        phase: str = "",
    ) -> None:
        self.objective, self.optimizer, self.schedule = objective, optimizer, schedule
        self.batches, self.state, self.shuffle = batches, state, shuffle
        self.max_grad_norm, self.alpha_selection = max_grad_norm, alpha_selection
        self.originals, self.phase = originals, phase

    def run_epoch(self, validation: Validation | None = None) -> EpochRecord:
        """Make one pass over the training set, validate, and return the record.

        The loss of the record is the mean over the batches, each before its own step, plus the penalty of the
        parameters at the beginning of the epoch. It is infinite if training diverged.
        """
        state, start = self.state, perf_counter()
        eta = self.optimizer.begin_epoch(self.schedule, state.epoch)
        record = EpochRecord(state.epoch + 1, self._pass_over_rows(), eta, self.batches.n_global_rows)
        record.phase = self.phase
        if diverged(record.loss, self.objective.network.theta, lambda: self.objective.value(self.batches)):
            record.loss = np.inf
        else:
            if validation:
                validation.evaluate(record)
            if self.alpha_selection:
                self.alpha_selection.end_epoch(self.objective, self.batches)
        state.epoch += 1
        record.seconds = perf_counter() - start
        return record

    def _pass_over_rows(self) -> float:
        """Make a step for each batch; return the mean loss before each step, plus the penalty."""
        batches, loss = self.batches, self.objective.loss
        penalty, total = self.objective.penalty(), 0.0
        order = batches.random_order(self.state.rng) if self.shuffle else None
        for block, filled in batches.blocks(order):
            for batch in filled:
                self.step(batch)
            total += block.total_loss(loss, len(filled))
            if not np.isfinite(total):
                break
        self._finish_pass()
        return batches.mean(total) + penalty

    def _finish_pass(self) -> None:
        """Make the steps for which only other processes have rows left."""
        while self.batches.communicator.average_gradient(self.objective.gradient, 0):
            self.update(self.objective, self.optimizer)

    def step(self, batch: Batch) -> None:
        """Make one step: compute the gradient of the batch and update the parameters."""
        self.objective.data_gradient(batch)
        self.batches.communicator.average_gradient(self.objective.gradient, batch.Y.shape[-1])
        self.update(self.objective, self.optimizer)

    def update(self, objective: Objective, optimizer: Optimizer) -> None:
        """Update the objective's parameters, given the gradient of its data term.

        Usually these are the trainer's objective and optimizer. A lazy step has its own.
        """
        # The penalty is added after clipping, so the limit does not weaken it.
        if self.max_grad_norm is not None:
            clip_to_norm(objective.gradient, self.max_grad_norm)
        optimizer.step(objective.pieces_with_penalty())

    def run(
        self,
        n_epochs: int,
        stopping_rules: Sequence[StoppingRule] = (),
        validation: Validation | None = None,
        callbacks: Callback = NO_CALLBACKS,
    ) -> TrainingResult:
        """Train for up to n_epochs.

        Parameters
        ----------
        n_epochs : int
            Largest number of epochs.
        stopping_rules : sequence of StoppingRule
            Evaluated after each epoch; training stops if any of them stops.
        validation : Validation or None
            Evaluated after each epoch; if it decides, the parameters of the best epoch are restored at the
            end.
        callbacks : Callback
            Called before and after each epoch; may stop training.

        Returns
        -------
        TrainingResult
            After divergence or an interrupt, the result ends with the last complete epoch. An interrupt is
            not raised again.
        """
        progress = _Progress(self)
        try:
            reason = self._epochs(n_epochs, stopping_rules, validation, callbacks, progress)
            if reason in (StopReason.DIVERGED, StopReason.VALIDATION_DIVERGED):
                progress.go_back()
        except BaseException as error:
            progress.go_back()
            if not isinstance(error, KeyboardInterrupt):
                raise
            reason = StopReason.INTERRUPTED
        return progress.result(reason, validated=validation is not None)

    def _epochs(
        self,
        n_epochs: int,
        stopping_rules: Sequence[StoppingRule],
        validation: Validation | None,
        callbacks: Callback,
        progress: _Progress,
    ) -> StopReason:
        """Train for up to n_epochs; return the stop reason."""
        for _ in range(n_epochs):
            callbacks.on_epoch_begin()
            progress.begin_epoch()
            record = self.run_epoch(validation)
            if not isfinite(record.loss):
                return StopReason.DIVERGED
            if not record.is_finite:
                return StopReason.VALIDATION_DIVERGED
            progress.keep(record)
            if callbacks.on_epoch_end(record):
                return StopReason.CALLBACK
            if any(rule.stops(record) for rule in stopping_rules):
                return StopReason.CONVERGED
        return StopReason.MAX_ITER


class _Progress:
    """The records of one run, with checkpoints before the current epoch and of the best one."""

    def __init__(self, trainer: Trainer) -> None:
        self._objective = trainer.objective
        self.records, self.best = list[EpochRecord](), BestCheckpoint()
        self._checkpoint = Checkpoint(trainer.objective.network.theta, trainer.state, trainer.originals)

    def begin_epoch(self) -> None:
        """Save what the epoch may have to go back to."""
        self._checkpoint.save((len(self.records), self._objective.alpha))

    def keep(self, record: EpochRecord) -> None:
        """Keep the record of an epoch whose losses are finite."""
        self.records.append(record)
        self._checkpoint.discard()
        self._offer_last()

    def _offer_last(self) -> None:
        last = self.records[-1] if self.records else None
        if last and last.score is not None and last.score_decides:
            self.best.offer(last.monitored, self._objective.network.theta, last.epoch)

    def go_back(self) -> None:
        """Return to the end of the last epoch that was kept."""
        if saved := self._checkpoint.restore():
            n_records, alpha = saved
            self._objective.set_alpha(alpha)
            del self.records[n_records:]
        self._offer_last()

    def result(self, reason: StopReason, *, validated: bool) -> TrainingResult:
        """Restore the parameters of the best epoch, if there is one; return the result of the run."""
        self.best.restore(self._objective.network.theta)
        return TrainingResult(reason, self.records, validated, restored=self.best.epoch > 0)
