"""Optimizers: update rules for the parameters, given the gradient.

========== ================ ==============================================================================
symbol     shape            meaning
========== ================ ==============================================================================
theta      (n,)             a piece of the parameters; updated in place
g          (n,)             gradient of the objective for that piece; consumed
v, m       (n,)             the optimizer's memory of past gradients; updated in place
eta        ()               learning rate of the epoch
mu         ()               momentum of the epoch: the fraction of the velocity that survives a step
========== ================ ==============================================================================

The parameters come in pieces that fit into the cache, so a step reads main memory only once. ``memory`` is a
dictionary of flat vectors laid out like theta, and for Adam the number of steps. It is stored with the model,
so training can resume. Scalars that multiply arrays in every step are zero-dimensional arrays: NumPy handles
these twice as fast as Python floats.

To add an optimizer, write its class here and register it in ``OPTIMIZERS``. Its attribute ``parameters``
names the parameters of the estimator that it receives as keyword-only arguments.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from math import isinf, sqrt
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .objective import Objective, Piece
from .schedules import Schedule

Memory = dict[str, Any]


class Optimizer(Protocol):
    """The interface that the trainer requires of an optimizer.

    Attributes
    ----------
    memory : dict
        The optimizer's state: everything besides the parameters that the next step depends on.
    parameters : tuple of str
        The parameters of the estimator that only this optimizer has.
    rate_annealed, rate_constant : float
        The value of ``learning_rate_init="auto"`` with a schedule that anneals, and with any other.
    """

    memory: Memory
    parameters: tuple[str, ...]
    rate_annealed: float
    rate_constant: float

    def begin_epoch(self, schedule: Schedule, epoch: int) -> float:
        """Set the learning rate (and the momentum) of this epoch; return the rate."""

    def step(self, pieces: Iterable[Piece]) -> None:
        """Update theta and the memory, piece by piece; the gradient in the pieces is consumed."""


class SGD:
    """Gradient descent with momentum.

    v <- mu v - eta g,   theta <- theta + v               (Polyak 1964)
                         theta <- theta + mu v - eta g    (Nesterov's; Sutskever et al. 2013)

    The velocity includes the learning rate, so a new rate applies to new gradients only.
    """

    parameters: tuple[str, ...] = ("momentum", "nesterovs_momentum")
    rate_annealed = 0.2
    rate_constant = 0.05

    def __init__(
        self,
        objective: Objective,
        eta_0: float,
        memory: Memory | None = None,
        *,
        momentum: float,
        nesterovs_momentum: bool,
    ) -> None:
        theta = objective.network.theta
        self.memory: Memory = memory or {"velocity": np.zeros_like(theta)}
        self.eta_0, self.momentum, self.nesterov = eta_0, momentum, nesterovs_momentum
        self.eta = np.zeros((), theta.dtype)
        self.mu = np.zeros((), theta.dtype)

    def with_velocity(self, velocity: NDArray) -> Self:
        """Return an optimizer for other parameters that always has the same rate and momentum as this one."""
        other = copy.copy(self)
        other.memory = {"velocity": velocity}
        return other

    def begin_epoch(self, schedule: Schedule, epoch: int) -> float:
        """Set the learning rate and the momentum of this epoch; return the rate."""
        eta = self.eta_0 * schedule.factor(epoch)
        self.eta[...] = eta
        self.mu[...] = schedule.momentum(epoch, self.momentum)
        return eta

    def step(self, pieces: Iterable[Piece]) -> None:
        """Update theta and the memory, piece by piece; the gradient in the pieces is consumed."""
        eta, mu, velocity = self.eta, self.mu, self.memory["velocity"]
        for piece in pieces:
            theta, g, v = piece.theta, piece.gradient, velocity[piece.span]
            np.multiply(g, eta, g)
            np.multiply(v, mu, v)
            np.subtract(v, g, v)
            if self.nesterov:
                np.subtract(theta, g, theta)
                np.multiply(v, mu, g)
                np.add(theta, g, theta)
            else:
                np.add(theta, v, theta)


class Adam:
    """Adaptive moments with bias correction (Kingma & Ba 2015, algorithm 1).

    m <- beta_1 m + g,   v <- beta_2 v + g^2,   theta <- theta - eta m_hat / (sqrt(v_hat) + epsilon)

    Here m and v are discounted sums, not the paper's means; this saves two products per step. After t steps,
    m_hat = (1 - beta_1) / (1 - beta_1^t) m  and  v_hat = (1 - beta_2) / (1 - beta_2^t) v.  These factors are
    the same for all parameters, so they are combined into one rate and one epsilon for the whole step.
    """

    parameters = ("beta_1", "beta_2", "epsilon")
    rate_annealed = 0.01
    rate_constant = 0.001

    def __init__(
        self,
        objective: Objective,
        eta_0: float,
        memory: Memory | None = None,
        *,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> None:
        theta = objective.network.theta
        self.memory: Memory = memory or {"m": np.zeros_like(theta), "v": np.zeros_like(theta), "t": 0}
        self.eta_0 = self._eta = eta_0
        self.beta_1, self.beta_2 = beta_1, beta_2
        # The square of a gradient below this floor may underflow to 0. Then epsilon alone bounds the step.
        self.epsilon = max(epsilon, sqrt(np.finfo(theta.dtype).tiny))
        self._beta_1 = np.array(beta_1, theta.dtype)
        self._beta_2 = np.array(beta_2, theta.dtype)
        self._rate = np.zeros((), theta.dtype)
        self._epsilon = np.zeros((), theta.dtype)

    def begin_epoch(self, schedule: Schedule, epoch: int) -> float:
        """Set the learning rate of this epoch and return it; beta_1 ignores the schedule's momentum."""
        self._eta = self.eta_0 * schedule.factor(epoch)
        return self._eta

    def step(self, pieces: Iterable[Piece]) -> None:
        """Update theta and the memory, piece by piece; the gradient in the pieces is consumed."""
        self.memory["t"] += 1
        root_v_hat = sqrt((1 - self.beta_2) / (1 - self.beta_2 ** self.memory["t"]))
        m_hat = (1 - self.beta_1) / (1 - self.beta_1 ** self.memory["t"])
        self._rate[...] = self._eta * m_hat / root_v_hat
        self._epsilon[...] = self.epsilon / root_v_hat
        for piece in pieces:
            theta, g, scratch = piece.theta, piece.gradient, piece.scratch
            m, v = self.memory["m"][piece.span], self.memory["v"][piece.span]
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


OPTIMIZERS: dict[str, Any] = {"sgd": SGD, "adam": Adam}
"""Every optimizer, by its name in ``ScratchMLPClassifier(solver=...)``."""


def clip_to_norm(gradient: NDArray, max_norm: float) -> None:
    """Scale the gradient down to max_norm if its Euclidean norm is larger (Pascanu et al. 2013)."""
    norm = sqrt(gradient.dot(gradient))
    overflows = isinf(norm)
    if overflows:
        # The squares of large entries overflow; after division by the largest entry, none does.
        largest = np.abs(gradient).max()
        np.divide(gradient, largest, out=gradient)
        norm = sqrt(gradient.dot(gradient))
    if overflows or norm > max_norm:
        np.multiply(gradient, max_norm / norm, out=gradient)
