"""Hyperparameters: valid values of each parameter of the estimator, and valid combinations."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Set
from difflib import get_close_matches
from functools import cache
from numbers import Integral, Real
from types import MethodType, SimpleNamespace
from typing import Any, Self

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, InvalidParameterError, Options, StrOptions

from .activations import ACTIVATIONS
from .checks import as_float, short_repr
from .lbfgs import LBFGS
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES, schedule_class
from .user_warnings import warn_user

SOLVERS: dict[str, Any] = {**OPTIMIZERS, "lbfgs": LBFGS}


def _one_of(*names: str) -> StrOptions:
    """Return a constraint whose error message lists the names in this order."""
    return StrOptions(dict.fromkeys(names).keys())


CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": [StrOptions({"auto"}), "array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [_one_of(*sorted(ACTIVATIONS)), "array-like"],
    "solver": [_one_of(*SOLVERS)],
    "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [_one_of(*SCHEDULES), callable],
    "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "scoring": [str, callable],
    "n_iter_no_change": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    "max_grad_norm": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither"), None],
}


def check_parameters(estimator: Any) -> None:
    """Check what scikit-learn's constraints cannot express, or report poorly."""
    caller = estimator.__class__.__name__
    for name in CONSTRAINTS:
        value = getattr(estimator, name)
        if type(value) in (float, str, bool):
            continue
        if isinstance(value, Real) and np.isinf(as_float(value)) and value not in (np.inf, -np.inf):
            raise InvalidParameterError(
                f"The {name!r} parameter of {caller} must be a number that fits into a float (1.8e308 at "
                f"most). Got {short_repr(value)} instead."
            )
    scoring = estimator.scoring
    if not isinstance(scoring, str) or scoring == "loss":
        return
    known = ["loss", *get_scorer_names()]
    if scoring not in known:
        near = [name for name in known if scoring in name][:3] or get_close_matches(scoring, known)
        raise InvalidParameterError(
            f"The 'scoring' parameter of {caller} must be 'loss', a scorer or the name of a scorer (see "
            f"sklearn.metrics.get_scorer_names). Got {scoring!r} instead."
            + (f" Did you mean {' or '.join(map(repr, near))}?" if near else "")
        )


# L-BFGS has no minibatches, so these parameters have no effect, which is a warning. Ignoring one of
# REFUSED_BY_LBFGS would change the model, so that is an error.
MINIBATCHES_ONLY = (
    "batch_size",
    "learning_rate",
    "learning_rate_init",
    "power_t",
    "shuffle",
    "n_iter_no_change",
    "validation_fraction",
    "scoring",
)
REFUSED_BY_LBFGS = ("early_stopping", "dropout", "max_grad_norm")


class Hyperparameters(SimpleNamespace):
    """The values of all parameters of an estimator, as the user set them."""

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the values of an estimator; a subclass may leave some out of its signature."""
        return cls(**{name: getattr(estimator, name) for name in CONSTRAINTS})


def check_solver_can_use(estimator: Any) -> None:
    """Raise if the solver would ignore a parameter that changes the model."""
    solver = estimator.solver
    refused = _changed(estimator, () if solver in OPTIMIZERS else REFUSED_BY_LBFGS)
    if refused := {name: value for name, value in refused.items() if _is_on(value)}:
        defaults = _defaults(estimator.__class__)
        neutral = {name: None if name == "max_grad_norm" else defaults[name] for name in refused}
        raise ValueError(
            f"solver={solver!r} does not support {_listed(refused)}. Use solver='sgd' or 'adam', or set "
            f"{_listed(neutral)}."
        )


def warn_without_effect(estimator: Any, method: str, *, validates: bool = False) -> None:
    """Warn once about all parameters that were set but have no effect, and say why.

    ``method`` is "fit" or "partial_fit"; ``validates`` means that ``fit`` is given a validation set.
    """
    reasons = _without_effect(estimator, method, validates)
    groups: dict[str, dict[str, Any]] = {}
    for name, value in _changed(estimator, tuple(reasons)).items():
        groups.setdefault(reasons[name], {})[name] = value
    if groups:
        listed = "; ".join(f"{_listed(values)} ({reason})" for reason, values in groups.items())
        warn_user(f"Parameters without effect: {listed}. Leave them at their defaults.", UserWarning)


def _without_effect(estimator: Any, method: str, validates: bool) -> dict[str, str]:
    """Return the parameters that would have no effect if they were set, with the reason for each."""
    solver = estimator.solver
    others = [name for other in SOLVERS if other != solver for name in SOLVERS[other].parameters]
    ignored = (*others, *(() if solver in OPTIMIZERS else MINIBATCHES_ONLY))
    reasons = dict.fromkeys(ignored, f"not used by solver={solver!r}")
    if solver in OPTIMIZERS and estimator.learning_rate != "invscaling":
        reasons["power_t"] = "only used by learning_rate='invscaling'"
    if method == "fit" and solver in OPTIMIZERS:
        reasons |= _without_patience(estimator)
        if not estimator.early_stopping:
            reasons["validation_fraction"] = "only used with early_stopping=True"
            reasons["scoring"] = "only used with early_stopping=True, or with X_val in fit"
    if validates:
        reasons.pop("scoring", None)
    return reasons


def _without_patience(estimator: Any) -> dict[str, str]:
    """Return the parameters of patience if patience cannot run out."""
    # n_iter_no_change=np.inf asks for just that.
    if not schedule_class(estimator.learning_rate).anneals or estimator.n_iter_no_change == np.inf:
        return {}
    if estimator.early_stopping:
        limited = estimator.n_iter_no_change != "auto"
        return {} if limited else {"tol": "patience is unlimited unless n_iter_no_change is a number"}
    constant = " or ".join(repr(name) for name, schedule in SCHEDULES.items() if not schedule.anneals)
    reason = f"patience needs early_stopping=True, or learning_rate={constant}"
    return {"n_iter_no_change": reason, "tol": reason}


def _is_on(value: Any) -> bool:
    """Return whether a value asks for something; "auto" leaves it to the solver."""
    return value is not None and not isinstance(value, str) and bool(np.any(value))


@cache
def _defaults(estimator_class: type) -> dict[str, Any]:
    parameters = inspect.signature(estimator_class).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def _changed(estimator: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the named parameters whose values differ from the defaults."""
    defaults, values = _defaults(estimator.__class__), {name: getattr(estimator, name) for name in names}
    # A subclass may lack some of them.
    return {k: v for k, v in values.items() if k in defaults and not _equal(v, defaults[k])}


