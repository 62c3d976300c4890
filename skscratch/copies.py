"""Copies: finds the rows of X that repeat another row.

A row that occurs in X k times, through repetition or resampling, carries as much information as one row of
weight k. But if features have few values, rows may be equal by chance, and each of them is an observation of
its own. X alone does not show which is the case. So equal rows count as copies only if all of these hold:

- Their targets are equal. If targets differ, all rows with these features are observations.
- No small group of rows makes up most of the copies. Deliberate repetition repeats all rows about equally
  often. A row that is much more frequent than the others (such as an empty document) is an observation.
- The columns' values have more combinations than there are rows. Otherwise equal rows are expected.

====== ======= ==================================================================================
symbol shape   meaning
====== ======= ==================================================================================
n, m   numbers number of rows; number of distinct rows
first  (n,)    for each row, the first row with the same features; in the end, the row that it copies
k      (m,)    number of occurrences of each distinct row
====== ======= ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

PART_BYTES = 2**20  # X is read in parts of about this size, so it is never copied as a whole
MOST_COLUMNS = 64  # the first comparison of dense rows uses at most this many columns


def first_of_its_kind(X: Any, codes: NDArray, index: NDArray) -> NDArray:
    """Return, for each row, the position in ``index`` of the row that it copies; its own if it is no copy.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
        The data; never written.
    codes : ndarray of shape (n,) or (n, n_labels)
        Targets of the rows in ``index``.
    index : ndarray of shape (n,)
        Numbers of the rows of X to compare.
    """
    themselves = np.arange(len(index))
    first = _first_equal(X, index)
    if (first == themselves).all():
        return themselves
    differs = (codes != codes[first]).reshape(len(codes), -1).any(axis=1)
    contradicted = np.zeros(len(index), bool)
    contradicted[first[differs]] = True
    first = np.where(contradicted[first], themselves, first)
    originals, k = np.unique(first, return_counts=True)
    if len(originals) == len(index):
        return themselves
    # The effective number of distinct rows, (sum k)^2 / sum k^2, is m if all occur equally often.
    uneven = k.sum() ** 2 < len(k) * (k**2).sum() / 2
    return themselves if uneven or _must_repeat(X, index[originals], len(index)) else first


def hashes(X: Any, codes: NDArray, index: NDArray) -> NDArray:
    """Return a number in [0, 1) for each row: the same for equal rows with equal targets, else random.

    It does not depend on the other rows, and is the same in every process.
    """
    table = codes if codes.ndim == 2 else codes[:, np.newaxis]
    sums = np.stack([_sums(X, index), table @ np.sqrt(np.arange(1.0, table.shape[1] + 1))])
    bits = sums.view(np.uint64)  # of float64
    with np.errstate(over="ignore"):
        mixed = _mixed(_mixed(bits[0]) + bits[1])
    return (mixed >> np.uint64(11)) * 2.0**-53


def _mixed(x: NDArray) -> NDArray:
    """Return 64 bits that look random, one to one (splitmix64: Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _first_equal(X: Any, index: NDArray) -> NDArray:
    """Return, for each row, the position of the first row with the same features."""
    first, sums = np.arange(len(index)), _sums(X, index)
    if len(np.unique(sums)) == len(index):
        return first
    _, groups, sizes = np.unique(sums, return_inverse=True, return_counts=True)
    suspects = np.flatnonzero(sizes[groups] > 1)
    _, places, groups = np.unique(_fingerprints(X, index[suspects]), return_index=True, return_inverse=True)
    first[suspects] = suspects[places[groups]]
    return first


def _parts(X: Any, index: NDArray) -> Iterator[Any]:
    """Yield the rows in parts, as new arrays; sparse parts are in canonical form."""
    for part in np.array_split(index, 1 + X.data.nbytes // PART_BYTES):
        x = X[part]
        if sp.issparse(x):
            x.sum_duplicates()
        yield x


def _sums(X: Any, index: NDArray) -> NDArray:
    """Return a weighted sum of each row's values, which is the same for equal rows and rarely for others.

    It usually shows that there are no copies, and is ten times as fast as comparing the rows. For dense X
    with many columns, it uses only some of them.
    """
    if not sp.issparse(X):
        X = X[:, :: -(-X.shape[1] // MOST_COLUMNS)]
    factors = np.sqrt(np.arange(1.0, X.shape[1] + 1))
    with np.errstate(all="ignore"):
        if sp.issparse(X):
            return np.concatenate([x @ factors for x in _parts(X, index)])
        # A matrix product may round equal rows differently.
        return np.concatenate([(np.ascontiguousarray(x) * factors).sum(axis=1) for x in _parts(X, index)])


def _fingerprints(X: Any, index: NDArray) -> NDArray:
    """Return a hash of each row; unequal rows share it with a probability of about 2^-64."""
    rows = (row for x in _parts(X, index) for row in _rows_as_bytes(x))
    return np.fromiter(map(hash, rows), np.int64, len(index))


def _rows_as_bytes(x: Any) -> list[bytes]:
    """Return each row's values as bytes, the same for equal rows; x is consumed."""
    # -0 equals 0 but has other bytes; adding 0 turns it into 0.
    if not sp.issparse(x):
        return [row.tobytes() for row in np.ascontiguousarray(x) + 0]
    x.eliminate_zeros()
    ends = zip(x.indptr[:-1], x.indptr[1:], strict=True)
    return [x.indices[i:j].tobytes() + (x.data[i:j] + 0).tobytes() for i, j in ends]


def _must_repeat(X: Any, originals: NDArray, n_rows: int) -> bool:
    """Return whether the columns' values have no more combinations than there are rows."""
    x, combinations = X[originals], 1
    for j in range(X.shape[1]):
        column = x[:, [j]].toarray() if sp.issparse(x) else x[:, j]
        combinations *= len(np.unique(column))
        if combinations > n_rows:
            return False
    return True
