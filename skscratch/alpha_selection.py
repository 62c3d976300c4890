"""Penalty: how strong it should be, told by how much better the training rows are predicted than others.

The penalty is a Gaussian prior on the weights, of precision c = alpha N (Bishop 2006, section 5.7). If the
prior is right, MacKay's equation holds (1992; Bishop 2006, equation 5.178):

    c = gamma / ||W||^2

Gamma is the effective number of parameters, those that the data and not the prior determine. By as much as
gamma / N the loss of rows that were not trained on exceeds that of the training rows. That is measured here
by leaving rows out, without training anew: near its minimum the network is replaced by its tangent, which is
linear in the parameters, and what a linear model would say of a row that it has not seen is known in closed
form (Hastie, Tibshirani & Friedman 2009, section 7.10).

A row is left out with all its weight, and with all its copies: what one of them tells, the others tell, too.

It is an estimate, equal to gamma only where the model is right about its own noise. Of more than 256 rows a
sample stands for all of them, which errs upwards, and so does the tangent where it leads far away. So c is
kept within bounds, which are part of the method.

======== =============== ================================================================================
symbol   shape           meaning
======== =============== ================================================================================
N        number          effective sample size: how many rows of equal weight would tell as much
c        number          precision of the prior, alpha N
omega    (s,)            weight of each row, in a unit of which there are N in all rows
K        (s, s)          kernel of the tangents: K_ij = mean_k dz_k(x_i)/dtheta . dz_k(x_j)/dtheta
S        (s,)            square root of the curvature that each row adds to N times the objective
lam, V   (s,), (s, s)    eigenvalues and eigenvectors of S K S
h        (s,)            leverage: how much of a row's own score is its own doing, in [0, 1)
Z, Y, P  (n_outputs, s)  scores, targets, probabilities
======== =============== ================================================================================
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
from .training_state import INITIAL_PRIOR_PRECISION, TrainingState

FEWEST_ROWS, MOST_ROWS = 20, 256  # that are left out; fewer tell nothing, and these stand for any number
MOST_OUTPUTS = 16  # whose tangents stand for those of all outputs
LOWEST, HIGHEST = INITIAL_PRIOR_PRECISION / 6, INITIAL_PRIOR_PRECISION * 4


class AlphaSelection:
    """Sets the strength of the penalty by MacKay's equation, after one epoch of a course.

    Parameters
    ----------
    network : Network
        The one in training, without dropout.
    state : TrainingState
        Holds the precision c, and the generator that draws the sample.
    n_epochs : int
        Length of a course, counted from the state's ``cycle_start``.
    due : int
        The epoch of the course after which c is set.
    """

    def __init__(self, network: Network, state: TrainingState, n_epochs: int, due: int) -> None:
        self._network, self._state, self._n_epochs, self._due = network, state, n_epochs, due

    def end_epoch(self, objective: Objective, batches: Batches) -> None:
        """Set the precision and the objective's alpha, if this is the epoch for it.

        c <- gamma / ||W||^2, between a 6th and 4 times of what it is at first;   alpha <- c / N
        """
        state = self._state
        if (state.epoch + 1 - state.cycle_start) % self._n_epochs != self._due:
            return
        N = batches.effective_size
        if N < FEWEST_ROWS:
            return
        gamma = N * self._mean_increase(objective.loss, batches)
        squares = objective.squared_weights()
        if np.isfinite(gamma) and squares:
            state.prior_precision = float(np.clip(gamma / squares, LOWEST, HIGHEST))
            objective.set_alpha(state.prior_precision / N)

    def _mean_increase(self, loss: Loss, batches: Batches) -> float:
        """Return what the loss of a row rises by when it is left out, in the mean."""
        rise, total = 0.0, 0.0
        rows, communicator, N = batches.distinct, batches.communicator, batches.effective_size
        n_global_rows, weight_sum = communicator.sum(rows.n_rows, rows.weight_sum)
        if rows.n_rows:
            sample = draw_sample(rows, self._state.rng)
            omega = np.ones(sample.n_rows) if sample.own_weights is None else sample.own_weights
            omega = omega * (N / weight_sum)
            stands_for = n_global_rows / sample.n_rows
            rises = leave_one_out_increase(
                self._network, loss, sample, omega, stands_for, self._state.prior_precision
            )
            rise, total = float(omega.dot(rises)), float(omega.sum())
        rise, total = communicator.sum(rise, total)
        return rise / total


def draw_sample(rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows, or some of them, drawn at random, where there are too many."""
    if rows.n_rows <= MOST_ROWS:
        return rows
    chosen = rng.choice(rows.n_rows, MOST_ROWS, replace=False)
    return replace(rows, index=chosen if rows.index is None else rows.index[chosen])


