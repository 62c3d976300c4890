"""partial_fit: an epoch at a time, with nothing lost between two calls."""

import copy
import functools
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, current_thread

import estimators
import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from estimators import data

from skscratch import targets

mlp = functools.partial(estimators.mlp, max_iter=6)


def _falling(fraction):
    return 1 - fraction / 2


TRAININGS = {
    "sgd": {},
    "sgd, one batch": {"batch_size": 1000},
    "sgd, single rows": {"batch_size": 1},
    "sgd, rows in order": {"shuffle": False},
    "sgd, classical momentum": {"nesterovs_momentum": False},
    "sgd, no momentum": {"momentum": 0.0},
    "sgd, no penalty": {"alpha": 0.0},
    "sgd, automatic alpha": {"alpha": "auto"},
    "sgd, invscaling": {"learning_rate": "invscaling", "power_t": 0.3},
    "sgd, adaptive": {"learning_rate": "adaptive"},
    "sgd, cosine": {"learning_rate": "cosine"},
    "sgd, one_cycle": {"learning_rate": "one_cycle"},
    "sgd, callable": {"learning_rate": _falling},
    "adam": {"solver": "adam"},
    "adam, invscaling": {"solver": "adam", "learning_rate": "invscaling", "power_t": 0.3},
    "adam, adaptive": {"solver": "adam", "learning_rate": "adaptive"},
    "adam, cosine": {"solver": "adam", "learning_rate": "cosine"},
    "adam, one_cycle": {"solver": "adam", "learning_rate": "one_cycle"},
    "dropout": {"dropout": 0.3},
    "adam, dropout": {"solver": "adam", "dropout": 0.3},
    "label smoothing": {"label_smoothing": 0.1},
    "clipped gradient": {"max_grad_norm": 0.1},
    "class weights": {"class_weight": {0: 1, 1: 3, 2: 0.5}},
}
every_training = pytest.mark.parametrize("params", TRAININGS.values(), ids=TRAININGS)


def trained_in_parts(clf, X, y, n, classes=(0, 1, 2), **more):
    for _ in range(n):
        clf.partial_fit(X, y, classes=classes, **more)
    return clf


def assert_same_training(a, b):
    """Compare the parameters, curves, counters and classes, bit for bit."""
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    for name in ("loss_curve_", "learning_rate_curve_", "loss_", "t_", "n_iter_"):
        assert getattr(a, name) == getattr(b, name), name
    np.testing.assert_array_equal(a.classes_, b.classes_)


# fit(max_iter=n) equals n times partial_fit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_training
def test_fit_equals_as_many_calls_of_partial_fit_bit_for_bit(params, dtype):
    X, y = data()
    X = X.astype(dtype)
    fitted = mlp(**params).fit(X, y)
    in_parts = trained_in_parts(mlp(**params), X, y, 6)
    assert_same_training(fitted, in_parts)
    # The next epoch is the same too: both have the same order of rows, velocity, masks and learning rate.
    assert_same_training(fitted.partial_fit(X, y), in_parts.partial_fit(X, y))


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_fit_equals_partial_fit_for_every_kind_of_target(kind):
    X, y = data(kind=kind)
    classes = ["no", "yes"] if kind == "binary" else np.arange(3)
    assert_same_training(mlp().fit(X, y), trained_in_parts(mlp(), X, y, 6, classes))


def test_fit_equals_partial_fit_with_sample_weights():
    X, y = data()
    w = np.random.default_rng(1).uniform(0, 2, size=len(y))
    w[:9] = 0
    fitted = mlp().fit(X, y, sample_weight=w)
    assert_same_training(fitted, trained_in_parts(mlp(), X, y, 6, sample_weight=w))


def test_fit_equals_partial_fit_on_sparse_rows():
    X, y = data()
    X = sp.csr_array(X * (X > 0))
    assert_same_training(mlp().fit(X, y), trained_in_parts(mlp(), X, y, 6))


