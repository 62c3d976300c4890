"""alpha="auto": the strength of the penalty, from what training shows."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import textbook
from builders import (
    N_OUTPUTS,
    make_batches,
    make_network,
    make_objective,
    make_rows,
    make_state,
    make_theta,
    make_X,
    make_y,
    textbook_network,
    textbook_Y,
)
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier, alpha_selection, training
from skscratch.activations import ACTIVATIONS
from skscratch.alpha_selection import (
    FEWEST_ROWS,
    HIGHEST,
    LOWEST,
    MOST_OUTPUTS,
    MOST_ROWS,
    AlphaSelection,
    draw_sample,
    leave_one_out_increase,
    tangent_kernel,
)
from skscratch.losses import LOSSES
from skscratch.rows import Rows
from skscratch.stopping import Checkpoint
from skscratch.targets import CheckedTarget, ClassEncoding

KINDS = ["binary", "multiclass", "multilabel"]


def problem(kind, n=23, hidden=(4, 3), activations="tanh", weights=None, dtype=np.float64, scale=1.0):
    """Return a network with random parameters, its twin in the textbook, rows and targets."""
    sizes = (3, *hidden, N_OUTPUTS[kind])
    X, y, theta = make_X(n, 3), make_y(kind, n), scale * make_theta(sizes)
    rows = make_rows(X.astype(dtype), y, kind, weights)
    network = make_network(sizes, activations, theta.astype(dtype))
    return network, textbook_network(sizes, activations, theta, kind), rows, X, textbook_Y(y, kind)


def kernel(network, rows, kind):
    ((_, (batch,)),) = make_batches(rows, rows.n_rows, kind, network).blocks(None)
    network.forward(batch.x, batch.work, batch.Z)
    return tangent_kernel(network, batch)


# The maths: tangents, and rows that are left out


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_is_that_of_the_numerical_tangents(kind, activation):
    network, twin, rows, X, _ = problem(kind, activations=activation)
    J = textbook.tangents(twin, X)
    expected = np.einsum("icp,jcp->ij", J, J) / N_OUTPUTS[kind]
    np.testing.assert_allclose(kernel(network, rows, kind), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("hidden", [(), (5,), (4, 3, 2)])
def test_the_kernel_of_any_depth(hidden):
    network, twin, rows, X, _ = problem("multiclass", hidden=hidden)
    J = textbook.tangents(twin, X)
    np.testing.assert_allclose(
        kernel(network, rows, "multiclass"), np.einsum("icp,jcp->ij", J, J) / 3, rtol=1e-6, atol=1e-8
    )


def test_the_kernel_of_sparse_rows_and_of_float32():
    network, _, rows, X, _ = problem("multiclass")
    expected = kernel(network, rows, "multiclass")
    sparse = make_rows(sp.csr_array(X), make_y("multiclass", 23), "multiclass")
    np.testing.assert_allclose(kernel(network, sparse, "multiclass"), expected, rtol=1e-12)
    single, _, rows, *_ = problem("multiclass", dtype=np.float32)
    K = kernel(single, rows, "multiclass")
    assert K.dtype == np.float64
    np.testing.assert_allclose(K, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("c", [0.5, 3.0, 12.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_left_out_as_in_the_textbook(kind, c):
    network, twin, rows, X, Y = problem(kind)
    ones = np.ones(23)
    for stands_for in (1, 7):
        expected = textbook.without_each_row(twin, X, Y, ones, c, stands_for)
        rises = leave_one_out_increase(network, LOSSES[kind], rows, ones, stands_for, c)
        np.testing.assert_allclose(rises, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_left_out_with_all_its_weight(kind):
    omega = np.linspace(0.05, 4, 23)
    network, twin, rows, X, Y = problem(kind, weights=omega)
    rises = leave_one_out_increase(network, LOSSES[kind], rows, omega, 1.0, 3.0)
    expected = textbook.without_each_row(twin, X, Y, omega, 3.0)
    np.testing.assert_allclose(rises, expected, rtol=1e-5, atol=1e-8)


def test_rows_without_curvature_lose_nothing_if_they_are_right():
    network, twin, rows, X, Y = problem("binary", hidden=())
    network.theta *= 1e4
    rises = leave_one_out_increase(network, LOSSES["binary"], rows, np.ones(23), 1.0, 3.0)
    right = ((textbook.forward(twin, X)[0][-1] > 0) == Y)[:, 0]
    assert 5 < right.sum() < 18
    np.testing.assert_allclose(rises[right], 0, atol=1e-12)
    assert np.isfinite(rises).all()


def test_some_outputs_stand_for_many():
    n_outputs = 2 * MOST_OUTPUTS + 1
    sizes = (3, 4, n_outputs)
    X, theta = make_X(9, 3), make_theta(sizes)
    rows = Rows(
        X,
        ClassEncoding.from_classes(np.arange(n_outputs), multilabel=False).encode(
            CheckedTarget.read(np.arange(9))
        ),
    )
    J = textbook.tangents(textbook_network(sizes, "tanh", theta, "multiclass"), X)[:, ::3]
    expected = np.einsum("icp,jcp->ij", J, J) / J.shape[1]
    assert J.shape[1] == 11
    K = kernel(make_network(sizes, "tanh", theta), rows, "multiclass")
    np.testing.assert_allclose(K, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_leaving_out_is_what_training_without_the_row_comes_to(n_classes):
    """Logistic regression has a single minimum: each row is really left out, and the rest fitted anew."""
    rng = np.random.default_rng(0)
    n, c = 60, 3.0
    y = rng.integers(0, n_classes, n)
    X = rng.normal(size=(n, 4)) + np.eye(n_classes, 4)[y]

    def fit(rows):
        # c / n rows: the prior of all of them, of which scikit-learn's C is the inverse
        return LogisticRegression(C=1 / c, tol=1e-10, max_iter=10_000).fit(X[rows], y[rows])

    def loss(model, i):
        return -model.predict_log_proba(X[i : i + 1])[0, y[i]]

    everyone = np.arange(n)
    whole = fit(everyone)
    truth = np.mean([loss(fit(everyone[everyone != i]), i) - loss(whole, i) for i in range(n)])

    kind = "binary" if n_classes == 2 else "multiclass"
    network = make_network((4, N_OUTPUTS[kind]), "tanh", np.zeros(5 * N_OUTPUTS[kind]))
    network.layers.W[0][...], network.layers.b[0][...] = whole.coef_.T, whole.intercept_
    rises = leave_one_out_increase(network, LOSSES[kind], make_rows(X, y, kind), np.ones(n), 1.0, c)
    # Biases are not penalised in truth, and the classes of softmax do have to do with each other.
    assert rises.mean() == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("copied", [False, True])
def test_leaving_out_heavy_rows_and_copies_is_what_training_without_them_comes_to(copied):
    rng = np.random.default_rng(0)
    n, c = 60, 3.0
    y = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 4)) + np.eye(2, 4)[y]
    k = rng.integers(1, 5, n)

    def fit(weights):
        return LogisticRegression(C=1 / c, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight=weights)

    def loss(model, i):
        return -model.predict_log_proba(X[i : i + 1])[0, y[i]]

    N = k.sum() ** 2 / (k**2).sum()
    omega = k * N / k.sum()
    whole = fit(omega)
    truth = [loss(fit(np.where(np.arange(n) == i, 0, omega)), i) - loss(whole, i) for i in range(n)]
    gamma = omega @ truth

    network = make_network((4, 1), "tanh", np.zeros(5))
    network.layers.W[0][...], network.layers.b[0][...] = whole.coef_.T, whole.intercept_
    state, objective = make_state(), make_objective(network, "binary", alpha=0.1)
    each = np.repeat(np.arange(n), k if copied else 1)
    rows = make_rows(X[each], y[each], "binary", None if copied else k.astype(float))
    batches = make_batches(rows, 8, "binary", network)
    AlphaSelection(network, state, 6, 1).end_epoch(objective, batches)
    assert state.prior_precision == pytest.approx(gamma / (whole.coef_**2).sum(), rel=0.1)
    assert objective.alpha == pytest.approx(state.prior_precision / N, rel=1e-12)


# One setting


def tune(kind="multiclass", n=23, weights=None, precision=3.0, due=4, epoch=3, seed=0, **options):
    """Return the state and the objective after an epoch, and the problem's twin in the textbook."""
    network, twin, rows, X, Y = problem(kind, n, weights=weights, **options)
    state = make_state(seed)
    state.epoch, state.prior_precision = epoch, precision
    objective = make_objective(network, kind, alpha=0.1)
    batches = make_batches(rows, 4, kind, network)
    AlphaSelection(network, state, n_epochs=6, due=due).end_epoch(objective, batches)
    return state, objective, twin, X, Y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_precision_is_the_textbooks(kind, weighted):
    counts = np.arange(23) % 3 + 2.0 if weighted else np.ones(23)
    state, objective, twin, X, Y = tune(kind, weights=counts if weighted else None, scale=0.6)
    expected = textbook.precision(twin, X, Y, counts, 3.0)
    assert LOWEST < expected < HIGHEST
    assert state.prior_precision == pytest.approx(expected, rel=1e-5)
    N = textbook.effective_size(counts)
    assert objective.alpha == pytest.approx(expected / N * full_step(N), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_left_out_together_as_in_the_textbook(kind):
    n, k = 23, np.arange(23) % 3 + 2
    network, twin, rows, X, Y = problem(kind, scale=0.6)
    copied = np.random.default_rng(0).permutation(np.repeat(np.arange(n), k))
    rows = make_rows(X[copied], make_y(kind, n)[copied], kind)
    state, objective = make_state(), make_objective(network, kind, alpha=0.1)
    batches = make_batches(rows, 4, kind, network)
    AlphaSelection(network, state, 6, 1).end_epoch(objective, batches)
    expected = textbook.precision(twin, X[copied], Y[copied], np.ones(len(copied)), 3.0)
    assert LOWEST < expected < HIGHEST
    assert state.prior_precision == pytest.approx(expected, rel=1e-5)
    N = textbook.effective_size(k)
    assert objective.alpha == pytest.approx(expected / N * full_step(N), rel=1e-5)
    # That is what weights in the place of copies come to.
    assert expected == pytest.approx(textbook.precision(twin, X, Y, k, 3.0), rel=1e-5)


def test_it_is_set_after_one_epoch_of_a_cycle():
    for epoch, is_due in ((2, False), (3, True), (4, False), (9, True)):
        state, objective, *_ = tune(epoch=epoch)
        assert (state.prior_precision != 3.0) == is_due
        assert (objective.alpha != 0.1) == is_due


def test_a_few_rows_tell_nothing():
    assert FEWEST_ROWS == 20
    assert tune(n=19)[0].prior_precision == 3.0
    assert tune(n=20)[0].prior_precision != 3.0
    # Heavier rows are no more rows.
    assert tune(n=10, weights=np.full(10, 2.0))[0].prior_precision == 3.0
    assert tune(n=30, weights=np.repeat([1.0, 1e-6], 15))[0].prior_precision == 3.0


def full_step(n):
    """Return what the penalty of fewer than 32 rows is multiplied by."""
    return min(1, n / 32)


def test_it_keeps_within_its_bounds():
    for scale, bound in ((100.0, 0.5), (0.01, 12.0)):
        network, _, rows, *_ = problem("binary", hidden=())
        network.theta *= scale
        state, objective = make_state(), make_objective(network, "binary", alpha=0.1)
        batches = make_batches(rows, 4, "binary", network)
        AlphaSelection(network, state, 6, 1).end_epoch(objective, batches)
        assert state.prior_precision == bound
        assert objective.alpha == pytest.approx(bound / 32, rel=1e-12)  # 23 rows are 23/32 of a full step


def test_a_network_without_weights_keeps_its_penalty():
    network, _, rows, *_ = problem("binary")
    network.theta[...] = 0
    state, objective = make_state(), make_objective(network, "binary", alpha=0.1)
    batches = make_batches(rows, 4, "binary", network)
    AlphaSelection(network, state, 6, 1).end_epoch(objective, batches)
    assert (state.prior_precision, objective.alpha) == (3.0, 0.1)


def test_where_the_products_of_rows_overflow_the_penalty_is_kept():
    network, _, rows, *_ = problem("binary", activations="relu")
    rows.X[0] = 1e200
    state, objective = make_state(), make_objective(network, "binary", alpha=0.1)
    batches = make_batches(rows, 4, "binary", network)
    with np.errstate(over="ignore", invalid="ignore"):
        AlphaSelection(network, state, 6, 1).end_epoch(objective, batches)
    assert (state.prior_precision, objective.alpha) == (3.0, 0.1)


def test_of_many_rows_a_sample_is_drawn():
    n = 3 * MOST_ROWS
    rows = make_rows(make_X(n, 3), make_y("binary", n), "binary", index=np.arange(0, n, 2))
    sample = draw_sample(rows, np.random.default_rng(0))
    assert sample.n_rows == len(set(sample.index)) == MOST_ROWS
    assert set(sample.index) <= set(rows.index)
    few = make_rows(make_X(9, 3), make_y("binary", 9), "binary")
    assert draw_sample(few, np.random.default_rng(0)) is few


def test_a_sample_stands_for_all_rows(monkeypatch):
    # Two hundred rows of a network with few parameters: half of them tell as much as all.
    whole, *_ = tune(n=200, hidden=(2,))
    monkeypatch.setattr(alpha_selection, "MOST_ROWS", 100)
    samples = [tune(n=200, hidden=(2,), seed=seed)[0].prior_precision for seed in range(20)]
    assert len(set(samples)) == 20
    assert np.mean(samples) == pytest.approx(whole.prior_precision, rel=0.1)


# From the outside


def digits(n=400, noise=0.0):
    X, y = load_digits(return_X_y=True)
    X, y = StandardScaler().fit_transform(X)[:n], y[:n].copy()
    rng = np.random.default_rng(0)
    wrong = rng.random(n) < noise
    y[wrong] = rng.integers(0, 10, wrong.sum())
    return X, y


def test_labels_that_cannot_be_trusted_call_for_a_stronger_penalty():
    clf = ScratchMLPClassifier(random_state=0)
    alphas = [clf.fit(*digits(noise=noise)).alpha_ for noise in (0, 0.1, 0.4)]
    assert alphas == sorted(alphas)
    assert alphas[2] > 2 * alphas[0]


def test_it_is_better_than_no_setting_where_labels_are_noisy():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(y))
    train, test = rows[:300], rows[300:]
    noisy = np.where(rng.random(len(y)) < 0.3, 1 - y, y)

    def log_loss(alpha):
        model = ScratchMLPClassifier(alpha=alpha, random_state=0).fit(X[train], noisy[train])
        return -model.predict_log_proba(X[test])[np.arange(len(test)), noisy[test]].mean()

    assert log_loss("auto") < log_loss(3 / 300) - 0.05


