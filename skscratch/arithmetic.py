"""Arithmetic: what NumPy says of overflow and its kin, decided once, at the estimator's doors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

Given = ParamSpec("Given")
Result = TypeVar("Result")


def on_own_terms(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let a method compute in the error state that the package needs, whatever ``np.seterr`` says outside.

    - Underflow is how e^z and the share of an old gradient reach 0.
    - Overflow and NaN are looked for in what comes out: the loss, the parameters, the scores. There an error
      can say what to do about it.
    - Nothing is meant to be divided by zero. It would be a defect, so NumPy's warning stays.
    """

    @wraps(method)
    def method_on_own_terms(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        # Scorers, callbacks and schedules are called from within, so they see this state, not the user's.
        # Those who want another one can set it there. It ends with the method, in this thread only.
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="warn"):
            return method(*args, **kwargs)

    return method_on_own_terms
