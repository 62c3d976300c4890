"""The network: one vector of parameters, the forward pass and the backward pass.

Each column is an example. Layer l has n_l units; layer 0 is the input and layer L the output.

========= ====================== ==================================================================
symbol    shape                  meaning
========= ====================== ==================================================================
theta     (n_parameters,)        all parameters, layer after layer; W, b and M are views into it
W[l]      (n_l, n_{l+1})         weights from layer l to layer l + 1 (scikit-learn's ``coefs_``)
b[l]      (n_{l+1},)             biases of layer l + 1 (``intercepts_``)
M[l]      (n_l + 1, n_{l+1})     W[l] with b[l] as its last row
a[l]      (n_l + 1, n_examples)  output of layer l, with a last row of ones for the biases in M[l]
z[l]      (n_l, n_examples)      weighted input of layer l; a view of a[l] without the ones
slope[l]  (n_l, n_examples)      phi'(z[l])
delta[l]  (n_l, n_examples)      dJ/dz[l]
dM[l]     (n_l + 1, n_{l+1})     dJ/dM[l]; views into one gradient vector laid out like theta
========= ====================== ==================================================================

Because of the ones in a[l], the single product ``M[l]^T a[l]`` includes the biases, and
``a[l] delta[l+1]^T`` is the gradient of weights and biases together.

The network owns only the parameters; a :class:`Workspace` owns every buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .activations import Activation
from .initializers import draw_weights


class Input(Protocol):
    """The interface of a batch's input layer a[0], which dense and sparse data implement differently."""

    def weighted(self, M: NDArray, out: NDArray) -> None:
        """out = M^T a[0]."""

    def outer(self, delta: NDArray, out: NDArray) -> None:
        """out = a[0] delta^T."""

    def products(self) -> NDArray:
        """Return a[0]^T a[0], the inner products of all pairs of examples, in double precision."""


class Layers:
    """Views of a flat vector as the matrices of a network: M[l] and, inside it, W[l] and b[l]."""

    def __init__(self, vector: NDArray, sizes: Sequence[int]) -> None:
        self.M: list[NDArray] = []
        start = 0
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
            stop = start + (fan_in + 1) * fan_out
            self.M.append(vector[start:stop].reshape(fan_in + 1, fan_out))
            start = stop
        self.W = [M[:-1] for M in self.M]
        self.b = [M[-1] for M in self.M]

    @staticmethod
    def length(sizes: Sequence[int]) -> int:
        """Return the number of parameters, sum_l (n_l + 1) n_{l+1}."""
        return sum((m + 1) * n for m, n in zip(sizes[:-1], sizes[1:], strict=True))


