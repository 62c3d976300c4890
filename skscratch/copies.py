"""Copies: which rows say again what another row has said.

A row that stands in X k times, because it was repeated or drawn again, tells no more than one of weight k.
But where features have few values, rows are equal by chance, and each of them is an observation of its own.
Nothing in X says which it is. So rows are taken as copies only if nothing speaks against it:

- Equal features have equal targets. Where targets differ, all rows with these features are observations.
- No few rows make up most of the copies. What is repeated on purpose is repeated about alike. A row that is
  much more frequent than others (an empty document, the commonest case) is a finding.
- There are more combinations of the columns' values than rows. Else some rows would have to be equal.

====== ======= ==================================================================================
symbol shape   meaning
====== ======= ==================================================================================
n, m   numbers rows; rows that are no copies
first  (n,)    for each row the first one that has the same features, and then the one it copies
k      (m,)    how often each of those occurs
====== ======= ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

PART_BYTES = 2**20  # of X at a time, so that no copy of it is made
MOST_COLUMNS = 64  # that are looked at first


def first_of_its_kind(X: Any, codes: NDArray, index: NDArray) -> NDArray:
    """Return the place in ``index`` of the row that each of these rows of X copies; its own where it is none.

    Parameters
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
        Only read.
    codes : ndarray of shape (n,) or (n, n_labels)
        Targets of the rows.
    index : ndarray of shape (n,)
        Numbers of the rows.
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
    # The effective number of originals, (sum k)^2 / sum k^2, is m where all are repeated alike.
    uneven = k.sum() ** 2 < len(k) * (k**2).sum() / 2
    return themselves if uneven or _must_repeat(X, index[originals], len(index)) else first


def _first_equal(X: Any, index: NDArray) -> NDArray:
    """Return the place of the first of these rows that has the same features, for each of them."""
    first, sums = np.arange(len(index)), _sums(X, index)
    if len(np.unique(sums)) == len(index):
        return first
    _, groups, sizes = np.unique(sums, return_inverse=True, return_counts=True)
    suspects = np.flatnonzero(sizes[groups] > 1)
    _, places, groups = np.unique(_fingerprints(X, index[suspects]), return_index=True, return_inverse=True)
    first[suspects] = suspects[places[groups]]
    return first


def _parts(X: Any, index: NDArray) -> Iterator[Any]:
    """Yield copies of the rows, some at a time; those of a CSR array are in canonical form."""
    for part in np.array_split(index, 1 + X.data.nbytes // PART_BYTES):
        x = X[part]
        if sp.issparse(x):
            x.sum_duplicates()
        yield x


def _sums(X: Any, index: NDArray) -> NDArray:
    """Return a sum for each row, which is the same for equal rows and seldom for others.

    Almost always it tells that there are no copies, ten times as fast as comparing rows. Of many columns
    some will do.
    """
    if not sp.issparse(X):
        X = X[:, :: -(-X.shape[1] // MOST_COLUMNS)]
    factors = np.sqrt(np.arange(1.0, X.shape[1] + 1))
    with np.errstate(all="ignore"):
        if sp.issparse(X):
            return np.concatenate([x @ factors for x in _parts(X, index)])
        # Not a matrix product, whose sums may be rounded in one row as in no other.
        return np.concatenate([(np.ascontiguousarray(x) * factors).sum(axis=1) for x in _parts(X, index)])


def _fingerprints(X: Any, index: NDArray) -> NDArray:
    """Return a number for each row that only equal rows share (but for one in 2^64 pairs)."""
    rows = (row for x in _parts(X, index) for row in _rows_as_bytes(x))
    return np.fromiter(map(hash, rows), np.int64, len(index))


def _rows_as_bytes(x: Any) -> list[bytes]:
    """Return what each row holds; x is consumed."""
    # Adding 0 turns -0 into 0, whose bytes are others.
    if not sp.issparse(x):
        return [row.tobytes() for row in np.ascontiguousarray(x) + 0]
    x.eliminate_zeros()
    ends = zip(x.indptr[:-1], x.indptr[1:], strict=True)
    return [x.indices[i:j].tobytes() + (x.data[i:j] + 0).tobytes() for i, j in ends]


def _must_repeat(X: Any, originals: NDArray, n_rows: int) -> bool:
    """Return whether the values of the columns have fewer combinations than there are rows."""
    x, combinations = X[originals], 1
    for j in range(X.shape[1]):
        column = x[:, [j]].toarray() if sp.issparse(x) else x[:, j]
        combinations *= len(np.unique(column))
        if combinations > n_rows:
            return False
    return True
