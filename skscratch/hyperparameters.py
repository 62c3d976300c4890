"""Hyperparameters: what each parameter of the estimator may be, and which ones go together."""

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
from .schedules import SCHEDULES
from .user_warnings import warn_user

SOLVERS: dict[str, Any] = {**OPTIMIZERS, "lbfgs": LBFGS}


def _one_of(*names: str) -> StrOptions:
    """Return the constraint that lists its names in this order; those of a set have none."""
    return StrOptions(dict.fromkeys(names).keys())


CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
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
    "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
}


def check_parameters(estimator: Any) -> None:
    """Check what scikit-learn's constraints cannot say, or not in few words."""
    caller, parameters = estimator.__class__.__name__, estimator.get_params(deep=False)
    for name, value in parameters.items():
        if isinstance(value, Real) and np.isinf(as_float(value)) and value not in (np.inf, -np.inf):
            raise InvalidParameterError(
                f"The {name!r} parameter of {caller} must be a number that a float can hold (they end at "
                f"1.8e308). Got {short_repr(value)} instead."
            )
    scoring, known = parameters.get("scoring", "loss"), ["loss", *get_scorer_names()]
    if isinstance(scoring, str) and scoring not in known:
        near = [name for name in known if scoring in name][:3] or get_close_matches(scoring, known)
        raise InvalidParameterError(
            f"The 'scoring' parameter of {caller} must be 'loss', a scorer or the name of one (see "
            f"sklearn.metrics.get_scorer_names). Got {scoring!r} instead."
            + (f" Did you mean {' or '.join(map(repr, near))}?" if near else "")
        )


# What L-BFGS cannot use, since it takes no minibatches. Where ignoring a parameter would give another model
# than the user asked for, it is an error.
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
    """The values of all parameters of an estimator, as the user gave them."""

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the estimator's; a subclass has them all as attributes, if not in its signature."""
        return cls(**{name: getattr(estimator, name) for name in CONSTRAINTS})


def check_solver_can_use(estimator: Any) -> None:
    """Warn of parameters that the solver ignores, and refuse those that it must not ignore."""
    solver = estimator.solver
    refused = _changed(estimator, () if solver in OPTIMIZERS else REFUSED_BY_LBFGS)
    if refused := {name: value for name, value in refused.items() if _is_on(value)}:
        raise ValueError(
            f"solver={solver!r} cannot train with {_listed(refused)}. Use solver='sgd' or 'adam', or set "
            "it back to its default."
        )
    if ignored := _changed(estimator, _ignored_by(solver)):
        warn_user(
            f"solver={solver!r} has no use for {_listed(ignored)}; the setting has no effect.", UserWarning
        )


def _ignored_by(solver: str) -> tuple[str, ...]:
    """Return the parameters of the other solvers, and for L-BFGS those of minibatches."""
    others = [name for other in SOLVERS if other != solver for name in SOLVERS[other].parameters]
    return (*others, *(() if solver in OPTIMIZERS else MINIBATCHES_ONLY))


def _is_on(value: Any) -> bool:
    return value is not None and bool(np.any(value))


@cache
def _defaults(estimator_class: type) -> dict[str, Any]:
    parameters = inspect.signature(estimator_class).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def _changed(estimator: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those of the named parameters that are not at their defaults."""
    defaults, values = _defaults(estimator.__class__), {name: getattr(estimator, name) for name in names}
    # A subclass need not have them all.
    return {k: v for k, v in values.items() if k in defaults and not _equal(v, defaults[k])}


def _equal(value: Any, default: Any) -> bool:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        return bool(value == default)
    return isinstance(default, tuple) and list(value) == list(default)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def entries(sequence: Any) -> list | None:
    """Return the entries of a sequence; None for what has none, or none in order."""
    if isinstance(sequence, (Mapping, Set)) or getattr(sequence, "ndim", 1) == 0:
        return None
    return list(sequence)


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers as a tuple."""
    given = hidden_layer_sizes
    sizes = [given] if isinstance(given, Integral) else entries(given)
    if sizes is None or not all(map(_is_size, sizes)):
        raise ValueError(
            f"hidden_layer_sizes must be a positive int or a sequence of them, got {short_repr(given)}."
        )
    return tuple(int(size) for size in sizes)


def _is_size(size: Any) -> bool:
    return isinstance(size, Integral) and 1 <= int(size) <= sys.maxsize


def activation_names(activation: Any, n_hidden: int) -> list[str]:
    """Return the name of each hidden layer's activation."""
    names = [activation] * n_hidden if isinstance(activation, str) else entries(activation)
    if names is None or len(names) != n_hidden or not all(map(_is_activation, names)):
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}, or a sequence that names one for each of the "
            f"{n_hidden} hidden layers; got {short_repr(activation)}."
        )
    return [str(name) for name in names]


def _is_activation(name: Any) -> bool:
    return isinstance(name, str) and name in ACTIVATIONS


def dropout_rates(dropout: Any, n_hidden: int) -> list[float]:
    """Return the rate of each hidden layer."""
    rates = [dropout] * n_hidden if isinstance(dropout, Real) else entries(dropout)
    if rates is None or len(rates) != n_hidden or not all(map(_is_rate, rates)):
        raise ValueError(
            f"dropout must be a rate in [0, 1), or a sequence with one for each of the {n_hidden} hidden "
            f"layers; got {short_repr(dropout)}."
        )
    return [float(rate) for rate in rates]


def _is_rate(rate: Any) -> bool:
    return isinstance(rate, Real) and 0 <= as_float(rate) < 1


def check_hidden_layer(layer: Any, n_hidden: int) -> None:
    """Refuse what does not number a hidden layer."""
    if not isinstance(layer, Integral) or not -n_hidden <= int(layer) < n_hidden:
        trouble = "out of range" if isinstance(layer, Integral) else "no whole number"
        raise ValueError(
            f"layer={short_repr(layer)} is {trouble}: the network has {n_hidden} hidden layer(s), numbered "
            "from 0; negative numbers count from the last one."
        )


class UnavailableMethodError(ValueError, AttributeError):
    """A method does not go with the parameters; an AttributeError as well, so that hasattr gives False."""


class UnavailableIf:
    """Make a method absent from estimators for which ``reason(estimator)`` gives a reason."""

    def __init__(self, reason: Callable[[Any], str | None]) -> None:
        self._reason = reason

    def __call__(self, method: Callable) -> Self:
        """Take the method that is decorated."""
        self._method = method
        self.__doc__, self.__wrapped__ = method.__doc__, method
        return self

    def __get__(self, instance: Any, owner: type) -> Callable:
        """Bind the method, or say why there is none."""
        if instance is None:
            return self._method
        if reason := self._reason(instance):
            raise UnavailableMethodError(reason)
        return MethodType(self._method, instance)


def why_no_partial_fit(estimator: Any) -> str | None:
    """Return why an estimator with these parameters cannot be trained in parts, or None."""
    if estimator.solver == "lbfgs":
        return "solver='lbfgs' has no partial_fit: it needs all rows at once. Use solver='sgd' or 'adam'."
    if isinstance(estimator.class_weight, str):
        return (
            "class_weight='balanced' cannot be used with partial_fit, which never sees the whole of y. Pass "
            "a dict; sklearn.utils.class_weight.compute_class_weight('balanced', ...) gives its values."
        )
    return None
