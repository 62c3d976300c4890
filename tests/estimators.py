"""The small estimators and the data of the tests, each built once; files vary them by functools.partial."""

import numpy as np

from skscratch import ScratchMLPClassifier


def mlp(**params):
    """Return a small network that plain SGD trains for ten epochs at a constant rate; nothing is "auto"."""
    given = {
        "hidden_layer_sizes": (7, 5),
        "activation": "relu",
        "solver": "sgd",
        "max_grad_norm": None,
        "alpha": 0.01,
        "batch_size": 16,
        "learning_rate": "constant",
        "learning_rate_init": 0.05,
        "max_iter": 10,
        "n_iter_no_change": np.inf,
        "random_state": 5,
    }
    return ScratchMLPClassifier(**given | params)


LBFGS_ONLY = {
    "solver": "lbfgs",
    "batch_size": "auto",
    "learning_rate": "one_cycle",
    "learning_rate_init": "auto",
    "n_iter_no_change": "auto",
}
"""L-BFGS, with the hyperparameters that it ignores at their defaults."""


def default_mlp(**params):
    """Return a small network that is trained by the defaults, but for ten epochs."""
    given = {"hidden_layer_sizes": (7, 6), "max_iter": 10, "n_iter_no_change": np.inf, "random_state": 0}
    return ScratchMLPClassifier(**given | params)


def stopping_mlp(**params):
    """Return a network that overfits soon, and stops early by the validation loss, if at all."""
    given = {
        "hidden_layer_sizes": (8,),
        "activation": "tanh",
        "alpha": 0.001,
        "learning_rate_init": 0.5,
        "max_iter": 40,
        "tol": 0.0,
        "early_stopping": True,
        "scoring": "loss",
        "random_state": 0,
    } | params
    if given["early_stopping"]:
        given.setdefault("validation_fraction", 0.25)
    return mlp(**given)


def data(kind="multiclass", n=70, seed=0):
    """Return rows of four features, and labels that follow from the first ones, with some noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    if kind == "multilabel":
        return X, (X[:, :3] + 0.5 * rng.normal(size=(n, 3)) > 0).astype(int)
    noisy = X[:, 0] + 0.5 * rng.normal(size=n)
    if kind == "binary":
        return X, np.array(["no", "yes"])[(noisy > 0).astype(int)]
    return X, np.digitize(noisy, [-0.6, 0.6])


def overlapping_data(n=120, n_classes=2, seed=0):
    """Return classes that overlap, so that a network overfits soon; the first column numbers the rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    y = np.digitize(X[:, 1] + rng.normal(size=n), np.linspace(-1, 1, n_classes + 1)[1:-1])
    X[:, 0] = np.arange(n) / n
    return X, y


def scripted_scores(scores):
    """Return a scorer that returns these numbers, one by one."""
    scores = iter(scores)
    return lambda estimator, X, y: next(scores)


def parameters(clf):
    """Return all weights and biases as one vector."""
    return np.concatenate([p.ravel() for p in (*clf.coefs_, *clf.intercepts_)])


def assert_same_bits(a, b):
    """Check that two estimators hold the same weights and biases, of the same types."""
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
