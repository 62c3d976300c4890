"""The objective: what training minimises, and its gradient.

    J(theta) = sum_i w_i loss_i / sum_i w_i  +  alpha / 2 * sum_l ||W[l]||^2

    delta[L] = w (P - Y) / sum_i w_i,   dJ/dW[l] = a[l] delta[l+1]^T + alpha W[l]

Biases are not penalised. A minibatch of B rows estimates the same J: its data term is divided by B times
the mean weight of *all* training rows. Division by the batch's own weight sum would make a row's influence
depend on the other rows of its batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .batches import Batch, Batches
from .losses import Loss
from .network import Layers, Network

PIECE_LENGTH = 2**15


class Piece:
    """A part of the flat vectors that fits into the cache; an update reads main memory only once.

    ``decay`` holds each parameter's factor in the penalty's gradient: alpha for weights and 0 for biases. It
    is a single number unless the piece holds both.
    """

    __slots__ = ("decay", "gradient", "scratch", "span", "theta")

    def __init__(
        self,
        span: slice,
        theta: NDArray,
        gradient: NDArray,
        is_weight: NDArray,
        alpha: float,
        scratch: NDArray,
    ) -> None:
        self.span = span
        self.theta, self.gradient = theta[span], gradient[span]
        self.scratch = scratch[: self.theta.size]
        kinds = is_weight[span]
        if kinds.min() == kinds.max():
            kinds = kinds[0]
        self.decay = np.empty(kinds.shape, theta.dtype)
        np.multiply(kinds, alpha, out=self.decay, casting="same_kind")

    def add_penalty(self) -> None:
        """dJ/dW += alpha W."""
        np.multiply(self.theta, self.decay, self.scratch)
        np.add(self.gradient, self.scratch, self.gradient)


class Objective:
    """The objective J of a network, a loss and an L2 penalty, and its gradient.

    The gradient vector and its pieces are made when they are first needed: an objective that is only
    evaluated has none.

    Parameters
    ----------
    network : Network
        The parameters theta, and the forward and backward pass.
    loss : Loss
        Loss of each example, and the probabilities.
    alpha : float
        Strength of the penalty.
    gradient : ndarray of shape (n_parameters,), default=None
        A buffer for the gradient; None makes one.
    """

    def __init__(self, network: Network, loss: Loss, alpha: float, gradient: NDArray | None = None) -> None:
        self.network, self.loss, self.alpha, self._buffer = network, loss, alpha, gradient
        self._ones = loss.summing_matrix(network.sizes[-1], network.theta.dtype)

    @cached_property
    def gradient(self) -> NDArray:
        """The gradient, laid out like theta."""
        return np.empty_like(self.network.theta) if self._buffer is None else self._buffer

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self.gradient, self.network.sizes)

    @cached_property
    def pieces(self) -> list[Piece]:
        """The pieces of theta and of the gradient, for the present alpha."""
        theta, is_weight = self.network.theta, np.zeros(self.network.theta.size, bool)
        for W in Layers(is_weight, self.network.sizes).W:
            W.fill(True)
        scratch = np.empty(min(PIECE_LENGTH, theta.size), theta.dtype)
        starts = range(0, theta.size, PIECE_LENGTH)
        spans = [slice(i, min(i + PIECE_LENGTH, theta.size)) for i in starts]
        return [Piece(span, theta, self.gradient, is_weight, self.alpha, scratch) for span in spans]

    def set_alpha(self, alpha: float) -> None:
        """Set the strength of the penalty."""
        self.alpha = alpha
        vars(self).pop("pieces", None)

    def data_gradient(self, batch: Batch) -> None:
        """Fill ``gradient`` with the gradient of the data term, estimated from one batch.

        delta[L] = w (P - Y), where the batch holds w_i / (B * mean weight) instead of w_i / sum w
        """
        work, P = batch.work, batch.work.delta[-1]
        self.network.forward(batch.x, work, batch.Z)
        self.loss.link(batch.Z, self._ones, batch.s, P)
        np.subtract(P, batch.Y, P)
        np.multiply(P, batch.w, P)
        self.network.backward(batch.x, work, self._layers)

    def pieces_with_penalty(self) -> Iterator[Piece]:
        """Yield the pieces; each one has the penalty's gradient added just before."""
        for piece in self.pieces:
            if self.alpha:
                piece.add_penalty()
            yield piece

    def add_penalty_gradient(self) -> None:
        """dJ/dW += alpha W, for all pieces."""
        if self.alpha:
            for piece in self.pieces:
                piece.add_penalty()

    def data_loss(self, batches: Batches) -> float:
        """Return sum_i w_i loss_i / sum_i w_i over all rows, without the penalty."""
        total = 0.0
        for block, filled in batches.blocks(None):
            for batch in filled:
                self.network.logits(batch.x, batch.work, batch.Z)
                self.loss.link(batch.Z, self._ones, batch.s, batch.work.delta[-1])
            total += block.total_loss(self.loss, len(filled))
        return batches.mean(total)

    def value(self, batches: Batches) -> float:
        """Return J for the current parameters, over all rows."""
        return self.data_loss(batches) + self.penalty()

    def loss_at_zero_logits(self) -> float:
        """Return the data loss of a network whose logits are all zero."""
        return self.loss.loss_at_zero_logits(self.network.sizes[-1])

    def penalty(self) -> float:
        """Return alpha / 2 * sum_l ||W[l]||^2."""
        return 0.5 * self.alpha * self.squared_weights() if self.alpha else 0.0

    def squared_weights(self) -> float:
        """Return sum_l ||W[l]||^2."""
        return sum(float(np.vdot(W, W)) for W in self.network.layers.W)

    def value_and_gradient(self, batches: Batches) -> tuple[float, NDArray]:
        """Return J over all rows and its gradient; the batch size changes only rounding."""
        total, gradient = 0.0, np.zeros_like(self.gradient)
        for block, filled in batches.blocks(None):
            for batch in filled:
                self.data_gradient(batch)
                gradient += self.gradient * (block.batch_size / batches.n_rows)
            total += block.total_loss(self.loss, len(filled))
        self.gradient[...] = gradient
        batches.communicator.average_gradient(self.gradient, batches.n_rows)
        self.add_penalty_gradient()
        return batches.mean(total) + self.penalty(), self.gradient.copy()
