"""Parameters: what each may be, and what they mean together with the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from numbers import Integral, Real
from types import MethodType
from typing import Any, Self

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, StrOptions

from .activations import ACTIVATIONS
from .notices import notify

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
    "scoring": [StrOptions({"loss"} | set(get_scorer_names())), callable],
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

# What a solver cannot use. Where that would change the model which the user asked for, it is an error.
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
    solver = estimator.solver
    if impossible := {k: v for k, v in _changed(estimator, IMPOSSIBLE[solver]).items() if _is_on(v)}:
        raise ValueError(
            f"solver={solver!r} cannot train with {_listed(impossible)}. Use solver='sgd' or 'adam', or set "
            "it back to its default."
        )
    if useless := _changed(estimator, USELESS[solver]):
        notify(
            f"solver={solver!r} has no use for {_listed(useless)}; the setting has no effect.", UserWarning
        )


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


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers as a tuple."""
    given = hidden_layer_sizes
    sizes = (given,) if isinstance(given, Integral) else tuple(given)
    if not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
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
    if len(rates) != n_hidden or not all(isinstance(rate, Real) and 0 <= float(rate) < 1 for rate in rates):
        raise ValueError(
            f"dropout must be a rate in [0, 1), or a sequence with one for each of the {n_hidden} hidden "
            f"layers; got {dropout!r}."
        )
    return [float(rate) for rate in rates]


def rows_per_batch(batch_size: Any, n_rows: int) -> int:
    """Return the batch size; "auto" is a 64th of the rows, but at least 32 and at most 256."""
    return min(max(32, n_rows // 64), 256) if batch_size == "auto" else int(batch_size)


ANNEALED = ("cosine", "one_cycle")


def anneals(learning_rate: Any) -> bool:
    """Return whether the learning rate comes down by itself until max_iter."""
    return callable(learning_rate) or learning_rate in ANNEALED


def epochs_of_patience(n_iter_no_change: Any, learning_rate: Any) -> float:
    """Return how long training is patient; "auto" is 10 epochs, but for ever where the rate comes down."""
    if n_iter_no_change != "auto":
        return float(n_iter_no_change)
    return np.inf if anneals(learning_rate) else 10


def first_rate(learning_rate_init: Any, solver: str, learning_rate: Any) -> float:
    """Return the initial learning rate; "auto" depends on the solver and on whether the rate comes down."""
    if learning_rate_init != "auto":
        return float(learning_rate_init)
    if anneals(learning_rate):
        return {"sgd": 0.2, "adam": 0.01}[solver]
    return {"sgd": 0.05, "adam": 0.001}[solver]


def course_of_rate(
    learning_rate: Any, learning_rate_init: Any, solver: str, n_epochs: int | None
) -> tuple[Any, float]:
    """Return the course of the learning rate over n_epochs (None: no end in sight), and its initial value.

    Without an end, and in a single epoch, there is no room for the rate to rise and come down: it stays.
    """
    if callable(learning_rate) and n_epochs is None:
        raise ValueError(
            "With a callable learning_rate, partial_fit needs max_iter: the number of calls that the "
            "fraction passed to it is taken of. Set max_iter to an int."
        )
    if learning_rate in ANNEALED and n_epochs in (None, 1):
        learning_rate = "constant"
    return learning_rate, first_rate(learning_rate_init, solver, learning_rate)


FEWEST_CLOSING_EPOCHS = 3  # fewer leave no room for the rate to come down


def closing_epochs(n_epochs: int, learning_rate: Any) -> int:
    """Return how many of n_epochs are kept for the closing course on all rows, after early stopping."""
    n_closing = n_epochs // 4 if learning_rate in ANNEALED else 0
    return n_closing if n_closing >= FEWEST_CLOSING_EPOCHS else 0


def closing_course(learning_rate: Any, learning_rate_init: Any, solver: str) -> tuple[Any, float]:
    """Return the closing course of the learning rate: down along a cosine from half the initial value."""
    return "cosine", first_rate(learning_rate_init, solver, learning_rate) / 2


FEWEST_EPOCHS_TO_TUNE = 12  # in fewer the network has hardly learned when the penalty would be set


def tuning_epoch(n_epochs: int) -> int | None:
    """Return the epoch of a course after which alpha="auto" is set: two thirds of it are done."""
    return round(2 * n_epochs / 3) if n_epochs >= FEWEST_EPOCHS_TO_TUNE else None


def number_of_epochs(max_iter: Any, solver: str, learning_rate: Any, n_batches: int) -> int:
    """Return the largest number of epochs.

    "auto" is 200 where patience is to end training. Where the rate comes down by itself it is 30; few rows,
    which have few steps in an epoch, take as many as make 400 steps, but not more than 200 either.
    """
    if max_iter != "auto":
        return int(max_iter)
    if solver == "lbfgs" or not anneals(learning_rate):
        return 200
    return min(max(30, -(-400 // n_batches)), 200)


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
