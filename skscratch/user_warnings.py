"""Warnings that point to the line in the user's code."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path

import sklearn

_INSIDE = tuple(str(Path(str(module.__file__)).parent) for module in (sys.modules[__package__], sklearn))


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn with the location of the user's call into this package or into scikit-learn."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_code.co_filename.startswith((*_INSIDE, contextlib.__file__)):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
