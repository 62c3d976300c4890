"""Scoring: apply a scikit-learn scorer during training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from .history import CURVES
from .transaction import MISSING, shallow_copy


class ValidationScore:
    """Scores the current parameters on the validation set each time it is called.

    The scorer gets a copy of the estimator and read-only arrays, so it cannot change the model. Attributes
    that it sets on the copy are set on the estimator too, except fitted ones and hyperparameters.

    Parameters
    ----------
    estimator : estimator
        The estimator in training.
    fitted : iterable of str
        The names of its fitted attributes.
    give_parameters : callable
        Sets a copy of the current parameters on the estimator that is passed to it.
    X, y : array-like
        The validation set.
    weights : ndarray or None
    """

    def __init__(
        self,
        estimator: Any,
        fitted: Iterable[str],
        give_parameters: Callable[[Any], None],
        X: Any,
        y: Any,
        weights: Any,
    ) -> None:
        self._estimator, self._give_parameters = estimator, give_parameters
        self._scorer = check_scoring(estimator, estimator.scoring)
        private = {name for name in vars(estimator) if name.startswith("_")}
        self._protected = {*fitted, *private, *estimator.get_params(deep=False)}
        self._data = _read_only(X), _read_only(y)
        self._weights = {} if weights is None else {"sample_weight": _read_only(weights)}

    def __call__(self) -> Any:
        """Return the value of the scorer."""
        shown = shallow_copy(self._estimator)
        for name in CURVES:  # those of earlier calls, which may be long
            shown.__dict__.pop(name, None)
        for name in self._protected & vars(shown).keys():
            if isinstance(value := getattr(shown, name), (list, np.ndarray)):
                setattr(shown, name, value.copy())
        self._give_parameters(shown)
        # The validation set is an array without feature names by now.
        shown.__dict__.pop("feature_names_in_", None)
        before = dict(vars(shown))
        try:
            returned = self._scorer(shown, *self._data, **self._weights)
        except TypeError as error:
            if self._weights and "sample_weight" in str(error):
                raise ValueError(
                    f"scoring={self._estimator.scoring!r} does not accept sample_weight, but the validation "
                    "set has weights. Add a parameter sample_weight to it, or choose another scoring."
                ) from error
            raise
        for name, value in vars(shown).items():
            if name not in self._protected and before.get(name, MISSING) is not value:
                setattr(self._estimator, name, value)
        return returned


def _read_only(data: Any) -> Any:
    """Return a view of an array that cannot be written to; a sparse array as it is."""
    if not isinstance(data, np.ndarray):
        return data
    view = data.view()
    view.flags.writeable = False
    return view
