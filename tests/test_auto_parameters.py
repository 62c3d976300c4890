"""Parameters that are "auto": what they come to, by themselves and together, and where it can be read."""

import functools
import math
import pickle
import re
from itertools import product
from pathlib import Path

import estimators
import numpy as np
import pytest
from estimators import LBFGS_ONLY
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier, settings
from skscratch.rows import effective_size
from skscratch.settings import epochs_of_patience, initial_learning_rate, number_of_epochs, rows_per_batch

mlp = functools.partial(estimators.default_mlp, hidden_layer_sizes=3, max_iter="auto")


def _falling(fraction):
    return 1 - fraction


ANNEALED = ["one_cycle", "cosine", _falling]
UNANNEALED = ["constant", "invscaling", "adaptive"]


def data(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, rng.permutation(np.arange(n) % 3)


def assert_same_training(a, b):
    for ours, theirs in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("loss_curve_", "learning_rate_curve_", "t_", "n_iter_"):
        assert getattr(a, name) == getattr(b, name), name


# max_iter


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("learning_rate", ANNEALED)
@pytest.mark.parametrize(
    ("n_batches", "n_epochs"),
    # As many as make 400 steps, rounded up, but 30 at least and 200 at most.
    [(1, 200), (2, 200), (3, 134), (13, 31), (14, 30), (64, 30), (10**6, 30)],
)
def test_an_annealed_rate_takes_30_epochs_or_400_steps_up_to_200_epochs(
    n_batches, n_epochs, learning_rate, solver
):
    assert number_of_epochs("auto", solver, learning_rate, n_batches) == n_epochs


@pytest.mark.parametrize("n_batches", [1, 7, 1000])
def test_where_patience_ends_training_200_epochs_are_the_limit(n_batches):
    for solver in ("sgd", "adam"):
        for learning_rate in UNANNEALED:
            assert number_of_epochs("auto", solver, learning_rate, n_batches) == 200
    for learning_rate in UNANNEALED + ANNEALED:
        assert number_of_epochs("auto", "lbfgs", learning_rate, n_batches) == 200


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_number_of_epochs_that_is_given_is_taken(solver):
    assert number_of_epochs(7, solver, "one_cycle", 1) == 7


@pytest.mark.parametrize(
    ("n", "params", "n_epochs"),
    [
        (20, {}, 200),
        (32, {}, 200),
        (33, {}, 200),
        (416, {}, 31),
        (417, {}, 30),
        (417, {"solver": "adam"}, 30),
        (417, {"learning_rate": "cosine"}, 30),
        (417, {"learning_rate": _falling}, 30),
        (193, {"batch_size": 193}, 200),
        (20, {"batch_size": 7}, 134),
        (20, {"batch_size": 1}, 30),
        (20, {"learning_rate": "constant"}, 200),
        (193, {"learning_rate": "invscaling", "solver": "adam"}, 200),
        (20, {"max_iter": 4}, 4),
    ],
)
def test_fit_takes_as_many_epochs(n, params, n_epochs):
    clf = mlp(**params).fit(*data(n))
    assert clf.n_iter_ == len(clf.loss_curve_) == n_epochs


def test_validation_rows_make_no_batches():
    X, y = data(40)
    # 28 rows are left: one batch. A quarter of the 200 epochs is for the refit.
    assert mlp(early_stopping=True, validation_fraction=0.3).fit(X, y).n_iter_ == 150
    assert mlp(early_stopping=True).fit(X, y, X_val=X, y_val=y).n_iter_ == 200


def test_lbfgs_takes_up_to_200_iterations():
    X, y = data(200)
    clf = ScratchMLPClassifier((20,), "tanh", solver="lbfgs", alpha=0, tol=1e-12, random_state=0)
    with pytest.warns(UserWarning, match="L-BFGS stopped before.*max_iter=200 was reached"):
        clf.fit(X, y)
    assert clf.n_iter_ == 200


@pytest.mark.parametrize("learning_rate", ANNEALED)
def test_an_automatic_schedule_is_that_of_as_many_epochs(learning_rate):
    X, y = data(100)
    params = {"learning_rate": learning_rate, "learning_rate_init": 0.1}
    assert_same_training(mlp(**params).fit(X, y), mlp(**params, max_iter=100).fit(X, y))


# learning_rate_init


@pytest.mark.parametrize(
    ("solver", "learning_rates", "rate"),
    [
        ("sgd", ANNEALED, 0.2),
        ("adam", ANNEALED, 0.01),
        ("sgd", UNANNEALED, 0.05),
        ("adam", UNANNEALED, 0.001),
    ],
)
def test_the_first_rate_depends_on_the_solver_and_on_whether_the_rate_anneals(solver, learning_rates, rate):
    X, y = data(20)
    for learning_rate in learning_rates:
        assert initial_learning_rate("auto", solver, learning_rate) == rate
        assert initial_learning_rate(0.7, solver, learning_rate) == 0.7
        params = {"solver": solver, "learning_rate": learning_rate, "max_iter": 10}
        # Of ten epochs the fourth of "one_cycle" has the whole rate, the first of all others.
        assert max(mlp(**params).fit(X, y).learning_rate_curve_) == rate
        assert_same_training(mlp(**params).fit(X, y), mlp(**params, learning_rate_init=rate).fit(X, y))


# n_iter_no_change


@pytest.mark.parametrize("learning_rate", UNANNEALED + ANNEALED)
def test_patience_is_unlimited_where_the_rate_anneals(learning_rate):
    expected = 10 if learning_rate in UNANNEALED else np.inf
    assert epochs_of_patience("auto", learning_rate) == expected
    assert epochs_of_patience(4, learning_rate) == 4
    assert epochs_of_patience(np.inf, learning_rate) == np.inf


@pytest.mark.parametrize(
    ("learning_rate", "n_epochs"), [("constant", 11), ("invscaling", 11), *((rate, 40) for rate in ANNEALED)]
)
def test_early_stopping_is_as_patient(learning_rate, n_epochs):
    X, y = data(90)
    params = {"learning_rate": learning_rate, "early_stopping": True, "max_iter": 40}
    for n_iter_no_change, expected in (("auto", n_epochs), (4, 5)):
        clf = mlp(**params, n_iter_no_change=n_iter_no_change)
        if expected < 40:
            clf.set_params(tol=1e9)  # no epoch but the first is an improvement that counts
        assert clf.fit(X, y, X_val=X, y_val=y).n_iter_ == expected


# batch_size


@pytest.mark.parametrize(
    ("n", "size"),
    [
        (1, 1),
        (31, 31),
        (32, 32),
        (2048, 32),
        (2111, 32),
        (2112, 33),
        (6400, 100),
        (16383, 255),
        (16384, 256),
        (10**7, 256),
    ],
)
def test_a_batch_is_a_64th_of_the_rows_between_32_and_256_and_at_most_all_of_them(n, size):
    assert rows_per_batch("auto", n) == size
    assert rows_per_batch(7, n) == min(7, n)
    assert rows_per_batch(n + 1, n) == n


@pytest.mark.parametrize(("n", "size"), [(70, 32), (2500, 39), (17_000, 256)])
def test_fit_takes_batches_of_that_size(n, size):
    X, y = data(n)
    auto, given, other = (mlp(batch_size=b, max_iter=1).fit(X, y) for b in ("auto", size, size + 1))
    assert_same_training(auto, given)
    assert auto.loss_ != other.loss_


@pytest.mark.parametrize("n", [70, 2500])
def test_the_batches_of_partial_fit_are_a_share_of_the_chunk(n):
    X, y = data(n)
    auto, given = (mlp(batch_size=b).partial_fit(X, y, classes=[0, 1, 2]) for b in ("auto", max(32, n // 64)))
    assert_same_training(auto, given)


# All of them


def test_rows_of_weight_zero_do_not_count():
    X, y = data(2500)
    w = np.zeros(len(y))
    w[:2200] = np.random.default_rng(0).uniform(0.5, 2, 2200)
    assert_same_training(
        mlp(max_iter=2).fit(X, y, sample_weight=w), mlp(max_iter=2).fit(X[:2200], y[:2200], w[:2200])
    )
    # 60 rows are two batches, 30 are one.
    w = np.repeat([1.0, 0.0], 30)
    assert_same_training(mlp().fit(X[:60], y[:60], w), mlp().fit(X[:30], y[:30], w[:30]))


# partial_fit with max_iter="auto" does not know the length of the schedule


def in_parts(clf, X, y, n):
    for _ in range(n):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    return clf


@pytest.mark.parametrize(("solver", "rate"), [("sgd", 0.05), ("adam", 0.001)])
@pytest.mark.parametrize("learning_rate", ["one_cycle", "cosine"])
def test_without_an_end_in_sight_the_rate_stays_constant(learning_rate, solver, rate):
    X, y = data(70)
    clf = in_parts(mlp(solver=solver, learning_rate=learning_rate), X, y, 5)
    assert clf.learning_rate_curve_ == [rate] * 5
    # So does the momentum.
    assert_same_training(clf, in_parts(mlp(solver=solver, learning_rate="constant"), X, y, 5))


@pytest.mark.parametrize("learning_rate", UNANNEALED)
def test_other_rates_need_no_end_in_sight(learning_rate):
    X, y = data(70)
    clf = in_parts(mlp(learning_rate=learning_rate), X, y, 5)
    assert_same_training(clf, in_parts(mlp(learning_rate=learning_rate, max_iter=200), X, y, 5))


def test_with_max_iter_given_partial_fit_anneals_from_the_higher_rate():
    X, y = data(70)
    clf = in_parts(mlp(learning_rate="cosine", max_iter=4), X, y, 4)
    np.testing.assert_allclose(
        clf.learning_rate_curve_, 0.1 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-14
    )


def test_after_an_automatic_fit_partial_fit_continues_at_the_constant_rate():
    X, y = data(70)
    clf = mlp().fit(X, y)
    n_iter = clf.n_iter_
    in_parts(clf, X, y, 2)
    assert clf.learning_rate_curve_[n_iter:] == [0.05] * 2
    assert clf.n_iter_ == n_iter + 2


@pytest.mark.parametrize("fitted", [False, True])
def test_a_function_of_a_share_that_nobody_knows_is_an_error_and_changes_nothing(fitted):
    X, y = data(70)
    clf = mlp(learning_rate=_falling)
    if fitted:
        clf.fit(X, y)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match=r"callable learning_rate.*partial_fit needs max_iter"):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert vars(clf) == before
    clf.set_params(max_iter=5).partial_fit(X, y, classes=[0, 1, 2])


def test_a_cycle_that_fit_completed_is_over_whatever_max_iter_is_next():
    X, y = data(70)
    # Three batches: 134 epochs.
    clf = mlp(learning_rate="cosine").fit(X, y).set_params(max_iter=5)
    in_parts(clf, X, y, 5)
    np.testing.assert_allclose(
        clf.learning_rate_curve_[134:], 0.1 * (1 + np.cos(np.pi * np.arange(5) / 5)), rtol=1e-14
    )


@pytest.mark.parametrize("learning_rate", ["one_cycle", "cosine"])
def test_a_cycle_of_one_epoch_keeps_the_whole_rate(learning_rate):
    # Otherwise a loop of warm starts with max_iter=1 would train at one_cycle's first rate, a 25th, for ever.
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    clf = ScratchMLPClassifier(
        3, learning_rate=learning_rate, learning_rate_init=0.1, max_iter=1, warm_start=True, random_state=0
    )
    for _ in range(3):
        clf.fit(X, y)
    assert clf.learning_rate_curve_ == [0.1] * 3
    assert clf.partial_fit(X, y).learning_rate_curve_ == [0.1] * 4


# alpha


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_factor_common_to_all_weights_changes_nothing(solver):
    X, y = data(60)
    w = np.random.default_rng(0).uniform(0.5, 2, 60)
    clf = ScratchMLPClassifier(3, solver=solver, max_iter=20, random_state=5)
    expected, alpha = clf.fit(X, y, sample_weight=w).coefs_, clf.alpha_
    for power_of_two in (2.0**-1000, 2.0**-3, 2.0, 2.0**900):
        clf.fit(X, y, sample_weight=power_of_two * w)
        assert clf.alpha_ == alpha
        for W, V in zip(clf.coefs_, expected, strict=True):
            np.testing.assert_array_equal(W, V)
    for factor in (1e-300, 0.1, 10):
        assert clf.fit(X, y, sample_weight=factor * w).alpha_ == pytest.approx(alpha, rel=1e-6)


def test_equal_weights_are_as_none_at_every_scale():
    X, y = data(60)
    plain = mlp(alpha="auto").fit(X, y)
    for weight in (5e-324, 1e-310, 1 / 60, 0.25, 10, 1e300):
        weighted = mlp(alpha="auto").fit(X, y, sample_weight=np.full(60, weight))
        assert weighted.alpha_ == pytest.approx(plain.alpha_, rel=1e-9)
        for W, V in zip(plain.coefs_, weighted.coefs_, strict=True):
            np.testing.assert_allclose(V, W, rtol=1e-9, atol=1e-12)


def test_one_class_weight_for_all_is_as_none():
    X, y = data(60)
    plain = mlp(alpha="auto").fit(X, y)
    weighted = mlp(alpha="auto", class_weight=dict.fromkeys(np.unique(y).tolist(), 16)).fit(X, y)
    assert_same_training(plain, weighted)


def test_weights_stand_for_their_effective_number_of_rows():
    X, y = data(60)
    counts = np.arange(60) % 3
    alpha = 3 / (counts.sum() ** 2 / (counts**2).sum())
    auto = mlp(alpha="auto", max_iter=11).fit(X, y, sample_weight=counts)
    assert_same_training(auto, mlp(alpha=alpha, max_iter=11).fit(X, y, sample_weight=counts))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1, 1], 4), ([2, 2, 0, 3], 49 / 17), ([0.25] * 4, 4), ([0.5, 0.25], 9 / 5), ([2e3, 1e3], 9 / 5)],
)
def test_the_effective_size_is_kishs(weights, expected):
    w = np.array(weights, float)
    assert effective_size(w.sum(), w @ w) == pytest.approx(expected, rel=1e-12)


