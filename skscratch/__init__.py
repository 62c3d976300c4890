"""A multi-layer perceptron classifier for scikit-learn, with backpropagation written by hand in NumPy."""

from .classifier import ScratchMLPClassifier
from .display import FirstLayerDisplay, LossCurveDisplay

__all__ = ["FirstLayerDisplay", "LossCurveDisplay", "ScratchMLPClassifier"]
__version__ = "0.1.0"
