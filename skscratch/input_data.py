"""Input data: X and y as the user passes them, checked, and converted to numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .checks import check_labels, errors_named, numbers_named
from .user_warnings import warn_user

FEWEST_TO_COMPARE, MOST_TO_COMPARE = 5, 256


def read_X(estimator: Any, X: Any) -> NDArray | sp.csr_array:
    """Return the rows to predict."""
    check_is_fitted(estimator)
    with numbers_named("X"):
        X = validate_data(estimator, X, accept_sparse="csr", dtype=dtype_to_read(X), reset=False)
        return in_numbers(X)


def read_X_y(estimator: Any, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
    """Return the rows to train on and their targets.

    With ``reset``, set n_features_in_ and feature_names_in_ of the estimator; else compare X with them.
    """
    check_labels(y, "y")
    options = {"accept_sparse": "csr", "dtype": dtype_to_read(X), "multi_output": True}
    with numbers_named("X"):
        X, y = validate_data(estimator, X, y, reset=reset, **options)
        X = in_numbers(X)
    return X, one_column(y)


def read_validation_set(estimator: Any, X_val: Any, y_val: Any) -> tuple[Any, Any]:
    """Return X_val and y_val, checked like X and y; errors use their own names."""
    with errors_named("y_val"):
        check_labels(y_val, "y_val")
    with errors_named("X_val"), numbers_named("X_val"):
        options = {"accept_sparse": "csr", "dtype": dtype_to_read(X_val), "input_name": "X_val"}
        X = in_numbers(check_array(X_val, estimator=estimator, **options))
    try:
        # This checks the number and the names of the features only.
        validate_data(estimator, X_val, reset=False, skip_check_array=True)
    except ValueError as error:
        raise ValueError(re.sub("^X has", "X_val has", str(error))) from error
    with errors_named("y_val"):
        y = check_array(y_val, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y_val")
    if X.shape[0] != y.shape[0]:
        raise ValueError(
            f"X_val has {X.shape[0]} rows, but y_val has {y.shape[0]}. Pass one target for each row."
        )
    return X, one_column(y, "y_val")


def warn_if_untransformed(X: Any, X_val: Any) -> None:
    """Warn if X_val lies so far from X that it cannot have been transformed in the same way.

    A feature is far if its median in X_val is outside its range in X by more than the width of that range.
    Untransformed rows have many such features, usually more than a quarter. After a drift by three standard
    deviations a feature is not far.
    """
    if X.shape[0] < FEWEST_TO_COMPARE or X_val.shape[0] < FEWEST_TO_COMPARE:
        return
    training, validation = _spread_out(X), _spread_out(X_val)
    low, high, median = training.min(axis=0), training.max(axis=0), np.median(validation, axis=0)
    width = high - low
    n_far = int((((median > high + width) | (median < low - width)) & (width > 0)).sum())
    if n_far >= 2 and n_far > len(width) / 4:
        warn_user(
            f"X_val lies far from X: for {n_far} of {len(width)} features, a typical value of X_val is "
            "outside the range of X by more than its width. X_val must be transformed in the same way as X. "
            "A Pipeline transforms it if it is made with transform_input=['X_val'] and metadata routing is "
            "on; the prefix of a step, as in mlp__X_val, passes it untransformed.",
            UserWarning,
        )


def _spread_out(X: Any) -> NDArray:
    """Return evenly spaced rows and columns of X as floats, at most MOST_TO_COMPARE of both."""
    rows, columns = (np.arange(0, n, -(-n // MOST_TO_COMPARE)) for n in X.shape)
    part = X[rows][:, columns]
    return (part.toarray() if sp.issparse(part) else part).astype(np.float64)


def compute_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype to compute in: float32 if it represents X exactly, else float64."""
    small_float = dtype.kind == "f" and dtype.itemsize <= 4
    small_integer = dtype.kind in "biu" and dtype.itemsize <= 2
    return np.dtype(np.float32 if small_float or small_integer else np.float64)


def dtype_to_read(X: Any) -> Any:
    """Return the dtype that scikit-learn's validation converts X to; "numeric" keeps the dtype of numbers.

    With "numeric", scikit-learn parses text as numbers only in object arrays, and converts every data frame
    with a nullable column to float64.
    """
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    if getattr(getattr(X, "dtype", None), "kind", None) in ("S", "U"):
        return np.float64
    columns = list(X.dtypes) if hasattr(X, "columns") else []
    dtypes = [getattr(dtype, "numpy_dtype", dtype) for dtype in columns]
    nullable = any(hasattr(dtype, "numpy_dtype") for dtype in columns)
    if nullable and all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes):
        return compute_dtype(np.result_type(*dtypes))
    return "numeric"


def as_csr(X: Any) -> sp.csr_array:
    """Return sparse X as CSR; if X already is CSR, the result shares its buffers."""
    X = sp.csr_array(X)
    if X.indices.dtype != X.indptr.dtype:
        # SciPy converts both index arrays to one dtype here, once. Else every slice would convert or fail.
        X = sp.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    return X


def one_column(y: Any, name: str = "y") -> Any:
    """Return y, without the second axis if it is a single column."""
    if y.ndim == 2 and y.shape[1] == 1 and not sp.issparse(y):
        warn_user(
            f"A column-vector {name} was passed when a 1d array was expected. Change its shape to "
            "(n_samples,), for example with ravel().",
            DataConversionWarning,
        )
        return column_or_1d(y)
    return y


def in_numbers(X: Any) -> Any:
    """Return X as CSR if it is sparse, and of a dtype that can be computed with."""
    X = as_csr(X) if sp.issparse(X) else X
    if X.dtype.kind in "mM":
        raise ValueError(f"X holds dates or durations ({X.dtype}); turn them into numbers first.")
    if X.dtype.kind not in "biuf":
        # scikit-learn converts a frame with categories to objects. Text that is no number is an error.
        X = X.astype(np.float64)
        assert_all_finite(X, input_name="X")  # scikit-learn looks for NaN only among objects
        return X
    # SciPy has no arithmetic for sparse float16.
    return X.astype(np.float32) if sp.issparse(X) and X.dtype == np.float16 else X
