"""Floating point: one NumPy error state for all public methods."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

Given = ParamSpec("Given")
Result = TypeVar("Result")


def own_errstate(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorate a method to run in the package's own error state, whatever the caller's ``np.seterr``.

    - Underflow is ignored: e^z and old gradients may underflow to 0.
    - Overflow and NaN are ignored here. The loss, the parameters and the logits are checked instead, so that
      the error can say what to do.
    - Division by zero would be a bug, so it warns.
    """

    @wraps(method)
    def method_in_own_errstate(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        # The user's scorers, callbacks and schedules run in this state too; they can set another one. The
        # caller's state returns when the method ends. Other threads are not affected.
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="warn"):
            return method(*args, **kwargs)

    return method_in_own_errstate
