"""Endings: what the user is told of how a training ended, and what to do about it."""

from __future__ import annotations

import numpy as np

from .lbfgs import LBFGS
from .reports import Ending, Outcome
from .rows import check_finite
from .training import Trainer

MEND = "Scale the features (StandardScaler), lower learning_rate_init or max_grad_norm."
WIDE = 30  # what a standardised feature exceeds by the rarest of outliers only


def check_usable(outcome: Outcome, trainer: Trainer | LBFGS) -> None:
    """Raise where training diverged and left nothing that could be used."""
    if outcome.ending is not Ending.DIVERGED:
        return
    if not np.isfinite(trainer.objective.value(trainer.batches)):
        check_finite(trainer.batches.rows.span)
        raise ValueError(
            "Training diverged and left no parameters with a finite loss; the estimator stays as it was. "
            + MEND
        )
    if outcome.judged and not outcome.reports:
        raise ValueError(
            "The loss of the validation rows is not finite after the first epoch. Check X_val (or the rows "
            f"of X) for extreme values. {MEND}"
        )


def complaint_about(
    outcome: Outcome, trainer: Trainer | LBFGS, limits: str, tol: float, n_iter_no_change: float
) -> str | None:
    """Return what the user should hear of this ending; None if training did what was asked."""
    if outcome.ending is Ending.DIVERGED:
        return (
            f"Training diverged in epoch {trainer.state.epoch + 1}: the loss or a parameter became infinite "
            f"or NaN. The parameters are those after {_kept(outcome, trainer)}. {MEND}"
        )
    if outcome.ending is Ending.INTERRUPTED:
        return (
            f"Training was interrupted after {len(outcome.reports)} epoch(s); the parameters are those after "
            f"{_kept(outcome, trainer)}."
        )
    return _bad_result(outcome, trainer) or _unfinished(outcome, trainer, limits, tol, n_iter_no_change)


def _kept(outcome: Outcome, trainer: Trainer | LBFGS) -> str:
    return f"the best epoch, {outcome.best_epoch}" if outcome.restored else f"epoch {trainer.state.epoch}"


def _bad_result(outcome: Outcome, trainer: Trainer | LBFGS) -> str | None:
    if outcome.grew:
        return (
            f"Training diverged: after epoch {trainer.state.epoch} the loss is "
            f"{outcome.reports[-1].loss:.3g}, where it began at {outcome.reports[0].loss:.3g}. {MEND}"
        )
    guessing = trainer.objective.guessing_loss()
    if not outcome.is_hardly_better_than(guessing):
        return None
    # A whole team takes this loss together, so it comes before what one member's rows decide.
    loss = trainer.objective.data_loss(trainer.batches)
    value = loss + trainer.objective.penalty()
    if loss > 0.8 * guessing:
        trouble = f"the network is hardly better than guessing (loss {loss:.3g} against {guessing:.3g})"
    elif value > guessing:
        # At a minimum a strong penalty weighs in the objective, too, but never so much.
        trouble = f"the objective is {value:.3g}, and would be {guessing:.3g} if all parameters were zero"
    else:
        return None
    if (span := trainer.batches.rows.span) <= WIDE:
        return None
    return f"After epoch {trainer.state.epoch} {trouble}; the features reach up to {span:.3g}. {MEND}"


def _unfinished(
    outcome: Outcome, trainer: Trainer | LBFGS, limits: str, tol: float, n_iter_no_change: float
) -> str | None:
    if not outcome.still_improving:
        return None
    if isinstance(trainer, LBFGS):
        ended = f"L-BFGS ended before the gradient fell below tol={tol:g}: "
        if trainer.ran_out:
            return f"{ended}{limits} was reached. Raise it, or raise tol."
        finer = "" if trainer.objective.gradient.dtype == np.float64 else ", pass X as float64"
        return f"{ended}its line search found nothing lower. Scale the features{finer}, or raise tol."
    return (
        f"Training reached {limits} before the training loss came to rest: it still improved by more than "
        f"tol={tol:g} within {n_iter_no_change:g} epochs. Raise max_iter, or set n_iter_no_change=np.inf to "
        "ask for just so many epochs."
    )
