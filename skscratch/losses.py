"""Losses: the inverse link from logits to probabilities, fused with the negative log-likelihood.

====== ============================ ==================================================================
symbol shape                        meaning
====== ============================ ==================================================================
Z      (..., n_outputs, n_examples) logits: output of the network, one column per example
Y      (..., n_outputs, n_examples) targets: one-hot columns, or one row of 0/1 per label
P      (..., n_outputs, n_examples) probabilities that ``link`` computes from Z
s      (..., 1 or C, n_examples)    softmax's denominator, sum_c e^(z_c - m), where m = max_c z_c
====== ============================ ==================================================================

Both links are *canonical* for their loss: the derivative of an example's loss by its logits is ``P - Y``
(Bishop 2006, section 5.3), so the output layer's delta needs no formula here. Losses are computed from the
logits, not from rounded probabilities. They stay accurate and need no clipping.
"""

from __future__ import annotations

from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax


class Loss(Protocol):
    """The interface that the objective and the estimator require of a loss."""

    out_activation: str

    def summing_matrix(self, n_outputs: int, dtype: np.dtype) -> NDArray:
        """Return the matrix of ones that ``link`` sums columns with; it has as many rows as s."""

    def link(self, Z: NDArray, ones: NDArray, s: NDArray, P: NDArray) -> None:
        """Fill P with probabilities; prepare Z and s for ``losses``."""

    def losses(self, Z: NDArray, s: NDArray, Y: NDArray, out: NDArray) -> None:
        """Fill out with each example's loss, given Z and s from ``link``; Z, s and Y are consumed."""

    def curvature(self, P: NDArray) -> NDArray:
        """Return, for each example, the mean eigenvalue of the loss's Hessian in the logits."""

    def loss_at_zero_logits(self, n_outputs: int) -> float:
        """Return the loss of an example whose logits are all zero."""

    def probabilities(self, logits: NDArray) -> NDArray:
        """Return probabilities for logits; both have the shape (n_examples, n_outputs)."""

    def log_probabilities(self, logits: NDArray) -> NDArray:
        """Return the logarithms of the probabilities; they are finite if the logits are."""


class SoftmaxCrossEntropy:
    """p_c = e^z_c / sum_k e^z_k,   loss = -sum_c y_c log p_c   (Bishop 2006, section 4.3.4)."""

    out_activation = "softmax"

    def summing_matrix(self, n_outputs: int, dtype: np.dtype) -> NDArray:
        """Return the matrix of ones whose product with e^Z sums its columns.

        The product is faster than a reduction over few classes. Up to 16 classes the matrix is square, so
        every row of s holds the sum, and the division by s needs no broadcasting.
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
        """Return trace(diag(p) - p p^T) / (C - 1): a shift of all logits, which is flat, is not counted."""
        return (1 - np.add.reduce(P * P, axis=-2)) / max(P.shape[-2] - 1, 1)

    def loss_at_zero_logits(self, n_outputs: int) -> float:
        """Return log C; a single class counts as two."""
        return log(max(n_outputs, 2))

    def probabilities(self, logits: NDArray) -> NDArray:
        """p = e^(z - m) / sum_c e^(z_c - m)."""
        P = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
        np.exp(P, out=P)
        P /= np.add.reduce(P, axis=1, keepdims=True)
        return P

    def log_probabilities(self, logits: NDArray) -> NDArray:
        """log p = z - m - log sum_c e^(z_c - m), with -infinity replaced by the lowest finite number."""
        log_P = log_softmax(logits, axis=1)
        return np.maximum(log_P, np.finfo(log_P.dtype).min, out=log_P)


class SigmoidCrossEntropy:
    """p = 1 / (1 + e^-z),   loss = -sum_labels [y log p + (1 - y) log(1 - p)]  (Bishop 2006, 4.3.2)."""

    out_activation = "logistic"

    def summing_matrix(self, n_outputs: int, dtype: np.dtype) -> NDArray:
        """Return a column of ones: ``link`` sums nothing, but ``losses`` needs an s of the shape of Z."""
        return np.ones((n_outputs, 1), dtype)

    def link(self, Z: NDArray, ones: NDArray, s: NDArray, P: NDArray) -> None:
        """P = 1 / (1 + e^-Z);   Z and s are not changed."""
        expit(Z, out=P)

    def losses(self, Z: NDArray, s: NDArray, Y: NDArray, out: NDArray) -> None:
        """out = sum_labels [max(z, 0) - y z + log(1 + e^-|z|)], which is accurate for every z."""
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
        """Return the mean of p (1 - p) over the labels."""
        return np.mean(P * (1 - P), axis=-2)

    def loss_at_zero_logits(self, n_outputs: int) -> float:
        """Return log 2 for each label."""
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
