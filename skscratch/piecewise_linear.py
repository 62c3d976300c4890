"""PiecewiseLinearEncoder: a number becomes several, its positions in the bins between knots.

    x            a value of one column
    b_0..b_T     the knots of the column in rising order: smallest value, quantiles, largest value
    u(x; a, b)   the position of x between a and b
    z            the scaled value
    e_t          the scaled position in bin t, for t = 1..T
    h_t          the scaled closeness to knot t, for t = 0..T; not in every column
    s_z          scale, such that z has the variance 1/2
    s_e, s_h     scales, such that e_1..e_T together have the variance 1/2; beside h_0..h_T, which together
                 have 1/5, it is 3/10

    u(x; a, b) = (clip(x, a, b) - a) / (b - a)
    z          = (u(x; b_0, b_T) - mean) / s_z
    e_t        = (u(x; b_(t-1), b_t) - mean_t) / s_e
    h_t        = (u(x; b_(t-1), b_t) - u(x; b_t, b_(t+1)) - mean_t) / s_h

A weighted sum of e_1..e_T can be any function of x that is linear between neighbouring knots and constant
beyond the outer ones. So one layer can say "between 3 and 5", for which z alone needs several hidden units.

If a column takes few values, these are the knots b_0..b_T. The encoder cannot know whether they are amounts
or stand for categories. h_t is 1 at b_t and 0 at the other values, before it is centred and scaled. Weighted
sums of h_0..h_T are the same functions as those of e_1..e_T, but the penalty on the weights favours different
ones. With z, linear effects are cheap; with e_1..e_T, effects that are similar at neighbouring values; with
h_0..h_T, effects that single out one value. The more rows there are, the less the penalty matters, so only
small tables have h_0..h_T. (In h_0, u(x; b_(-1), b_0) is 1, and in h_T, u(x; b_T, b_(T+1)) is 0.)

The positions are those of Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular
deep learning", 2022, section 3.1, but constant outside the training range, centred and scaled. z is the
position in a single bin from the first knot to the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

# More values are more likely to be amounts than to stand for categories.
MOST_FEW_VALUES = 16
MOST_ROWS_TO_MARK_VALUES = 1000
# With n_knots="auto"
MOST_KNOTS = 16
MOST_COLUMNS = 256  # of the encoded table, more or less; twice as many if all values are marked

VARIANCE_OF_VALUE, VARIANCE_OF_POSITIONS = 1 / 2, 1 / 2
VARIANCE_OF_POSITIONS_BESIDE_CLOSENESS, VARIANCE_OF_CLOSENESS = 3 / 10, 1 / 5

LARGEST = np.finfo(np.float64).max / 2  # beyond it, the difference of two values could overflow


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode each number as its scaled value and its positions in the bins between knots.

    To learn a jagged effect of a single column, a network needs many hidden units. On these columns the same
    effect is a weighted sum.

    If a column has few values, such as an integer that stands for a category, these are the knots. With at
    most 1,000 rows, there is one more column for each of them: 1 at this value, 0 at the others, and linear
    between two of them.

    Missing values are replaced by the median. If a column has some in the training set, another column marks
    them. Values outside the training range, infinite ones too, count as the nearest value inside.

    Parameters
    ----------
    n_knots : int or "auto", default="auto"
        Number of knots of a column: its smallest and largest value, and quantiles between them. Knots that
        coincide are merged. With fewer than 3 knots, there is only the scaled value. At most n_knots values,
        and at most 16, are few. "auto" is the cube root of a third of the number of values that are not
        missing, at most 16, and at most 256 divided by the number of columns. From 3 knots on, up to
        16 values are then few (fewer with more than 16 columns).
    dtype : dtype, default=numpy.float32
        Type of the encoded columns.

    Attributes
    ----------
    knots_ : list of ndarray
        The knots of each column.
    marks_values_ : ndarray of bool of shape (n_features,)
        Whether there is a column for each value of this one.
    median_ : ndarray of shape (n_features,)
        What replaces missing values.
    marks_missing_ : ndarray of bool of shape (n_features,)
        Whether a column marks the missing values of this one.
    mean_ : ndarray of shape (n_features_out,)
        What is subtracted from each position.
    scale_ : ndarray of shape (n_features_out,)
        What each centred position is divided by.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had them.

    See Also
    --------
    make_tabular_pipeline : A pipeline that encodes all columns of a table.
    sklearn.preprocessing.SplineTransformer : Smoother functions of each column.
    sklearn.preprocessing.KBinsDiscretizer : Functions that are constant in each bin.

    References
    ----------
    Gorishniy, Rubachev & Babenko, "On embeddings for numerical features in tabular deep learning", 2022.

    Examples
    --------
    >>> from skscratch import PiecewiseLinearEncoder
    >>> X = [[0.0], [1.0], [2.0], [3.0], [8.0]]
    >>> encoder = PiecewiseLinearEncoder(n_knots=3).fit(X)
    >>> encoder.knots_
    [array([0., 2., 8.])]
    >>> encoder.get_feature_names_out(["age"])
    array(['age', 'age_bin1', 'age_bin2'], dtype=object)
    """

    _parameter_constraints: dict = {
        "n_knots": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "dtype": "no_validation",
    }

    _doc_link_module = "skscratch"
    _doc_link_template = (
        "https://skscratch.readthedocs.io/en/stable/generated/skscratch.{estimator_name}.html"
    )

    knots_: list[NDArray]
    marks_values_: NDArray
    median_: NDArray
    marks_missing_: NDArray
    mean_: NDArray
    scale_: NDArray

    def __init__(self, *, n_knots: int | str = "auto", dtype: DTypeLike = np.float32) -> None:
        self.n_knots = n_knots
        self.dtype = dtype

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the knots of each column, and the means and scales of the positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training set; NaN is missing.
        y : object, default=None
            Ignored.

        Returns
        -------
        PiecewiseLinearEncoder
            The fitted encoder.
        """
        X = self._read(X, reset=True)
        self.marks_missing_ = np.isnan(X).any(axis=0)
        finite = [np.clip(x[np.isfinite(x)].astype(np.float64), -LARGEST, LARGEST) for x in X.T]
        self.median_ = np.array([np.median(x) if len(x) else 0.0 for x in finite])
        chosen = [self._choose_knots(x, X.shape[1]) for x in finite]
        self.knots_ = [knots for knots, _ in chosen]
        self.marks_values_ = np.array([marks for _, marks in chosen])
        means, scales = zip(*starmap(_mean_and_scale, self._blocks(X)), strict=True)
        self.mean_, self.scale_ = np.concatenate(means), np.concatenate(scales)
        return self

    def transform(self, X: ArrayLike) -> NDArray:
        """Encode each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows to encode; NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The encoded columns.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        encoded = np.empty((len(X), len(self.mean_)), self.dtype)
        end = 0
        for u, _ in self._blocks(X):
            start, end = end, end + u.shape[1]
            encoded[:, start:end] = (u - self.mean_[start:end]) / self.scale_[start:end]
        return encoded

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return the names of the encoded columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None takes ``feature_names_in_``, or "x0", "x1", ... without it.

        Returns
        -------
        ndarray of str objects
            Such as "age", "age_bin1", "age_bin2", "age_missing"; with a column for each value "rooms",
            "rooms_bin1", "rooms_bin2", "rooms_1", "rooms_2", "rooms_4".
        """
        check_is_fitted(self)
        names: list[str] = []
        given = _check_feature_names_in(self, input_features)
        columns = zip(given, self.knots_, self.marks_values_, self.marks_missing_, strict=True)
        for name, knots, marks_values, marks_missing in columns:
            names.append(name)
            if len(knots) > 2:
                names += [f"{name}_bin{t}" for t in range(1, len(knots))]
            if marks_values:
                names += [f"{name}_{text}" for text in _texts(knots)]
            names += [f"{name}_missing"] * bool(marks_missing)
        return np.asarray(names, dtype=object)

    def _read(self, X: ArrayLike, *, reset: bool) -> NDArray:
        """Return X as an array of floats."""
        return validate_data(self, X, reset=reset, dtype=(np.float64, np.float32), ensure_all_finite=False)

    def _choose_knots(self, x: NDArray, n_features: int) -> tuple[NDArray, bool]:
        """Return the knots of a column, and whether there is a column for each of them."""
        if not len(x):
            return np.zeros(2), False
        n_knots, few = self._resolve(len(x), n_features)
        values = np.unique(x)
        if n_knots < 3:
            return values[[0, -1]], False
        if len(values) <= max(few, n_knots):
            return values, 2 < len(values) <= few and len(x) <= MOST_ROWS_TO_MARK_VALUES
        # "nearest", since a quantile between two values could be one that the column never takes.
        return np.unique(np.quantile(x, np.linspace(0, 1, n_knots), method="nearest")), False

    def _resolve(self, n_values: int, n_features: int) -> tuple[int, int]:
        """Return the number of knots, and the largest number of distinct values that are few."""
        if self.n_knots != "auto":
            n_knots = most = int(self.n_knots)
        else:
            most = min(MOST_KNOTS, MOST_COLUMNS // n_features)
            # In proportion to n^(1/3), as the number of bins of a histogram.
            n_knots = min(int(np.cbrt(n_values / 3)), most)
        return n_knots, min(MOST_FEW_VALUES, most)

    def _blocks(self, X: NDArray) -> Iterator[tuple[NDArray, float | None]]:
        """Yield each column's position in its range, those in its bins and the closeness to its values.

        With each comes the variance to scale it to. What marks missing values comes last and is not scaled.
        """
        columns = zip(X.T, self.knots_, self.marks_values_, self.median_, self.marks_missing_, strict=True)
        for x, knots, marks_values, median, marks_missing in columns:
            is_missing = np.isnan(x)
            x = np.where(is_missing, median, x)
            yield _positions(x, knots[[0, -1]]), VARIANCE_OF_VALUE
            if marks_values:
                u = _positions(x, knots)
                yield u, VARIANCE_OF_POSITIONS_BESIDE_CLOSENESS
                yield _closeness(u), VARIANCE_OF_CLOSENESS
            elif len(knots) > 2:
                yield _positions(x, knots), VARIANCE_OF_POSITIONS
            if marks_missing:
                yield is_missing[:, np.newaxis], None

    def __sklearn_tags__(self) -> Any:
        """Return what the encoder can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _texts(values: NDArray) -> list[str]:
    """Return a text for each value: whole numbers in full, others with 6 digits, or with more to differ."""
    values = values + 0.0  # so that -0.0 becomes 0.0
    digits = 15 if (values % 1 == 0).all() else 6
    # 17 digits tell any two floats apart.
    while len(texts := [f"{value:.{digits}g}" for value in values]) > len(set(texts)):
        digits += 1
    return texts


def _positions(x: NDArray, knots: NDArray) -> NDArray:
    """u(x; b_(t-1), b_t), a column for each t; 0 if there is a single value."""
    lower, upper = knots[:-1], knots[1:]
    return (np.clip(x[:, np.newaxis], lower, upper) - lower) / np.where(lower < upper, upper - lower, 1)


def _closeness(u: NDArray) -> NDArray:
    """u(x; b_(t-1), b_t) - u(x; b_t, b_(t+1)), a column for each t: 1 at knot t and 0 at all others."""
    u = np.pad(u, ((0, 0), (1, 1)))
    u[:, 0] = 1
    return u[:, :-1] - u[:, 1:]


def _mean_and_scale(u: NDArray, variance: float | None) -> tuple[NDArray, NDArray]:
    """Return the means of the columns, and s: divided by it, their variances sum to the one given."""
    if variance is None:
        return np.zeros(1), np.ones(1)
    s = np.sqrt(u.var(axis=0).sum() / variance) or 1.0
    return u.mean(axis=0), np.full(u.shape[1], s)
