"""Builders of the package's parts, so that a changed constructor needs an edit in one place only."""

import copy

import numpy as np
import scipy.sparse as sp
import textbook

from skscratch.activations import ACTIVATIONS
from skscratch.batches import Batches
from skscratch.dropout import Dropout
from skscratch.lbfgs import LBFGS
from skscratch.losses import LOSSES
from skscratch.network import Layers, Network, Workspace
from skscratch.objective import Objective
from skscratch.optimizers import SGD, Adam
from skscratch.rows import Rows
from skscratch.schedules import Constant
from skscratch.targets import CheckedTarget, ClassEncoding
from skscratch.training import Trainer
from skscratch.training_state import TrainingState

KINDS = ("binary", "multiclass", "multilabel")
N_OUTPUTS = {"binary": 1, "multiclass": 3, "multilabel": 2}


def make_labels(kind):
    """Return a class encoding with as many classes as N_OUTPUTS says."""
    n_classes = 2 if kind == "binary" else N_OUTPUTS[kind]
    return ClassEncoding.from_classes(np.arange(n_classes), multilabel=kind == "multilabel")


def make_y(kind, n, seed=0):
    """Return random labels: codes, or a table of them for multilabel."""
    rng = np.random.default_rng(seed)
    if kind == "multilabel":
        return rng.integers(0, 2, (n, N_OUTPUTS[kind]))
    n_classes = 2 if kind == "binary" else N_OUTPUTS[kind]
    return rng.permutation(np.arange(n) % n_classes)


def make_X(n, n_features, seed=0):
    return np.random.default_rng([seed, 1]).normal(size=(n, n_features))


def make_weights(n, seed=0):
    return np.random.default_rng([seed, 2]).uniform(0.2, 3.0, n)


def make_rows(X, y, kind, weights=None, index=None, smoothing=0.0):
    return Rows(X, make_labels(kind).encode(CheckedTarget.read(y), smoothing=smoothing), weights, index)


def textbook_Y(y, kind, smoothing=0.0):
    """Return the targets as the textbook has them: one row per example."""
    if kind == "multiclass":
        return textbook.smooth(np.eye(N_OUTPUTS[kind])[y], smoothing, N_OUTPUTS[kind])
    return textbook.smooth(np.asarray(y, float).reshape(len(y), -1), smoothing, 2)


def make_theta(sizes, seed=0, dtype=np.float64):
    """Return random parameters, biases included, small enough for the curved parts of the activations."""
    theta = np.random.default_rng([seed, 3]).normal(size=Layers.length(sizes))
    for W in Layers(theta, sizes).W:
        W /= np.sqrt(len(W))
    return theta.astype(dtype)


def make_network(sizes, activations, theta=None, dtype=np.float64, dropout=0.0, rng=None):
    """Return a network; ``activations`` is a name for all hidden layers, or one for each."""
    names = [activations] * (len(sizes) - 2) if isinstance(activations, str) else activations
    theta = make_theta(sizes, dtype=dtype) if theta is None else theta
    phis = [ACTIVATIONS[name] for name in names]
    return Network(sizes, [Dropout(phi, dropout, rng) for phi in phis] if dropout else phis, theta)


def textbook_network(sizes, activations, theta, kind):
    """Return the textbook's network with copies of the same parameters."""
    names = [activations] * (len(sizes) - 2) if isinstance(activations, str) else list(activations)
    layers = Layers(np.array(theta, np.float64), sizes)
    return textbook.Network([array.copy() for array in (*layers.W, *layers.b)], names, kind)


def flatten(arrays, sizes):
    """Return the textbook's list [*W, *b] laid out as the package lays out theta."""
    theta = np.empty(Layers.length(sizes))
    layers = Layers(theta, sizes)
    for target, array in zip([*layers.W, *layers.b], arrays, strict=True):
        target[...] = array
    return theta


def make_workspace(network, n_examples):
    return Workspace(network, n_examples)


def make_batches(rows, batch_size, kind, network):
    return Batches(rows, batch_size, LOSSES[kind], network)


def make_objective(network, kind, alpha=0.0):
    return Objective(network, LOSSES[kind], alpha)


def make_sgd(objective, nesterov=True, memory=None, eta_0=0.1, momentum=0.9):
    return SGD(objective, eta_0, memory, momentum=momentum, nesterovs_momentum=nesterov)


