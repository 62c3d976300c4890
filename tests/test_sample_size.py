"""Sample size: N counts the distinct rows of all calls, so parts of any size train as well as the whole."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from builders import make_batches, make_network, make_rows, make_state
from estimators import assert_same_bits, data, mlp
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.copies import hashes
from skscratch.sample_size import LENGTH_OF_SKETCH, merge, n_distinct, sample_size

FEW = LENGTH_OF_SKETCH - 1  # as many rows as are counted exactly


def see(state, X, y, weights=None):
    """Let the state see these rows; return N."""
    network = make_network((X.shape[1], 3), ())
    rows = make_rows(X, y, "multiclass", weights).with_positive_weights()
    return sample_size(state, make_batches(rows, 32, "multiclass", network))


def some(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), rng.integers(0, 3, n)


# The sketch


@pytest.mark.parametrize("n", [1, 5, FEW])
def test_few_rows_are_counted_exactly_however_often_they_come(n):
    X, y = some(n)
    sketch = np.empty(0)
    for _ in range(3):
        sketch = merge(sketch, hashes(X, y, np.arange(n)))
    assert n_distinct(sketch) == n


@pytest.mark.parametrize("n", [500, 5000, 100_000])
def test_many_rows_are_counted_with_a_standard_error_of_a_tenth(n):
    counts = []
    for seed in range(20):
        X, y = some(n, seed)
        counts.append(n_distinct(merge(np.empty(0), hashes(X, y, np.arange(n)))) / n)
    assert np.mean(counts) == pytest.approx(1, abs=0.06)
    assert 0.04 < np.std(counts) < 0.14


def test_hashes_are_uniform_and_belong_to_features_and_target():
    X, y = some(10_000)
    h = hashes(X, y, np.arange(10_000))
    np.testing.assert_allclose(np.histogram(h, 10, (0, 1))[0], 1000, atol=120)
    assert len(np.unique(h)) == 10_000
    assert not (h == hashes(X, (y + 1) % 3, np.arange(10_000))).any()
    assert not (h == hashes(X + 1e-9, y, np.arange(10_000))).any()
    table = np.eye(3, dtype=np.uint8)[y]
    assert not (hashes(X, table, np.arange(10_000)) == hashes(X, table[:, ::-1], np.arange(10_000)))[
        y != 1
    ].any()


@pytest.mark.parametrize(
    "form", [np.asarray, np.asfortranarray, sp.csr_array, np.float32, lambda X: X[:, ::-1]]
)
@pytest.mark.parametrize("n_columns", [1, 4, 200])
def test_the_hash_of_a_row_does_not_depend_on_the_rows_beside_it(form, n_columns):
    X, y = form(np.random.default_rng(0).normal(size=(90, n_columns))), np.arange(90) % 3
    together = hashes(X, y, np.arange(90))
    alone = [hashes(X[i : i + 1], y[i : i + 1], np.arange(1))[0] for i in range(90)]
    np.testing.assert_array_equal(together, alone)
    picked = np.random.default_rng(1).permutation(90)[:50]
    np.testing.assert_array_equal(hashes(X, y[picked], picked), together[picked])


# N


def test_the_first_rows_have_their_effective_size():
    X, y = some(1000)
    weights = np.random.default_rng(0).uniform(0, 2, 1000)
    assert see(make_state(), X, y) == 1000
    expected = weights.sum() ** 2 / (weights @ weights)
    assert see(make_state(), X, y, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [10, 1000])
def test_the_same_rows_again_change_nothing_in_any_order(n):
    X, y = some(n)
    state, order = make_state(), np.random.default_rng(0).permutation(n)
    see(state, X, y)
    for _ in range(3):
        assert see(state, X, y) == n
        assert see(state, X[order], y[order]) == n
        assert see(state, X[:3], y[:3]) == n


@pytest.mark.parametrize(("size", "n"), [(1, FEW), (7, FEW), (3, 1400), (50, 1400), (400, 1400)])
def test_parts_of_any_size_come_to_about_all_rows(size, n):
    X, y = some(n)
    state, rng = make_state(), np.random.default_rng(0)
    for _ in range(2):
        for part in np.split(rng.permutation(n), range(size, n, size)):
            N = see(state, X[part], y[part])
    assert N == pytest.approx(n, rel=1e-9 if n == FEW else 0.2)


def test_a_few_rows_after_many_count_as_so_many_more():
    X, y = some(1000)
    state = make_state()
    see(state, X[:997], y[:997])
    assert 997 <= see(state, X[997:], y[997:]) < 1050


# What alpha="auto" makes of it


def in_parts(clf, X, y, size, n_passes, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n_passes):
        for part in np.split(rng.permutation(len(X)), range(size, len(X), size)):
            clf.partial_fit(X[part], y[part], classes=np.arange(y.max() + 1))
    return clf


def scaled(load):
    X, y = load(return_X_y=True)
    A, B, a, b = train_test_split(X, y, stratify=y, random_state=0)
    scaler = StandardScaler().fit(A)
    return scaler.transform(A), scaler.transform(B), a, b


@pytest.mark.parametrize(
    ("size", "n_passes", "n_rows"), [(1, 1, 400), (8, 1, 1347), (32, 4, 1347), (400, 10, 1347)]
)
def test_digits_in_parts_are_learned_about_as_well_as_with_the_number_for_all_rows(size, n_passes, n_rows):
    A, B, a, b = scaled(load_digits)
    A, a = A[:n_rows], a[:n_rows]
    auto = in_parts(ScratchMLPClassifier(random_state=0), A, a, size, n_passes)
    fixed = in_parts(ScratchMLPClassifier(random_state=0, alpha=3 / len(A)), A, a, size, n_passes)
    n_last = (n_rows - 1) % size + 1
    assert auto.alpha_ == pytest.approx(fixed.alpha * min(1, n_last / 32), rel=0.15)
    assert auto.score(B, b) > fixed.score(B, b) - 0.02
    assert log_loss(b, auto.predict_proba(B)) < 1.15 * log_loss(b, fixed.predict_proba(B))


def test_digits_in_parts_with_a_number_of_epochs_are_learned_too():
    A, B, a, b = scaled(load_digits)
    clf = in_parts(ScratchMLPClassifier(random_state=0, max_iter=200), A, a, 100, 10)
    assert clf.score(B, b) > 0.96
    assert log_loss(b, clf.predict_proba(B)) < 0.12


def test_iris_row_by_row():
    X, y = load_iris(return_X_y=True)
    clf = in_parts(ScratchMLPClassifier(random_state=0), StandardScaler().fit_transform(X), y, 1, 7)
    assert 32 * clf.alpha_ == pytest.approx(3 / 149, rel=0.15)  # two rows are equal
    assert clf.score(StandardScaler().fit_transform(X), y) > 0.9
    assert max(abs(W).max() for W in clf.coefs_) > 0.3


@pytest.mark.parametrize("max_iter", ["auto", 200])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_fitted_model_keeps_what_it_knows(size, max_iter):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    clf = ScratchMLPClassifier(random_state=0, max_iter=max_iter).fit(X, y)
    alpha = clf.alpha_
    clf = in_parts(clf, X, y, size, 1)
    assert clf.alpha_ == pytest.approx(alpha * min(1, size / 32), rel=1e-9)
    assert clf.score(X, y) > 0.94


def test_a_warm_start_on_a_few_rows_keeps_the_number_of_rows():
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(random_state=0, warm_start=True, max_iter=5).fit(X, y)
    alpha = clf.alpha_
    assert clf.fit(X[::30], y[::30]).alpha_ == pytest.approx(alpha * 5 / 32)
    assert clf.set_params(warm_start=False).fit(X[::30], y[::30]).alpha_ == pytest.approx(3 / 32)


def test_a_refit_counts_all_rows_and_nothing_twice():
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(random_state=0, early_stopping=True, max_iter=16).fit(X, y)
    N = 3 / ScratchMLPClassifier(random_state=0, max_iter=5).fit(X, y).alpha_
    assert clf.refit_loss_curve_ is not None
    assert clf._training_state["sample_size"] == pytest.approx(N, rel=1e-12)


def test_what_was_seen_survives_pickling():
    X, y = data(n=400)
    clf = in_parts(mlp(alpha="auto"), X, y, 5, 1)
    other = pickle.loads(pickle.dumps(clf))
    assert_same_bits(in_parts(clf, X, y, 7, 1), in_parts(other, X, y, 7, 1))
    assert clf.alpha_ == other.alpha_
