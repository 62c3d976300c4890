"""Lazy training: SGD on sparse rows whose cost depends on what the rows hold, not on the number of features.

A batch of text touches few features. The first layer's weights of all other features have no data gradient.
With SGD their steps are linear, so they can be skipped now and caught up later, exactly up to rounding. With
d = eta alpha, a step without data gradient is

    v <- mu v - d theta,   theta <- theta + mu v - d theta     (Nesterov)
    v <- mu v - d theta,   theta <- theta + v                  (Polyak)

    [theta]    A [theta]          [1 - d (1 + mu)  mu^2]       [1 - d  mu]
    [  v  ] <-   [  v  ],     A = [     -d          mu ]   or  [ -d    mu]

So k skipped steps are the product with A^k: four numbers, the same for all weights. Rate, momentum and alpha
change between epochs only, so the powers are computed once per epoch.

A step takes the rows of W[0] and of the velocity that the batch touches, catches them up, and makes a dense
step of a network that has only these features. Then it puts the rows back. At the end of an epoch all rows
are caught up, so nothing else sees that steps were skipped.

========= ================ ============================================================================
symbol    shape            meaning
========= ================ ============================================================================
J         (k,)             features that a batch touches, in ascending order
W, V      (n_0, n_1)       W[0], the weights of the first layer, and its part of the velocity
W_J, V_J  (k, n_1)         their rows for the features J
rest      (n_rest,)        b[0] and all later layers, which take part in every step
t         integer          number of steps made in this epoch
since     (n_0,)           for each feature, the step up to which its rows of W and V are current
power     (4, t_max + 1)   the four entries of A^0, A^1, ...
========= ================ ============================================================================

Adam's steps are not linear, so they cannot be skipped exactly. Several processes would have to agree on J in
every step. Both train densely.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .batches import Batch, Batches, SparseInput
from .network import Layers, Network
from .objective import PIECE_LENGTH, Objective
from .optimizers import SGD, Optimizer
from .training import Trainer

# Lazy steps pay if a batch is expected to touch less than this share of the features, and if the other
# features have more weights than this. Otherwise bookkeeping costs more than it saves.
LARGEST_SHARE, FEWEST_WEIGHTS = 0.2, 2**18


def is_worthwhile(batches: Batches, optimizer: Optimizer) -> bool:
    """Return whether lazy steps are possible and expected to be faster than dense ones."""
    if not (sp.issparse(batches.rows.X) and isinstance(optimizer, SGD) and batches.communicator.size == 1):
        return False
    n_features, n_units = batches.network.sizes[:2]
    touched = expected_features(batches.rows.X, batches.batch_size)
    untouched_weights = (n_features - touched) * n_units
    return touched < LARGEST_SHARE * n_features and untouched_weights > FEWEST_WEIGHTS


def expected_features(X: sp.csr_array, batch_size: int) -> float:
    """Return the expected number of features in a random batch of rows of X.

    A feature that f of n rows have is missing from a batch of B rows with probability (1 - f / n)^B, about.
    """
    n_rows, f = X.shape[0], np.bincount(X.indices)
    f = np.minimum(f[f > 0], n_rows)  # most features may not occur at all
    return float(np.sum(1 - (1 - f / n_rows) ** batch_size))


def powers(eta: float, alpha: float, momentum: float, *, nesterov: bool, n: int) -> NDArray:
    """Return A^0, ..., A^n, of shape (4, n + 1); the entries are those of A row by row."""
    d, mu = eta * alpha, momentum
    A = np.array([[1 - d * (1 + mu), mu * mu], [-d, mu]] if nesterov else [[1 - d, mu], [-d, mu]])
    power = np.empty((n + 1, 2, 2))
    power[0] = np.eye(2)
    for k in range(n):
        np.dot(A, power[k], out=power[k + 1])
    return power.reshape(n + 1, 4).T


class LazyRows:
    """The rows of W and V, each current up to a step of its own.

    Parameters
    ----------
    W, V : ndarray of shape (n_0, n_1)
        Updated in place.
    """

    def __init__(self, W: NDArray, V: NDArray) -> None:
        self._W, self._V = W, V
        self._t, self._since = 0, np.zeros(len(W), np.int64)
        self._power = np.empty((4, 1), W.dtype)
        self._portion = max(1, PIECE_LENGTH // W.shape[1])
        self._scratch = np.empty((2, self._portion, W.shape[1]), W.dtype)

    def begin_epoch(self, power: NDArray) -> None:
        """Begin an epoch with these powers of A; all rows are current."""
        self._t, self._power = 0, power.astype(self._W.dtype)
        self._since.fill(0)

    def take(self, J: NDArray, W_J: NDArray, V_J: NDArray) -> None:
        """W_J, V_J = the current rows of W and V."""
        np.take(self._W, J, axis=0, out=W_J, mode="clip")
        np.take(self._V, J, axis=0, out=V_J, mode="clip")
        self._catch_up(W_J, V_J, self._t - self._since[J])

    def put(self, J: NDArray, W_J: NDArray, V_J: NDArray) -> None:
        """Put back rows after a step, which is then complete."""
        self._t += 1
        self._W[J], self._V[J], self._since[J] = W_J, V_J, self._t

    def catch_up(self) -> None:
        """Make all rows current."""
        self._catch_up(self._W, self._V, self._t - self._since)
        self._since.fill(self._t)

    def _catch_up(self, W: NDArray, V: NDArray, skipped: NDArray) -> None:
        """[W; V] <- A^skipped [W; V], in portions that fit into the cache."""
        for start in range(0, len(W), self._portion):
            rows = slice(start, start + self._portion)
            if skipped[rows].any():
                self._multiply(W[rows], V[rows], skipped[rows])

    def _multiply(self, W: NDArray, V: NDArray, skipped: NDArray) -> None:
        """[W; V] <- A^skipped [W; V]."""
        A11, A12, A21, A22 = (entry[skipped, np.newaxis] for entry in self._power)
        from_W, from_V = self._scratch[:, : len(W)]
        np.multiply(W, A21, from_W)
        np.multiply(V, A12, from_V)
        np.multiply(W, A11, W)
        np.add(W, from_V, W)
        np.multiply(V, A22, V)
        np.add(V, from_W, V)


class LazyTrainer(Trainer):
    """A trainer whose steps are lazy. Its parameters are those of Trainer, with SGD and sparse rows."""

    optimizer: SGD

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sizes = self.objective.network.sizes
        n_features, n_units = self._sizes[:2]
        # theta and the velocity are W or V, and the rest, which takes part in every step.
        vectors = [self.objective.network.theta, self.optimizer.memory["velocity"]]
        n = n_features * n_units
        self._rows = LazyRows(*(vector[:n].reshape(n_features, n_units) for vector in vectors))
        self._rest = [vector[n:] for vector in vectors]
        self._is_touched = np.zeros(n_features, bool)
        self._position = np.zeros(n_features, np.int32)
        self._buffers = self._make_buffers(0)

    def _pass_over_rows(self) -> float:
        """Pass over the rows with the powers of this epoch and the rest in the buffers."""
        self._rows.begin_epoch(self._powers())
        for buffer, rest in zip(self._buffers[:2], self._rest, strict=True):
            np.copyto(buffer[-len(rest) :], rest)
        return super()._pass_over_rows()

    def _powers(self) -> NDArray:
        sgd, n_steps = self.optimizer, -(-self.batches.n_rows // self.batches.batch_size)
        eta, mu = float(sgd.eta), float(sgd.mu)
        return powers(eta, self.objective.alpha, mu, nesterov=sgd.nesterov, n=n_steps)

    def step(self, batch: Batch) -> None:
        """Make a dense step of the network that has only the features of this batch."""
        x = cast(SparseInput, batch.x).x
        J = self._touched(x)
        batch.x = self._renumbered(x, J)
        theta, velocity, gradient = self._buffers_for(len(J))
        sizes = (len(J), *self._sizes[1:])
        network = Network(sizes, self.objective.network.activations, theta)
        W_J, V_J = network.layers.W[0], Layers(velocity, sizes).W[0]
        self._rows.take(J, W_J, V_J)
        objective = Objective(network, self.objective.loss, self.objective.alpha, gradient)
        objective.data_gradient(batch)
        self.update(objective, self.optimizer.with_velocity(velocity))
        self._rows.put(J, W_J, V_J)

    def _finish_pass(self) -> None:
        """Catch up all rows, and put the rest back."""
        self._rows.catch_up()
        for buffer, rest in zip(self._buffers[:2], self._rest, strict=True):
            np.copyto(rest, buffer[-len(rest) :])

    def _touched(self, x: sp.csr_array) -> NDArray:
        """Return J, the features of the batch in ascending order."""
        self._is_touched[x.indices] = True
        J = np.flatnonzero(self._is_touched)
        self._is_touched[J] = False
        return J

    def _renumbered(self, x: sp.csr_array, J: NDArray) -> SparseInput:
        """Return a batch whose columns are the features J only."""
        self._position[J] = np.arange(len(J), dtype=np.int32)
        return SparseInput(sp.csr_array((x.data, self._position[x.indices], x.indptr), (x.shape[0], len(J))))

    def _make_buffers(self, n_features: int) -> NDArray:
        """Return buffers for theta, velocity and gradient of a network with n_features."""
        n_rest = len(self._rest[0])
        return np.empty((3, n_features * self._sizes[1] + n_rest), self._rest[0].dtype)

    def _buffers_for(self, n_features: int) -> NDArray:
        """Return buffers of this length; the rest stays where it is, at the end."""
        n_rest = len(self._rest[0])
        length = n_features * self._sizes[1] + n_rest
        if length > self._buffers.shape[1]:
            larger = self._make_buffers(n_features + n_features // 4)
            larger[:, -n_rest:] = self._buffers[:, -n_rest:]
            self._buffers = larger
        return self._buffers[:, -length:]
