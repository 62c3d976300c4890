"""Schedules: the learning rate over time, as a factor of ``learning_rate_init``.

Time is counted in epochs: ``epoch`` is the number of epochs trained before the one that begins.

To add a schedule, write its class here and register it in ``SCHEDULES``. Everything else that depends on the
name of a schedule is read from the attributes of its class.
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
    """A schedule that changes nothing; each kind overrides what it changes.

    Attributes
    ----------
    anneals : bool
        Whether the schedule has a fixed length, max_iter epochs, over which the rate decays. Patience on the
        training loss never cuts such a schedule short: a loss that plateaus at a high rate usually falls
        again once the rate decays.
    ends_at_zero : bool
        Whether it is known to decay to about zero.
    """

    anneals = False
    ends_at_zero = False

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Return the schedule of a training run; each kind takes what it depends on."""
        return cls()

    def factor(self, epoch: int) -> float:
        """Return the rate of this epoch divided by the initial one."""
        return 1.0

    def momentum(self, epoch: int, momentum: float) -> float:
        """Return the momentum of this epoch, given the user's."""
        return momentum

    def on_plateau(self) -> bool:
        """React when patience runs out; return whether training goes on."""
        return False


class Constant(Schedule):
    """eta_t = eta_0."""


class InverseScaling(Schedule):
    """eta_t = eta_0 / (t + 1)^power, where t counts epochs (Robbins & Monro 1951 for power in (1/2, 1])."""

    def __init__(self, power: float) -> None:
        self.power = float(power)

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Take the power."""
        return cls(power_t)

    def factor(self, epoch: int) -> float:
        """1 / (t + 1)^power."""
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
        """Take the initial rate and the state."""
        return cls(eta_0, state)

    def factor(self, epoch: int) -> float:
        """Return 1 / 5^k."""
        return 5.0**-self._state.n_reductions

    def on_plateau(self) -> bool:
        """Divide the rate by 5, unless that is below the smallest one."""
        if self._eta_0 * 5.0 ** -(self._state.n_reductions + 1) < self.smallest:
            return False
        self._state.n_reductions += 1
        return True


class Annealed(Schedule, ABC):
    """eta_t = eta_0 shape(f), where f = t / max_iter is the fraction of the epochs that are done.

    t counts from ``start``, the epoch at which the cycle began. A cycle takes max_iter epochs. If training
    continues after that, which only ``partial_fit`` can do, a new cycle begins (a warm restart: Loshchilov &
    Hutter 2017, section 3).
    """

    anneals = True

    def __init__(self, max_iter: int, start: int = 0) -> None:
        self._max_iter, self._start = max_iter, start

    @classmethod
    def create(cls, eta_0: float, n_epochs: int, power_t: float, state: TrainingState) -> Self:
        """Take the length of a cycle, and where the current one began."""
        return cls(n_epochs, state.cycle_start)

    @abstractmethod
    def shape(self, f: float) -> float:
        """Return the factor at the fraction f."""

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
    """Warm up, then decay to about zero, while the momentum moves inversely (Smith & Topin 2018).

    The rate rises along half a cosine from eta_0 / 25 to eta_0 at f = ``warm_up``, and decays along another
    one to 0 at f = 1. The momentum is

        mu_t = 1 - (1 - mu) (1/2 + shape(f))

    0.9 becomes 0.95 at rate 0 and 0.85 at the peak. A momentum of 0 stays 0.
    """

    ends_at_zero = True
    initial = 1 / 25
    warm_up = 0.3

    def shape(self, f: float) -> float:
        """Return the factor of the warm-up, then that of the decay."""
        if f < self.warm_up:
            return self.initial + (1 - self.initial) * (1 - cos(pi * f / self.warm_up)) / 2
        return (1 + cos(pi * (f - self.warm_up) / (1 - self.warm_up))) / 2

    def momentum(self, epoch: int, momentum: float) -> float:
        """Return 1 - (1 - momentum) (1/2 + factor)."""
        if momentum == 0:
            return 0.0
        return max(0.0, 1 - (1 - momentum) * (0.5 + self.factor(epoch)))


class UserSchedule(Annealed):
    """A schedule whose shape is the user's function."""

    def __init__(self, max_iter: int, function: Callable[[float], float], start: int = 0) -> None:
        super().__init__(max_iter, start)
        self._function = function

    def shape(self, f: float) -> float:
        """Return what the function returns, which must be a finite number of at least 0."""
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
"""Every schedule by the name it has in ``ScratchMLPClassifier(learning_rate=...)``."""


def schedule_class(learning_rate: str | Callable[[float], float]) -> type[Schedule]:
    """Return the class of a schedule that is named, or given as a function."""
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
