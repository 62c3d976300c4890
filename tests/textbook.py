"""The textbook: a multi-layer perceptron and its training, written like the equations.

Start here to learn how backpropagation works. This file computes everything that ``skscratch`` computes, in
the plainest form: double precision, a new array for every result, one example per row. The package computes
the same faster; its tests compare it with these functions.

Layer 0 is the input, layer L the output; layers 1 to L - 1 are hidden. List indices are layer numbers.

======== ===================== =====================================================================
symbol   shape                 meaning
======== ===================== =====================================================================
n, n_l   integers              number of examples; number of units in layer l
X        (n, n_0)              examples, one per row
Y        (n, n_L)              targets: one-hot rows, or one column of 0 and 1 per label
w        (n,)                  weight of each example
share    (n,)                  each example's share in J: w_i / sum w
W[l]     (n_l, n_{l+1})        weights from layer l to layer l + 1
b[l]     (n_{l+1},)            biases of layer l + 1
z[l]     (n, n_l)              weighted input of layer l
a[l]     (n, n_l)              output of layer l; a[0] = X and a[L] = P
phi      function              activation of a hidden layer; phi' is its derivative
mask[l]  (n, n_l)              dropout: 0 for a dropped unit, 1 / (1 - rate) for a kept one
P        (n, n_L)              probabilities
J        number                the objective that training minimises
delta[l] (n, n_l)              dJ/dz[l]
alpha    number                strength of the L2 penalty on the weights; biases are not penalised
theta, g any                   an array of parameters (some W[l] or b[l]), and dJ/dtheta
eta      number                learning rate
======== ===================== =====================================================================
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erf

# Activations: phi and its derivative phi', both as functions of z.


def sigmoid(z):
    # sigma(z) = 1 / (1 + e^-z)
    return 1 / (1 + np.exp(-z))


def normal_cdf(z):
    # Phi(z) = P[N(0, 1) <= z]
    return (1 + erf(z / np.sqrt(2))) / 2


def normal_pdf(z):
    # Phi'(z) = e^(-z^2 / 2) / sqrt(2 pi)
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


# With these two numbers, layers preserve mean 0 and variance 1 (Klambauer et al. 2017, equation 14).
SELU_ALPHA, SELU_LAMBDA = 1.6732632423543772, 1.0507009873554805

ACTIVATIONS = {
    # phi(z) = z                          phi'(z) = 1
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    # phi(z) = sigma(z)                   phi'(z) = sigma(z) (1 - sigma(z))
    "logistic": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    # phi(z) = tanh z                     phi'(z) = 1 - tanh^2 z
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    # phi(z) = max(z, 0)                  phi'(z) = [z > 0]
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    # phi(z) = z or z / 100               phi'(z) = 1 or 1 / 100                      where z > 0 or not
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    # phi(z) = z or -z / 2                phi'(z) = 1 or -1 / 2                       where z > 0 or not
    "alrelu": (lambda z: np.where(z > 0, z, -z / 2), lambda z: np.where(z > 0, 1, -0.5)),
    # phi(z) = z or e^z - 1               phi'(z) = 1 or e^z                          where z > 0 or not
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1), lambda z: np.where(z > 0, 1, np.exp(z))),
    # phi(z) = lambda z or lambda alpha (e^z - 1)                                     where z > 0 or not
    "selu": (
        lambda z: SELU_LAMBDA * np.where(z > 0, z, SELU_ALPHA * (np.exp(z) - 1)),
        lambda z: SELU_LAMBDA * np.where(z > 0, 1, SELU_ALPHA * np.exp(z)),
    ),
    # phi(z) = z Phi(z)                   phi'(z) = Phi(z) + z Phi'(z)
    "gelu": (lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_pdf(z)),
    # phi(z) = z sigma(z)                 phi'(z) = sigma(z) (1 + z (1 - sigma(z)))
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    # phi(z) = log(1 + e^z)               phi'(z) = sigma(z)
    "softplus": (lambda z: np.log(1 + np.exp(z)), sigmoid),
}


# Inverse links turn the logits z[L] into probabilities; each has its cross-entropy, one number per example.


def softmax(z):
    # p_c = e^z_c / sum_k e^z_k
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def softmax_cross_entropy(P, Y):
    # loss = -sum_c y_c log p_c
    return -(Y * np.log(P)).sum(axis=1)


def sigmoid_cross_entropy(P, Y):
    # loss = -sum_labels y log p + (1 - y) log(1 - p)
    return -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).sum(axis=1)


OUTPUTS = {
    "binary": (sigmoid, sigmoid_cross_entropy),
    "multiclass": (softmax, softmax_cross_entropy),
    "multilabel": (sigmoid, sigmoid_cross_entropy),
}


def smooth(Y, s, k):
    # y <- (1 - s) y + s / k      with k possible outcomes: the number of classes, or 2 for a label
    return (1 - s) * Y + s / k


# The network: forward through the layers, and backward through the same layers.


@dataclass
class Network:
    """theta = [W[0], ..., W[L-1], b[0], ..., b[L-1]], names of the hidden activations, kind of targets."""

    theta: list
    hidden: list
    kind: str

    @property
    def W(self):
        return self.theta[: len(self.theta) // 2]

    @property
    def b(self):
        return self.theta[len(self.theta) // 2 :]

    def keep_all(self):
        """Return dropout masks that drop nothing."""
        return [1.0] * len(self.hidden)


def forward(network, X, masks=None):
    """Return the lists z and a; z[0] is None. The list of masks begins with that of layer 1."""
    W, b = network.W, network.b
    link, _ = OUTPUTS[network.kind]
    phi = [None, *(ACTIVATIONS[name][0] for name in network.hidden), link]
    mask = [None, *(masks or network.keep_all()), 1.0]
    z, a = [None], [X]
    for l in range(len(W)):
        # z[l+1] = a[l] W[l] + b[l]
        z.append(a[l] @ W[l] + b[l])
        # a[l+1] = phi(z[l+1]) * mask[l+1]
        a.append(phi[l + 1](z[l + 1]) * mask[l + 1])
    return z, a


def backward(network, z, a, Y, share, alpha, masks=None):
    """Return the lists dJ/dW and dJ/db, given z and a from ``forward``."""
    W, L = network.W, len(network.W)
    slope = [None, *(ACTIVATIONS[name][1] for name in network.hidden)]
    mask = [None, *(masks or network.keep_all())]
    dW, db = [None] * L, [None] * L
    # delta[L] = share * (P - Y)
    delta = share[:, np.newaxis] * (a[L] - Y)
    for l in reversed(range(L)):
        # dJ/dW[l] = a[l]^T delta[l+1] + alpha W[l]
        dW[l] = a[l].T @ delta + alpha * W[l]
        # dJ/db[l] = sum over examples of delta[l+1]
        db[l] = delta.sum(axis=0)
        if l > 0:
            # delta[l] = (delta[l+1] W[l]^T) * mask[l] * phi'(z[l])
            delta = (delta @ W[l].T) * mask[l] * slope[l](z[l])
    return dW, db


# The objective: mean loss plus penalty.


def losses(network, X, Y, masks=None):
    """Return the loss of each example."""
    _, cross_entropy = OUTPUTS[network.kind]
    _, a = forward(network, X, masks)
    return cross_entropy(a[-1], Y)


def penalty(network, alpha):
    # alpha / 2 * sum_l ||W[l]||^2
    return alpha / 2 * sum((W**2).sum() for W in network.W)


def objective(network, X, Y, w, alpha):
    # J = sum_i w_i loss_i / sum_i w_i + alpha / 2 * sum_l ||W[l]||^2
    return (w * losses(network, X, Y)).sum() / w.sum() + penalty(network, alpha)


def gradient(network, X, Y, share, alpha, masks=None):
    """Return dJ/dtheta, one array for each array in ``network.theta``."""
    z, a = forward(network, X, masks)
    dW, db = backward(network, z, a, Y, share, alpha, masks)
    return [*dW, *db]


def penalty_gradient(network, alpha):
    # d penalty / dW[l] = alpha W[l],  d penalty / db[l] = 0
    return [*(alpha * W for W in network.W), *(0 * b for b in network.b)]


def clip(gradients, largest):
    """Return the gradients, scaled down together if their joint norm exceeds ``largest``."""
    # ||g||^2 = sum over all arrays of the sum of their squares
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    # g <- g min(1, largest / ||g||)
    return [g * min(1, largest / norm) for g in gradients] if norm > 0 else gradients


# Alpha selection: MacKay's update, with gamma estimated by leave-one-out.


def tangents(network, X):
    """Return the tangents dz[L]/dtheta, of shape (n, n_L, number of parameters), by finite differences."""
    h, columns = 1e-6, []
    for array in network.theta:
        for i in np.ndindex(array.shape):
            # dz/dtheta_i = (z(theta_i + h) - z(theta_i - h)) / 2h
            value, scores = array[i], []
            for array[i] in (value + h, value - h):
                z, _ = forward(network, X)
                scores.append(z[-1])
            array[i] = value
            columns.append((scores[0] - scores[1]) / (2 * h))
    return np.stack(columns, axis=-1)


def effective_size(w):
    """Return N, how many equally weighted rows carry as much information as these (Kish 1965)."""
    # N = (sum w)^2 / sum w^2
    return w.sum() ** 2 / (w**2).sum()


def without_copies(X, Y, w):
    """Return X, Y and w without copies; each row has the total weight of its copies."""
    rows, first, copied = np.unique(np.hstack([X, Y]), axis=0, return_index=True, return_inverse=True)
    return X[first], Y[first], np.bincount(copied.ravel(), w, minlength=len(rows))


def without_each_row(network, X, Y, omega, c, stands_for=1):
    """Return how much each row's loss increases when the row is left out with its whole weight omega.

    Outputs are independent; all have the mean curvature and the mean product of tangents. Each row represents
    ``stands_for`` rows: leaving it out removes the curvature of all of them, but the residual of one.
    """
    link, cross_entropy = OUTPUTS[network.kind]
    z, a = forward(network, X)
    P, k = a[-1], Y.shape[1]
    if network.kind == "multiclass":
        # trace(diag(p) - p p^T) / (k - 1): a shift of all logits is not counted
        curvature = (1 - (P**2).sum(axis=1)) / (k - 1)
    else:
        curvature = (P * (1 - P)).mean(axis=1)
    J = tangents(network, X)
    K = np.einsum("icp,jcp->ij", J, J) / k
    rises = []
    for i in range(len(X)):
        left = omega.astype(float)
        left[i] = 0
        # The prior's covariance K/c, given the other rows: K/c - K/c (K/c + 1/curvature)^-1 K/c
        noise = np.diag(1 / np.maximum(stands_for * left * curvature, 1e-12))
        variance = (K[i, i] - K[i] @ np.linalg.solve(K + c * noise, K[i])) / c
        # z without row i = z - variance omega (y - p)
        after = link(z[-1][i : i + 1] - variance * omega[i] * (Y[i] - P[i]))
        rises.append((cross_entropy(after, Y[i : i + 1]) - cross_entropy(P[i : i + 1], Y[i : i + 1]))[0])
    return np.array(rises)


def precision(network, X, Y, w, c):
    """Return MacKay's update of the prior precision, given the current one."""
    X, Y, w = without_copies(X, Y, w)
    # omega: the weights, scaled to sum to N
    omega = w * effective_size(w) / w.sum()
    # gamma = sum_i omega_i rise_i
    gamma = (omega * without_each_row(network, X, Y, omega, c)).sum()
    # c <- gamma / ||W||^2
    return gamma / sum((W**2).sum() for W in network.W)


