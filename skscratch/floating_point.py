"""Floating point: how NumPy reacts to overflow and the like, decided once, where users call in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

Given = ParamSpec("Given")
Result = TypeVar("Result")


def own_errstate(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let a method compute in the error state that the package needs, whatever ``np.seterr`` says outside.

    - Underflow is ignored: e^z and old gradients decay to 0 by it.
    - Overflow and NaN are ignored here and looked for in the results: the loss, the parameters, the logits.
      An error there can say what to do about it.
    - Division by zero would be a defect, so NumPy's warning stays.
    """

    @wraps(method)
    def method_in_own_errstate(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        # Scorers, callbacks and schedules are called from within, so they see this state, not the user's.
        # Those who want another one can set it there. It ends with the method, in this thread only.
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="warn"):
            return method(*args, **kwargs)

    return method_in_own_errstate
