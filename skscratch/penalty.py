"""Penalty: how strong it should be, told by how much better the training rows are predicted than others.

The penalty is a Gaussian prior on the weights, of precision c = alpha N (Bishop 2006, section 5.7). If the
prior is right, MacKay's equation holds (1992; Bishop 2006, equation 5.178):

    c = gamma / ||W||^2

Gamma is the effective number of parameters, those that the data and not the prior determine. By as much as
gamma / N the loss of rows that were not trained on exceeds that of the training rows, the *optimism*. It is
measured here by leaving rows out, without training anew: near its minimum the network is replaced by its
tangent, which is linear in the parameters, and what a linear model would say of a row that it has not seen is
known in closed form (Hastie, Tibshirani & Friedman 2009, section 7.10).

======== =============== =============================================================================
symbol   shape           meaning
======== =============== =============================================================================
N        number          rows that the weights stand for
c        number          precision of the prior, alpha N
omega    (s,)            weight of each row, in rows
K        (s, s)          kernel of the tangents: K_ij = mean_c dz_c(x_i)/dtheta . dz_c(x_j)/dtheta
lam      (s,)            curvature of each row's loss in its scores
S        (s,)            square root of the curvature that each row adds to the objective
h        (s,)            leverage: how much of a row's own score is its own doing, in [0, 1)
Z, Y, P  (n_outputs, s)  scores, targets, probabilities
======== =============== =============================================================================
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .batches import Batch, Batches
from .losses import Loss
from .network import Network
from .objective import Objective
from .rows import Rows
from .state import FIRST_PRECISION, TrainingState

SAMPLE = 256  # rows that are left out, and that stand for all others
LOWEST, HIGHEST = FIRST_PRECISION / 6, FIRST_PRECISION * 4


class Tuning:
    """Sets the strength of the penalty by MacKay's equation, after one epoch of a course.

    Parameters
    ----------
    network : Network
        The one in training, without dropout.
    state : TrainingState
        Holds the precision c.
    n_epochs : int
        Length of a course, counted from the state's ``schedule_start``.
    due : int
        The epoch of the course after which c is set.
    """

    def __init__(self, network: Network, state: TrainingState, n_epochs: int, due: int) -> None:
        self._network, self._state, self._n_epochs, self._due = network, state, n_epochs, due

    def end_epoch(self, objective: Objective, batches: Batches, rng: np.random.Generator) -> None:
        """Set the precision and the objective's alpha, if this is the epoch for it.

        c <- gamma / ||W||^2, between a 6th and 4 times of what it is at first;   alpha <- c / N
        """
        state = self._state
        if (state.epoch + 1 - state.schedule_start) % self._n_epochs != self._due:
            return
        n_worth = state.precision / objective.alpha
        gamma = n_worth * self._optimism(objective.loss, batches, n_worth, rng)
        squares = sum(float(np.vdot(W, W)) for W in self._network.layers.W)
        if np.isfinite(gamma) and squares:
            state.precision = float(np.clip(gamma / squares, LOWEST, HIGHEST))
            objective.penalise(state.precision / n_worth)

    def _optimism(self, loss: Loss, batches: Batches, n_worth: float, rng: np.random.Generator) -> float:
        """Return the mean of what the loss of a row rises by when it is left out."""
        rise, total = 0.0, 0.0
        if rows := draw_sample(batches.rows, rng):
            copies = batches.n_team_rows / rows.n_rows
            omega = np.ones(rows.n_rows) if rows.own_weights is None else rows.own_weights
            omega = omega * (n_worth / batches.weight_sum)
            rises = left_out(self._network, loss, rows, omega, copies, self._state.precision)
            rise, total = float(omega.dot(rises)), float(omega.sum())
        rise, total = batches.team.total(rise, total)
        return rise / total


def draw_sample(rows: Rows, rng: np.random.Generator) -> Rows | None:
    """Return up to SAMPLE rows, drawn at random where there are more; None where there are none."""
    if rows.n_rows <= SAMPLE:
        return rows if rows.n_rows else None
    chosen = rng.choice(rows.n_rows, SAMPLE, replace=False)
    return replace(rows, index=chosen if rows.index is None else rows.index[chosen])


def left_out(
    network: Network, loss: Loss, rows: Rows, omega: NDArray, copies: float, precision: float
) -> NDArray:
    """Return what each row's loss rises by when the network has to do without the row.

    The Gauss-Newton approximation of N times the objective's Hessian is c I + J^T S^2 J, with the tangents
    dz/dtheta as rows of J and S^2 = copies omega lam. With B = c I + S K S, where K = J J^T,

        h = 1 - c diag(B^-1),   z_i without row i = z_i - (y_i - p_i) h_i / ((1 - h_i) S_i^2)

    Of a row that weighs more than one row, one row is left out. Biases are counted as if the penalty fell on
    them, too, and outputs as if they had nothing to do with each other. Where the products overflow, nothing
    can be said, and the result is NaN.
    """
    batch = _whole(rows, loss, network)
    network.forward(batch.x, batch.work, batch.Z)
    Z, Y = batch.Z.astype(np.float64), batch.Y.astype(np.float64)
    P, before = _judge(loss, Z, Y)
    # Confident rows have no curvature to speak of; the floor keeps their zero by zero a zero.
    S2 = np.maximum(copies * omega * loss.curvature(P), 1e-12)
    S = np.sqrt(S2)
    B = tangent_kernel(network, batch) * S * S[:, np.newaxis]
    B.flat[:: len(B) + 1] += precision
    if not np.isfinite(B).all():
        return np.full(len(B), np.nan)
    h = 1 - precision * np.diagonal(np.linalg.inv(B))
    share = np.minimum(omega, 1) / omega
    shift = h / S2 * np.minimum(omega, 1) / (1 - share * h)
    _, after = _judge(loss, Z - (Y - P) * shift, Y)
    return after - before


def tangent_kernel(network: Network, batch: Batch) -> NDArray:
    """Return K for a batch that has gone forward, in double precision.

    dz_c/dM[l] = a[l] delta[l+1]^T,   delta[L] = e_c,   delta[l] = (W[l] delta[l+1]) * phi'(z[l])

    Two such matrices, multiplied entry by entry and summed up, are (a_i . a_j) (delta_i . delta_j).
    """
    W, slope = network.layers.W, batch.work.slope
    hidden = [a.astype(np.float64) for a in batch.work.a]
    products = [batch.x.products(), *(a.T.dot(a) for a in hidden)]
    K = products[-1].copy()
    for c in range(network.sizes[-1]):
        delta = W[-1][:, c, np.newaxis].astype(np.float64)
        for l in reversed(range(len(slope))):
            delta = delta * slope[l]
            K += products[l] * delta.T.dot(delta) / network.sizes[-1]
            delta = W[l].dot(delta)
    return K


def _whole(rows: Rows, loss: Loss, network: Network) -> Batch:
    """Return all rows as one batch."""
    ((_, (batch,)),) = Batches(rows, rows.n_rows, loss, network).blocks(None)
    return batch


def _judge(loss: Loss, Z: NDArray, Y: NDArray) -> tuple[NDArray, NDArray]:
    """Return the probabilities and the losses of scores; Z and Y stay as they are."""
    Z, Y, P, losses = Z.copy(), Y.copy(), np.empty_like(Z), np.empty(Z.shape[1])
    ones = loss.normaliser(len(Z), Z.dtype)
    s = np.empty((len(ones), Z.shape[1]))
    loss.link(Z, ones, s, P)
    loss.losses(Z, s, Y, out=losses)
    return P, losses
