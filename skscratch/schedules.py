"""Schedules of the learning rate, as a factor of ``learning_rate_init`` in each epoch.

``epoch`` is the number of epochs trained before the current one.

To add a schedule, write its class here and register it in ``SCHEDULES``. All else that depends on the
schedule is read from the attributes of its class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import cos, inf, pi
from typing import Self

import numpy as np

from .checks import as_float, short_repr
from .training_state import TrainingState


class Schedule:
    """Base class: a schedule that keeps the learning rate and the momentum constant.

    Attributes
    ----------
    anneals : bool
        Whether the schedule has a fixed length, max_iter epochs, over which the rate decays. Patience on the
        training loss does not stop it early, because a loss that plateaus at a high rate usually falls again
        once the rate decays.
    ends_at_zero : bool
        Whether the rate is known to decay to about zero.
    """

    anneals = False
    ends_at_zero = False

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Return the schedule of a training run; a subclass picks the arguments that it needs."""
        return cls()

    def factor(self, epoch: int) -> float:
        """Return the learning rate of this epoch divided by the initial one."""
        return 1.0

    def momentum(self, epoch: int, momentum: float) -> float:
        """Return the momentum of this epoch; ``momentum`` is the user's value."""
        return momentum

    def on_plateau(self) -> bool:
        """Called when patience runs out; return whether training continues."""
        return False


class Constant(Schedule):
    """eta_t = eta_0."""


class InverseScaling(Schedule):
    """eta_t = eta_0 / (t + 1)^power, where t counts epochs (Robbins & Monro 1951 for power in (1/2, 1])."""

    def __init__(self, power: float) -> None:
        self.power = float(power)

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Return the schedule with the power ``power_t``."""
        return cls(power_t)

    def factor(self, epoch: int) -> float:
        """Return 1 / (t + 1)^power."""
        with np.errstate(over="ignore"):  # an infinite power makes the factor 0
            return float(1 / np.float64(epoch + 1) ** self.power)


class Adaptive(Schedule):
    """eta_t = eta_0 / 5^k, where k counts how often patience ran out.

    Training ends when the rate would fall below 1e-6. The training state keeps k, so that a warm start
    resumes at the current rate.
    """

    smallest = 1e-6

    def __init__(self, eta_0: float, state: TrainingState) -> None:
        self._eta_0, self._state = eta_0, state

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Return the schedule that continues with the number of reductions in the state."""
        return cls(eta_0, state)

    def factor(self, epoch: int) -> float:
        """Return 1 / 5^k."""
        return 5.0**-self._state.n_reductions

    def on_plateau(self) -> bool:
        """Divide the rate by 5 and return True; return False if that would fall below the smallest rate."""
        if self._eta_0 * 5.0 ** -(self._state.n_reductions + 1) < self.smallest:
            return False
        self._state.n_reductions += 1
        return True


class Annealed(Schedule, ABC):
    """eta_t = eta_0 shape(f), where f = t / max_iter is the completed fraction of the cycle.

    t counts epochs from ``start``, where the cycle began. A cycle takes max_iter epochs. If ``partial_fit``
    continues after that, a new cycle begins (a warm restart: Loshchilov & Hutter 2017, section 3).
    """

    anneals = True

    def __init__(self, max_iter: int, start: int = 0) -> None:
        self._max_iter, self._start = max_iter, start

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Return the schedule with cycles of n_epochs; the state says where the current one began."""
        return cls(n_epochs, state.cycle_start)

    @abstractmethod
    def shape(self, f: float) -> float:
        """Return the factor at the fraction f of the cycle."""

    def fraction(self, epoch: int) -> float:
        """Return f = t / max_iter, in [0, 1)."""
        return (epoch - self._start) % self._max_iter / self._max_iter

    def factor(self, epoch: int) -> float:
        """Return shape(f)."""
        return self.shape(self.fraction(epoch))


class Cosine(Annealed):
    """shape(f) = (1 + cos(pi f)) / 2  (Loshchilov & Hutter 2017, equation 5, one period)."""

    ends_at_zero = True

    def shape(self, f: float) -> float:
        """Return (1 + cos(pi f)) / 2."""
        return (1 + cos(pi * f)) / 2


class OneCycle(Annealed):
    """Warm-up, then decay to about zero; the momentum is cycled inversely (Smith & Topin 2018).

    The rate rises along half a cosine from eta_0 / 25 to eta_0 at f = ``warm_up``, then decays along half a
    cosine to 0 at f = 1. The momentum is

        mu_t = 1 - (1 - mu) (1/2 + shape(f))

    0.9 becomes 0.95 at rate 0 and 0.85 at the peak. A momentum of 0 stays 0.
    """

    ends_at_zero = True
    initial = 1 / 25
    warm_up = 0.3

    def shape(self, f: float) -> float:
        """Return the factor of the warm-up if f < ``warm_up``, else that of the decay."""
        if f < self.warm_up:
            return self.initial + (1 - self.initial) * (1 - cos(pi * f / self.warm_up)) / 2
        return (1 + cos(pi * (f - self.warm_up) / (1 - self.warm_up))) / 2

    def momentum(self, epoch: int, momentum: float) -> float:
        """Return 1 - (1 - momentum) (1/2 + factor)."""
        if momentum == 0:
            return 0.0
        return max(0.0, 1 - (1 - momentum) * (0.5 + self.factor(epoch)))


class UserSchedule(Annealed):
    """A schedule whose shape is a function given by the user."""

    def __init__(self, max_iter: int, function: Callable[[float], float], start: int = 0) -> None:
        super().__init__(max_iter, start)
        self._function = function

    def shape(self, f: float) -> float:
        """Return the function's value at f; raise unless it is a finite number of at least 0."""
        returned = self._function(f)
        factor = as_float(returned)
        if not 0 <= factor < inf:
            raise ValueError(
                f"learning_rate({f:g}) returned {short_repr(returned)}; a schedule must return a finite "
                "factor of at least 0 for every fraction of the epochs in [0, 1)."
            )
        return factor


SCHEDULES: dict[str, type[Schedule]] = {
    "one_cycle": OneCycle,
    "cosine": Cosine,
    "constant": Constant,
    "invscaling": InverseScaling,
    "adaptive": Adaptive,
}
"""The schedules by their names in ``ScratchMLPClassifier(learning_rate=...)``."""


def schedule_class(learning_rate: str | Callable[[float], float]) -> type[Schedule]:
    """Return the class of a schedule, given its name or the user's function."""
    return SCHEDULES[learning_rate] if isinstance(learning_rate, str) else UserSchedule


def make_schedule(
    learning_rate: str | Callable[[float], float],
    eta_0: float,
    n_epochs: int,
    power_t: float,
    state: TrainingState,
) -> Schedule:
    """Return the schedule of a training run of n_epochs."""
    if isinstance(learning_rate, str):
        return SCHEDULES[learning_rate].create(eta_0, n_epochs, power_t, state)
    return UserSchedule(n_epochs, learning_rate, state.cycle_start)
