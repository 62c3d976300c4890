"""Diagnosis: errors and warnings about the result of training."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .batches import Batches
from .history import StopReason, TrainingResult
from .objective import Objective
from .rows import refuse_non_finite
from .settings import Settings
from .training_state import TrainingState

REMEDY = "Scale the features (StandardScaler), or lower learning_rate_init or max_grad_norm."
UNSCALED_ABOVE = 30  # standardised features exceed it only in extreme outliers
HARDLY_BETTER = 0.8  # of the loss at zero logits
EPOCHS_TO_LEARN = 10


@dataclass(frozen=True)
class Diagnosis:
    """A warning for the user."""

    message: str
    category: type[Warning] = ConvergenceWarning


def check_usable(result: TrainingResult, objective: Objective, batches: Batches) -> None:
    """Raise if training diverged and no epoch left usable parameters."""
    if result.stop_reason is StopReason.VALIDATION_DIVERGED and not result.records:
        raise ValueError(
            "The validation loss became infinite or NaN in the first epoch, so there is no best epoch. Check "
            f"X_val (or X) for extreme values. {REMEDY}"
        )
    if result.stop_reason is StopReason.DIVERGED and not np.isfinite(objective.value(batches)):
        refuse_non_finite(batches.rows.max_abs)
        raise ValueError(
            "Training diverged: no parameters with a finite loss were found. The estimator is unchanged. "
            + REMEDY
        )


def diagnose(
    result: TrainingResult, settings: Settings, state: TrainingState, objective: Objective, batches: Batches
) -> Diagnosis | None:
    """Return a warning about the result, or None if training ended as requested."""
    kept = f"the best epoch ({result.best_epoch})" if result.restored else f"epoch {state.epoch}"
    if result.stop_reason in (StopReason.DIVERGED, StopReason.VALIDATION_DIVERGED):
        return Diagnosis(
            f"Training diverged in epoch {state.epoch + 1}: the loss or a parameter became infinite or NaN. "
            f"The parameters after {kept} are kept. {REMEDY}"
        )
    if result.stop_reason is StopReason.INTERRUPTED:
        return Diagnosis(
            f"Training was interrupted after {len(result.records)} epoch(s). The parameters after {kept} are "
            "kept.",
            UserWarning,
        )
    message = _bad_result(result, state, objective, batches) or _unfinished(result, settings, objective)
    return Diagnosis(message) if message else None


def _bad_result(
    result: TrainingResult, state: TrainingState, objective: Objective, batches: Batches
) -> str | None:
    if not result.records:
        return None
    first, last = result.records[0].loss, result.records[-1].loss
    if len(result.records) > 1 and last > 2 * first:
        return (
            f"Training diverged: the loss rose from {first:.3g} in the first epoch to {last:.3g} in epoch "
            f"{state.epoch}. {REMEDY}"
        )
    at_zero = objective.loss_at_zero_logits()
    if len(result.records) < EPOCHS_TO_LEARN or last <= HARDLY_BETTER * at_zero:
        return None
    trouble = _trouble(objective, batches, at_zero)
    # _trouble is collective: every process must call it, so max_abs, which differs, is tested afterwards.
    if trouble is None or (span := batches.rows.max_abs) <= UNSCALED_ABOVE:
        return None
    return f"After epoch {state.epoch}, {trouble}. The largest absolute feature value is {span:.3g}. {REMEDY}"


def _trouble(objective: Objective, batches: Batches, at_zero: float) -> str | None:
    """Return why the network is no better than zero logits or zero parameters, or None if it is."""
    loss = objective.data_loss(batches)
    value = loss + objective.penalty()
    if loss > HARDLY_BETTER * at_zero:
        return f"the network is hardly better than guessing (loss {loss:.3g}; guessing gives {at_zero:.3g})"
    if value > at_zero:
        # Even a strong penalty cannot push a minimum above this value.
        return f"the objective is {value:.3g}, but would be {at_zero:.3g} if all parameters were zero"
    return None


def _unfinished(result: TrainingResult, settings: Settings, objective: Objective) -> str | None:
    params = settings.params
    if not settings.minibatches:
        return _unfinished_lbfgs(result, settings, objective)
    if result.stop_reason is not StopReason.MAX_ITER or params.early_stopping:
        return None
    if settings.patience is None or isinf(settings.patience):
        return None
    return (
        f"Training reached max_iter={settings.n_epochs} before it converged: there were no "
        f"{settings.patience:g} epochs without an improvement of the training loss by more than "
        f"tol={params.tol:g}. Raise max_iter, or set n_iter_no_change=np.inf to train for max_iter epochs "
        "without this warning."
    )


def _unfinished_lbfgs(result: TrainingResult, settings: Settings, objective: Objective) -> str | None:
    params = settings.params
    ended = f"L-BFGS stopped before the gradient fell below tol={params.tol:g}: "
    if result.stop_reason is StopReason.MAX_ITER:
        used_up = len(result.records) >= settings.n_epochs
        limit = f"max_iter={settings.n_epochs}" if used_up else f"max_fun={params.max_fun}"
        return f"{ended}{limit} was reached. Raise that limit, or raise tol."
    if result.stop_reason is StopReason.LINE_SEARCH:
        finer = "" if objective.gradient.dtype == np.float64 else ", pass X as float64"
        return f"{ended}its line search found no lower value. Scale the features{finer}, or raise tol."
    return None
