"""warm_start: a later fit resumes with the weights, optimizer and curves, and counts its epochs from zero."""

import copy
import functools
import pickle

import estimators
import numpy as np
import pytest
from estimators import data

from skscratch import ScratchMLPClassifier

mlp = functools.partial(estimators.mlp, warm_start=True)


def assert_same_model(a, b):
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for name in ("loss_curve_", "learning_rate_curve_", "loss_", "best_loss_", "t_"):
        assert getattr(a, name) == getattr(b, name), name


CONTINUOUS = {
    "sgd": {},
    "sgd, no momentum": {"momentum": 0.0},
    "sgd, rows in order": {"shuffle": False},
    "sgd, adaptive": {"learning_rate": "adaptive"},
    "sgd, invscaling": {"learning_rate": "invscaling"},
    "adam": {"solver": "adam"},
    "dropout": {"dropout": 0.2},
    "weighted classes": {"class_weight": "balanced"},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", CONTINUOUS.values(), ids=CONTINUOUS)
def test_three_warm_fits_of_ten_epochs_equal_one_of_thirty_bit_for_bit(params, dtype):
    X, y = data()
    X = X.astype(dtype)
    warm = mlp(**params)
    for _ in range(3):
        warm.fit(X, y)
    whole = mlp(**params, max_iter=30).fit(X, y)
    assert_same_model(warm, whole)
    assert warm.n_iter_ == 10
    assert whole.n_iter_ == 30
    # Both continue alike: the generator and the velocity are in the same state.
    for clf in (warm, whole):
        clf.set_params(class_weight=None)
    assert_same_model(warm.partial_fit(X, y), whole.partial_fit(X, y))


def test_a_warm_start_resumes_after_pickling():
    X, y = data()
    warm = pickle.loads(pickle.dumps(mlp().fit(X, y))).fit(X, y)
    assert_same_model(warm, mlp(max_iter=20).fit(X, y))


def test_a_warm_start_resumes_from_partial_fit():
    X, y = data()
    warm = mlp()
    for _ in range(4):
        warm.partial_fit(X, y, classes=[0, 1, 2])
    assert_same_model(warm.fit(X, y), mlp(max_iter=14).fit(X, y))


def test_a_first_warm_fit_starts_anew():
    X, y = data()
    assert_same_model(mlp().fit(X, y), mlp(warm_start=False).fit(X, y))


def test_without_warm_start_a_second_fit_starts_anew():
    X, y = data()
    clf = mlp(warm_start=False).fit(X, y)
    assert_same_model(clf.fit(X, y), mlp().fit(X, y))


def test_the_curves_continue():
    X, y = data()
    clf = mlp(early_stopping=True).fit(X, y)
    first = copy.deepcopy(clf)
    clf.fit(X, y)
    for name in ("loss_curve_", "validation_loss_curve_", "validation_scores_", "learning_rate_curve_"):
        assert len(getattr(clf, name)) == 20
        assert getattr(clf, name)[:10] == getattr(first, name)
    assert clf.t_ == 2 * first.t_


def test_a_warm_start_validates_on_the_same_rows():
    X, y = data()
    shown = []

    def scorer(estimator, X, y):
        shown.append(X.copy())
        return 0.0

    mlp(early_stopping=True, scoring=scorer, max_iter=1).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(shown[0], shown[1])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_counters_of_stopping_start_afresh(early_stopping):
    X, y = data()
    # At this rate nothing moves: the first epoch counts, the next three do not.
    clf = mlp(
        n_iter_no_change=3,
        learning_rate_init=1e-300,
        early_stopping=early_stopping,
        shuffle=False,
        max_iter=50,
    )
    assert [clf.fit(X, y).n_iter_ for _ in range(3)] == [4, 4, 4]


def test_the_best_parameters_are_those_of_the_present_fit():
    X, y = data()
    scores = iter([9, 1, 2, 1, 1, 3, 2, 1])
    clf = mlp(early_stopping=True, scoring=lambda *_: next(scores), max_iter=4, tol=0.0)
    clf.fit(X, y)
    assert clf.best_validation_score_ == 9
    clf.fit(X, y)
    assert clf.best_validation_score_ == 3
    assert clf.validation_scores_[clf.best_iter_ - 1] == 3


def test_a_warm_start_may_bring_other_rows_and_another_rate():
    X, y = data()
    clf = mlp().fit(X, y).set_params(learning_rate_init=0.01, batch_size=9)
    clf.fit(X[:50], y[:50])
    assert clf.learning_rate_curve_ == [0.05] * 10 + [0.01] * 10
    assert clf.t_ == 10 * 70 + 10 * 50


def test_a_warm_start_leaves_arrays_that_were_taken_before_alone():
    X, y = data()
    clf = mlp().fit(X, y)
    taken, kept = clf.coefs_[0], clf.coefs_[0].copy()
    clf.fit(X, y)
    assert not np.array_equal(clf.coefs_[0], kept)
    np.testing.assert_array_equal(taken, kept)


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_a_schedule_of_max_iter_epochs_starts_again_with_every_fit(learning_rate):
    X, y = data()
    clf = mlp(learning_rate=learning_rate).fit(X, y)
    clf.fit(X, y)
    assert clf.learning_rate_curve_[10:] == clf.learning_rate_curve_[:10]
    assert len(set(clf.learning_rate_curve_)) > 5


def test_lbfgs_resumes_from_where_it_stopped():
    X, y = data()
    clf = ScratchMLPClassifier(
        (7, 5), "tanh", solver="lbfgs", alpha=0.1, tol=1e-5, max_iter=2000, random_state=5, warm_start=True
    ).fit(X, y)
    n_iter, end = clf.n_iter_, clf.loss_
    assert n_iter > 20
    clf.fit(X, y)
    assert clf.n_iter_ <= 2
    assert clf.loss_ == pytest.approx(end, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_layer_sizes": (7, 6)}, r"hidden_layer_sizes is \(7, 6\).*\(7, 5\).*clone"),
        ({"hidden_layer_sizes": (7,)}, r"hidden_layer_sizes is \(7,\).*\(7, 5\)"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes is \(\).*\(7, 5\)"),
    ],
)
def test_another_architecture_is_a_clear_error(change, message):
    X, y = data()
    clf = mlp(max_iter=2).fit(X, y).set_params(**change)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y)


