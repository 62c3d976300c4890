"""Checks of the user's numbers and labels; each error names the argument."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import assert_all_finite


def as_float(value: Any) -> float:
    """Return a number as a float: infinity if it is too large, NaN if it is not a single number."""
    try:
        return math.nan if isinstance(value, (str, bytes)) or np.ndim(value) else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def short_repr(value: Any) -> str:
    """Return a short repr of the value; Python refuses to print an int with thousands of digits."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return f"a value of type {type(value).__name__} that is too long to print"


@contextmanager
def numbers_named(name: str) -> Iterator[None]:
    """Turn errors of number conversion into errors that name the argument."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(
            f"{name} holds a number that is too large for a float (1.8e308 at most). Scale its values down."
        ) from error
    except ValueError as error:
        if name in str(error) or "could not convert" not in str(error):
            raise
        entry = str(error).partition(": ")[2]
        raise ValueError(f"{name} must hold numbers, but {entry} is not a number.") from error


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Put the argument's name in front of an error of scikit-learn or NumPy that does not contain it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if name in str(error):
            raise
        raise ValueError(f"{name}: {error}") from error


MISSING_TYPES = {"NoneType", "NAType", "NaTType"}  # by name, since pandas need not be installed


def check_labels(labels: Any, name: str) -> None:
    """Raise if labels are missing or infinite, or if strings are mixed with other types."""
    if labels is None or sp.issparse(labels):
        return
    # NumPy would turn every entry of a list with strings into a string: NaN would become "nan".
    values = labels if isinstance(labels, (list, tuple)) else np.asarray(labels).ravel()
    if isinstance(values, (list, tuple)) or values.dtype == object:
        _check_of_one_sort(values, name)
    try:
        values = np.asarray(values)
    except ValueError:
        return  # rows of unequal length; scikit-learn's error says more
    if values.dtype.kind in "mM" and np.isnat(values).any():
        raise ValueError(f"Input {name} contains NaT. Leave out the rows without a label.")
    if values.dtype == object:
        values = np.array([value for value in values.flat if isinstance(value, float)])
    assert_all_finite(values, input_name=name)


def _check_of_one_sort(values: Any, name: str) -> None:
    kinds = set(map(type, values))  # a set of types, so that the check of valid labels is fast
    strings = {kind for kind in kinds if issubclass(kind, str)}
    odd = {kind for kind in kinds if kind.__name__ in MISSING_TYPES or (strings and kind not in strings)}
    if odd:
        value = next(value for value in values if type(value) in odd)
        among = "strings" if strings else "its labels"
        raise ValueError(
            f"{name} holds {short_repr(value)} among {among}. Labels must not be missing, and strings must "
            "not be mixed with others. Leave out rows without a label; turn other labels into strings."
        )