# Optimizers: each returns the new theta and its memory of past gradients, which starts at zero.


def sgd(theta, g, eta, v=0.0, *, momentum=0.9, nesterov=True):
    """Gradient descent with momentum (Polyak 1964; Nesterov's form: Sutskever et al. 2013)."""
    # v <- momentum v - eta g
    v = momentum * v - eta * g
    if nesterov:
        # theta <- theta + momentum v - eta g
        return theta + momentum * v - eta * g, v
    # theta <- theta + v
    return theta + v, v


def skip_steps(theta, v, k, eta, alpha, *, momentum=0.9, nesterov=True):
    """Return theta and v after k steps of ``sgd`` with the gradient of the penalty alone, alpha theta."""
    d = eta * alpha
    if nesterov:
        # v <- momentum v - d theta,  theta <- theta + momentum (momentum v - d theta) - d theta
        A = np.array([[1 - d * (1 + momentum), momentum**2], [-d, momentum]])
    else:
        # v <- momentum v - d theta,  theta <- theta + momentum v - d theta
        A = np.array([[1 - d, momentum], [-d, momentum]])
    # [theta, v] <- A^k [theta, v]
    return np.linalg.matrix_power(A, k) @ np.array([theta, v])


def adam(theta, g, eta, m=0.0, v=0.0, t=0, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """Adam (Kingma & Ba 2015, algorithm 1)."""
    t = t + 1
    # m <- beta_1 m + (1 - beta_1) g
    m = beta_1 * m + (1 - beta_1) * g
    # v <- beta_2 v + (1 - beta_2) g^2
    v = beta_2 * v + (1 - beta_2) * g**2
    # m_hat = m / (1 - beta_1^t),  v_hat = v / (1 - beta_2^t)
    m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
    # theta <- theta - eta m_hat / (sqrt(v_hat) + epsilon)
    return theta - eta * m_hat / (np.sqrt(v_hat) + epsilon), m, v, t


# Training.


def fit(network, X, Y, w, *, orders, etas, batch_size, alpha, update=sgd, largest=np.inf, draw_masks=None):
    """Train one epoch for each pair from ``orders`` and ``etas``; return the loss of every epoch.

    The loss of an epoch is the mean of the batches' losses, each before the batch's own step, and the penalty
    at the start of the epoch. ``draw_masks(n)`` returns the dropout masks for the n examples of a batch.
    """
    theta, memory, curve = network.theta, [()] * len(network.theta), []
    for order, eta in zip(orders, etas, strict=True):
        total, penalty_before = 0.0, penalty(network, alpha)
        for start in range(0, len(order), batch_size):
            B = order[start : start + batch_size]
            masks = draw_masks(len(B)) if draw_masks else None
            total += (w[B] * losses(network, X[B], Y[B], masks)).sum()
            # share_i = w_i / (|B| * mean weight of all examples), so that a batch estimates J
            share = w[B] / (len(B) * w.mean())
            # g = dJ/dtheta; only the gradient of its data term is clipped
            data_gradient = clip(gradient(network, X[B], Y[B], share, 0, masks), largest)
            g = [sum(terms) for terms in zip(data_gradient, penalty_gradient(network, alpha), strict=True)]
            for i in range(len(theta)):
                theta[i], *memory[i] = update(theta[i], g[i], eta, *memory[i])
        curve.append(total / w.sum() + penalty_before)
    return curve
