"""A multi-layer perceptron classifier for scikit-learn, with backpropagation written by hand in NumPy."""

import sys
from contextlib import suppress

from .blas_threads import all_blas_threads
from .classifier import ScratchMLPClassifier
from .display import FirstLayerDisplay, LossCurveDisplay, TrainingCurves
from .piecewise_linear import PiecewiseLinearEncoder
from .tabular import make_tabular_pipeline

if "skl2onnx" in sys.modules:
    # Who has imported skl2onnx means to convert models, and needs no second import. A skl2onnx that does not
    # work is no reason to fail here.
    with suppress(ImportError):
        from . import onnx  # noqa: F401

__all__ = [
    "FirstLayerDisplay",
    "LossCurveDisplay",
    "PiecewiseLinearEncoder",
    "ScratchMLPClassifier",
    "TrainingCurves",
    "all_blas_threads",
    "make_tabular_pipeline",
]
__version__ = "0.1.0"