def hard_problem():
    """Return training and test rows of which three in ten have a label at random."""
    X, y = make_classification(1000, 20, n_informative=5, flip_y=0.3, random_state=0)
    A, B, ya, yb = train_test_split(X, y, stratify=y, random_state=0)
    scaler = StandardScaler().fit(A)
    return scaler.transform(A), scaler.transform(B), ya, yb


def test_the_scale_of_the_weights_does_not_let_the_network_overfit():
    A, B, ya, yb = hard_problem()
    clf = ScratchMLPClassifier(random_state=0)
    for weights in (None, np.full(len(A), 0.1), np.full(len(A), 10.0)):
        assert (
            log_loss(yb, clf.fit(A, ya, sample_weight=weights).predict_proba(B)) < 0.6
        )  # 1.5 with 10 rows each


@pytest.mark.parametrize("copy", [np.repeat, lambda a, k, axis: np.concatenate([a] * k)])
def test_copies_of_the_rows_do_not_let_the_network_overfit(copy):
    A, B, ya, yb = hard_problem()
    clf = ScratchMLPClassifier(random_state=0).fit(copy(A, 10, axis=0), copy(ya, 10, axis=0))
    assert log_loss(yb, clf.predict_proba(B)) < 0.6  # 1.09 if one copy is left out at a time


