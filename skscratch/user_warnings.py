"""Warnings that point at the user's own line, however deep inside the package they arise."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path

import sklearn

_INSIDE = tuple(str(Path(str(module.__file__)).parent) for module in (sys.modules[__package__], sklearn))


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn as if the line had done so that called into this package or into scikit-learn."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_code.co_filename.startswith((*_INSIDE, contextlib.__file__)):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
