"""make_tabular_pipeline: the columns of a table, prepared by their kind for the classifier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from math import nan
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from .checks import MISSING_TYPES
from .classifier import ScratchMLPClassifier
from .piecewise_linear import PiecewiseLinearEncoder

NUMBER, CATEGORY = "number", "category"
MISSING = "missing"  # the category of missing values
# A column of strings is free text if it has more distinct values, and they are more than half of its values.
MOST_DISTINCT = 40

# How the names of dtypes begin, in lower case: in pandas, also for nullable and Arrow columns, and in polars.
NUMBERS = re.compile(r"u?int(?!erval)|float|double|decimal|bool")
CATEGORIES = re.compile(r"categor|enum|dictionary")
STRINGS = re.compile(r"str|large_string|utf8|object|null")


def make_tabular_pipeline(
    classifier: BaseEstimator | None = None,
    *,
    n_knots: int | str = "auto",
    min_frequency: float | None = 2,
    memory: Any = None,
    transform_input: list[str] | None = None,
    verbose: bool = False,
) -> Pipeline:
    """Make a pipeline that prepares the columns of a table for a classifier.

    Its X is a pandas or polars frame, or an array, as it is. The columns are prepared by their kind, which
    `fit` takes from their dtypes:

    - Numbers and booleans go through :class:`PiecewiseLinearEncoder`.
    - Categories and strings become columns of 0 and 1, one for each category. Missing values are a category,
      too. Rare categories share a column, which is also that of categories unseen in training.
    - Objects are numbers if all values of the column are, else strings.
    - Dates, free text and other types are an error that names the column. Strings are free text, or
      identifiers, if more than 40 are distinct and these are more than half of the rows.

    Parameters
    ----------
    classifier : estimator, default=None
        The last step. None is ``ScratchMLPClassifier()``.
    n_knots : int or "auto", default="auto"
        Number of knots of each column of numbers, see :class:`PiecewiseLinearEncoder`.
    min_frequency : int, float or None, default=2
        Categories with fewer rows, or with a smaller fraction of the rows, are rare.
    memory : str or object with the joblib.Memory interface, default=None
        Cache of the fitted transformers, see :class:`~sklearn.pipeline.Pipeline`.
    transform_input : list of str, default=None
        Parameters of `fit` to prepare like X, such as ``["X_val"]``. It needs metadata routing.
    verbose : bool, default=False
        Whether to print the time that each step takes.

    Returns
    -------
    sklearn.pipeline.Pipeline
        The unfitted pipeline of a :class:`~sklearn.compose.ColumnTransformer`, with the transformers
        "numbers" and "categories", and the classifier. Steps are named as by
        :func:`~sklearn.pipeline.make_pipeline`.

    See Also
    --------
    PiecewiseLinearEncoder : The encoding of numbers.
    sklearn.compose.make_column_transformer : For other preparations of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skscratch import make_tabular_pipeline
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.integers(18, 90, 200), "town": rng.choice(["Bonn", "Kiel", None], 200)})
    >>> y = np.where((X["age"] > 40) & (X["town"] == "Kiel"), "yes", "no")
    >>> model = make_tabular_pipeline().fit(X, y)
    >>> model.predict(pd.DataFrame({"age": [25, 60, None], "town": ["Kiel", "Kiel", "Rome"]}))
    array(['no', 'yes', 'no'], dtype='<U3')
    """
    numbers = make_pipeline(
        FunctionTransformer(to_floats, feature_names_out="one-to-one"),
        PiecewiseLinearEncoder(n_knots=n_knots),
    )
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=min_frequency,
        max_categories=100,
        sparse_output=False,
        dtype=np.float32,
    )
    categories = make_pipeline(FunctionTransformer(to_strings, feature_names_out="one-to-one"), one_hot)
    columns = ColumnTransformer(
        [("numbers", numbers, number_columns), ("categories", categories, category_columns)]
    )
    return make_pipeline(
        columns,
        ScratchMLPClassifier() if classifier is None else classifier,
        memory=memory,
        transform_input=transform_input,
        verbose=verbose,
    )


# Which columns


def number_columns(X: Any) -> list:
    """Return the names of the columns of numbers, or their positions."""
    return _labels(X, NUMBER)


def category_columns(X: Any) -> list:
    """Return the names of the columns of categories, or their positions."""
    return _labels(X, CATEGORY)


def _labels(X: Any, kind: str) -> list:
    # Not every version of scikit-learn finds the columns of every version of polars by name.
    by_name = hasattr(X, "iloc") and all(isinstance(name, str) for name in X.columns)
    positions = [i for i, (name, column) in enumerate(_columns(X)) if _kind(name, column) == kind]
    return [X.columns[i] for i in positions] if by_name else positions


def _columns(X: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each column with its name; in an array with its position."""
    if sp.issparse(X):
        raise TypeError(
            "X is sparse, and make_tabular_pipeline takes frames and dense arrays. Use "
            "make_pipeline(MaxAbsScaler(), ScratchMLPClassifier()) for sparse X."
        )
    if hasattr(X, "iloc"):
        return X.items()
    if hasattr(X, "columns"):
        return ((name, X[name]) for name in X.columns)
    return enumerate(np.asarray(X).T)