@pytest.mark.parametrize(
    "params",
    [
        {"max_iter": 11},
        {"learning_rate": "constant", "max_iter": 20},
        {"learning_rate": "adaptive", "max_iter": 20, "tol": 1e-2},
        {"solver": "lbfgs", "max_iter": 20},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_if_no_epoch_selects_it_alpha_stays_three_over_the_rows(params):
    X, y = digits(100)
    assert ScratchMLPClassifier(5, random_state=0, **params).fit(X, y).alpha_ == 3 / 100


def test_a_number_stays_what_it_is():
    assert ScratchMLPClassifier(5, alpha=0.02, random_state=0).fit(*digits(100)).alpha_ == 0.02
    assert ScratchMLPClassifier(5, alpha=0, random_state=0).fit(*digits(100)).alpha_ == 0


def test_before_it_is_set_training_is_that_of_three_over_the_rows():
    X, y = digits(100)
    auto = ScratchMLPClassifier(5, max_iter=30, random_state=0).fit(X, y)
    fixed = ScratchMLPClassifier(5, alpha=3 / 100, max_iter=30, random_state=0).fit(X, y)
    assert auto.loss_curve_[:20] == fixed.loss_curve_[:20]
    assert auto.loss_curve_[20] != fixed.loss_curve_[20]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_sets_it_in_the_same_epoch_and_through_pickling(solver):
    X, y = digits(300)
    params = {"solver": solver, "max_iter": 15, "random_state": 0, "dropout": 0.1}
    whole = ScratchMLPClassifier(5, **params).fit(X, y)
    parts = ScratchMLPClassifier(5, **params)
    for _ in range(15):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X, y, classes=np.arange(10))))
    assert whole.alpha_ == parts.alpha_ != 3 / 300
    assert whole.loss_curve_ == parts.loss_curve_
    for ours, theirs in zip(whole.coefs_, parts.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_of_weight_two_are_two_copies():
    X, y = digits(100)
    counts = np.arange(100) % 3
    copied = np.repeat(np.arange(100), counts)
    params = {"batch_size": 1000, "shuffle": False, "random_state": 0, "max_iter": 40}
    weighted = ScratchMLPClassifier(5, **params).fit(X, y, sample_weight=counts)
    copies = ScratchMLPClassifier(5, **params).fit(X[copied], y[copied])
    assert weighted.alpha_ == pytest.approx(copies.alpha_, rel=1e-9)
    assert weighted.alpha_ * counts.sum() != pytest.approx(3)
    np.testing.assert_allclose(weighted.predict_proba(X), copies.predict_proba(X), rtol=1e-7)


def test_the_refit_keeps_the_prior_precision_for_all_rows():
    X, y = digits(200)
    clf = ScratchMLPClassifier(
        5, early_stopping=True, validation_fraction=0.25, n_iter_no_change=np.inf, random_state=0
    ).fit(X, y)
    assert clf.refit_loss_curve_
    # With warm_start=True there is no refit: the same epochs end with the alpha of the training set.
    without_refit = clone(clf).set_params(warm_start=True, max_iter=clf.n_iter_).fit(X, y)
    assert without_refit.validation_scores_ == clf.validation_scores_
    assert clf.alpha_ * 200 == pytest.approx(without_refit.alpha_ * 150, rel=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_dropout_has_no_part_in_it(monkeypatch):
    monkeypatch.setattr(alpha_selection, "HIGHEST", np.inf)
    X, y = digits(100)
    still, dropped = (
        ScratchMLPClassifier(5, dropout=rate, learning_rate_init=1e-12, random_state=0).fit(X, y)
        for rate in (0.0, 0.5)
    )
    # The rate is next to nothing, so both networks are where they began.
    assert still.alpha_ == pytest.approx(dropped.alpha_, rel=1e-6)
    assert still.alpha_ * 100 > 12


@pytest.mark.parametrize("hidden", [(), (100,)])
@pytest.mark.parametrize("size", [1e14, 1e16])
def test_features_that_swamp_the_prior_are_no_error(hidden, size):
    X, y = digits(40)
    X = np.repeat(X, 2, axis=0) * size
    X[:, 0] = size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf = ScratchMLPClassifier(hidden, random_state=0).fit(X, np.repeat(y, 2))
    # Forty rows and a copy of each.
    assert 0.5 / 40 <= clf.alpha_ <= 12 / 40


def test_every_fit_begins_at_three_over_the_rows():
    X, y = digits(100)
    clf = ScratchMLPClassifier(5, warm_start=True, random_state=0).fit(X, y)
    assert clf.alpha_ != 3 / 100
    clf.set_params(max_iter=11).fit(X, y)
    assert clf.alpha_ == 3 / 100


def test_after_an_interrupt_the_penalty_is_that_of_the_last_whole_epoch(monkeypatch):
    X, y = digits(100)
    marks = []

    class Interrupted(Checkpoint):
        def discard(self):
            marks.append(self)
            if len(marks) == 20:  # at the end of the 20th epoch, in which the penalty is set
                raise KeyboardInterrupt
            super().discard()

    monkeypatch.setattr(training, "Checkpoint", Interrupted)
    with pytest.warns(UserWarning, match="interrupted after 19"):
        clf = ScratchMLPClassifier(5, max_iter=30, random_state=0).fit(X, y)
    assert clf.alpha_ == 3 / 100
    assert clf._training_state["prior_precision"] == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_reproducible_and_leaves_the_dtype(dtype):
    X, y = digits(300)
    first, second = (ScratchMLPClassifier(5, random_state=0).fit(X.astype(dtype), y) for _ in range(2))
    assert isinstance(first.alpha_, float)
    assert first.alpha_ == second.alpha_
    assert first.coefs_[0].dtype == dtype