def test_rows_that_are_equal_by_chance_are_learned_as_before():
    """Exclusive or of five bits: 32 rows that occur 30 times each are 960 observations."""
    X = np.random.default_rng(0).permutation(np.repeat(list(product([-1.0, 1.0], repeat=5)), 30, axis=0))
    y = X.prod(axis=1) > 0
    clf = ScratchMLPClassifier(random_state=0).fit(X, y)
    assert clf.score(X, y) == 1
    assert clf.alpha_ * len(X) == pytest.approx(0.5)


# Where it can be read


RESOLVED = ("batch_size_", "learning_rate_init_", "max_iter_", "n_iter_no_change_")
OF_OUTPUTS = ("hidden_layer_sizes_", "max_grad_norm_")


def resolved(clf):
    return tuple(getattr(clf, name) for name in RESOLVED)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("n", "params", "expected"),
    [
        (100, {}, (32, 0.2, 100, np.inf)),
        (100, {"solver": "adam"}, (32, 0.01, 100, np.inf)),
        (100, {"learning_rate": "cosine"}, (32, 0.2, 100, np.inf)),
        (100, {"learning_rate": _falling}, (32, 0.2, 100, np.inf)),
        (100, {"learning_rate": "constant"}, (32, 0.05, 200, 10)),
        (100, {"learning_rate": "adaptive", "solver": "adam"}, (32, 0.001, 200, 10)),
        (100, {"solver": "lbfgs"}, (None, None, 200, None)),
        (100, {"solver": "lbfgs", "max_iter": 7}, (None, None, 7, None)),
        (10_000, {"max_iter": 1}, (156, 0.05, 1, np.inf)),
        (10_000, {"max_iter": 2}, (156, 0.2, 2, np.inf)),
        (10_000, {"max_iter": 1, "learning_rate": _falling}, (156, 0.2, 1, np.inf)),
        (20_000, {"max_iter": 2, "solver": "adam"}, (256, 0.01, 2, np.inf)),
        # What is set is taken; a batch has as many rows as there are, at most.
        (20, {}, (20, 0.2, 200, np.inf)),
        (100, {"batch_size": 1000, "learning_rate_init": 0.1, "max_iter": 3}, (100, 0.1, 3, np.inf)),
        (100, {"learning_rate": "invscaling", "n_iter_no_change": 3, "batch_size": 50}, (50, 0.05, 200, 3)),
        (100, {"learning_rate": "constant", "n_iter_no_change": np.inf}, (32, 0.05, 200, np.inf)),
        # The numbers are those of the search; a refit is part of max_iter.
        (100, {"early_stopping": True}, (32, 0.2, 134, np.inf)),
        (100, {"early_stopping": True, "n_iter_no_change": 4, "max_iter": 40}, (32, 0.2, 40, 4)),
        (100, {"early_stopping": True, "learning_rate": "constant"}, (32, 0.05, 200, 10)),
    ],
)
def test_the_numbers_can_be_read_after_fit(n, params, expected):
    clf = mlp(**{"n_iter_no_change": "auto"} | params).fit(*data(n))
    assert resolved(clf) == expected
    assert [type(value) for value in resolved(clf)] == [type(value) for value in expected]


