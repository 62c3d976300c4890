"""Activation functions: each computes a layer's output and its slope.

======= ====================== =====================================================================
symbol  shape                  meaning
======= ====================== =====================================================================
z       (n_units, n_examples)  weighted input of a layer; every function here overwrites it with phi(z)
slope   (n_units, n_examples)  phi'(z), the factor by which the backward pass multiplies delta
scratch (n_units, n_examples)  buffer for functions with ``needs_scratch``; None for the others
======= ====================== =====================================================================

The forward pass computes the slope before it overwrites z. No activation has to store its input, and the
backward pass is the same single product for all of them: ``delta *= slope``.

Each class has two methods. ``forward(z)`` is for prediction; ``forward_with_slope(z, slope, scratch)`` is
for training. Both overwrite z; the second also fills slope. ``init`` names the family of initial weights
that suits the function (see :mod:`skscratch.initializers`).
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr


class Activation(Protocol):
    """The interface that the network requires of an activation."""

    init: str
    needs_scratch: bool

    def forward(self, z: NDArray) -> None:
        """Overwrite z with phi(z)."""

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """Overwrite z with phi(z), fill slope with phi'(z) and use scratch as a buffer."""


class Identity:
    """phi(z) = z,  phi'(z) = 1."""

    init = "glorot"
    needs_scratch = False

    def forward(self, z: NDArray) -> None:
        """a = z, so nothing is written."""

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = 1;  a = z, so z is not written."""
        slope.fill(1)


class Logistic:
    """phi(z) = 1 / (1 + e^-z),  phi' = a (1 - a)."""

    init = "glorot"
    needs_scratch = False

    def forward(self, z: NDArray) -> None:
        """a = 1 / (1 + e^-z)."""
        expit(z, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = (1 - a) a."""
        expit(z, out=z)
        np.subtract(1, z, out=slope)
        np.multiply(slope, z, out=slope)


class Tanh:
    """phi(z) = tanh z,  phi' = 1 - a^2."""

    init = "glorot"
    needs_scratch = False

    def forward(self, z: NDArray) -> None:
        """a = tanh z."""
        np.tanh(z, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = 1 - a^2."""
        np.tanh(z, out=z)
        np.multiply(z, z, out=slope)
        np.subtract(1, slope, out=slope)


class ReLU:
    """phi(z) = max(z, 0),  phi' = [z > 0]  (Nair & Hinton 2010; the slope at 0 is taken as 0)."""

    init = "he"
    needs_scratch = False

    def forward(self, z: NDArray) -> None:
        """a = max(z, 0)."""
        np.maximum(z, 0, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = [z > 0];  a = z slope, which is max(z, 0) at a third of the cost of np.maximum."""
        np.greater(z, 0, out=slope)
        np.multiply(z, slope, out=z)


class LeakyReLU:
    """phi(z) = z if z > 0 else leak z, with a leak of 1/100  (Maas et al. 2013)."""

    init = "he"
    needs_scratch = False
    negative_slope = 0.01

    def forward(self, z: NDArray) -> None:
        """a = max(z, leak z)."""
        np.maximum(z, self.negative_slope * z, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = 1 or leak;  a = z slope."""
        np.greater(z, 0, out=slope)
        np.multiply(slope, 1 - self.negative_slope, out=slope)
        np.add(slope, self.negative_slope, out=slope)
        np.multiply(z, slope, out=z)


class ALReLU(LeakyReLU):
    """phi(z) = z if z > 0 else -z / 2  (absolute leaky ReLU: Mastromichalakis 2020, there with 1/100).

    A negative input is halved and changes sign. The slope is never 0, so no unit dies. He's bound is derived
    for ReLU; here it lets the mean square of the outputs grow by a quarter per layer, which is harmless.
    """

    negative_slope = -0.5


class ELU:
    """phi(z) = z if z > 0 else e^z - 1  (Clevert et al. 2016)."""

    init = "he"
    needs_scratch = False

    def forward(self, z: NDArray) -> None:
        """a = max(z, 0) + (e^min(z, 0) - 1)."""
        below = np.expm1(np.minimum(z, 0))
        np.maximum(z, 0, out=z)
        np.add(z, below, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = e^min(z, 0)."""
        np.minimum(z, 0, out=slope)
        np.expm1(slope, out=slope)
        np.maximum(z, 0, out=z)
        np.add(z, slope, out=z)
        np.add(slope, 1, out=slope)


class SELU:
    """phi(z) = lambda z if z > 0 else lambda alpha (e^z - 1)  (Klambauer et al. 2017, equation 2)."""

    init = "lecun"
    needs_scratch = True
    alpha = 1.6732632423543772
    scale = 1.0507009873554805

    def forward(self, z: NDArray) -> None:
        """a = lambda [max(z, 0) + alpha (e^min(z, 0) - 1)]."""
        below = np.expm1(np.minimum(z, 0))
        below *= self.alpha
        np.maximum(z, 0, out=z)
        np.add(z, below, out=z)
        np.multiply(z, self.scale, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = lambda [alpha e^min(z, 0) - (alpha - 1) [z > 0]]."""
        np.greater(z, 0, out=scratch)
        np.minimum(z, 0, out=slope)
        np.expm1(slope, out=slope)
        np.multiply(slope, self.alpha, out=slope)
        np.maximum(z, 0, out=z)
        np.add(z, slope, out=z)
        np.multiply(z, self.scale, out=z)
        np.multiply(scratch, self.alpha - 1, out=scratch)
        np.subtract(slope, scratch, out=slope)
        np.add(slope, self.alpha, out=slope)
        np.multiply(slope, self.scale, out=slope)


class GELU:
    """phi(z) = z Phi(z), with the distribution function Phi of N(0, 1)  (Hendrycks & Gimpel 2016)."""

    init = "he"
    needs_scratch = True

    def forward(self, z: NDArray) -> None:
        """a = z Phi(z)."""
        np.multiply(z, ndtr(z), out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = Phi(z) + z e^(-z^2 / 2) / sqrt(2 pi)."""
        np.multiply(z, z, out=slope)
        np.multiply(slope, -0.5, out=slope)
        np.exp(slope, out=slope)
        np.multiply(slope, z, out=slope)
        np.multiply(slope, 1 / sqrt(2 * pi), out=slope)
        ndtr(z, out=scratch)
        np.add(slope, scratch, out=slope)
        np.multiply(z, scratch, out=z)


class SiLU:
    """phi(z) = z s with s = 1 / (1 + e^-z), also called swish  (Elfwing et al. 2018)."""

    init = "he"
    needs_scratch = True

    def forward(self, z: NDArray) -> None:
        """a = z s."""
        np.multiply(z, expit(z), out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = s + a (1 - s)."""
        expit(z, out=slope)
        np.multiply(z, slope, out=z)
        np.subtract(1, slope, out=scratch)
        np.multiply(scratch, z, out=scratch)
        np.add(slope, scratch, out=slope)


class Softplus:
    """phi(z) = log(1 + e^z),  phi' = 1 / (1 + e^-z)  (Dugas et al. 2001)."""

    init = "glorot"
    needs_scratch = False

    def forward(self, z: NDArray) -> None:
        """a = log(1 + e^z)."""
        np.logaddexp(z, 0, out=z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """slope = 1 / (1 + e^-z)."""
        expit(z, out=slope)
        np.logaddexp(z, 0, out=z)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Identity(),
    "logistic": Logistic(),
    "tanh": Tanh(),
    "relu": ReLU(),
    "leaky_relu": LeakyReLU(),
    "alrelu": ALReLU(),
    "elu": ELU(),
    "selu": SELU(),
    "gelu": GELU(),
    "silu": SiLU(),
    "softplus": Softplus(),
}
"""Every activation, by its name in ``ScratchMLPClassifier(activation=...)``."""

NEGATIVE_SLOPES = {
    name: phi.negative_slope for name, phi in ACTIVATIONS.items() if isinstance(phi, LeakyReLU)
}
"""The slope below zero of each leaky activation, by name; the exports need this number."""
