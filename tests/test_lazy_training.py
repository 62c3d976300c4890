"""Lazy training on sparse rows: the parameters are those of dense steps."""

import functools
import pickle
import warnings

import estimators
import numpy as np
import pytest
import scipy.sparse as sp
import textbook
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from skscratch import fitting, lazy_training
from skscratch.lazy_training import LazyTrainer, expected_features, powers
from skscratch.training import Trainer

N, N_FEATURES = 90, 400


def text(n=N, n_features=N_FEATURES, n_words=6, seed=0):
    """Return rows that hold a few words each, some of them often and most rarely; the last ones never."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, n_features + 1)
    frequency[-20:] = 0
    words = rng.choice(n_features, (n, n_words), p=frequency / frequency.sum())
    X = sp.csr_array((rng.random(n * n_words), words.ravel(), np.arange(0, n * n_words + 1, n_words)))
    X.resize(n, n_features)
    X.sum_duplicates()
    return X, (words.min(axis=1) + words.max(axis=1)) % 3


X, Y = text()
WEIGHTS = np.random.default_rng(1).integers(0, 4, N).astype(float)
mlp = functools.partial(
    estimators.mlp, hidden_layer_sizes=(5, 4), max_iter=6, momentum=0.9, learning_rate_init=0.2
)


class Counted(LazyTrainer):
    n_made = 0

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        Counted.n_made += 1


@pytest.fixture
def lazily(monkeypatch):
    """Return a function that trains lazily although the data is small."""
    monkeypatch.setattr(lazy_training, "FEWEST_WEIGHTS", 0)
    monkeypatch.setattr(lazy_training, "LARGEST_SHARE", 1.0)
    monkeypatch.setattr(fitting, "LazyTrainer", Counted)

    def call(method, *args, **options):
        before = Counted.n_made
        result = method(*args, **options)
        assert Counted.n_made > before
        return result

    return call


@pytest.fixture
def densely(monkeypatch):
    """Return a function that trains with dense steps."""

    def call(method, *args, **options):
        with monkeypatch.context() as patch:
            patch.setattr(fitting, "is_worthwhile", lambda batches, optimizer: False)
            return method(*args, **options)

    return call


def assert_same(lazy, dense, rtol=1e-10):
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(lazy, name), getattr(dense, name), strict=True):
            assert_allclose(ours, theirs, rtol=0, atol=rtol * np.abs(theirs).max())
    velocity, expected = (clf._training_state["memory"]["velocity"] for clf in (lazy, dense))
    assert_allclose(velocity, expected, rtol=0, atol=rtol * np.abs(expected).max())
    assert_allclose(lazy.loss_curve_, dense.loss_curve_, rtol=rtol)
    assert lazy.n_iter_ == dense.n_iter_
    assert lazy.alpha_ == pytest.approx(dense.alpha_, rel=1e-8)
    assert lazy.best_iter_ == dense.best_iter_


def falling(t):
    return 1 - t


def stopping(t):
    return float(t < 0.5)


CASES = {
    "Nesterov": {},
    "Polyak": {"nesterovs_momentum": False},
    "no momentum": {"momentum": 0.0},
    "no momentum, Polyak": {"momentum": 0.0, "nesterovs_momentum": False},
    "no penalty": {"alpha": 0.0},
    "strong penalty": {"alpha": 0.7},
    "one cycle": {"learning_rate": "one_cycle", "n_iter_no_change": "auto"},
    "cosine": {"learning_rate": "cosine", "n_iter_no_change": "auto"},
    "inverse scaling": {"learning_rate": "invscaling"},
    "adaptive": {"learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 10.0, "max_iter": 20},
    "a function": {"learning_rate": falling, "n_iter_no_change": "auto"},
    "a rate of zero": {"learning_rate": stopping, "n_iter_no_change": "auto"},
    "alpha selected": {"alpha": "auto", "learning_rate": "one_cycle", "max_iter": 12},
    "clipped": {"max_grad_norm": 0.05, "alpha": 0.3},
    "class weights": {"class_weight": {0: 1, 1: 3, 2: 0.5}},
    "dropout": {"dropout": 0.3},
    "label smoothing": {"label_smoothing": 0.1},
    "in order": {"shuffle": False},
    "early stopping": {"early_stopping": True, "max_iter": 12},
    "a refit": {"early_stopping": True, "learning_rate": "one_cycle", "max_iter": 16},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "whole batches only": {"batch_size": 30},
    "single rows": {"batch_size": 1, "max_iter": 2},
    "all rows": {"batch_size": N},
    "tanh": {"activation": "tanh"},
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_lazy_steps_are_the_dense_ones(case, weighted, lazily, densely):
    sample_weight = WEIGHTS if weighted else None
    clf = mlp(**CASES[case])
    lazy = lazily(clf.fit, X, Y, sample_weight)
    lazy = pickle.loads(pickle.dumps(lazy))
    assert_same(lazy, densely(mlp(**CASES[case]).fit, X, Y, sample_weight))


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_lazy_steps_are_the_dense_ones_for_every_kind_of_target(kind, lazily, densely):
    y = Y > 0 if kind == "binary" else np.column_stack([Y > 0, Y > 1, Y == 1]).astype(int)
    assert_same(lazily(mlp().fit, X, y), densely(mlp().fit, X, y))


def test_lazy_steps_in_float32_are_the_dense_ones_to_single_precision(lazily, densely):
    single = X.astype(np.float32)
    lazy, dense = lazily(mlp().fit, single, Y), densely(mlp().fit, single, Y)
    assert lazy.coefs_[0].dtype == np.float32
    assert_same(lazy, dense, rtol=1e-5)


def test_portions_of_the_weights_and_larger_buffers_change_nothing(lazily, densely, monkeypatch):
    monkeypatch.setattr(lazy_training, "PIECE_LENGTH", 23)
    # The first batch holds one word, later ones hold more.
    order = np.argsort(np.diff((X[:, :50] != 0).indptr), kind="stable")
    assert_same(
        lazily(mlp(shuffle=False).fit, X[order], Y[order]),
        densely(mlp(shuffle=False).fit, X[order], Y[order]),
    )


def test_repeated_entries_explicit_zeros_and_unsorted_columns(lazily, densely):
    assert_same(lazily(mlp().fit, with_odd_entries(X), Y), densely(mlp().fit, X, Y))


def with_odd_entries(X):
    """Return the same matrix with each entry in two halves, in descending order, and with explicit zeros."""
    data, indices, indptr = [], [], [0]
    for i in range(X.shape[0]):
        row = slice(X.indptr[i], X.indptr[i + 1])
        columns, values = X.indices[row][::-1], X.data[row][::-1] / 2
        data += [*values, 0.0, *values]
        indices += [*columns, 399, *columns]
        indptr.append(len(data))
    return sp.csr_array((data, indices, indptr), shape=X.shape)


def test_rows_without_any_word(lazily, densely):
    X_some = sp.csr_array(X.toarray() * (np.arange(N) % 3 > 0)[:, np.newaxis])
    given = {"batch_size": 1, "max_iter": 2, "learning_rate_init": 0.02}
    assert_same(lazily(mlp(**given).fit, X_some, Y), densely(mlp(**given).fit, X_some, Y))


def test_warm_start_and_partial_fit_continue_alike(lazily, densely):
    def train(call):
        clf = mlp(warm_start=True, max_iter=3)
        call(clf.fit, X, Y)
        call(clf.set_params(momentum=0.5).fit, X, Y)
        return call(clf.partial_fit, X[:40], Y[:40])

    assert_same(train(lazily), train(densely))


def test_calls_of_partial_fit_are_a_fit_bit_for_bit(lazily):
    whole = lazily(mlp(max_iter=4).fit, X, Y)
    parts = mlp(max_iter=4)
    for i in range(4):
        lazily(parts.partial_fit, X, Y, classes=[0, 1, 2] if i == 0 else None)
        parts = pickle.loads(pickle.dumps(parts))
    for ours, theirs in zip(whole.coefs_, parts.coefs_, strict=True):
        assert_array_equal(ours, theirs)
    assert whole.loss_curve_ == parts.loss_curve_


def test_an_interrupted_epoch_leaves_the_parameters_of_the_last_whole_one(lazily, monkeypatch):
    n_steps = []

    class Interrupted(Counted):
        def step(self, batch):
            n_steps.append(1)
            if len(n_steps) == 15:  # of 6 steps an epoch
                raise KeyboardInterrupt
            super().step(batch)

    whole = lazily(mlp(max_iter=2).fit, X, Y)
    monkeypatch.setattr(fitting, "LazyTrainer", Interrupted)
    with pytest.warns(UserWarning, match="interrupted after 2"):
        clf = lazily(mlp().fit, X, Y)
    assert_array_equal(clf.coefs_[0], whole.coefs_[0])
    monkeypatch.setattr(fitting, "LazyTrainer", Counted)
    assert_array_equal(lazily(clf.partial_fit, X, Y).coefs_[0], lazily(whole.partial_fit, X, Y).coefs_[0])


def test_divergence_leaves_the_caught_up_parameters_of_the_last_whole_epoch(lazily):
    # Only the penalty diverges, slowly: eta alpha is just above the limit of stability.
    given = {"learning_rate_init": 0.2, "alpha": 8.0, "max_iter": 60, "max_grad_norm": 1.0}
    with pytest.warns(ConvergenceWarning, match="diverged"):
        lazy = lazily(mlp(**given).fit, X.astype(np.float32), Y)
    assert 1 < lazy.n_iter_ < 60
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = lazily(mlp(**{**given, "max_iter": lazy.n_iter_}).fit, X.astype(np.float32), Y)
    assert np.isfinite(lazy.coefs_[0]).all()
    assert_array_equal(lazy.coefs_[0], whole.coefs_[0])


def test_a_call_that_fails_leaves_the_estimator_as_it_was(lazily, monkeypatch):
    clf = lazily(mlp(max_iter=2).fit, X, Y)
    before = pickle.dumps(vars(clf))

    class Failing(Counted):
        def _finish_pass(self):
            super()._finish_pass()
            raise ZeroDivisionError

    monkeypatch.setattr(fitting, "LazyTrainer", Failing)
    with pytest.raises(ZeroDivisionError):
        lazily(clf.partial_fit, X, Y)
    assert pickle.dumps(vars(clf)) == before


# The equations


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_a_power_is_as_many_steps_of_the_textbook(alpha, momentum, nesterov):
    theta, v, eta = np.array([1.5, -2.0]), np.array([0.3, 0.1]), 0.2
    power = powers(eta, alpha, momentum, nesterov=nesterov, n=7)
    after_theta, after_v = theta, v
    for k in range(8):
        A11, A12, A21, A22 = power[:, k]
        assert_allclose(A11 * theta + A12 * v, after_theta, rtol=1e-13)
        assert_allclose(A21 * theta + A22 * v, after_v, rtol=1e-13, atol=1e-16)
        at_once = textbook.skip_steps(theta, v, k, eta, alpha, momentum=momentum, nesterov=nesterov)
        assert_allclose(at_once, [after_theta, after_v], rtol=1e-13, atol=1e-16)
        after_theta, after_v = textbook.sgd(
            after_theta, alpha * after_theta, eta, after_v, momentum=momentum, nesterov=nesterov
        )


# When it is worthwhile


def test_the_expected_number_of_features_is_that_of_random_batches():
    X, _ = text(n=2000)
    rng = np.random.default_rng(0)
    drawn = [len(np.unique(X[rng.choice(2000, 16, replace=False)].indices)) for _ in range(300)]
    assert expected_features(X, 16) == pytest.approx(np.mean(drawn), rel=0.02)
    assert expected_features(X, 1) == pytest.approx(X.nnz / 2000)


def trainer_of(X, y, monkeypatch, **params):
    made = []

    def noting(make):
        return lambda *args, **options: made.append(make) or make(*args, **options)

    for make in (Trainer, LazyTrainer):
        monkeypatch.setattr(fitting, make.__name__, noting(make))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp(**{"max_iter": 1, **params}).fit(X, y)
    return set(made)


def test_text_is_trained_lazily_by_sgd_only(monkeypatch):
    large, y = text(n_features=60_000)
    assert trainer_of(large, y, monkeypatch) == {LazyTrainer}
    assert trainer_of(large, y, monkeypatch, solver="adam", momentum=0.9) == {Trainer}
    # Few weights, or batches that hold a large share of the features.
    assert trainer_of(X, Y, monkeypatch) == {Trainer}
    assert trainer_of(large, y, monkeypatch, hidden_layer_sizes=(2,)) == {Trainer}
    uniform = sp.csr_array(np.random.default_rng(0).random((N, 3000)) < 0.05).astype(float)
    assert trainer_of(uniform, Y, monkeypatch, hidden_layer_sizes=(100,)) == {Trainer}
    assert trainer_of(X.toarray(), Y, monkeypatch) == {Trainer}
