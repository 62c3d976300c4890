"""Fitting: one call of fit or partial_fit, given checked rows and a network.

``fit`` has up to three phases:

1. *Split*: with early stopping, hold out a validation set.
2. *Search*: train on the training set, and with early stopping restore the best epoch.
3. *Refit*: train on all rows for a few more epochs, starting from the best epoch.

``partial_fit`` is one epoch of the second phase. This module does not depend on the estimator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .alpha_selection import AlphaSelection
from .batches import Batches
from .callbacks import Callback
from .communicator import Communicator
from .diagnosis import Diagnosis, check_usable, diagnose
from .dropout import with_dropout
from .history import StopReason, TrainingResult
from .hyperparameters import Hyperparameters, dropout_rates
from .lazy_training import LazyTrainer, is_worthwhile
from .lbfgs import LBFGS
from .losses import LOSSES
from .network import Network
from .objective import Objective
from .rows import Rows, split_off_validation, weigh_classes
from .schedules import Schedule
from .settings import Settings
from .stopping import Originals
from .targets import ClassEncoding
from .training import Trainer, Validation
from .training_state import TrainingState

VALIDATION_BATCH = 512


@dataclass(frozen=True)
class FitResult:
    """The result of one call of fit or partial_fit.

    Attributes
    ----------
    search : TrainingResult
        The result of the search.
    refit : TrainingResult or None
        The result of the refit, if there was one.
    loss : float
        The last loss of the search, or the objective after training if no epoch recorded one.
    alpha : float
        Final strength of the L2 penalty.
    settings : Settings
        The settings of the search.
    n_rows : int
        Number of rows in the last phase, over all processes.
    diagnosis : Diagnosis or None
        The warning for the user, if any.
    """

    search: TrainingResult
    refit: TrainingResult | None
    loss: float
    alpha: float
    settings: Settings
    n_rows: int
    diagnosis: Diagnosis | None


class Fit:
    """Trains a network in place.

    Parameters
    ----------
    params : Hyperparameters
    network : Network
        The network without dropout. Its parameters are updated.
    encoding : ClassEncoding
        The encoding of the targets.
    state : TrainingState
        Updated as well.
    communicator : Communicator
        Connects the processes that train together.
    callbacks : Callback
    make_score : callable
        Given a validation set, returns a function that scores the current parameters on it, or None if the
        loss is monitored.
    originals : sequence of (array, original) pairs
        Arrays of the network or of the state, each with the one from which it was copied; empty for a new
        network.
    """

    def __init__(
        self,
        params: Hyperparameters,
        network: Network,
        encoding: ClassEncoding,
        state: TrainingState,
        communicator: Communicator,
        callbacks: Callback,
        make_score: Callable[[Rows], Callable[[], Any] | None],
        originals: Originals = (),
    ) -> None:
        self._params, self._network, self._encoding, self._state = params, network, encoding, state
        self._communicator, self._callbacks, self._make_score = communicator, callbacks, make_score
        self._originals = originals
        self._loss = LOSSES[encoding.kind]
        rates = dropout_rates(params.dropout, len(network.activations))
        self._network_in_training = with_dropout(network, rates, state.rng)

    def run(self, rows: Rows, validation: Rows | None) -> FitResult:
        """Train on the rows; with early stopping, first hold out a validation set, unless it is given."""
        params, state = self._params, self._state
        splits = params.early_stopping and validation is None
        training, validation = self._split(rows) if splits else (rows, validation)
        training, weighted = weigh_classes(
            params.class_weight, self._encoding, training, validation, self._communicator
        )
        # The next warm start validates on the same rows, so a refit must not train on them.
        refits = splits and not params.warm_start
        settings = Settings.for_fit(params, self._count(training), self._encoding.n_outputs, refits=refits)
        phase = self._train(settings, training, settings.n_epochs, weighted, validation)
        search, refit = phase.result, None
        n_refit = min(settings.n_refit_epochs, len(search.records))
        if n_refit and search.stop_reason in (StopReason.CONVERGED, StopReason.MAX_ITER):
            del phase  # frees its buffers
            phase = self._refit(rows, n_refit)
            refit = phase.result
        result = self._finish(phase, settings, search, refit)
        # Loss curves and epoch numbers cover the search only.
        state.epoch -= len(refit.records) if refit else 0
        if phase.result.stop_reason in (StopReason.MAX_ITER, StopReason.LINE_SEARCH):
            # The cycle is complete, even if the next call has a larger max_iter.
            state.cycle_start = state.epoch
        return result

    def run_epoch(self, rows: Rows) -> FitResult:
        """Train for one epoch."""
        training, _ = weigh_classes(self._params.class_weight, self._encoding, rows, None, self._communicator)
        settings = Settings.for_partial_fit(self._params, self._count(training), self._encoding.n_outputs)
        phase = self._train(settings, training, 1)
        return self._finish(phase, settings, phase.result, None)

    def _split(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the training set and the validation set, the same in every warm start on these rows."""
        rng = np.random.default_rng(self._state.split_seed)
        fraction = self._params.validation_fraction
        return split_off_validation(rows, self._encoding, fraction, rng, self._communicator)

    def _refit(self, rows: Rows, n_epochs: int) -> _Phase:
        """Train on all rows, including the validation set, from the best epoch."""
        self._originals = ()  # the network has been trained since it was copied
        self._state.begin_refit()
        rows, _ = weigh_classes(self._params.class_weight, self._encoding, rows, None, self._communicator)
        settings = Settings.for_refit(self._params, self._count(rows), self._encoding.n_outputs, n_epochs)
        return self._train(settings, rows, n_epochs)

    def _train(
        self,
        settings: Settings,
        rows: Rows,
        n_epochs: int,
        weighted: Rows | None = None,
        validation: Rows | None = None,
    ) -> _Phase:
        """Train on the rows for up to n_epochs.

        The validation set is passed twice: its loss uses class weights (``weighted``), a score does not
        (``validation``).
        """
        params, state, network = self._params, self._state, self._network_in_training
        batches = Batches(rows, settings.batch_size, self._loss, network, self._communicator)
        objective = Objective(network, self._loss, settings.alpha(batches, state))
        evaluation = self._validation(objective, weighted, validation)
        if not settings.minibatches:
            state.solver, state.memory = params.solver, {}
            lbfgs = LBFGS(objective, batches, state, tol=params.tol, max_fun=params.max_fun)
            evaluate = evaluation.evaluate if evaluation else None
            return _Phase(settings, objective, batches, lbfgs.run(n_epochs, self._callbacks, evaluate))
        schedule = settings.make_schedule(state)
        trainer = self._make_trainer(settings, objective, batches, schedule)
        rules = settings.make_stopping_rules(schedule)
        result = trainer.run(n_epochs, rules, evaluation, self._callbacks)
        return _Phase(settings, objective, batches, result)

    def _make_trainer(
        self, settings: Settings, objective: Objective, batches: Batches, schedule: Schedule
    ) -> Trainer:
        """Return a trainer, which is lazy where that is faster."""
        params, state = self._params, self._state
        optimizer = settings.make_optimizer(objective, state)
        make = LazyTrainer if is_worthwhile(batches, optimizer) else Trainer
        return make(
            objective,
            optimizer,
            schedule,
            batches,
            state,
            shuffle=params.shuffle,
            max_grad_norm=settings.max_grad_norm,
            alpha_selection=self._alpha_selection(settings),
            originals=self._originals,
            phase=settings.phase,
        )

    def _alpha_selection(self, settings: Settings) -> AlphaSelection | None:
        epoch = settings.alpha_selection_epoch
        return None if epoch is None else AlphaSelection(self._network, self._state, settings.n_epochs, epoch)

    def _validation(
        self, objective: Objective, weighted: Rows | None, validation: Rows | None
    ) -> Validation | None:
        if weighted is None or validation is None:
            return None
        batches = Batches(weighted, VALIDATION_BATCH, objective.loss, objective.network, self._communicator)
        return Validation(objective, batches, self._make_score(validation), self._params.early_stopping)

    def _finish(
        self, last: _Phase, settings: Settings, search: TrainingResult, refit: TrainingResult | None
    ) -> FitResult:
        """Check that the parameters are usable, and return the result with its diagnosis."""
        combined = search.followed_by(refit) if refit else search
        # On several processes an interrupt is an error: the others do not know of it.
        single = self._communicator.size == 1
        if combined.stop_reason is StopReason.INTERRUPTED and not (combined.records and single):
            raise KeyboardInterrupt
        objective, batches = last.objective, last.batches
        check_usable(combined, objective, batches)
        return FitResult(
            search,
            refit,
            search.records[-1].loss if search.records else objective.value(batches),
            objective.alpha,
            settings,
            batches.n_global_rows,
            diagnose(combined, last.settings, self._state, objective, batches),
        )

    def _count(self, rows: Rows) -> int:
        """Return the number of rows over all processes."""
        (n_rows,) = self._communicator.sum(rows.n_rows)
        return int(n_rows)


@dataclass(frozen=True)
class _Phase:
    """One training run with its settings, objective, batches and result."""

    settings: Settings
    objective: Objective
    batches: Batches
    result: TrainingResult
