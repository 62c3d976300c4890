"""Alpha selection: MacKay's update chooses alpha without a validation set, from a leave-one-out estimate.

The L2 penalty is a Gaussian prior on the weights with precision c = alpha N (Bishop 2006, section 5.7). A
large c holds the weights close to 0. MacKay's update (1992; Bishop 2006, equation 5.178) sets c from the
trained network:

    c <- gamma / ||W||^2

Gamma is the effective number of parameters: those that the data determines rather than the prior. The more
the network overfits, the larger gamma is, and the stronger the penalty becomes.

Gamma is estimated from the overfitting itself. On average, the loss of an unseen row exceeds the loss of a
training row by gamma / N. Leave-one-out measures this excess: gamma is N times the mean increase of a row's
loss when the row is left out of training.

No network is trained again for this. Instead the network is linearised at its current parameters: its logits
become linear in the parameters, with the tangents dz/dtheta as coefficients, and the loss becomes quadratic.
The logits without row i then have a closed form (Hastie, Tibshirani & Friedman 2009, section 7.10), which
:func:`leave_one_out_increase` computes.

A row is left out with its whole weight and with all its copies, since a copy would predict its twin.

The estimate equals gamma only if the model is right about its own noise. It tends to be too high when it uses
a sample of the rows, and when the logits move so far that the tangent is inaccurate. So c is clipped to
[0.5, 12]; these bounds are part of the method.

======== =============== ================================================================================
symbol   shape           meaning
======== =============== ================================================================================
N        number          effective sample size: as many rows of equal weight are equally informative
c        number          prior precision, alpha N
omega    (s,)            weights of the s rows, scaled so that the weights of all training rows sum to N
K        (s, s)          tangent kernel: K_ij = mean_k dz_k(x_i)/dtheta . dz_k(x_j)/dtheta, outputs k
S        (s,)            square root of the curvature that each row adds to N times the objective
lam, V   (s,), (s, s)    eigenvalues and eigenvectors of S K S
h        (s,)            leverage: how strongly a row's prediction follows its own target, in [0, 1)
Z, Y, P  (n_outputs, s)  logits, targets, probabilities
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
from .sample_size import alpha_from_precision
from .training_state import INITIAL_PRIOR_PRECISION, TrainingState

# Below an effective size of 20 rows the estimate is noise; above 256 rows a random sample of 256 is used.
FEWEST_ROWS, MOST_ROWS = 20, 256
# With more outputs, the tangent kernel is the mean over at most 16 of them, evenly spaced.
MOST_OUTPUTS = 16
# Bounds of c, 0.5 and 12, which limit the harm of a wrong estimate.
LOWEST, HIGHEST = INITIAL_PRIOR_PRECISION / 6, INITIAL_PRIOR_PRECISION * 4


class AlphaSelection:
    """Sets alpha by MacKay's update, once in each cycle of the learning-rate schedule.

    Parameters
    ----------
    network : Network
        The network in training, without dropout.
    state : TrainingState
        Holds the prior precision c and the generator that draws the sample.
    n_epochs : int
        Length of a cycle; cycles are counted from the state's ``cycle_start``.
    due : int
        The epoch of the cycle after which c is set.
    """

    def __init__(self, network: Network, state: TrainingState, n_epochs: int, due: int) -> None:
        self._network, self._state, self._n_epochs, self._due = network, state, n_epochs, due

    def end_epoch(self, objective: Objective, batches: Batches) -> None:
        """Set the prior precision and the objective's alpha if this epoch is due.

        c <- gamma / ||W||^2, clipped to [LOWEST, HIGHEST];   alpha <- c / N
        """
        state = self._state
        if (state.epoch + 1 - state.cycle_start) % self._n_epochs != self._due:
            return
        if batches.effective_size < FEWEST_ROWS:
            return
        N = max(state.sample_size, batches.effective_size)
        gamma = N * self._mean_increase(objective.loss, batches, N)
        squares = objective.squared_weights()
        if np.isfinite(gamma) and squares:
            state.prior_precision = float(np.clip(gamma / squares, LOWEST, HIGHEST))
            state.alpha_epoch = state.epoch + 1
            objective.set_alpha(alpha_from_precision(state.prior_precision, N, batches))

    def _mean_increase(self, loss: Loss, batches: Batches, N: float) -> float:
        """Return the weighted mean increase of a row's loss when the row is left out, over all processes.

        In partial_fit, the rows stand for all rows seen so far, whose effective size is N.
        """
        rise, total = 0.0, 0.0
        rows, communicator, size = batches.distinct, batches.communicator, batches.effective_size
        n_global_rows, weight_sum = communicator.sum(rows.n_rows, rows.weight_sum)
        if rows.n_rows:
            sample = draw_sample(rows, self._state.rng)
            omega = np.ones(sample.n_rows) if sample.own_weights is None else sample.own_weights
            omega = omega * (size / weight_sum)
            n_represented = n_global_rows * (N / size) / sample.n_rows
            rises = leave_one_out_increase(
                self._network, loss, sample, omega, n_represented, self._state.prior_precision
            )
            rise, total = float(omega.dot(rises)), float(omega.sum())
        rise, total = communicator.sum(rise, total)
        return rise / total


def draw_sample(rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows, or a random sample of MOST_ROWS of them if there are more."""
    if rows.n_rows <= MOST_ROWS:
        return rows
    chosen = rng.choice(rows.n_rows, MOST_ROWS, replace=False)
    return replace(rows, index=chosen if rows.index is None else rows.index[chosen])


