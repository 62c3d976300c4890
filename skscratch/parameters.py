"""Parameters: what each may be, and what they mean together with the others."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from numbers import Integral, Real
from types import MethodType
from typing import Any, Self

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .activations import ACTIVATIONS

CONSTRAINTS: dict[str, list] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
    "solver": [StrOptions({"sgd", "adam", "lbfgs"})],
    "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [
        StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle"}),
        callable,
    ],
    "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "scoring": [StrOptions({"loss"} | set(get_scorer_names())), callable],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
}

# What a solver cannot use. Where leaving it out would change the model that the user asked for, it is an error.
USELESS: dict[str, tuple[str, ...]] = {
    "sgd": ("beta_1", "beta_2", "epsilon", "max_fun"),
    "adam": ("momentum", "nesterovs_momentum", "max_fun"),
    "lbfgs": (
        "batch_size",
        "learning_rate",
        "learning_rate_init",
        "power_t",
        "shuffle",
        "momentum",
        "nesterovs_momentum",
        "n_iter_no_change",
        "validation_fraction",
        "scoring",
        "beta_1",
        "beta_2",
        "epsilon",
    ),
}
IMPOSSIBLE: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "adam": (),
    "lbfgs": ("early_stopping", "dropout", "max_grad_norm"),
}


def check_solver_can_use(estimator: Any) -> None:
    """Warn of parameters that the solver ignores, and refuse those that it must not ignore."""
    solver, changed = estimator.solver, _changed(estimator)
    if impossible := [name for name in IMPOSSIBLE[solver] if name in changed]:
        raise ValueError(
            f"solver={solver!r} cannot train with {_listed(impossible, changed)}. Use solver='sgd' or 'adam', or "
            "set it back to its default."
        )
    if useless := [name for name in USELESS[solver] if name in changed]:
        warnings.warn(
            f"solver={solver!r} has no use for {_listed(useless, changed)}; the setting has no effect.",
            UserWarning,
            stacklevel=6,
        )


def _changed(estimator: Any) -> dict[str, Any]:
    """Return the parameters that are not at their defaults."""
    defaults = inspect.signature(type(estimator)).parameters
    values = estimator.get_params(deep=False)
    return {name: values[name] for name in values if not _equal(values[name], defaults[name].default)}


def _equal(value: Any, default: Any) -> bool:
    return bool(np.array_equal(value, default)) if np.ndim(value) else value == default


def _listed(names: list[str], values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={values[name]!r}" for name in names)


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers as a tuple."""
    given = hidden_layer_sizes
    sizes = (given,) if isinstance(given, Integral) else tuple(given)
    if not all(isinstance(size, Integral) and size >= 1 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be a positive int or a sequence of them, got {given!r}.")
    return tuple(int(size) for size in sizes)


def activation_names(activation: Any, n_hidden: int) -> list[str]:
    """Return the name of each hidden layer's activation."""
    names = [activation] * n_hidden if isinstance(activation, str) else list(activation)
    if len(names) != n_hidden or not all(name in ACTIVATIONS for name in names):
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}, or a sequence that names one for each of the "
            f"{n_hidden} hidden layers; got {activation!r}."
        )
    return [str(name) for name in names]


def dropout_rates(dropout: Any, n_hidden: int) -> list[float]:
    """Return the rate of each hidden layer."""
    rates = [dropout] * n_hidden if isinstance(dropout, Real) else list(dropout)
    if len(rates) != n_hidden or not all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates):
        raise ValueError(
            f"dropout must be a rate in [0, 1), or a sequence with one for each of the {n_hidden} hidden layers; "
            f"got {dropout!r}."
        )
    return [float(rate) for rate in rates]


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
            "class_weight='balanced' cannot be used with partial_fit, which never sees the whole of y. Pass a "
            "dict; sklearn.utils.class_weight.compute_class_weight('balanced', ...) gives its values."
        )
    return None
