"""Losses: the link from scores to probabilities and the negative log-likelihood, fused.

====== ============================ ==================================================================
symbol shape                        meaning
====== ============================ ==================================================================
Z      (..., n_outputs, n_examples) scores (logits) of the output layer, one column per example
Y      (..., n_outputs, n_examples) targets: one-hot columns, or one row of 0/1 per label
P      (..., n_outputs, n_examples) probabilities, the link applied to Z
s      (..., 1 or C, n_examples)    softmax's normaliser, sum_c e^(z_c - m), with m the column's maximum
====== ============================ ==================================================================

Both pairs of link and loss are *canonical*: the derivative of an example's loss by its scores is ``P - Y``
(Bishop 2006, section 5.3), so the output layer's delta needs no formula of its own here. Losses are
computed from the scores, never from rounded probabilities, hence they are exact and need no clipping.
"""

from __future__ import annotations

from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax


class Loss(Protocol):
    """What the objective and the estimator ask of a loss."""

    out_activation: str

    def summing_matrix(self, n_outputs: int, dtype: np.dtype) -> NDArray:
        """Return what ``link`` needs besides its buffers; it is made once and only read."""

    def link(self, Z: NDArray, ones: NDArray, s: NDArray, P: NDArray) -> None:
        """Fill P with probabilities; Z is shifted and s filled so that ``losses`` can follow."""

    def losses(self, Z: NDArray, s: NDArray, Y: NDArray, out: NDArray) -> None:
        """Fill out with each example's loss, from what ``link`` left in Z and s; Z, s and Y are consumed."""

    def curvature(self, P: NDArray) -> NDArray:
        """Return the mean of the Hessian's eigenvalues, the Hessian being the loss's in the scores."""

    def loss_at_zero_logits(self, n_outputs: int) -> float:
        """Return the loss of a network whose scores are all zero."""

    def probabilities(self, logits: NDArray) -> NDArray:
        """Return probabilities of shape (n_examples, n_outputs) for scores of that shape."""

    def log_probabilities(self, logits: NDArray) -> NDArray:
        """Return the logarithms of the probabilities, finite for any finite scores."""


class SoftmaxCrossEntropy:
    """p_c = e^z_c / sum_k e^z_k,   loss = -sum_c y_c log p_c   (Bishop 2006, section 4.3.4)."""

    out_activation = "softmax"

    def summing_matrix(self, n_outputs: int, dtype: np.dtype) -> NDArray:
        """Return ones whose product with e^Z sums its columns.

        A product is faster than a reduction over few classes. Up to 16 of them the sum is spread over
        all rows at once (a square of ones), so that the division by it needs no broadcasting.
        """
        return np.ones((n_outputs if n_outputs <= 16 else 1, n_outputs), dtype)

    def link(self, Z: NDArray, ones: NDArray, s: NDArray, P: NDArray) -> None:
        """Z <- Z - max_c Z;   s = sum_c e^Z;   P = e^Z / s."""
        largest = s[:1]
        np.maximum.reduce(Z, axis=0, out=largest, keepdims=True)
        np.subtract(Z, largest, out=Z)
        np.exp(Z, out=P)
        ones.dot(P, out=s)
        np.divide(P, s, out=P)

    def losses(self, Z: NDArray, s: NDArray, Y: NDArray, out: NDArray) -> None:
        """out = log s - sum_c y_c z_c   (the columns of Y sum to one)."""
        np.multiply(Z, Y, out=Z)
        log_s = s[..., 0, :]
        np.log(log_s, out=log_s)
        np.add.reduce(Z, axis=-2, out=out)
        np.subtract(log_s, out, out=out)

    def curvature(self, P: NDArray) -> NDArray:
        """(1 - sum_c p_c^2) / (C - 1): the trace of diag(p) - p p^T; a shift of all scores has none."""
        return (1 - np.add.reduce(P * P, axis=-2)) / max(P.shape[-2] - 1, 1)

    def loss_at_zero_logits(self, n_outputs: int) -> float:
        """log C; of a single class, as much as of two."""
        return log(max(n_outputs, 2))

    def probabilities(self, logits: NDArray) -> NDArray:
        """p = e^(z - m) / sum_c e^(z_c - m)."""
        P = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
        np.exp(P, out=P)
        P /= np.add.reduce(P, axis=1, keepdims=True)
        return P

    def log_probabilities(self, logits: NDArray) -> NDArray:
        """log p = z - m - log sum_c e^(z_c - m), or the lowest finite number where z - m is below it."""
        log_P = log_softmax(logits, axis=1)
        return np.maximum(log_P, np.finfo(log_P.dtype).min, out=log_P)


class SigmoidCrossEntropy:
    """p = 1 / (1 + e^-z),   loss = -sum_labels [y log p + (1 - y) log(1 - p)]  (Bishop 2006, 4.3.2)."""

    out_activation = "logistic"

    def summing_matrix(self, n_outputs: int, dtype: np.dtype) -> NDArray:
        """Return a column: each label is normalised by itself, and s is room for one number per score."""
        return np.ones((n_outputs, 1), dtype)

    def link(self, Z: NDArray, ones: NDArray, s: NDArray, P: NDArray) -> None:
        """P = 1 / (1 + e^-Z);   Z and s stay as they are."""
        expit(Z, out=P)

    def losses(self, Z: NDArray, s: NDArray, Y: NDArray, out: NDArray) -> None:
        """out = sum_labels [max(z, 0) - y z + log(1 + e^-|z|)], which keeps its digits for every z."""
        np.absolute(Z, out=s)
        np.negative(s, out=s)
        np.exp(s, out=s)
        np.log1p(s, out=s)
        np.multiply(Y, Z, out=Y)
        np.maximum(Z, 0, out=Z)
        np.subtract(Z, Y, out=Z)
        np.add(Z, s, out=Z)
        np.add.reduce(Z, axis=-2, out=out)

    def curvature(self, P: NDArray) -> NDArray:
        """The mean of p (1 - p) over the labels."""
        return np.mean(P * (1 - P), axis=-2)

    def loss_at_zero_logits(self, n_outputs: int) -> float:
        """log 2 for each label."""
        return n_outputs * log(2)

    def probabilities(self, logits: NDArray) -> NDArray:
        """p = 1 / (1 + e^-z)."""
        return expit(logits)

    def log_probabilities(self, logits: NDArray) -> NDArray:
        """log p = -log(1 + e^-z)."""
        return log_expit(logits)


LOSSES: dict[str, Loss] = {
    "binary": SigmoidCrossEntropy(),
    "multiclass": SoftmaxCrossEntropy(),
    "multilabel": SigmoidCrossEntropy(),
}
"""The loss for each kind of target."""