class Network:
    """Fully connected layers over one parameter vector.

    Parameters
    ----------
    sizes : sequence of int
        Number of units of every layer, input and output included.
    activations : sequence of Activation
        One for each hidden layer.
    theta : ndarray of shape (n_parameters,), dtype float32 or float64
        The parameters. The network uses this array itself and makes no copy.
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[Activation], theta: NDArray) -> None:
        self.sizes = tuple(sizes)
        self.activations = tuple(activations)
        self.theta = theta
        self.layers = Layers(theta, sizes)
        self._MT = [M.T for M in self.layers.M]
        self._hidden = tuple(enumerate(self.activations, start=1))

    def initialize(self, rng: np.random.Generator) -> None:
        """Fill theta with initial weights that suit the activations, and with zero biases."""
        families = [phi.init for phi in self.activations] + ["glorot"]
        for family, W, b in zip(families, self.layers.W, self.layers.b, strict=True):
            draw_weights(family, W, b, rng)

    def forward(self, x: Input, work: Workspace, Z: NDArray) -> None:
        """Fill Z with the logits of x, and fill a, z and slope in work for ``backward``.

        z[l+1] = W[l]^T a[l] + b[l],   a[l] = phi(z[l]),   Z = z[L]
        """
        MT, a, z, slope, scratch = self._MT, work.a, (*work.z, Z), work.slope, work.scratch
        x.weighted(self.layers.M[0], out=z[1])
        for l, phi in self._hidden:
            phi.forward_with_slope(z[l], slope[l], scratch[l])
            MT[l].dot(a[l], z[l + 1])

    def backward(self, x: Input, work: Workspace, gradient: Layers) -> None:
        """Fill gradient and the other deltas, given delta[L] = dJ/dZ and the results of ``forward`` in work.

        dM[l] = a[l] delta[l+1]^T,   delta[l] = (W[l] delta[l+1]) * phi'(z[l])
        """
        W, a, slope, delta, dM = self.layers.W, work.a, work.slope, work.delta, gradient.M
        for l, _ in reversed(self._hidden):
            a[l].dot(delta[l + 1].T, dM[l])
            W[l].dot(delta[l + 1], delta[l])
            np.multiply(delta[l], slope[l], delta[l])
        x.outer(delta[1], out=dM[0])

    def logits(self, x: Input, work: Workspace, Z: NDArray) -> None:
        """Fill Z with the logits of x for prediction, without slopes; a and z in work are overwritten."""
        MT, a, z = self._MT, work.a, (*work.z, Z)
        x.weighted(self.layers.M[0], out=z[1])
        for l, phi in self._hidden:
            phi.forward(z[l])
            MT[l].dot(a[l], z[l + 1])


class Workspace:
    """All buffers for a pass over n_examples columns.

    The lists are indexed by the layer, as in the table above. The batch provides layer 0, the input, so the
    first entry of each list is None.
    """

    def __init__(self, network: Network, n_examples: int, *, training: bool = True) -> None:
        dtype, hidden, n_outputs = network.theta.dtype, network.sizes[1:-1], network.sizes[-1]
        self.a: list[Any] = [None, *(np.ones((n + 1, n_examples), dtype) for n in hidden)]
        self.z: list[Any] = [None, *(a[:-1] for a in self.a[1:])]
        if training:
            self.slope: list[Any] = [None, *(np.empty((n, n_examples), dtype) for n in hidden)]
            self.scratch: list[Any] = [None]
            for n, phi in zip(hidden, network.activations, strict=True):
                self.scratch.append(np.empty((n, n_examples), dtype) if phi.needs_scratch else None)
            self.delta: list[Any] = [None, *(np.empty((n, n_examples), dtype) for n in (*hidden, n_outputs))]


def flat_parameters(
    coefs: Any, intercepts: Any, sizes: Sequence[int], dtype: DTypeLike, known: Sequence[NDArray] = ()
) -> NDArray:
    """Return weights and biases as one vector; raise if they do not fit this network.

    If the arrays are views of one vector in the right order, that vector itself is returned. If the user has
    replaced them, or a copy has separated them, a new vector is returned. ``known`` is such a vector followed
    by its views: if the lists hold exactly these arrays, no check is needed.
    """
    if known and type(coefs) is list and type(intercepts) is list:
        present = [*coefs, *intercepts]
        if len(known) == len(present) + 1 and all(map(is_, known[1:], present)):
            return known[0]
    coefs = _arrays("coefs_", coefs, len(sizes) - 1)
    intercepts = _arrays("intercepts_", intercepts, len(sizes) - 1)
    base, length = coefs[0].base, Layers.length(sizes)
    if type(base) is np.ndarray and base.shape == (length,) and base.dtype == dtype:
        layers = Layers(base, sizes)
        if _same_memory(layers.W, coefs) and _same_memory(layers.b, intercepts):
            return base
    theta = np.empty(length, dtype)
    layers = Layers(theta, sizes)
    for name, ours, given in (("coefs_", layers.W, coefs), ("intercepts_", layers.b, intercepts)):
        for l, (target, array) in enumerate(zip(ours, given, strict=True)):
            if array.shape != target.shape:
                raise ValueError(
                    f"{name}[{l}] has shape {array.shape}, but the network needs {target.shape}. Assign an "
                    "array of that shape."
                )
            with np.errstate(over="ignore"):
                target[...] = array
    return theta


def check_finite(layers: Layers) -> None:
    """Raise an error that names the first array with NaN or infinity, if there is one."""
    for name, arrays in (("coefs_", layers.W), ("intercepts_", layers.b)):
        for l, array in enumerate(arrays):
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{name}[{l}] holds values that are not finite in {array.dtype}. Assign finite numbers."
                )


def _arrays(name: str, given: Any, n_layers: int) -> list[NDArray]:
    """Return coefs_ or intercepts_ as arrays of real numbers, one for each layer."""
    try:
        given = list(given)
    except TypeError:
        raise ValueError(
            f"{name} must be a list of arrays, one for each of the network's {n_layers} layers; got "
            f"{given!r}."
        ) from None
    if len(given) != n_layers:
        raise ValueError(
            f"{name} holds {len(given)} arrays, but the network has {n_layers} layers. Assign one array for "
            "each of them."
        )
    return [_real_numbers(f"{name}[{l}]", values) for l, values in enumerate(given)]


def _real_numbers(name: str, values: Any) -> NDArray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers, but its dtype is {array.dtype}.")
    return array


def _same_memory(ours: Sequence[NDArray], given: Sequence[Any]) -> bool:
    return len(ours) == len(given) and all(
        isinstance(b, np.ndarray) and a.__array_interface__ == b.__array_interface__
        for a, b in zip(ours, given, strict=True)
    )