def test_numbers_of_numpy_become_plain_ones():
    params = {"batch_size": np.int32(40), "learning_rate_init": np.float64(0.5), "max_iter": np.int64(3)}
    clf = mlp(**params, early_stopping=True, n_iter_no_change=np.int8(2)).fit(*data(100))
    assert resolved(clf) == (40, 0.5, 3, 2)
    assert [type(value) for value in resolved(clf)] == [int, float, int, int]


def test_the_numbers_give_the_same_training_when_they_are_set():
    X, y = data(300)[0], np.arange(300) % 12
    auto = mlp(hidden_layer_sizes="auto", n_iter_no_change="auto", early_stopping=True).fit(X, y)
    given = {name[:-1]: getattr(auto, name) for name in RESOLVED + OF_OUTPUTS}
    assert "auto" not in given.values()
    again = mlp(**given, early_stopping=True).fit(X, y)
    assert_same_training(auto, again)
    assert resolved(again) == resolved(auto)
    assert again.refit_loss_curve_ == auto.refit_loss_curve_


def test_the_epochs_of_a_refit_are_included():
    X, y = data(200)
    clf = mlp(early_stopping=True, learning_rate="cosine").fit(X, y)
    assert clf.max_iter_ == clf.n_iter_ + len(clf.refit_loss_curve_) == 67
    assert clf.learning_rate_init_ == max(clf.learning_rate_curve_) == 0.2
    # Without a refit, all epochs are those of the search.
    clf = mlp(early_stopping=True).fit(X, y, X_val=X, y_val=y)
    assert clf.max_iter_ == clf.n_iter_ == 58
    clf = mlp(early_stopping=True, warm_start=True).fit(X, y)
    assert clf.max_iter_ == clf.n_iter_ == 67


