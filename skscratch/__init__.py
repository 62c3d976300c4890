"""A multi-layer perceptron classifier for scikit-learn, with backpropagation written by hand in NumPy."""

from .blas_threads import all_blas_threads
from .classifier import ScratchMLPClassifier
from .display import FirstLayerDisplay, LossCurveDisplay

__all__ = ["FirstLayerDisplay", "LossCurveDisplay", "ScratchMLPClassifier", "all_blas_threads"]
__version__ = "0.1.0"
