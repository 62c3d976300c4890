"""A multi-layer perceptron classifier for scikit-learn, with backpropagation written by hand in NumPy."""

from .classifier import ScratchMLPClassifier
from .display import FirstLayerDisplay, LossCurveDisplay
from .piecewise_linear import PiecewiseLinearEncoder
from .tabular import make_tabular_pipeline

__all__ = [
    "FirstLayerDisplay",
    "LossCurveDisplay",
    "PiecewiseLinearEncoder",
    "ScratchMLPClassifier",
    "make_tabular_pipeline",
]
__version__ = "0.1.0"