def _kind(name: Any, column: Any) -> str:
    """Return whether a column holds numbers or categories; raise if neither."""
    dtype, letter = str(column.dtype).lower(), getattr(column.dtype, "kind", None)
    if letter in tuple("biuf") or NUMBERS.match(dtype):
        return NUMBER
    if CATEGORIES.match(dtype):
        return CATEGORY
    if letter in tuple("UST") or STRINGS.match(dtype):
        return _kind_of_objects(name, np.asarray(column, dtype=object))
    raise _trouble(name, f"holds values of dtype {column.dtype}")


def _kind_of_objects(name: Any, values: NDArray) -> str:
    """Return whether Python objects are numbers or categories; raise if neither."""
    present = [value for value in values if not _is_missing(value)]
    if present and all(isinstance(value, Real | Decimal | np.bool_) for value in present):
        return NUMBER
    for value in present:
        if not isinstance(value, str | bytes | Real | Decimal | np.bool_):
            raise _trouble(name, f"holds values of type {type(value).__name__}")
    n_distinct = len(set(present))
    if n_distinct > max(MOST_DISTINCT, len(present) / 2):
        raise _trouble(
            name,
            f"holds free text or identifiers: {n_distinct:,} distinct strings in {len(present):,} rows",
            " For categories, convert the column to a dtype of categories; for numbers, to numbers.",
        )
    return CATEGORY


def _trouble(name: Any, trouble: str, advice: str = "") -> ValueError:
    return ValueError(
        f"Column {name!r} {trouble}. make_tabular_pipeline takes numbers, booleans and categories.{advice} "
        "Else leave the column out, or use skrub.tabular_pipeline(ScratchMLPClassifier()), which also "
        "prepares dates and text."
    )


# Their values


def to_floats(X: Any) -> NDArray:
    """Return columns of numbers as an array of floats; missing values of every kind become NaN."""
    return np.column_stack([_floats(np.asarray(column)) for _, column in _columns(X)])


def _floats(values: NDArray) -> NDArray:
    if values.dtype == object:
        values = np.array([nan if _is_missing(value) else value for value in values])
    return values.astype(np.float64)


def to_strings(X: Any) -> NDArray:
    """Return columns of categories as an array of strings; missing values of every kind become "missing"."""
    values = np.asarray(X, dtype=object)
    strings = np.empty(values.shape, dtype=object)
    for column, target in zip(values.T, strings.T, strict=True):
        names = {value: _name(value) for value in column}
        target[:] = [names[value] for value in column]
    return strings


def _name(category: Any) -> str:
    """Return a category as a string. A missing value elsewhere makes 1 to 1.0, but the name stays "1"."""
    if _is_missing(category):
        return MISSING
    is_whole = isinstance(category, float | np.floating) and float(category).is_integer()
    return str(int(category) if is_whole else category)


def _is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas.NA."""
    return type(value).__name__ in MISSING_TYPES or (
        isinstance(value, float | np.floating) and np.isnan(value)
    )