def _equal(value: Any, default: Any) -> bool:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        return bool(value == default)
    return isinstance(default, tuple) and list(value) == list(default)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def entries(sequence: Any) -> list | None:
    """Return the entries of a sequence as a list, or None if the value is not a sequence."""
    if isinstance(sequence, (Mapping, Set)) or getattr(sequence, "ndim", 1) == 0:
        return None
    return list(sequence)


def given_hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the given sizes of the hidden layers as a tuple."""
    given = hidden_layer_sizes
    sizes = [given] if isinstance(given, Integral) else entries(given)
    if sizes is None or not all(map(_is_size, sizes)):
        raise ValueError(
            "hidden_layer_sizes must be 'auto', a positive int or a sequence of them, got "
            f"{short_repr(given)}."
        )
    return tuple(int(size) for size in sizes)


def _is_size(size: Any) -> bool:
    return isinstance(size, Integral) and 1 <= int(size) <= sys.maxsize


def activation_names(activation: Any, n_hidden: int) -> list[str]:
    """Return the name of each hidden layer's activation."""
    names = _one_per_layer(activation, str, _is_activation, n_hidden)
    if names is None:
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}, or a sequence with one name for each of the "
            f"{n_hidden} hidden layers; got {short_repr(activation)}."
        )
    return [str(name) for name in names]


def _is_activation(name: Any) -> bool:
    return isinstance(name, str) and name in ACTIVATIONS


def dropout_rates(dropout: Any, n_hidden: int) -> list[float]:
    """Return the dropout rate of each hidden layer."""
    rates = _one_per_layer(dropout, Real, _is_rate, n_hidden)
    if rates is None:
        raise ValueError(
            f"dropout must be a rate in [0, 1), or a sequence with one rate for each of the {n_hidden} "
            f"hidden layers; got {short_repr(dropout)}."
        )
    return [float(rate) for rate in rates]


def _is_rate(rate: Any) -> bool:
    return isinstance(rate, Real) and 0 <= as_float(rate) < 1


def _one_per_layer(given: Any, single: type, is_valid: Callable[[Any], bool], n_hidden: int) -> list | None:
    """Return one value for each hidden layer, repeating a ``single`` one; None unless all are valid."""
    values = [given] * n_hidden if isinstance(given, single) else entries(given)
    return values if values is not None and len(values) == n_hidden and all(map(is_valid, values)) else None


def check_hidden_layer(layer: Any, n_hidden: int) -> None:
    """Raise unless ``layer`` is the index of a hidden layer."""
    if not isinstance(layer, Integral) or not -n_hidden <= int(layer) < n_hidden:
        trouble = "out of range" if isinstance(layer, Integral) else "not an integer"
        raise ValueError(
            f"layer={short_repr(layer)} is {trouble}: the network has {n_hidden} hidden layer(s), numbered "
            "from 0; negative numbers count from the last one."
        )


class UnavailableMethodError(ValueError, AttributeError):
    """The parameters do not allow this method; also an AttributeError, so that hasattr returns False."""


class UnavailableIf:
    """Hide a method from estimators for which ``reason(estimator)`` returns a reason."""

    def __init__(self, reason: Callable[[Any], str | None]) -> None:
        self._reason = reason

    def __call__(self, method: Callable) -> Self:
        """Decorate the method."""
        self._method = method
        self.__doc__, self.__wrapped__ = method.__doc__, method
        return self

    def __get__(self, instance: Any, owner: type) -> Callable:
        """Return the bound method; raise if there is a reason against it."""
        if instance is None:
            return self._method
        if reason := self._reason(instance):
            raise UnavailableMethodError(reason)
        return MethodType(self._method, instance)


def why_no_partial_fit(estimator: Any) -> str | None:
    """Return the reason why the estimator has no partial_fit, or None."""
    if estimator.solver == "lbfgs":
        return "solver='lbfgs' has no partial_fit: it needs all rows at once. Use solver='sgd' or 'adam'."
    if isinstance(estimator.class_weight, str):
        return (
            "class_weight='balanced' cannot be used with partial_fit, which never sees all of y. Pass a "
            "dict; sklearn.utils.class_weight.compute_class_weight('balanced', ...) returns its values."
        )
    return None
