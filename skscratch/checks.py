"""Checks: numbers and labels from outside, refused by the name of what holds them."""

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
    """Return a number as a float: infinite if it is too large for one, NaN if it is no single number."""
    try:
        return math.nan if isinstance(value, (str, bytes)) or np.ndim(value) else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan


def short_repr(value: Any) -> str:
    """Return what the value looks like, in a line; Python writes out no int of thousands of digits."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return f"a value of type {type(value).__name__} that is too long to print"


@contextmanager
def numbers_named(name: str) -> Iterator[None]:
    """Turn bare errors in reading numbers into errors that name what holds them."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(
            f"{name} holds a number that no float can hold (they end at 1.8e308). Scale its values down."
        ) from error
    except ValueError as error:
        if name in str(error) or "could not convert" not in str(error):
            raise
        entry = str(error).partition(": ")[2]
        raise ValueError(f"{name} must hold numbers, but {entry} is none.") from error


MISSING = {"NoneType", "NAType", "NaTType"}  # by name, since pandas need not be installed


def check_labels(labels: Any, name: str) -> None:
    """Refuse labels of which some are missing or infinite, and strings that are mixed with others."""
    if labels is None or sp.issparse(labels):
        return
    # NumPy would turn whatever else is in a list of strings into a string, too: NaN into "nan".
    values = labels if isinstance(labels, (list, tuple)) else np.asarray(labels).ravel()
    if isinstance(values, (list, tuple)) or values.dtype == object:
        _check_of_one_sort(values, name)
    try:
        values = np.asarray(values)
    except ValueError:
        return  # rows of unequal lengths, of which scikit-learn tells more
    if values.dtype.kind in "mM" and np.isnat(values).any():
        raise ValueError(f"Input {name} contains NaT. Leave out the rows without a label.")
    if values.dtype == object:
        values = np.array([value for value in values.flat if isinstance(value, float)])
    assert_all_finite(values, input_name=name)


def _check_of_one_sort(values: Any, name: str) -> None:
    kinds = set(map(type, values))  # few, and all that labels without a fault cost
    strings = {kind for kind in kinds if issubclass(kind, str)}
    odd = {kind for kind in kinds if kind.__name__ in MISSING or (strings and kind not in strings)}
    if odd:
        value = next(value for value in values if type(value) in odd)
        raise ValueError(
            f"{name} holds {short_repr(value)} among its labels. No label may be missing, and either all are "
            "strings or none is: leave out the rows without a label, and turn other labels into strings."
        )