@every_training
def test_partial_fit_resumes_where_fit_ended(params):
    X, y = data()
    whole = trained_in_parts(mlp(**params), X, y, 9)
    begun = mlp(**params).fit(X, y)
    assert_same_training(trained_in_parts(begun, X, y, 3), whole)


def test_partial_fit_depends_on_the_seed_as_fit_does():
    X, y = data()
    one = trained_in_parts(mlp(random_state=1), X, y, 2)
    other = trained_in_parts(mlp(random_state=2), X, y, 2)
    assert not np.array_equal(one.coefs_[0], other.coefs_[0])


# Random order, momentum and schedule continue across calls and across pickling


def by_pickle(clf):
    return pickle.loads(pickle.dumps(clf))


def by_joblib(clf, tmp_path):
    joblib.dump(clf, tmp_path / "clf.joblib")
    return joblib.load(tmp_path / "clf.joblib")


@every_training
def test_a_training_that_was_pickled_in_the_middle_ends_the_same(params):
    X, y = data()
    whole = trained_in_parts(mlp(**params), X, y, 6)
    pickled = by_pickle(trained_in_parts(mlp(**params), X, y, 3))
    assert_same_training(trained_in_parts(pickled, X, y, 3), whole)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_carries_the_training(protocol):
    X, y = data()
    whole = trained_in_parts(mlp(), X, y, 4)
    half = pickle.loads(pickle.dumps(trained_in_parts(mlp(), X, y, 2), protocol=protocol))
    assert_same_training(trained_in_parts(half, X, y, 2), whole)


def test_joblib_carries_the_training(tmp_path):
    X, y = data()
    whole = trained_in_parts(mlp(), X, y, 4)
    half = by_joblib(trained_in_parts(mlp(), X, y, 2), tmp_path)
    assert_same_training(trained_in_parts(half, X, y, 2), whole)


def test_a_memory_mapped_model_can_be_trained_on(tmp_path):
    X, y = data()
    whole = trained_in_parts(mlp(), X, y, 4)
    joblib.dump(trained_in_parts(mlp(), X, y, 2), tmp_path / "clf.joblib")
    half = joblib.load(tmp_path / "clf.joblib", mmap_mode="r")
    assert_same_training(trained_in_parts(half, X, y, 2), whole)


@pytest.mark.parametrize("clone", [copy.deepcopy, by_pickle])
@every_training
def test_a_copy_and_its_original_train_apart(params, clone):
    X, y = data()
    original = trained_in_parts(mlp(**params), X, y, 2)
    before = copy.deepcopy(original)
    trained_in_parts(clone(original), X, y, 2)
    assert_same_training(original, before)
    # The original's memory and generator are untouched, too.
    assert_same_training(original.partial_fit(X, y), before.partial_fit(X, y))


def test_the_published_weights_are_those_that_predict_after_a_copy_trained_on():
    X, y = data()
    for clf in (by_pickle(mlp().fit(X, y)), copy.deepcopy(mlp().fit(X, y))):
        clf.partial_fit(X, y)
        a = np.maximum(X @ clf.coefs_[0] + clf.intercepts_[0], 0)
        a = np.maximum(a @ clf.coefs_[1] + clf.intercepts_[1], 0)
        np.testing.assert_allclose(
            clf.decision_function(X), a @ clf.coefs_[2] + clf.intercepts_[2], rtol=1e-9, atol=1e-12
        )


