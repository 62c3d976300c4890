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


def predict_logits(network: Network, X: NDArray | sp.csr_array) -> NDArray:
    """Return the logits of every row of X, of shape (n_samples, n_outputs)."""
    return _finite(_rows_through(network, X, None), "logits", network, X)


def predict_activations(network: Network, X: NDArray | sp.csr_array, layer: int) -> NDArray:
    """Return the outputs of one hidden layer for every row of X, of shape (n_samples, n_units)."""
    return _finite(_rows_through(network, X, layer), "activations", network, X)


def _finite(outputs: NDArray, name: str, network: Network, X: NDArray | sp.csr_array) -> NDArray:
    """Return the outputs if all are finite; otherwise raise an error that says why they are not."""
    if np.isfinite(outputs).all():
        return outputs
    check_finite(network.layers)
    span = largest_entry(X)
    refuse_non_finite(span)
    raise ValueError(
        f"Some {name} are not finite in {outputs.dtype}: X holds values too large for this network (up to "
        f"{span:g}). Transform X in the same way as for training."
    )


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
