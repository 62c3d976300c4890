"""Scoring: a scikit-learn scorer, applied to an estimator in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.metrics import check_scoring

from .transaction import MISSING, shallow_copy


class ValidationScore:
    """Scores the current parameters on the validation set whenever it is called.

    The scorer sees a copy of the estimator, which it cannot spoil. What it stores there as attributes is
    stored on the estimator as well.

    Parameters
    ----------
    estimator : estimator
        The one in training.
    give_parameters : callable
        Gives the estimator that it is called with a copy of the current parameters.
    X, y : array-like
        The validation set.
    weights : ndarray or None
    """

    # The scorer may store what it likes, but not in their place.
    PROTECTED = ("classes_", "coefs_", "intercepts_")

    def __init__(
        self, estimator: Any, give_parameters: Callable[[Any], None], X: Any, y: Any, weights: Any
    ) -> None:
        self._estimator, self._give_parameters = estimator, give_parameters
        self._scorer = check_scoring(estimator, estimator.scoring)
        self._protected = {*self.PROTECTED, *estimator.get_params(deep=False)}
        self._data, self._weights = (X, y), {} if weights is None else {"sample_weight": weights}

    def __call__(self) -> Any:
        """Return what the scorer returns."""
        shown = shallow_copy(self._estimator)
        self._give_parameters(shown)
        # The validation rows have no feature names any more.
        shown.__dict__.pop("feature_names_in_", None)
        before = dict(vars(shown))
        try:
            returned = self._scorer(shown, *self._data, **self._weights)
        except TypeError as error:
            if self._weights and "sample_weight" in str(error):
                raise ValueError(
                    f"scoring={self._estimator.scoring!r} takes no sample_weight, but the validation rows "
                    "have weights. Give it a parameter sample_weight, or monitor another score."
                ) from error
            raise
        for name, value in vars(shown).items():
            if name not in self._protected and before.get(name, MISSING) is not value:
                setattr(self._estimator, name, value)
        return returned
