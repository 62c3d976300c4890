"""Dropout: hidden units are dropped at random while the network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activations import Activation
from .network import Network


class Dropout:
    """An activation whose outputs are dropped at random in training (Srivastava et al. 2014).

    Each output is kept with probability 1 - rate and then divided by 1 - rate ("inverted" dropout). Its mean
    is then the same as in prediction, where nothing is dropped:

        m = [u >= rate] / (1 - rate) with u from U(0, 1),   a <- a m,   slope <- slope m

    Parameters
    ----------
    activation : Activation
        The function phi whose outputs are dropped.
    rate : float
        Probability that an output is dropped, in (0, 1).
    rng : numpy.random.Generator
        Draws the masks.
    """

    needs_scratch = True

    def __init__(self, activation: Activation, rate: float, rng: np.random.Generator) -> None:
        self.activation, self.rate, self._rng = activation, rate, rng
        self.init = activation.init

    def forward(self, z: NDArray) -> None:
        """a = phi(z): prediction drops nothing."""
        self.activation.forward(z)

    def forward_with_slope(self, z: NDArray, slope: NDArray, scratch: Any) -> None:
        """a = phi(z) m,   slope = phi'(z) m;   scratch is overwritten with the mask m."""
        self.activation.forward_with_slope(z, slope, scratch)
        mask = self._rng.random(out=scratch, dtype=scratch.dtype)
        np.greater_equal(mask, self.rate, out=mask)
        np.multiply(mask, 1 / (1 - self.rate), out=mask)
        np.multiply(z, mask, out=z)
        np.multiply(slope, mask, out=slope)


def with_dropout(network: Network, rates: Sequence[float], rng: np.random.Generator) -> Network:
    """Return a network that shares the parameters and drops outputs of its hidden layers at these rates."""
    phis = [
        Dropout(phi, rate, rng) if rate else phi for phi, rate in zip(network.activations, rates, strict=True)
    ]
    return Network(network.sizes, phis, network.theta)
