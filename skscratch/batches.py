"""Minibatches: rows of X, targets and weights in the network's layout, for dense and sparse X.

============ ============================ ==============================================================
symbol       shape                        meaning
============ ============================ ==============================================================
X            (n_samples, n_features)      the data: dense of any layout and dtype, or CSR; never written
rows         (n,)                         numbers of the rows of X to pass over, in their order
B, K         int                          examples in a batch; batches in a block
Y            (K, n_outputs, B)            targets, one column per example
w            (K, 1, B) or ()              weights divided by B times the mean weight; () if all are equal
Z, s         (K, n_outputs, B), (K, ., B) logits and softmax denominators, kept for the block's loss
============ ============================ ==============================================================

Rows are gathered in blocks of batches: one call serves many small batches, and one call computes the loss of
a whole block. A block holds about a megabyte, so it stays in the cache between gathering and use. X is cast
during gathering and never copied as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .communicator import SINGLE_PROCESS, Communicator
from .losses import Loss
from .network import Input, Network, Workspace
from .rows import Rows, effective_size

BLOCK_BYTES = 2**20
RAW_BYTES = 2**21
MAX_BATCHES_IN_BLOCK = 64


class DenseInput:
    """A batch of dense rows as a[0]: one column per example and a last row of ones."""

    __slots__ = ("a",)

    def __init__(self, a: NDArray) -> None:
        self.a = a

    def weighted(self, M: NDArray, out: NDArray) -> None:
        """out = M^T a[0]."""
        M.T.dot(self.a, out)

    def outer(self, delta: NDArray, out: NDArray) -> None:
        """out = a[0] delta^T."""
        self.a.dot(delta.T, out)

    def products(self) -> NDArray:
        """Return a[0]^T a[0], summed over portions of the features to avoid a large copy."""
        starts = range(0, len(self.a), 1024)
        portions = (self.a[i : i + 1024].astype(np.float64) for i in starts)
        return sum((a.T.dot(a) for a in portions), np.zeros((self.a.shape[1],) * 2))


class SparseInput:
    """A batch of CSR rows as a[0]; it stores no ones, so the biases are treated separately."""

    __slots__ = ("x",)

    def __init__(self, x: sp.csr_array) -> None:
        self.x = x

    def weighted(self, M: NDArray, out: NDArray) -> None:
        """out = W^T x^T + b."""
        np.add((self.x @ M[:-1]).T, M[-1][:, np.newaxis], out=out)

    def outer(self, delta: NDArray, out: NDArray) -> None:
        """out = [x^T delta^T; sum of delta over examples]."""
        out[:-1] = self.x.T @ delta.T
        np.add.reduce(delta, axis=1, out=out[-1])

    def products(self) -> NDArray:
        """Return x x^T + 1, where the 1 is the product of the ones that a[0] would end with."""
        x = self.x.astype(np.float64)
        return (x @ x.T).toarray() + 1


class DenseRows:
    """Gathers dense rows into a buffer of K * B rows with a last column of ones."""

    def __init__(self, X: NDArray, n_batches: int, batch_size: int, dtype: np.dtype) -> None:
        self.X, self._batch_size = X, batch_size
        n_rows, n_features = n_batches * batch_size, X.shape[1]
        ones = np.ones((n_rows, n_features + 1), dtype)
        self._x = ones[:, :-1]
        self._raw: NDArray | None = None
        self._n_raw = max(1, min(n_rows, RAW_BYTES // (X.dtype.itemsize * n_features)))
        columns = ones.reshape(n_batches, batch_size, n_features + 1).transpose(0, 2, 1)
        self._inputs = [DenseInput(a) for a in columns]

    def gather(self, rows: NDArray | slice, n_rows: int) -> Sequence[Input]:
        """Fill the buffer with n_rows rows of X and return them as batches."""
        if isinstance(rows, slice):
            np.copyto(self._x[:n_rows], self.X[rows], casting="same_kind")
        else:
            for first in range(0, n_rows, self._n_raw):
                portion = rows[first : first + self._n_raw]
                x = self._x[first : first + len(portion)]
                np.copyto(x, self._take(portion), casting="same_kind")
        return self._inputs[: n_rows // self._batch_size]

    def _take(self, rows: NDArray) -> NDArray:
        """Return these rows of X in X's own dtype, in a buffer that the first call allocates.

        np.take first copies the whole of an array that is not C-contiguous, so X.T serves for Fortran order.
        If X is contiguous in neither order, its rows are gathered into a new array.
        """
        X, C, F = self.X, self.X.flags.c_contiguous, self.X.flags.f_contiguous
        if not (C or F):
            return X[rows]
        if self._raw is None:
            self._raw = np.empty(self._n_raw * X.shape[1], X.dtype)
        raw = self._raw[: len(rows) * X.shape[1]]
        # mode="clip" lets NumPy write straight into the buffer; row numbers are always valid here.
        if C:
            return np.take(X, rows, axis=0, out=raw.reshape(len(rows), -1), mode="clip")
        return np.take(X.T, rows, axis=1, out=raw.reshape(-1, len(rows)), mode="clip").T


class SparseRows:
    """Gathers CSR rows, batch by batch."""

    def __init__(self, X: sp.csr_array, n_batches: int, batch_size: int, dtype: np.dtype) -> None:
        self.X, self._batch_size, self._dtype = X, batch_size, dtype

    def gather(self, rows: NDArray | slice, n_rows: int) -> Sequence[Input]:
        """Return n_rows rows of X as batches."""
        x = self.X[rows]  # a copy, which may be changed in place
        if x.dtype != self._dtype:
            # Duplicate entries are summed in X's own dtype, as toarray() does: True plus True is True.
            x.sum_duplicates()
            x.data = x.data.astype(self._dtype)
        if n_rows == self._batch_size:
            return [SparseInput(x)]
        starts = range(0, n_rows, self._batch_size)
        return [SparseInput(x[i : i + self._batch_size]) for i in starts]


class Batch:
    """One minibatch: its input x, targets Y and weights w, and the buffers for its passes and its loss."""

    __slots__ = ("Y", "Z", "s", "w", "work", "x")

    x: Input

    def __init__(self, Y: NDArray, w: NDArray, Z: NDArray, s: NDArray, work: Workspace) -> None:
        self.Y, self.w, self.Z, self.s, self.work = Y, w, Z, s, work


class Block:
    """Buffers for K batches of B rows each, and the batches as views of them."""

    def __init__(self, source: Batches, n_batches: int, batch_size: int) -> None:
        rows, dtype, n_outputs = source.rows, source.dtype, source.n_outputs
        gather = SparseRows if sp.issparse(rows.X) else DenseRows
        # A reference to source would form a cycle, which keeps X and all buffers alive after training.
        self._targets, self._weights, self._mean_weight = rows.targets, rows.weights, source.mean_weight
        self.n_batches, self.batch_size = n_batches, batch_size
        self.x = gather(rows.X, n_batches, batch_size, dtype)
        self.Y = np.empty((n_batches, n_outputs, batch_size), dtype)
        self.Z = np.empty((n_batches, n_outputs, batch_size), dtype)
        self.s = np.empty((n_batches, source.ones.shape[0], batch_size), dtype)
        self.losses = np.empty((n_batches, batch_size), dtype)
        if rows.weights is None:
            self.w = np.full((), 1 / (batch_size * source.mean_weight), dtype)
        else:
            self.w = np.empty((n_batches, 1, batch_size), dtype)
        weights = self.w if self.w.ndim else [self.w] * n_batches
        work = Workspace(source.network, batch_size)
        parts = zip(self.Y, weights, self.Z, self.s, strict=True)
        self.batches = [Batch(*part, work) for part in parts]

    def fill(self, rows: NDArray | slice, n_rows: int) -> list[Batch]:
        """Gather the rows with their targets and weights, and return the batches that hold them."""
        k = n_rows // self.batch_size
        batches = self.batches[:k]
        for batch, x in zip(batches, self.x.gather(rows, n_rows), strict=True):
            batch.x = x
        self._targets.fill(rows, self.Y[:k])
        if self._weights is not None:
            scale = 1 / (self.batch_size * self._mean_weight)
            w = self._weights[rows].reshape(k, 1, self.batch_size)
            np.multiply(w, scale, out=self.w[:k], casting="same_kind")
        return batches

    def total_loss(self, loss: Loss, k: int) -> float:
        """Return sum_i w_i loss_i / mean weight over the first k batches, whose Z, s and Y are consumed."""
        losses = self.losses[:k]
        loss.losses(self.Z[:k], self.s[:k], self.Y[:k], out=losses)
        np.multiply(losses, self.w if self.w.ndim == 0 else self.w[:k, 0], out=losses)
        return float(np.add.reduce(losses, axis=None, dtype=np.float64)) * self.batch_size


class Batches:
    """Rows as minibatches; the buffers are allocated once and reused in every epoch.

    Parameters
    ----------
    rows : Rows
        The rows of this process. Their weights are positive, and only their ratios matter.
    batch_size : int
        Rows in a global batch. The last batch of an epoch may be smaller.
    loss : Loss
        Determines the shape of the buffer s.
    network : Network
        Determines the dtype and the sizes of the buffers.
    communicator : Communicator
        The processes that train together. Sums and means cover the rows of all processes. Each batch is this
        process's share of a global batch.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        loss: Loss,
        network: Network,
        communicator: Communicator = SINGLE_PROCESS,
    ) -> None:
        self.rows, self.loss, self.network, self.communicator = (
            rows.scaled(communicator),
            loss,
            network,
            communicator,
        )
        self.dtype, self.n_outputs = network.theta.dtype, network.sizes[-1]
        self.n_rows = self.rows.n_rows
        self._distinct: Rows | None = None
        self.n_global_rows, weight_sum = communicator.sum(self.n_rows, self.rows.weight_sum)
        self.mean_weight = weight_sum / self.n_global_rows
        share = round(batch_size * self.n_rows / self.n_global_rows)
        self.batch_size = max(1, min(share, self.n_rows))
        self.ones = loss.summing_matrix(self.n_outputs, self.dtype)
        n_full, n_left = divmod(self.n_rows, self.batch_size)
        row_bytes = self.dtype.itemsize * max(network.sizes[0] + 1, self.n_outputs)
        n_batches = BLOCK_BYTES // (row_bytes * self.batch_size)
        n_batches = max(1, min(n_batches, n_full, MAX_BATCHES_IN_BLOCK))
        self._blocks = [Block(self, n_batches, self.batch_size)]
        if n_left:
            self._blocks.append(Block(self, 1, n_left))

    @property
    def distinct(self) -> Rows:
        """The rows without copies; each row has the total weight of its copies."""
        if self._distinct is None:
            self._distinct = self.rows.distinct()
        return self._distinct

    @property
    def effective_size(self) -> float:
        """The effective sample size N of the distinct rows of all processes."""
        return effective_size(*self.communicator.sum(self.distinct.weight_sum, self.distinct.square_sum))

    def mean(self, total: float) -> float:
        """Return the mean over the rows of all processes, given the sum over the rows of this one."""
        (total,) = self.communicator.sum(total)
        return total / self.n_global_rows

    def random_order(self, rng: np.random.Generator) -> NDArray:
        """Return the numbers of the rows in a new random order."""
        order = rng.permutation(self.n_rows)
        return order if self.rows.index is None else self.rows.index[order]

    def blocks(self, order: NDArray | None) -> Iterator[tuple[Block, list[Batch]]]:
        """Yield blocks and their filled batches, with the rows in this order; None keeps their own order."""
        if order is None:
            order = self.rows.index
        start = 0
        for block in self._blocks:
            n_rows = (self.n_rows - start) // block.batch_size * block.batch_size
            most = block.n_batches * block.batch_size
            for first in range(start, start + n_rows, most):
                last = min(first + most, start + n_rows)
                rows = slice(first, last)
                yield block, block.fill(rows if order is None else order[rows], last - first)
            start += n_rows