def leave_one_out_increase(
    network: Network, loss: Loss, rows: Rows, omega: NDArray, n_represented: float, c: float
) -> NDArray:
    """Return, approximately, how much each row's loss increases if the network is trained without the row.

    N times the objective has the Gauss-Newton Hessian c I + J^T S^2 J, where row i of J is the tangent
    dz/dtheta of row i. With K = J J^T and S K S = V lam V^T,

        S^2 = n_represented omega * the curvature of the loss
        h_i = sum_j V_ij^2 lam_j / (lam_j + c),                  1 - h_i = sum_j V_ij^2 c / (lam_j + c)
        z_i without row i = z_i - omega_i (y_i - p_i) (h_i / S_i^2) / (1 - h_i)

    Row i pulls its logit towards its target with the force omega_i (y_i - p_i). Without row i, this force is
    gone. The factor after it is how far a unit of force moves z_i against the other rows and the prior.

    In a sample, each row represents ``n_represented`` rows. Leaving row i out removes the curvature of all of
    them, since a copy would predict its twin. It removes the residual y_i - p_i of one row only.

    Two simplifications: the prior includes the biases, and outputs are independent of each other. If the
    products overflow, every increase is NaN.
    """
    batch = _whole(rows, loss, network)
    network.forward(batch.x, batch.work, batch.Z)
    Z, Y = batch.Z.astype(np.float64), batch.Y.astype(np.float64)
    P, before = _probabilities_and_losses(loss, Z, Y)
    # The curvature of a confident row may underflow to 0; the floor keeps h / S^2 finite.
    S = np.sqrt(np.maximum(n_represented * omega * loss.curvature(P), 1e-12))
    SKS = tangent_kernel(network, batch) * S * S[:, np.newaxis]
    if not np.isfinite(SKS).all():
        return np.full(len(S), np.nan)
    lam, V = np.linalg.eigh(SKS)
    lam = np.maximum(lam, 0)
    h, one_minus_h = V**2 @ (lam / (lam + c)), V**2 @ (c / (lam + c))
    _, after = _probabilities_and_losses(loss, Z - omega * (Y - P) * (h / S**2) / one_minus_h, Y)
    return after - before


def tangent_kernel(network: Network, batch: Batch) -> NDArray:
    """Return K in double precision, for a batch that ``Network.forward`` has processed.

    dz_k/dM[l] = a[l] delta[l+1]^T,   delta[L] = e_k,   delta[l] = (W[l] delta[l+1]) * phi'(z[l])

    The inner product of two such matrices is (a_i . a_j) (delta_i . delta_j), so no tangent is stored.
    """
    # W[0] does not occur in the products below, and may be large.
    W = {l: each.astype(np.float64) for l, each in enumerate(network.layers.W) if l > 0}
    slope, hidden = batch.work.slope, [a.astype(np.float64) for a in batch.work.a[1:]]
    products = [batch.x.products(), *(a.T.dot(a) for a in hidden)]
    K = products[-1].copy()
    L, n_outputs = len(network.layers.W), network.sizes[-1]
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
    """Return the probabilities and the losses for logits Z and targets Y; neither is changed."""
    Z, Y, P, losses = Z.copy(), Y.copy(), np.empty_like(Z), np.empty(Z.shape[1])
    ones = loss.summing_matrix(len(Z), Z.dtype)
    s = np.empty((len(ones), Z.shape[1]))
    loss.link(Z, ones, s, P)
    loss.losses(Z, s, Y, out=losses)
    return P, losses
