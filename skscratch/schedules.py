"""Schedules: the learning rate over time, as a factor of ``learning_rate_init``.

Time is counted in epochs: ``epoch`` is the number of epochs that were trained before the one that begins.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, inf, pi
from typing import Protocol

import numpy as np

from .checks import as_float, brief
from .state import TrainingState


class Schedule(Protocol):
    """What the trainer asks of a schedule.

    ``anneals`` says that the rate comes down by itself towards the last epoch. Such a schedule is never cut
    short by patience on the training loss: a loss that rests while the rate is high falls when it comes down.
    """

    anneals: bool

    def factor(self, epoch: int) -> float:
        """Return the rate of this epoch as a share of the initial one."""

    def momentum(self, epoch: int, momentum: float) -> float:
        """Return the momentum of this epoch, given the one that was asked for."""

    def on_plateau(self) -> bool:
        """React to spent patience; return whether training goes on."""


class Constant:
    """eta_t = eta_0."""

    anneals = False

    def factor(self, epoch: int) -> float:
        """1."""
        return 1.0

    def momentum(self, epoch: int, momentum: float) -> float:
        """Leave the momentum as it is."""
        return momentum

    def on_plateau(self) -> bool:
        """Let training end."""
        return False


class InverseScaling(Constant):
    """eta_t = eta_0 / (t + 1)^power, where t counts epochs (Robbins & Monro 1951 for power in (1/2, 1])."""

    def __init__(self, power: float) -> None:
        self.power = float(power)

    def factor(self, epoch: int) -> float:
        """1 / (t + 1)^power."""
        with np.errstate(over="ignore"):  # an infinite power makes the factor 0
            return float(1 / np.float64(epoch + 1) ** self.power)


class Adaptive(Constant):
    """eta_0, divided by 5 each time patience is spent; training ends when the rate would fall below 1e-6.

    The number of divisions is kept in the training state, so that a warm start goes on at the present rate.
    """

    smallest = 1e-6

    def __init__(self, eta_0: float, state: TrainingState) -> None:
        self._eta_0, self._state = eta_0, state

    def factor(self, epoch: int) -> float:
        """1 / 5^divisions."""
        return 5.0**-self._state.divisions

    def on_plateau(self) -> bool:
        """Divide the rate, unless it is at its end."""
        if self._eta_0 * 5.0 ** -(self._state.divisions + 1) < self.smallest:
            return False
        self._state.divisions += 1
        return True


class Annealed(Constant):
    """eta_0 times a function of the share f = t / max_iter of the epochs that are done.

    t counts from ``start``, the epoch at which this course of the rate began. A course takes max_iter epochs;
    if training goes on after that, which only ``partial_fit`` can do, a new one begins (a warm restart:
    Loshchilov & Hutter 2017, section 3).
    """

    anneals = True

    def __init__(self, max_iter: int, shape: Callable[[float], float], start: int = 0) -> None:
        self._shape, self._max_iter, self._start = shape, max_iter, start

    def fraction(self, epoch: int) -> float:
        """Return f = t / max_iter, in [0, 1)."""
        return (epoch - self._start) % self._max_iter / self._max_iter

    def factor(self, epoch: int) -> float:
        """shape(f), which must be a finite number of at least 0."""
        returned = self._shape(self.fraction(epoch))
        factor = as_float(returned)
        if not 0 <= factor < inf:
            raise ValueError(
                f"learning_rate({self.fraction(epoch):g}) returned {brief(returned)}; a schedule must "
                "return a finite factor of at least 0 for every fraction of the epochs in [0, 1)."
            )
        return factor


class Cosine(Annealed):
    """eta_t = eta_0 (1 + cos(pi f)) / 2  (Loshchilov & Hutter 2017, equation 5, one period)."""

    def __init__(self, max_iter: int, start: int = 0) -> None:
        super().__init__(max_iter, lambda f: (1 + cos(pi * f)) / 2, start)


class OneCycle(Annealed):
    """Warm up, then cool down to about zero, the momentum going the other way (Smith & Topin 2018).

    The rate rises along half a cosine from eta_0 / 25 to eta_0 at f = ``warm_up``, and falls along another
    to 0 at f = 1. The momentum's distance from 1 is halved where the rate is lowest and half as large again
    where it is highest: .9 moves between .95 and .85. A momentum of 0 stays 0.
    """

    start = 1 / 25
    warm_up = 0.3

    def __init__(self, max_iter: int, start: int = 0) -> None:
        super().__init__(max_iter, self._height, start)

    def _height(self, f: float) -> float:
        if f < self.warm_up:
            return self.start + (1 - self.start) * (1 - cos(pi * f / self.warm_up)) / 2
        return (1 + cos(pi * (f - self.warm_up) / (1 - self.warm_up))) / 2

    def momentum(self, epoch: int, momentum: float) -> float:
        """1 - (1 - momentum) (1/2 + factor)."""
        if momentum == 0:
            return 0.0
        return max(0.0, 1 - (1 - momentum) * (0.5 + self.factor(epoch)))