def test_rows_of_weight_zero_fill_no_batch():
    X, y = data(60)
    assert mlp(max_iter=2).fit(X, y, sample_weight=np.arange(60) % 3 == 0).batch_size_ == 20


def test_the_numbers_are_those_of_the_last_call():
    X, y = data(10_000)
    clf = mlp(max_iter=2, warm_start=True).fit(X, y)
    assert resolved(clf) == (156, 0.2, 2, np.inf)
    clf.set_params(max_iter=3, solver="adam").fit(X[:100], y[:100])
    assert resolved(clf) == (32, 0.01, 3, np.inf)
    clf.partial_fit(X[:3000], y[:3000])
    assert resolved(clf) == (46, 0.01, 3, np.inf)
    # The last epoch is not known.
    clf.set_params(max_iter="auto").partial_fit(X[:5], y[:5])
    assert resolved(clf) == (5, 0.001, None, np.inf)
    clf.set_params(learning_rate="constant", max_iter=1000).partial_fit(X[:5], y[:5])
    assert resolved(clf) == (5, 0.001, 1000, np.inf)
    before = resolved(clf)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(np.full_like(X, np.nan), y)
    assert resolved(clf) == before


def test_a_fit_that_diverges_shows_the_numbers_that_it_had():
    X, y = data(100)
    params = {"learning_rate_init": 1e100, "learning_rate": lambda fraction: float(fraction > 0.5)}
    with pytest.warns(UserWarning, match="Training diverged in epoch"):
        clf = mlp(max_iter=10, max_grad_norm=None, **params).fit(X, y)
    assert clf.n_iter_ == 6
    assert resolved(clf) == (32, 1e100, 10, np.inf)


