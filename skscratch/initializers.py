"""Initial weights: random, with bounds that keep signals from vanishing or exploding between layers.

Weights are drawn from the uniform distribution U(-bound, bound); biases start at zero. The bound preserves
the variance of the signals, so it depends on the activation that follows:

=========== ================================ ==========================================================
family      bound                            source
=========== ================================ ==========================================================
``he``      sqrt(6 / fan_in)                 He et al. 2015, section 2.2: the ReLU family
``glorot``  sqrt(6 / (fan_in + fan_out))     Glorot & Bengio 2010, equation 16: tanh, logistic, identity
``lecun``   sqrt(3 / fan_in)                 LeCun et al. 1998, section 4.6; Klambauer et al. 2017: selu
=========== ================================ ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BOUNDS: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: (6 / fan_in) ** 0.5,
    "glorot": lambda fan_in, fan_out: (6 / (fan_in + fan_out)) ** 0.5,
    "lecun": lambda fan_in, fan_out: (3 / fan_in) ** 0.5,
}


def draw_weights(family: str, W: NDArray, b: NDArray, rng: np.random.Generator) -> None:
    """Fill W, of shape (fan_in, fan_out), from U(-bound, bound) and b with zeros.

    The numbers are drawn in double precision, so float32 and float64 networks start from the same weights.
    """
    bound = BOUNDS[family](*W.shape)
    W[...] = rng.uniform(-bound, bound, size=W.shape)
    b[...] = 0
