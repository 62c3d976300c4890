"""Diagnosis: what the user should know about how training ended, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .batches import Batches
from .history import StopReason, TrainingResult
from .objective import Objective
from .rows import refuse_non_finite
from .settings import Settings
from .training_state import TrainingState

REMEDY = "Scale the features (StandardScaler), lower learning_rate_init or max_grad_norm."
UNSCALED_ABOVE = 30  # standardised features exceed it by the rarest of outliers only
HARDLY_BETTER = 0.8  # of the loss at zero logits
EPOCHS_TO_LEARN = 10


@dataclass(frozen=True)
class Diagnosis:
    """A warning that the user should see."""

    message: str
    category: type[Warning] = ConvergenceWarning


def check_usable(result: TrainingResult, objective: Objective, batches: Batches) -> None:
    """Raise an error if training diverged and left nothing that could be used."""
    if result.stop_reason is not StopReason.DIVERGED:
        return
    if not np.isfinite(objective.value(batches)):
        refuse_non_finite(batches.rows.max_abs)
        raise ValueError(
            "Training diverged and left no parameters with a finite loss; the estimator stays as it was. "
            + REMEDY
        )
    if result.validated and not result.records:
        raise ValueError(
            "The loss of the validation rows is not finite after the first epoch. Check X_val (or the rows "
            f"of X) for extreme values. {REMEDY}"
        )


def diagnose(
    result: TrainingResult, settings: Settings, state: TrainingState, objective: Objective, batches: Batches
) -> Diagnosis | None:
    """Return what the user should know; None if training did what was asked."""
    kept = f"the best epoch, {result.best_epoch}" if result.restored else f"epoch {state.epoch}"
    if result.stop_reason is StopReason.DIVERGED:
        return Diagnosis(
            f"Training diverged in epoch {state.epoch + 1}: the loss or a parameter became infinite or NaN. "
            f"The parameters are those after {kept}. {REMEDY}"
        )
    if result.stop_reason is StopReason.INTERRUPTED:
        return Diagnosis(
            f"Training was interrupted after {len(result.records)} epoch(s); the parameters are those after "
            f"{kept}.",
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
            f"Training diverged: after epoch {state.epoch} the loss is {last:.3g}, where it began at "
            f"{first:.3g}. {REMEDY}"
        )
    at_zero = objective.loss_at_zero_logits()
    if len(result.records) < EPOCHS_TO_LEARN or last <= HARDLY_BETTER * at_zero:
        return None
    trouble = _trouble(objective, batches, at_zero)
    # Every process takes part in computing the trouble, so it comes before what one process's rows decide.
    if trouble is None or (span := batches.rows.max_abs) <= UNSCALED_ABOVE:
        return None
    return f"After epoch {state.epoch} {trouble}; the features reach up to {span:.3g}. {REMEDY}"


def _trouble(objective: Objective, batches: Batches, at_zero: float) -> str | None:
    """Return in which way the network is no better than guessing, if it is not."""
    loss = objective.data_loss(batches)
    value = loss + objective.penalty()
    if loss > HARDLY_BETTER * at_zero:
        return f"the network is hardly better than guessing (loss {loss:.3g} against {at_zero:.3g})"
    if value > at_zero:
        # At a minimum a strong penalty weighs in the objective, too, but never so much.
        return f"the objective is {value:.3g}, and would be {at_zero:.3g} if all parameters were zero"
    return None


def _unfinished(result: TrainingResult, settings: Settings, objective: Objective) -> str | None:
    params = settings.params
    if not settings.minibatches:
        return _unfinished_lbfgs(result, settings, objective)
    if result.stop_reason is not StopReason.MAX_ITER or result.validated or settings.patience is None:
        return None
    if settings.n_epochs <= settings.patience:
        return None
    return (
        f"Training reached max_iter={settings.n_epochs} before the training loss came to rest: it still "
        f"improved by more than tol={params.tol:g} within {settings.patience:g} epochs. Raise max_iter, or "
        "set n_iter_no_change=np.inf to ask for just so many epochs."
    )


def _unfinished_lbfgs(result: TrainingResult, settings: Settings, objective: Objective) -> str | None:
    params = settings.params
    ended = f"L-BFGS ended before the gradient fell below tol={params.tol:g}: "
    if result.stop_reason is StopReason.MAX_ITER:
        limits = f"max_iter={settings.n_epochs} or max_fun={params.max_fun}"
        return f"{ended}{limits} was reached. Raise it, or raise tol."
    if result.stop_reason is StopReason.LINE_SEARCH:
        finer = "" if objective.gradient.dtype == np.float64 else ", pass X as float64"
        return f"{ended}its line search found nothing lower. Scale the features{finer}, or raise tol."
    return None
