"""Diagnosis: errors and warnings about the result of training."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf

import numpy as np
from scipy.special import entr
from sklearn.exceptions import ConvergenceWarning

from .alpha_selection import HIGHEST
from .batches import Batches
from .history import StopReason, TrainingResult
from .objective import Objective
from .rows import PORTION, refuse_non_finite
from .settings import Settings, initial_learning_rate
from .training_state import INITIAL_PRIOR_PRECISION, TrainingState

REMEDY = "Scale the features (StandardScaler), or lower learning_rate_init or max_grad_norm."
UNSCALED_ABOVE = 30  # standardised features exceed it only in extreme outliers
HARDLY_BETTER, LITTLE_BETTER = 0.8, 0.5  # of the loss of guessing
EPOCHS_TO_LEARN = 10
# An alpha of so many times the largest that is ever selected, and a rate of the usual one divided by so much,
# explain that nothing is learned.
FAR_TOO_STRONG, FAR_TOO_SLOW = 5, 20


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
            f"The parameters after {kept} are kept. {_remedy(settings, objective)}"
        )
    if result.stop_reason is StopReason.INTERRUPTED:
        return Diagnosis(
            f"Training was interrupted after {len(result.records)} epoch(s). The parameters after {kept} are "
            "kept.",
            UserWarning,
        )
    message = _bad_result(result, settings, state, objective, batches) or _unfinished(
        result, settings, objective
    )
    return Diagnosis(message) if message else None


def _bad_result(
    result: TrainingResult, settings: Settings, state: TrainingState, objective: Objective, batches: Batches
) -> str | None:
    if not result.records:
        return None
    first, last = result.records[0].loss, result.records[-1].loss
    if len(result.records) > 1 and last > 2 * first:
        return (
            f"Training diverged: the loss rose from {first:.3g} in the first epoch to {last:.3g} in epoch "
            f"{state.epoch}. {_remedy(settings, objective)}"
        )
    # L-BFGS may need a few iterations only to find that all weights are best near zero.
    enough = len(result.records) >= EPOCHS_TO_LEARN or not settings.minibatches
    explained = enough and _explained(last, settings, state, objective, batches)
    return explained or (_unscaled(result, state, objective, batches) if enough else None)


def _unscaled(
    result: TrainingResult, state: TrainingState, objective: Objective, batches: Batches
) -> str | None:
    """Return the warning if the network learned little and X has large values."""
    at_zero = objective.loss_at_zero_logits()
    if len(result.records) < EPOCHS_TO_LEARN or result.records[-1].loss <= LITTLE_BETTER * at_zero:
        return None
    # data_loss is collective: every process must call it, so max_abs, which differs, is tested afterwards.
    loss = objective.data_loss(batches)
    if loss <= LITTLE_BETTER * at_zero or (span := batches.rows.max_abs) <= UNSCALED_ABOVE:
        return None
    verdict = "is hardly better than guessing" if loss > HARDLY_BETTER * at_zero else "has learned little"
    return (
        f"After epoch {state.epoch}, the network {verdict} (loss {loss:.3g}; guessing gives {at_zero:.3g}). "
        f"The largest absolute feature value is {span:.3g}. {REMEDY}"
    )


def _remedy(settings: Settings, objective: Objective) -> str:
    """Return the advice after divergence."""
    eta, alpha = settings.learning_rate_init, objective.alpha
    # A step multiplies weights by about 1 - eta alpha, so from a little above 1 they grow from step to step.
    if eta * alpha > 1:
        return (
            f"alpha={alpha:g} times the learning rate {eta:g} is above 1, so the penalty itself makes the "
            "weights grow. Lower alpha."
        )
    return REMEDY


def _explained(
    last: float, settings: Settings, state: TrainingState, objective: Objective, batches: Batches
) -> str | None:
    """Return the warning if the network learned hardly anything and a parameter that was set explains it."""
    params = settings.params
    if params.alpha == params.learning_rate_init == "auto":
        return None
    guessing = loss_of_guessing(batches)
    if last <= HARDLY_BETTER * guessing or (reason := _far_from_usual(settings, batches)) is None:
        return None
    if (value := objective.value(batches)) <= HARDLY_BETTER * guessing:
        return None
    return (
        f"After epoch {state.epoch}, the network is hardly better than guessing: the training loss with the "
        f"penalty is {value:.3g}, and predicting the shares of the classes gives {guessing:.3g}. {reason}"
    )


def _far_from_usual(settings: Settings, batches: Batches) -> str | None:
    """Return which parameter is so far from the usual that nothing can be learned, and what is usual."""
    params, N = settings.params, batches.effective_size
    if params.alpha != "auto" and params.alpha * N > FAR_TOO_STRONG * HIGHEST:
        return (
            f"alpha={params.alpha:g} is far too strong for {N:.0f} rows: alpha='auto' starts at "
            f"{INITIAL_PRIOR_PRECISION / N:.2g}. (MLPClassifier divides its alpha by the batch size; divide "
            "the number that you know from there, too.)"
        )
    usual = initial_learning_rate("auto", params.solver, settings.learning_rate)
    if params.learning_rate_init != "auto" and params.learning_rate_init < usual / FAR_TOO_SLOW:
        return (
            f"learning_rate_init={params.learning_rate_init:g} is far too low for solver={params.solver!r} "
            f"with this learning_rate: usual is {usual:g}, which learning_rate_init='auto' stands for."
        )
    return None


def loss_of_guessing(batches: Batches) -> float:
    """Return the lowest loss of a network that gives every row the same probabilities.

    It is the entropy of the mean target, summed over labels for multilabel targets.
    """
    rows, total = batches.rows, np.zeros(batches.n_outputs)
    for first in range(0, rows.n_rows, PORTION):
        part = rows.positions[first : first + PORTION]
        Y = np.empty((1, batches.n_outputs, len(part)))
        rows.targets.fill(part, Y)
        total += Y[0].sum(axis=1) if rows.weights is None else Y[0] @ rows.weights[part]
    weight_sum, *sums = batches.communicator.sum(rows.weight_sum, *total)
    mean = np.array(sums) / weight_sum
    if rows.targets.kind == "multiclass":
        return float(entr(mean).sum())
    return float((entr(mean) + entr(1 - mean)).sum())


def _unfinished(result: TrainingResult, settings: Settings, objective: Objective) -> str | None:
    params = settings.params
    if not settings.minibatches:
        return _unfinished_lbfgs(result, settings, objective)
    if result.stop_reason is not StopReason.MAX_ITER or params.early_stopping:
        return None
    if isinf(settings.patience):
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