# set_params between calls is honoured


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate_init": 0.5},
        {"learning_rate": "invscaling"},
        {"alpha": 10.0},
        {"alpha": "auto"},
        {"momentum": 0.0},
        {"nesterovs_momentum": False},
        {"batch_size": 3},
        {"shuffle": False},
        {"class_weight": {0: 1, 1: 7, 2: 1}},
        {"solver": "adam"},
        {"dropout": 0.5},
        {"label_smoothing": 0.3},
        {"max_grad_norm": 1e-3},
    ],
    ids=str,
)
def test_set_params_between_calls_is_honoured(change):
    X, y = data()
    as_before = trained_in_parts(mlp(), X, y, 5)
    changed = trained_in_parts(mlp(), X, y, 2).set_params(**change)
    trained_in_parts(changed, X, y, 3)
    assert not np.allclose(as_before.coefs_[0], changed.coefs_[0], rtol=1e-6)
    # What was changed and changed back leaves no trace but its own epoch.
    assert changed.loss_curve_[:2] == as_before.loss_curve_[:2]
    assert len(changed.loss_curve_) == 5


@pytest.mark.parametrize("change", [{"activation": "tanh"}, {"hidden_layer_sizes": (7, 6)}], ids=str)
def test_another_architecture_is_refused_and_changes_nothing(change):
    X, y = data()
    clf, twin = (trained_in_parts(mlp(), X, y, 2) for _ in range(2))
    (name,) = change
    with pytest.raises(ValueError, match=rf"{name} is .* but partial_fit continues with the fitted network"):
        clf.set_params(**change).partial_fit(X, y)
    clf.set_params(**{name: getattr(twin, name)})
    np.testing.assert_array_equal(clf.predict_proba(X), twin.predict_proba(X))
    np.testing.assert_array_equal(clf.partial_fit(X, y).coefs_[0], twin.partial_fit(X, y).coefs_[0])


def test_a_new_rate_acts_in_the_next_call_with_the_old_velocity():
    X, y = data()
    clf = trained_in_parts(
        mlp(momentum=0.5, shuffle=False, batch_size=1000, nesterovs_momentum=False), X, y, 2
    )
    v = clf.coefs_[0].copy()
    clf.partial_fit(X, y)
    v = clf.coefs_[0] - v
    before = clf.coefs_[0].copy()
    clf.set_params(learning_rate_init=1e-300).partial_fit(X, y)
    assert clf.learning_rate_curve_ == [0.05, 0.05, 0.05, 1e-300]
    np.testing.assert_allclose(clf.coefs_[0] - before, 0.5 * v, rtol=1e-9, atol=1e-15)


# early_stopping concerns fit


def test_early_stopping_is_no_error_and_changes_nothing():
    X, y = data()
    stopping = trained_in_parts(mlp(early_stopping=True), X, y, 4)
    assert_same_training(stopping, trained_in_parts(mlp(), X, y, 4))
    assert stopping.validation_scores_ is None


def test_early_stopping_is_no_error_on_a_chunk_of_one_row():
    X, y = data()
    clf = mlp(early_stopping=True).partial_fit(X[:1], y[:1], classes=[0, 1, 2])
    assert clf.t_ == 1


def test_partial_fit_after_early_stopping_resumes_from_the_restored_parameters():
    X, y = data()
    params = {"learning_rate_init": 1.0, "max_iter": 30, "momentum": 0.0, "batch_size": 1000}
    clf = mlp(early_stopping=True, validation_fraction=0.3, **params).fit(X, y)
    assert clf.best_iter_ < clf.n_iter_
    bare = copy.deepcopy(clf).set_params(learning_rate_init=1e-300).partial_fit(X, y)
    for after, restored in zip(bare.coefs_, clf.coefs_, strict=True):
        np.testing.assert_array_equal(after, restored)


# Chunks


