"""The objective: what training minimises, and its gradient.

    J(theta) = sum_i w_i loss_i / sum_i w_i  +  alpha / 2 * sum_l ||W[l]||^2

    delta[L] = w (P - Y) / sum_i w_i,   dJ/dW[l] = a[l] delta[l+1]^T + alpha W[l]

Biases are not penalised. A minibatch of B rows estimates the same J: its data term is divided by B times
the mean weight of *all* training rows. Dividing by the batch's own sum of weights would cancel the weights
inside every batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .batches import Batch, Batches
from .losses import Loss
from .network import Layers, Network

PIECE_LENGTH = 2**15


class Piece:
    """A stretch of the flat vectors that fits the cache, so that one update touches memory once.

    ``decay`` is the penalty's factor for each parameter: alpha for weights and 0 for biases. It is a
    single number where the stretch holds weights only.
    """

    __slots__ = ("decay", "gradient", "scratch", "span", "theta")

    def __init__(self, span: slice, theta: NDArray, gradient: NDArray, decay: NDArray, scratch: NDArray):
        self.span = span
        self.theta, self.gradient = theta[span], gradient[span]
        self.scratch = scratch[: self.theta.size]
        decay = decay[span]
        # A view either way: the strength of the penalty may change.
        self.decay = decay if decay.min() < decay.max() else decay[:1].reshape(())


class Objective:
    """J of a network, a loss and an L2 penalty; owns the gradient vector.

    Parameters
    ----------
    network : Network
    loss : Loss
    alpha : float
        Strength of the penalty.
    """

    def __init__(self, network: Network, loss: Loss, alpha: float) -> None:
        self.network, self.loss = network, loss
        theta, decay = network.theta, np.zeros_like(network.theta)
        self.gradient = np.empty_like(theta)
        self._layers = Layers(self.gradient, network.sizes)
        self._ones = loss.normaliser(network.sizes[-1], theta.dtype)
        self._decay_of_weights = Layers(decay, network.sizes).W
        self.penalise(1)  # so that weights and biases differ where the pieces are cut
        self.pieces = self._cut(theta, decay)
        self.penalise(alpha)

    def penalise(self, alpha: float) -> None:
        """Set the strength of the penalty."""
        self.alpha = alpha
        for W in self._decay_of_weights:
            W.fill(alpha)

    def _cut(self, theta: NDArray, decay: NDArray) -> list[Piece]:
        scratch = np.empty(min(PIECE_LENGTH, theta.size), theta.dtype)
        starts = range(0, theta.size, PIECE_LENGTH)
        spans = [slice(i, min(i + PIECE_LENGTH, theta.size)) for i in starts]
        return [Piece(span, theta, self.gradient, decay, scratch) for span in spans]

    def data_gradient(self, batch: Batch) -> None:
        """Fill the gradient with the data term's, estimated from one batch.

        delta[L] = w (P - Y), with w_i / (B * mean weight) in the place of w_i / sum w
        """
        work, P = batch.work, batch.work.delta[-1]
        self.network.forward(batch.x, work, batch.Z)
        self.loss.link(batch.Z, self._ones, batch.s, P)
        np.subtract(P, batch.Y, P)
        np.multiply(P, batch.w, P)
        self.network.backward(batch.x, work, self._layers)

    def penalised(self) -> Iterator[Piece]:
        """Yield the pieces one by one, each with dJ/dW += alpha W done on its stretch of the gradient."""
        if not self.alpha:
            yield from self.pieces
            return
        for piece in self.pieces:
            np.multiply(piece.theta, piece.decay, piece.scratch)
            np.add(piece.gradient, piece.scratch, piece.gradient)
            yield piece

    def data_loss(self, batches: Batches) -> float:
        """Return sum_i w_i loss_i / sum_i w_i over all rows, without the penalty and without slopes."""
        total = 0.0
        for block, filled in batches.blocks(None):
            for batch in filled:
                self.network.scores(batch.x, batch.work, batch.Z)
                self.loss.link(batch.Z, self._ones, batch.s, batch.work.delta[-1])
            total += block.total_loss(self.loss, len(filled))
        return batches.mean(total)

    def value(self, batches: Batches) -> float:
        """Return J for the present parameters, over all rows."""
        return self.data_loss(batches) + self.penalty()

    def guessing_loss(self) -> float:
        """Return the loss of equal probabilities for all outcomes."""
        return self.loss.guessing(self.network.sizes[-1])

    def penalty(self) -> float:
        """Return alpha / 2 * sum_l ||W[l]||^2."""
        return 0.5 * self.alpha * self.squared_weights() if self.alpha else 0.0

    def squared_weights(self) -> float:
        """Return sum_l ||W[l]||^2."""
        return sum(float(np.vdot(W, W)) for W in self.network.layers.W)

    def value_and_gradient(self, batches: Batches) -> tuple[float, NDArray]:
        """Return J over all rows and its gradient, whatever the size of the batches they come in."""
        total, gradient = 0.0, np.zeros_like(self.gradient)
        for block, filled in batches.blocks(None):
            for batch in filled:
                self.data_gradient(batch)
                gradient += self.gradient * (block.batch_size / batches.n_rows)
            total += block.total_loss(self.loss, len(filled))
        self.gradient[...] = gradient
        batches.team.average(self.gradient, batches.n_rows)
        for _ in self.penalised():
            pass
        return batches.mean(total) + self.penalty(), self.gradient.copy()