@pytest.mark.parametrize(
    "relabel",
    [
        lambda y: y + 1,
        lambda y: np.minimum(y, 1),
        lambda y: np.array(["a", "b", "c"])[y],
    ],
    ids=["other labels", "fewer", "strings"],
)
def test_another_set_of_classes_is_a_clear_error(relabel):
    X, y = data()
    clf = mlp(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start.*same.*\[0 1 2\]"):
        clf.fit(X, relabel(y))


def test_one_label_per_row_and_then_a_table_of_labels_is_a_clear_error():
    X, y = data()
    table = np.c_[y == 0, y == 1, y == 2].astype(int)
    with pytest.raises(ValueError, match=r"warm_start.*multilabel"):
        mlp(max_iter=2).fit(X, y).fit(X, table)
    with pytest.raises(ValueError, match=r"warm_start.*multilabel"):
        mlp(max_iter=2).fit(X, table).fit(X, y)


def test_another_number_of_features_is_a_clear_error():
    X, y = data()
    clf = mlp(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=r"3 features.*expecting 4"):
        clf.fit(X[:, :3], y)


def test_what_a_warm_start_refuses_a_plain_refit_accepts():
    X, y = data()
    clf = mlp(max_iter=2).fit(X, y).set_params(warm_start=False, hidden_layer_sizes=(3,))
    clf.fit(X[:, :2], np.array(["a", "b"])[np.minimum(y, 1)])
    assert [W.shape for W in clf.coefs_] == [(2, 3), (3, 1)]