def make_adam(objective, beta_1=0.9, beta_2=0.999, epsilon=1e-8, memory=None, eta_0=0.1):
    return Adam(objective, eta_0, memory, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def begin_epoch(optimizer, eta, momentum=None):
    """Begin an epoch at this rate, and with this momentum where the optimizer has one."""
    optimizer.eta_0 = eta
    if hasattr(optimizer, "momentum"):
        optimizer.momentum = momentum
    optimizer.begin_epoch(Constant(), 0)


class StopAfter:
    """A callback that stops training after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs, self.n_begun, self.records = n_epochs, 0, []

    def on_epoch_begin(self):
        self.n_begun += 1

    def on_epoch_end(self, record):
        self.records.append(record)
        return len(self.records) == self.n_epochs


def make_lbfgs(objective, batches, tol=1e-6, max_fun=15000):
    return LBFGS(objective, batches, make_state(), tol=tol, max_fun=max_fun)


def make_state(seed=0):
    return TrainingState(solver="sgd", memory={}, rng=np.random.default_rng(seed), split_seed=0)


def orders(n, n_epochs, rng, shuffle=True):
    """Yield the orders of the rows that a trainer with this generator goes through."""
    for _ in range(n_epochs):
        yield rng.permutation(n) if shuffle else np.arange(n)


def mask_drawer(rng, hidden, rate, dtype=np.float64):
    """Return what draws the masks that a trainer with this generator draws, for the textbook's layout."""

    def draw_masks(n):
        return [(rng.random((n_l, n), dtype).T >= rate) / (1 - rate) for n_l in hidden]

    return draw_masks


def make_trainer(
    rows,
    kind,
    sizes,
    activations="tanh",
    *,
    theta=None,
    batch_size=4,
    alpha=0.0,
    eta=0.1,
    momentum=0.9,
    nesterov=True,
    adam=None,
    shuffle=True,
    dropout=0.0,
    max_grad_norm=None,
    state=None,
    schedule=None,
    dtype=np.float64,
):
    """Return a Trainer whose network, optimizer and state can be reached through its attributes.

    ``adam`` is a dict of Adam's parameters; without it the optimizer is SGD.
    """
    state = make_state() if state is None else state
    network = make_network(sizes, activations, theta, dtype, dropout, state.rng)
    objective = make_objective(network, kind, alpha)
    if adam is None:
        optimizer = make_sgd(objective, nesterov, state.memory, eta, momentum)
    else:
        optimizer = make_adam(objective, **adam, memory=state.memory, eta_0=eta)
    state.memory = optimizer.memory
    return Trainer(
        objective,
        optimizer,
        schedule or Constant(),
        make_batches(rows, batch_size, kind, network),
        state,
        shuffle=shuffle,
        max_grad_norm=max_grad_norm,
    )


def small_trainer(
    kind="multiclass", n=13, n_features=3, weighted=False, seed=0, X=None, sizes=None, **options
):
    """Return a trainer on a small random problem."""
    X = make_X(n, n_features, seed) if X is None else X
    rows = make_rows(X, make_y(kind, n, seed), kind, make_weights(n, seed) if weighted else None)
    return make_trainer(rows, kind, sizes or (n_features, 5, 4, N_OUTPUTS[kind]), **options)


def everything_that_lives_on(trainer):
    """Return copies of the parameters and of the training state."""
    return trainer.objective.network.theta.copy(), copy.deepcopy(trainer.state.to_dict())


def poison_block(block):
    """Fill every buffer of a block with NaN (whole numbers: with a large one); constants stay."""
    buffers = [block.Y, block.Z, block.s, block.losses]
    if block.w.ndim:
        buffers.append(block.w)
    if not sp.issparse(block.x.X):
        buffers.append(block.x._x)
        if block.x._raw is not None:
            buffers.append(block.x._raw)
    for buffer in buffers:
        buffer.fill(np.nan if buffer.dtype.kind == "f" else 99)
    for batch in block.batches:
        poison_workspace(batch.work)


def poison_workspace(work):
    """Fill every buffer with NaN, so that what a step reads without filling it shows in its result."""
    for buffer in (*work.z, *work.slope, *work.scratch, *work.delta):
        if buffer is not None:
            buffer.fill(np.nan)


def poison_step(trainer, batch):
    """Fill with NaN everything that a step has to fill before it reads it."""
    poison_workspace(batch.work)
    batch.Z.fill(np.nan)
    batch.s.fill(np.nan)
    trainer.objective.gradient.fill(np.nan)
    for piece in trainer.objective.pieces:
        piece.scratch.fill(np.nan)
