"""Prediction: logits for any number of rows in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .batches import DenseRows, SparseRows
from .network import Network, Workspace, check_finite
from .rows import largest_entry, refuse_non_finite

CHUNK_BYTES = 2**21  # fits the cache; larger chunks are slower
HALVING, MOST_HALVINGS = 2.0**-64, 40  # from the largest double to the smallest


def predict_logits(network: Network, X: NDArray | sp.csr_array) -> NDArray:
    """Return the logits of every row of X, of shape (n_samples, n_outputs); all are finite."""
    return _finite_outputs(network, X, None)


def predict_activations(network: Network, X: NDArray | sp.csr_array, layer: int) -> NDArray:
    """Return the outputs of one hidden layer for every row of X, of shape (n_samples, n_units)."""
    return _finite_outputs(network, X, layer)


def _finite_outputs(network: Network, X: NDArray | sp.csr_array, layer: int | None) -> NDArray:
    """Return the outputs; rows for which they overflow are computed again, and all others are as they are."""
    outputs = _rows_through(network, X, layer)
    if not np.isfinite(outputs).all():
        check_finite(network.layers)
        refuse_non_finite(largest_entry(X))
        overflowed = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
        outputs[overflowed] = _saturated(network, X[overflowed], layer)
    return outputs


def _saturated(network: Network, X: NDArray | sp.csr_array, layer: int | None) -> NDArray:
    """Return the outputs of rows of huge values, computed in double precision and scaled down to the dtype.

    Differences between the logits of a row stay huge, so its probabilities are saturated. A row that is too
    large for double precision is scaled down until its outputs are finite.
    """
    theta, X = network.theta.astype(np.float64), X.astype(np.float64)
    in_double = Network(network.sizes, network.activations, theta)
    outputs, factors = _rows_through(in_double, X, layer), np.ones(X.shape[0])
    for _ in range(MOST_HALVINGS):
        overflowed = ~np.isfinite(outputs).all(axis=1)
        if not overflowed.any():
            break
        factors[overflowed] *= HALVING
        scaled = sp.csr_array(sp.diags(factors) @ X) if sp.issparse(X) else X * factors[:, np.newaxis]
        outputs = _rows_through(in_double, scaled, layer)
    else:
        raise ValueError("Some outputs are not finite in float64. The weights in coefs_ are too large.")
    most = np.finfo(network.theta.dtype).max
    largest = np.abs(outputs).max(axis=1, keepdims=True)
    return np.clip(outputs * np.minimum(1, most / np.maximum(largest, 1)), -most, most)


def _rows_through(network: Network, X: NDArray | sp.csr_array, layer: int | None) -> NDArray:
    """Return the logits of all rows, or a hidden layer's outputs; rows pass through the network in chunks.

    The result keeps the network's memory order, unit after unit, on which softmax is three times as fast.
    """
    sizes, dtype = network.sizes, network.theta.dtype
    n_rows, n_features = X.shape
    width = sum(sizes[1:]) + (0 if sp.issparse(X) else n_features)
    chunk = max(1, min(n_rows, CHUNK_BYTES // (dtype.itemsize * width)))
    out = np.empty((sizes[-1] if layer is None else sizes[1:-1][layer], n_rows), dtype)
    for first, last, size in _spans(n_rows, chunk):
        if first == 0 or size < chunk:
            source = (SparseRows if sp.issparse(X) else DenseRows)(X, 1, size, dtype)
            work, Z = Workspace(network, size, training=False), np.empty((sizes[-1], size), dtype)
            result = Z if layer is None else work.z[1:][layer]
        (x,) = source.gather(slice(first, last), size)
        network.logits(x, work, Z)
        out[:, first:last] = result
    return out.T


def _spans(n_rows: int, chunk: int) -> Iterator[tuple[int, int, int]]:
    for first in range(0, n_rows, chunk):
        last = min(first + chunk, n_rows)
        yield first, last, last - first