def test_a_model_from_a_pickle_without_them_trains_on():
    X, y = data(100)
    clf, expected = mlp(max_iter=5).fit(X, y), mlp(max_iter=5).fit(X, y).partial_fit(X, y)
    for name in RESOLVED + OF_OUTPUTS:
        delattr(clf, name)
    old = pickle.loads(pickle.dumps(clf))
    old.to_sklearn()
    assert_same_training(old.partial_fit(X, y), expected)
    assert resolved(old) == resolved(expected)
    assert (old.hidden_layer_sizes_, old.max_grad_norm_) == ((3,), 0.5)


# What depends on the number of outputs


def targets(n_classes, n_labels=0):
    """Return 120 rows with targets of so many classes, or labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=(120, n_labels)) if n_labels else rng.permutation(np.arange(120) % n_classes)
    return rng.normal(size=(120, 3)), y


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("n_classes", "n_labels", "units", "norm"),
    [
        (1, 0, 100, 0.5),
        (2, 0, 100, 0.5),
        (10, 0, 100, 0.5),
        (11, 0, 110, 0.55),
        (25, 0, 250, 1.25),
        (26, 0, 256, 1.3),
        (60, 0, 256, 3.0),
        (0, 2, 100, 0.5),
        (0, 30, 256, 1.5),
    ],
)
def test_the_number_of_units_and_the_limit_of_the_gradient_grow_with_the_outputs(
    n_classes, n_labels, units, norm, solver
):
    X, y = targets(n_classes, n_labels)
    clf = ScratchMLPClassifier(solver=solver, max_iter=1, random_state=0)
    for fitted in (clf.fit(X, y), clf.partial_fit(X, y)):
        assert fitted.hidden_layer_sizes_ == (units,)
        assert [W.shape for W in fitted.coefs_] == [(3, units), (units, fitted.n_outputs_)]
        assert fitted.max_grad_norm_ == pytest.approx(norm)
        assert fitted.get_params()["hidden_layer_sizes"] == fitted.get_params()["max_grad_norm"] == "auto"


def test_the_first_part_decides_by_all_classes_that_may_occur():
    X, y = targets(3)
    clf = ScratchMLPClassifier(max_iter=3, random_state=0).partial_fit(X, y, classes=range(20))
    assert (clf.hidden_layer_sizes_, clf.max_grad_norm_) == ((200,), 1.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of L-BFGS
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ((200,), 1.0)),
        ({"hidden_layer_sizes": 7, "max_grad_norm": 2}, ((7,), 2.0)),
        ({"hidden_layer_sizes": [7, 5], "max_grad_norm": None}, ((7, 5), None)),
        ({"hidden_layer_sizes": (), "max_grad_norm": np.float32(0.25)}, ((), 0.25)),
        ({"solver": "lbfgs"}, ((200,), None)),
    ],
    ids=str,
)
def test_the_size_and_the_limit_can_be_read_after_fit(params, expected):
    clf = ScratchMLPClassifier(**{"max_iter": 12, "random_state": 0} | params).fit(*targets(20))
    assert (clf.hidden_layer_sizes_, clf.max_grad_norm_) == expected
    assert [type(size) for size in clf.hidden_layer_sizes_] == [int] * len(expected[0])
    assert type(clf.max_grad_norm_) is type(expected[1])


def test_training_goes_on_with_the_size_that_was_chosen():
    X, y = targets(20)
    clf = ScratchMLPClassifier(warm_start=True, max_iter=3, random_state=0).fit(X, y)
    clf.fit(X, y).set_params(hidden_layer_sizes=200).fit(X, y)
    assert len(clf.loss_curve_) == 9
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is \(100,\), .* which has \(200,\)"):
        clf.set_params(hidden_layer_sizes=100).fit(X, y)
    small = ScratchMLPClassifier(7, warm_start=True, max_iter=3, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is \(200,\), .* which has \(7,\)"):
        small.set_params(hidden_layer_sizes="auto").fit(X, y)


@pytest.mark.parametrize("multilabel", [False, True])
def test_many_outputs_learn_better_with_the_higher_limit(multilabel):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 12))
    Z = StandardScaler().fit_transform(np.tanh(X @ rng.normal(size=(12, 40)) / 2) @ rng.normal(size=(40, 30)))
    y = (Z > 0).astype(int) if multilabel else Z.argmax(axis=1)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

    def loss(**params):
        P = ScratchMLPClassifier(random_state=0, **params).fit(X_train, y_train).predict_proba(X_test)
        return log_loss(y_test.ravel(), P.ravel()) if multilabel else log_loss(y_test, P, labels=range(30))

    assert loss() < 0.9 * loss(max_grad_norm=0.5)


# The table that lists what "auto" stands for

GUIDE = Path(__file__).parents[1] / "docs" / "user_guide" / "hyperparameters.rst"
# The columns of the tables, as parameters. Where patience ends training, it does so soon.
COLUMNS = [
    [*({"learning_rate": rate} for rate in ANNEALED), {"solver": "adam"}],
    [
        *({"learning_rate": rate, "tol": 1.0} for rate in UNANNEALED),
        {"learning_rate": "constant", "tol": 1.0, "solver": "adam"},
    ],
    [LBFGS_ONLY | {"tol": 1.0}],
]


def enough_epochs(clf, n):
    return min(max(30, math.ceil(400 / math.ceil(n / clf.batch_size_))), 200)


def was_selected(clf, n):
    return clf.alpha_iter_ == round(clf.max_iter_ * 2 / 3) and 0.5 <= clf.alpha_ * n <= 12


# Whether each cell of the table is true of a classifier that was fitted on n rows.
IS_TRUE = {
    "max_iter": {
        "30, or enough for 400 steps, but at most 200": lambda clf, n: clf.max_iter_ == enough_epochs(clf, n),
        "200": lambda clf, n: clf.max_iter_ == 200,
    },
    "learning_rate_init": {
        "0.2 for SGD, 0.01 for Adam": lambda clf, n: (
            clf.learning_rate_init_ == {"sgd": 0.2, "adam": 0.01}[clf.solver]
        ),
        "0.05 for SGD, 0.001 for Adam": lambda clf, n: (
            clf.learning_rate_init_ == {"sgd": 0.05, "adam": 0.001}[clf.solver]
        ),
        "not used": lambda clf, n: clf.learning_rate_init_ is None,
    },
    "n_iter_no_change": {
        "unlimited": lambda clf, n: clf.n_iter_no_change_ == np.inf,
        "10": lambda clf, n: clf.n_iter_no_change_ == 10,
        "not used": lambda clf, n: clf.n_iter_no_change_ is None,
    },
    "alpha": {
        "3 / N, selected anew after two thirds of the epochs": was_selected,
        "3 / N": lambda clf, n: clf.alpha_ == pytest.approx(3 / n) and clf.alpha_iter_ is None,
    },
    "batch_size": {
        "n / 64, from 32 to 256": lambda clf, n: clf.batch_size_ == min(max(32, n // 64), 256),
        "not used": lambda clf, n: clf.batch_size_ is None,
    },
    "hidden_layer_sizes": {
        "one layer of 10 units per output, from 100 to 256": lambda clf, n: clf.hidden_layer_sizes_ == (120,),
        "10 per output, from 100 to 256": lambda clf, n: clf.hidden_layer_sizes_ == (120,),
    },
    "max_grad_norm": {
        "outputs / 20, at least 0.5": lambda clf, n: clf.max_grad_norm_ == 0.6,
        "not used": lambda clf, n: clf.max_grad_norm_ is None,
    },
}


def table_of_values(text):
    """Return the cells of the first table with four columns: for each parameter, those to its right."""
    border = re.search(r"^=+(?: +=+){3}$", text, re.MULTILINE)[0]
    spans, table, row = [match.span() for match in re.finditer("=+", border)], {}, []
    for line in text.split(f"{border}\n")[2].splitlines():
        name, *cells = (line[start:end].strip().strip("`") for start, end in spans)
        if name:
            table[name] = row = cells
        else:
            row[:] = [f"{text} {more}".strip() for text, more in zip(row, cells, strict=True)]
    return table


@pytest.mark.parametrize("n", [100, 20_000])
def test_the_table_of_values_is_true(n):
    table, (X, _) = table_of_values(GUIDE.read_text(encoding="utf-8")), data(n)
    y = np.arange(n) % 12
    assert table.keys() == IS_TRUE.keys()
    for i, column in enumerate(COLUMNS):
        for params in column:
            clf = ScratchMLPClassifier(**params, random_state=0).fit(X, y)
            for name, row in table.items():
                assert IS_TRUE[name][row[i]](clf, n), (name, row[i], params)


def test_the_table_in_the_module_is_that_of_the_guide():
    assert table_of_values(settings.__doc__) == table_of_values(GUIDE.read_text(encoding="utf-8"))