def leave_one_out_increase(
    network: Network, loss: Loss, rows: Rows, omega: NDArray, stands_for: float, c: float
) -> NDArray:
    """Return what each row's loss rises by when the network has to do without the row.

    The Gauss-Newton approximation of N times the objective's Hessian is c I + J^T S^2 J, with the tangents
    dz/dtheta as rows of J. With K = J J^T and S K S = V lam V^T,

        S^2 = stands_for omega * the curvature of the loss
        h_i = sum_j V_ij^2 lam_j / (lam_j + c),                  1 - h_i = sum_j V_ij^2 c / (lam_j + c)
        z_i without row i = z_i - omega_i (y_i - p_i) (h_i / S_i^2) / (1 - h_i)

    Each row of a sample stands for several. They are other rows in truth, so none of them helps a row that
    is left out; but it is the pull of this one row alone that is missed. Biases are counted as if the penalty
    fell on them, too, and outputs as if they had nothing to do with each other. Where the products overflow,
    nothing can be said, and the result is NaN.
    """
    batch = _whole(rows, loss, network)
    network.forward(batch.x, batch.work, batch.Z)
    Z, Y = batch.Z.astype(np.float64), batch.Y.astype(np.float64)
    P, before = _probabilities_and_losses(loss, Z, Y)
    # Confident rows have no curvature to speak of; with the floor their h / S^2 is still a number.
    S = np.sqrt(np.maximum(stands_for * omega * loss.curvature(P), 1e-12))
    SKS = tangent_kernel(network, batch) * S * S[:, np.newaxis]
    if not np.isfinite(SKS).all():
        return np.full(len(S), np.nan)
    lam, V = np.linalg.eigh(SKS)
    lam = np.maximum(lam, 0)
    h, rest = V**2 @ (lam / (lam + c)), V**2 @ (c / (lam + c))
    _, after = _probabilities_and_losses(loss, Z - omega * (Y - P) * (h / S**2) / rest, Y)
    return after - before


def tangent_kernel(network: Network, batch: Batch) -> NDArray:
    """Return K for a batch that has gone forward, in double precision.

    dz_k/dM[l] = a[l] delta[l+1]^T,   delta[L] = e_k,   delta[l] = (W[l] delta[l+1]) * phi'(z[l])

    Two such matrices, multiplied entry by entry and summed up, are (a_i . a_j) (delta_i . delta_j).
    """
    W, slope = [each.astype(np.float64) for each in network.layers.W], batch.work.slope
    hidden = [a.astype(np.float64) for a in batch.work.a[1:]]
    products = [batch.x.products(), *(a.T.dot(a) for a in hidden)]
    K = products[-1].copy()
    L, n_outputs = len(W), network.sizes[-1]
    outputs = range(0, n_outputs, -(-n_outputs // MOST_OUTPUTS))
    for k in outputs:
        delta = np.eye(n_outputs)[:, [k]]
        for l in reversed(range(1, L)):
            delta = W[l].dot(delta) * slope[l]
            K += products[l - 1] * delta.T.dot(delta) / len(outputs)
    return K


def _whole(rows: Rows, loss: Loss, network: Network) -> Batch:
    """Return all rows as one batch."""
    ((_, (batch,)),) = Batches(rows, rows.n_rows, loss, network).blocks(None)
    return batch


def _probabilities_and_losses(loss: Loss, Z: NDArray, Y: NDArray) -> tuple[NDArray, NDArray]:
    """Return the probabilities and the losses of scores; Z and Y stay as they are."""
    Z, Y, P, losses = Z.copy(), Y.copy(), np.empty_like(Z), np.empty(Z.shape[1])
    ones = loss.summing_matrix(len(Z), Z.dtype)
    s = np.empty((len(ones), Z.shape[1]))
    loss.link(Z, ones, s, P)
    loss.losses(Z, s, Y, out=losses)
    return P, losses