@pytest.mark.parametrize("n", [1, 2, 15, 17])
def test_a_chunk_of_any_size_raises_no_warning(n):
    X, y = data()
    clf = mlp(batch_size=16)
    for start in range(0, len(X), n):
        clf.partial_fit(X[start : start + n], y[start : start + n], classes=[0, 1, 2])
    assert clf.t_ == len(X)
    assert clf.n_iter_ == -(-len(X) // n)


def test_a_chunk_may_lack_classes():
    X, y = data()
    clf = mlp().partial_fit(X[y == 1], y[y == 1], classes=[2, 0, 1])
    assert clf.classes_.tolist() == [0, 1, 2]
    clf.partial_fit(X[y != 1], y[y != 1])
    assert clf.predict_proba(X).shape == (70, 3)


def test_two_classes_that_come_one_by_one_are_learned():
    X = np.r_[np.full((20, 1), -1.0), np.full((20, 1), 1.0)]
    y = np.array(["left"] * 20 + ["right"] * 20)
    clf = mlp(learning_rate_init=0.3, momentum=0.0)
    for _ in range(20):
        clf.partial_fit(X[:20], y[:20], classes=["left", "right"])
        clf.partial_fit(X[20:], y[20:])
    assert clf.score(X, y) == 1


def test_classes_may_be_repeated_in_any_order():
    X, y = data()
    clf = mlp().partial_fit(X, y, classes=[2, 1, 0]).partial_fit(X, y, classes=np.array([1, 0, 2]))
    assert_same_training(clf, trained_in_parts(mlp(), X, y, 2))


def test_multilabel_chunks_may_hold_any_rows():
    X, Y = data(kind="multilabel")
    clf = mlp()
    for start in range(0, 70, 5):
        clf.partial_fit(X[start : start + 5], Y[start : start + 5], classes=[0, 1, 2])
    clf.partial_fit(X[:2], np.zeros((2, 3), int)).partial_fit(X[:1], np.ones((1, 3), int))
    assert clf.predict(X).shape == (70, 3)


def test_dense_and_sparse_chunks_mix():
    X, y = data()
    mixed = mlp().partial_fit(X, y, classes=[0, 1, 2]).partial_fit(sp.csr_array(X), y)
    dense = trained_in_parts(mlp(), X, y, 2)
    np.testing.assert_allclose(mixed.coefs_[0], dense.coefs_[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("first", [np.float32, np.float64])
def test_the_first_chunk_decides_the_precision(first):
    X, y = data()
    clf = mlp().partial_fit(X.astype(first), y, classes=[0, 1, 2])
    for dtype in (np.float32, np.float64, np.int64):
        clf.partial_fit(X.astype(dtype), y)
    assert {p.dtype for p in (*clf.coefs_, *clf.intercepts_)} == {np.dtype(first)}


def test_partial_fit_counts_rows_and_epochs():
    X, y = data()
    clf = mlp().partial_fit(X[:30], y[:30], classes=[0, 1, 2]).partial_fit(X[30:], y[30:])
    assert clf.t_ == 70
    assert clf.n_iter_ == len(clf.loss_curve_) == len(clf.learning_rate_curve_) == 2


def test_the_best_loss_is_that_of_all_calls():
    X, y = data()
    clf = trained_in_parts(mlp(), X, y, 6)
    assert clf.best_loss_ == min(clf.loss_curve_) < clf.loss_curve_[0]
    assert clf.best_loss_ == mlp().fit(X, y).best_loss_


def test_a_new_fit_forgets_what_partial_fit_learned():
    X, y = data()
    clf = trained_in_parts(mlp(), X + 1, y, 3)
    assert_same_training(clf.fit(X, y), mlp().fit(X, y))


def test_invscaling_counts_epochs_over_all_calls():
    X, y = data()
    clf = trained_in_parts(mlp(learning_rate="invscaling", power_t=0.5), X, y, 5)
    np.testing.assert_allclose(clf.learning_rate_curve_, 0.05 / np.sqrt(np.arange(1, 6)), rtol=1e-12)


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle", _falling])
def test_one_call_is_one_epoch_of_max_iter(learning_rate):
    X, y = data()
    in_parts = trained_in_parts(mlp(learning_rate=learning_rate), X, y, 6)
    assert in_parts.learning_rate_curve_ == mlp(learning_rate=learning_rate).fit(X, y).learning_rate_curve_
    assert len(set(in_parts.learning_rate_curve_)) > 4


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle", _falling])
def test_a_new_cycle_of_the_rate_begins_after_max_iter_calls(learning_rate):
    X, y = data()
    clf = trained_in_parts(mlp(learning_rate=learning_rate), X, y, 15)
    rates = clf.learning_rate_curve_
    assert rates == (rates[:6] * 3)[:15]
    assert clf.n_iter_ == 15


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle", _falling])
def test_a_cycle_that_early_stopping_cut_short_continues_in_partial_fit(learning_rate):
    X, y = data()
    scores = iter([3, 2, 1])
    clf = mlp(
        learning_rate=learning_rate,
        early_stopping=True,
        scoring=lambda *_: next(scores),
        n_iter_no_change=2,
    ).fit(X, y, X_val=X, y_val=y)
    assert clf.n_iter_ == 3
    trained_in_parts(clf, X, y, 3)
    assert clf.learning_rate_curve_ == mlp(learning_rate=learning_rate).fit(X, y).learning_rate_curve_


def test_lbfgs_has_no_partial_fit():
    X, y = data()
    clf = mlp(solver="lbfgs", batch_size="auto", learning_rate_init="auto", n_iter_no_change="auto")
    with pytest.raises(ValueError, match="lbfgs"):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(clf, "partial_fit")


# Labels beyond 2^53, which a float cannot tell apart

LARGE = 2**60 + np.arange(3)


@pytest.mark.parametrize(
    ("dtype_of_classes", "dtype_of_y"), [(np.int64, np.uint64), (np.uint64, np.int64), (np.uint64, np.uint64)]
)
def test_large_labels_of_another_integer_type_are_told_apart(dtype_of_classes, dtype_of_y):
    X, y = data()
    same = trained_in_parts(mlp(), X, LARGE[y], 3, LARGE)
    other = trained_in_parts(mlp(), X, LARGE[y].astype(dtype_of_y), 3, LARGE.astype(dtype_of_classes))
    np.testing.assert_array_equal(other.predict_proba(X), same.predict_proba(X))
    assert other.predict(X).tolist() == same.predict(X).tolist()
    assert len(set(other.predict(X).tolist())) == 3


def test_large_labels_of_another_integer_type_validate_the_same():
    X, y = data()
    params = {"early_stopping": True, "scoring": "accuracy", "max_iter": 10}
    same, other = (
        mlp(**params).fit(X, LARGE[y], X_val=X, y_val=LARGE[y].astype(dtype))
        for dtype in (np.int64, np.uint64)
    )
    assert other.validation_scores_ == same.validation_scores_
    assert other.validation_loss_curve_ == same.validation_loss_curve_


def test_a_label_next_to_a_large_class_is_none_of_the_classes():
    X, y = data()
    with pytest.raises(ValueError, match=f"not among the classes: .{2**60 + 3}"):
        mlp().partial_fit(X, LARGE[y].astype(np.uint64) + 1, classes=LARGE)


# Threads


def test_reading_labels_in_two_threads_at_once_leaves_the_filters_of_warnings_as_they_were(monkeypatch):
    # The second thread begins before the first has ended, and ends after it.
    both_read, first_is_done, check = Barrier(2), Event(), targets.check_classification_targets
    arrived = []

    def slow_check(y):
        if current_thread() not in arrived:
            arrived.append(current_thread())
            both_read.wait(60)
            if current_thread() is arrived[1]:
                first_is_done.wait(60)
        check(y)

    def read(_):
        checked = targets.CheckedTarget.read(np.arange(60.0), part=True)
        if current_thread() is arrived[0]:
            first_is_done.set()
        return checked

    monkeypatch.setattr(targets, "check_classification_targets", slow_check)
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        read_twice = list(pool.map(read, range(2)))
    assert [len(checked.present) for checked in read_twice] == [60, 60]
    assert warnings.filters == before
