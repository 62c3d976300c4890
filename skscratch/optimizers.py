"""Optimizers: how a gradient moves the parameters.

========== ================ ==============================================================================
symbol     shape            meaning
========== ================ ==============================================================================
theta      (n,)             a stretch of the parameters; moved in place
g          (n,)             gradient of the objective on that stretch; consumed
v, m       (n,)             the optimizer's memory of past gradients; moved in place
eta        ()               learning rate
momentum   ()               share of the velocity that survives a step
========== ================ ==============================================================================

The parameters come in pieces that fit the cache, so a step touches memory once. The memory is a dictionary
of flat vectors laid out like theta (and of a count of steps), so that it can be stored with the model and
taken up again. Numbers that meet arrays in every step are kept as zero-dimensional arrays: NumPy handles
those twice as fast as Python floats.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isinf, sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .objective import Objective, Piece

Memory = dict[str, Any]


class Optimizer(Protocol):
    """What the trainer asks of an optimizer."""

    memory: Memory

    def begin_epoch(self, eta: float, momentum: float) -> None:
        """Set the learning rate and the momentum of the coming epoch."""

    def step(self, pieces: Iterable[Piece]) -> None:
        """Move theta, piece by piece; the gradient in the pieces is consumed."""


def _stretches(vector: NDArray, pieces: list[Piece]) -> list[NDArray]:
    return [vector[piece.span] for piece in pieces]


class SGD:
    """Gradient descent with momentum.

    v <- momentum v - eta g,   theta <- theta + v                     (Polyak 1964)
                               theta <- theta + momentum v - eta g    (Nesterov's; Sutskever et al. 2013)

    The velocity carries the learning rate, so a change of the rate acts on new gradients only.
    """

    def __init__(self, objective: Objective, *, nesterov: bool, memory: Memory | None = None) -> None:
        theta = objective.network.theta
        self.memory: Memory = memory or {"velocity": np.zeros_like(theta)}
        self._velocity = _stretches(self.memory["velocity"], objective.pieces)
        self._nesterov = nesterov
        self._eta = np.zeros((), theta.dtype)
        self._momentum = np.zeros((), theta.dtype)

    def begin_epoch(self, eta: float, momentum: float) -> None:
        """Set the learning rate and the momentum of the coming epoch."""
        self._eta[...] = eta
        self._momentum[...] = momentum

    def step(self, pieces: Iterable[Piece]) -> None:
        """Move theta, piece by piece; the gradient in the pieces is consumed."""
        eta, momentum = self._eta, self._momentum
        for piece, v in zip(pieces, self._velocity, strict=True):
            theta, g = piece.theta, piece.gradient
            np.multiply(g, eta, g)
            np.multiply(v, momentum, v)
            np.subtract(v, g, v)
            if self._nesterov:
                np.subtract(theta, g, theta)
                np.multiply(v, momentum, g)
                np.add(theta, g, theta)
            else:
                np.add(theta, v, theta)


class Adam:
    """Adaptive moments with bias correction (Kingma & Ba 2015, algorithm 1).

    m <- beta_1 m + g,   v <- beta_2 v + g^2,   theta <- theta - eta m_hat / (sqrt(v_hat) + epsilon)

    m and v are kept as discounted sums, which saves two products a step. The paper's means after t steps are
    m_hat = (1 - beta_1) / (1 - beta_1^t) m  and  v_hat = (1 - beta_2) / (1 - beta_2^t) v;  their factors do
    not depend on the parameter and are drawn together into one rate and one epsilon for the whole step.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        memory: Memory | None = None,
    ) -> None:
        theta = objective.network.theta
        self.memory: Memory = memory or {"m": np.zeros_like(theta), "v": np.zeros_like(theta), "t": 0}
        self._m = _stretches(self.memory["m"], objective.pieces)
        self._v = _stretches(self.memory["v"], objective.pieces)
        self.beta_1, self.beta_2 = beta_1, beta_2
        # Smaller gradients have squares that vanish, and their root could not guard the division.
        self.epsilon = max(epsilon, sqrt(np.finfo(theta.dtype).tiny))
        self._beta_1 = np.array(beta_1, theta.dtype)
        self._beta_2 = np.array(beta_2, theta.dtype)
        self._rate = np.zeros((), theta.dtype)
        self._epsilon = np.zeros((), theta.dtype)

    def begin_epoch(self, eta: float, momentum: float) -> None:
        """Set the learning rate of the coming epoch; beta_1 is Adam's momentum and stays."""
        self.eta = eta

    def step(self, pieces: Iterable[Piece]) -> None:
        """Move theta, piece by piece; the gradient in the pieces is consumed."""
        self.memory["t"] += 1
        root_v_hat = sqrt((1 - self.beta_2) / (1 - self.beta_2 ** self.memory["t"]))
        m_hat = (1 - self.beta_1) / (1 - self.beta_1 ** self.memory["t"])
        self._rate[...] = self.eta * m_hat / root_v_hat
        self._epsilon[...] = self.epsilon / root_v_hat
        for piece, m, v in zip(pieces, self._m, self._v, strict=True):
            theta, g, scratch = piece.theta, piece.gradient, piece.scratch
            np.multiply(m, self._beta_1, m)
            np.add(m, g, m)
            np.multiply(g, g, g)
            np.multiply(v, self._beta_2, v)
            np.add(v, g, v)
            np.sqrt(v, scratch)
            np.add(scratch, self._epsilon, scratch)
            np.divide(m, scratch, scratch)
            np.multiply(scratch, self._rate, scratch)
            np.subtract(theta, scratch, theta)


def clip_to_norm(gradient: NDArray, max_norm: float) -> None:
    """Scale the gradient down to max_norm where its Euclidean norm is larger (Pascanu et al. 2013)."""
    norm = sqrt(gradient.dot(gradient))
    overflows = isinf(norm)
    if overflows:
        # The squares of a finite gradient may overflow; those of its ratios to the largest entry do not.
        largest = np.abs(gradient).max()
        np.divide(gradient, largest, out=gradient)
        norm = sqrt(gradient.dot(gradient))
    if overflows or norm > max_norm:
        np.multiply(gradient, max_norm / norm, out=gradient)
