"""A multi-layer perceptron classifier for scikit-learn, with backpropagation written by hand in NumPy."""

from .classifier import ScratchMLPClassifier

__all__ = ["ScratchMLPClassifier"]
__version__ = "0.1.0"
