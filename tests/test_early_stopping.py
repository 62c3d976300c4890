"""Early stopping: the validation set, the monitored value, and the best parameters."""

import numpy as np
import pytest
import scipy.sparse as sp
from estimators import assert_same_bits, scripted_scores
from estimators import mlp as plain_mlp
from estimators import overlapping_data as data
from estimators import stopping_mlp as mlp
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, make_scorer
from sklearn.preprocessing import StandardScaler


def row_numbers(X, n=120):
    return np.rint(np.asarray(X)[:, 0] * n).astype(int)


class RecordingScorer:
    """A scorer that keeps its arguments and its scores."""

    def __init__(self, metric=accuracy_score):
        self.metric, self.shown, self.scores = metric, [], []

    def __call__(self, estimator, X, y, sample_weight=None):
        self.shown.append((np.array(X), np.array(y), sample_weight))
        self.scores.append(self.metric(y, estimator.predict(X), sample_weight=sample_weight))
        return self.scores[-1]


# The split


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["a", "b", "c"]), np.array([-5, 0, 5, 9])])
@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_the_validation_split_is_stratified(labels, fraction):
    rng = np.random.default_rng(0)
    sizes = np.array([100, 50, 30, 20])[: len(labels)]
    y = rng.permutation(np.repeat(labels, sizes))
    scorer = RecordingScorer()
    mlp(max_iter=1, validation_fraction=fraction, scoring=scorer).fit(rng.normal(size=(len(y), 3)), y)
    _, y_val, _ = scorer.shown[0]
    counts = [(y_val == label).sum() for label in labels]
    assert counts == np.rint(fraction * sizes).tolist()


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_every_class_keeps_a_training_row_and_has_a_validation_row(fraction, n_classes):
    X, _ = data(60)
    y = np.r_[np.arange(1, n_classes).repeat(2), np.zeros(62 - 2 * n_classes, int)]
    scorer = RecordingScorer()
    clf = mlp(max_iter=1, validation_fraction=fraction, scoring=scorer).fit(X, y)
    _, y_val, _ = scorer.shown[0]
    counts = np.bincount(y_val, minlength=n_classes)
    assert (counts >= 1).all()
    assert (np.bincount(y) - counts >= 1).all()
    assert clf.t_ == len(y) - len(y_val)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_only_row_of_a_class_stays_in_the_training_set(n_classes):
    X, y = data(n_classes=n_classes)
    names = np.array(["ash", "beech", "cedar"])[y]
    names[7] = "yew"
    scorer = RecordingScorer()
    clf = mlp(max_iter=2, scoring=scorer).fit(X, names)
    X_val, y_val, _ = scorer.shown[0]
    assert 7 not in row_numbers(X_val)
    assert set(y_val) == set(names) - {"yew"}
    assert clf.t_ == 2 * (len(y) - len(y_val))
    assert clf.classes_.tolist() == sorted(set(names))


def test_a_class_with_one_row_of_positive_weight_stays_in_the_training_set():
    X, y = data(n_classes=2)
    y[:3], w = 2, np.ones(len(y))
    w[1:3] = 0
    weighted, without = RecordingScorer(), RecordingScorer()
    some = np.r_[0, 3 : len(y)]
    a = mlp(max_iter=2, scoring=weighted).fit(X, y, sample_weight=w)
    b = mlp(max_iter=2, scoring=without).fit(X[some], y[some])
    np.testing.assert_array_equal(weighted.shown[0][1], without.shown[0][1])
    assert 2 not in weighted.shown[0][1]
    np.testing.assert_allclose(a.coefs_[0], b.coefs_[0], rtol=1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_class_whose_rows_weigh_nothing_is_absent_from_both_sets(early_stopping):
    X, y = load_iris(return_X_y=True)
    X, some = StandardScaler().fit_transform(X), y > 0
    params = {"max_iter": 20, "learning_rate_init": 0.1, "early_stopping": early_stopping}
    weighted = mlp(**params).fit(X, y, sample_weight=some)
    assert weighted.classes_.tolist() == [0, 1, 2]
    assert weighted.score(X[some], y[some]) > 0.9
    assert weighted.predict_proba(X[some])[:, 0].max() < 0.1
    by_class = mlp(**params, class_weight={0: 0, 1: 1, 2: 1}).fit(X, y)
    assert by_class.score(X[some], y[some]) > 0.9


@pytest.mark.parametrize("seed", range(8))
def test_bagging_may_draw_one_row_of_a_class_or_none(seed):
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), np.where(np.arange(150) < 4, 0, 1 + (y == 2))
    bagging = BaggingClassifier(mlp(max_iter=3, random_state=None), n_estimators=5, random_state=seed)
    P = bagging.fit(X, y).predict_proba(X)
    assert P.shape == (150, 3)
    np.testing.assert_allclose(P.sum(axis=1), 1)


@pytest.mark.parametrize("y", [[0, 1, 2], ["a", "b", "c"], [[0, 1, 1]]], ids=str)
def test_if_no_row_can_be_held_out_the_error_says_what_to_do(y):
    X = data()[0][: len(y)]
    with pytest.raises(ValueError, match=r"y does not have 2 rows .*Add rows, pass X_val and y_val, or set"):
        mlp().fit(X, y)


def test_without_early_stopping_a_class_of_one_row_is_no_error():
    X, y = data(n_classes=2)
    y[0] = 2
    assert mlp(early_stopping=False, max_iter=2).fit(X, y).classes_.tolist() == [0, 1, 2]


def test_multilabel_rows_are_held_out_too():
    X, _ = data()
    Y = (X[:, 1:4] > 0).astype(int)
    scorer = RecordingScorer()
    clf = mlp(max_iter=3, scoring=scorer).fit(X, Y)
    X_val, Y_val, _ = scorer.shown[0]
    np.testing.assert_array_equal(Y_val, Y[row_numbers(X_val)])
    assert len(X_val) == 30
    assert clf.t_ == 3 * 90


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_own_split_trains_as_if_both_parts_had_been_given(n_classes, weighted):
    X, y = data(n_classes=n_classes)
    names = np.array(["c", "a", "b"])[y]
    w = np.random.default_rng(1).uniform(0.2, 3, size=len(y)) if weighted else None
    scorer = RecordingScorer()
    split = mlp(max_iter=10, scoring=scorer).fit(X, names, sample_weight=w)
    X_val, y_val, w_val = scorer.shown[0]
    held_out = row_numbers(X_val)
    np.testing.assert_array_equal(y_val, names[held_out])
    if weighted:
        np.testing.assert_array_equal(w_val, w[held_out])
    else:
        assert w_val is None
    rest = np.setdiff1d(np.arange(len(y)), held_out)
    assert len(np.unique(held_out)) == 30
    assert len(rest) == 90

    given = mlp(max_iter=10, scoring=RecordingScorer())
    part = None if w is None else w[rest]
    given.fit(X[rest], names[rest], part, X_val=X_val, y_val=y_val, sample_weight_val=w_val)
    assert_same_bits(split, given)
    assert split.loss_curve_ == given.loss_curve_
    assert split.validation_scores_ == given.validation_scores_
    np.testing.assert_allclose(split.validation_loss_curve_, given.validation_loss_curve_, rtol=1e-12)


def test_the_split_follows_the_seed():
    X, y = data()
    parts = []
    for seed in (0, 0, 1):
        scorer = RecordingScorer()
        mlp(max_iter=1, scoring=scorer, random_state=seed).fit(X, y)
        parts.append(row_numbers(scorer.shown[0][0]).tolist())
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]


# The monitored value


def test_by_default_the_validation_loss_is_monitored():
    X, y = data()
    clf = mlp().fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert len(clf.validation_loss_curve_) == clf.n_iter_ == 40
    assert clf.best_iter_ == 1 + np.argmin(clf.validation_loss_curve_)
    assert clf.best_iter_ < 40
    assert clf.validation_scores_ == [-loss for loss in clf.validation_loss_curve_]
    assert clf.best_validation_score_ == max(clf.validation_scores_)


@pytest.mark.parametrize("n_classes", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_validation_loss_is_the_weighted_log_loss_without_the_penalty(n_classes, weighted):
    X, y = data(n_classes=n_classes)
    y = y if n_classes > 1 else np.zeros_like(y)
    w = np.random.default_rng(1).uniform(0, 3, size=30) if weighted else None
    clf = mlp(alpha=0.5).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:], sample_weight_val=w)
    P = clf.predict_proba(X[90:])
    expected = log_loss(y[90:], P, sample_weight=w, labels=clf.classes_) if n_classes > 1 else 0
    assert min(clf.validation_loss_curve_) == pytest.approx(expected, rel=1e-9)


def test_the_multilabel_validation_loss_sums_over_labels():
    X, _ = data()
    Y = (X[:, 1:4] + np.random.default_rng(2).normal(size=(120, 3)) > 0).astype(int)
    clf = mlp().fit(X[:90], Y[:90], X_val=X[90:], y_val=Y[90:])
    P = clf.predict_proba(X[90:])
    expected = -(Y[90:] * np.log(P) + (1 - Y[90:]) * np.log(1 - P)).sum(axis=1).mean()
    assert min(clf.validation_loss_curve_) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "scoring",
    ["accuracy", "roc_auc", "f1", "neg_log_loss", make_scorer(balanced_accuracy_score)],
    ids=["accuracy", "roc_auc", "f1", "neg_log_loss", "callable"],
)
def test_any_scorer_can_be_monitored(scoring):
    X, y = data()
    clf = mlp(scoring=scoring).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert len(clf.validation_scores_) == len(clf.validation_loss_curve_) == 40
    assert clf.best_iter_ == 1 + np.argmax(clf.validation_scores_)
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    if scoring == "neg_log_loss":
        np.testing.assert_allclose(clf.validation_scores_, -np.array(clf.validation_loss_curve_), rtol=1e-9)
    if scoring == "accuracy":
        assert clf.best_validation_score_ == clf.score(X[90:], y[90:])


def test_the_scorer_meets_the_labels_as_they_were_given():
    X, y = data(n_classes=3)
    names = np.array(["x", "y", "z"])[y]
    scorer = RecordingScorer()
    clf = mlp(max_iter=5, scoring=scorer).fit(X, names)
    for X_val, y_val, _ in scorer.shown:
        np.testing.assert_array_equal(y_val, names[row_numbers(X_val)])
    assert clf.validation_scores_ == scorer.scores


def test_the_scorer_sees_the_parameters_of_its_own_epoch():
    X, y = data()
    probabilities = []

    def scorer(estimator, X, y):
        probabilities.append(estimator.predict_proba(X))
        return 0.0

    mlp(max_iter=4, scoring=scorer).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    for epochs in (1, 2, 3, 4):
        clf = mlp(max_iter=epochs, early_stopping=False).fit(X[:90], y[:90])
        np.testing.assert_array_equal(probabilities[epochs - 1], clf.predict_proba(X[90:]))


@pytest.mark.parametrize(
    "scorer",
    [lambda clf, X, y: 1.0, make_scorer(lambda y, predicted: float(np.mean(y == predicted)))],
    ids=["function", "scorer"],
)
def test_a_scorer_that_takes_no_weights_is_a_clear_error_only_where_there_are_weights(scorer):
    X, y = data()
    mlp(scoring=scorer, max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="does not accept sample_weight"):
        mlp(scoring=scorer, max_iter=1).fit(X, y, sample_weight=np.full(len(y), 2.0))


# The best parameters are restored


@pytest.mark.parametrize("n_iter_no_change", [5, np.inf], ids=["patience runs out", "max_iter reached"])
@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_the_best_parameters_are_restored(n_iter_no_change, scoring):
    X, y = data()
    clf = mlp(n_iter_no_change=n_iter_no_change, scoring=scoring)
    clf.fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert clf.best_iter_ < clf.n_iter_
    assert (clf.n_iter_ == 40) == np.isinf(n_iter_no_change)
    to_the_best = mlp(early_stopping=False, max_iter=clf.best_iter_).fit(X[:90], y[:90])
    assert_same_bits(clf, to_the_best)
    to_the_end = mlp(early_stopping=False, max_iter=clf.n_iter_).fit(X[:90], y[:90])
    assert not np.array_equal(clf.coefs_[0], to_the_end.coefs_[0])


def test_of_equally_good_epochs_the_first_is_restored():
    X, y = data()
    clf = mlp(max_iter=6, scoring=scripted_scores([0.1, 0.5, 0.3, 0.5, 0.5, 0.2])).fit(X, y)
    assert clf.best_iter_ == 2


def test_improvements_below_tol_are_restored_too():
    X, y = data()
    clf = mlp(max_iter=4, tol=0.5, scoring=scripted_scores([0.1, 0.2, 0.3, 0.0])).fit(X, y)
    assert clf.best_iter_ == 3
    assert clf.best_validation_score_ == 0.3


def test_a_later_training_does_not_touch_the_restored_parameters():
    X, y = data()
    clf = mlp().fit(X, y)
    kept = [W.copy() for W in clf.coefs_]
    mlp().fit(X, y)
    clf.predict_proba(X)
    for now, before in zip(clf.coefs_, kept, strict=True):
        np.testing.assert_array_equal(now, before)


# Validation rows that are given


@pytest.mark.parametrize("sparse", [False, True])
def test_given_validation_rows_are_used_as_they_are_and_no_training_row_is_held_out(sparse):
    X, y = data()
    X_val, y_val = X[100:], y[100:]
    scorer = RecordingScorer()
    clf = mlp(max_iter=3, scoring=scorer)
    if sparse:
        clf.set_params(scoring="loss").fit(sp.csr_array(X), y, X_val=sp.csc_array(X_val), y_val=y_val)
    else:
        clf.fit(X, y, X_val=X_val, y_val=y_val)
        for X_shown, y_shown, _ in scorer.shown:
            np.testing.assert_array_equal(X_shown, X_val)
            np.testing.assert_array_equal(y_shown, y_val)
    assert clf.t_ == 3 * 120


def test_given_validation_rows_need_not_hold_every_class():
    X, y = data(n_classes=3)
    one_class = y == 1
    clf = mlp(max_iter=3).fit(X, y, X_val=X[one_class], y_val=y[one_class])
    assert np.isfinite(clf.validation_loss_curve_).all()


def test_weights_of_given_validation_rows_reach_the_scorer():
    X, y = data()
    w = np.linspace(0.1, 2, 30)
    scorer = RecordingScorer()
    mlp(max_iter=2, scoring=scorer).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:], sample_weight_val=w)
    np.testing.assert_array_equal(scorer.shown[0][2], w)


# Validation rows that are given without early stopping

RECORDED = [
    {"learning_rate": "one_cycle", "max_iter": 15, "alpha": "auto"},
    {"learning_rate": "constant", "n_iter_no_change": 5, "tol": 0.02},
    {"learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 1.0, "learning_rate_init": 0.05},
    {"solver": "adam", "learning_rate_init": 0.01, "dropout": 0.2},
    {"class_weight": "balanced", "label_smoothing": 0.1},
    {
        "solver": "lbfgs",
        "alpha": 0.1,
        "tol": 1e-3,
        "batch_size": "auto",
        "learning_rate": "one_cycle",
        "learning_rate_init": "auto",
        "n_iter_no_change": "auto",
    },
]


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
@pytest.mark.parametrize("params", RECORDED, ids=str)
def test_without_early_stopping_a_validation_set_is_recorded_and_changes_nothing(params, scoring):
    X, y = data(n_classes=3)
    # With noise as its labels, the validation loss would stop training soon.
    X_val, y_val = X[90:], np.random.default_rng(0).permutation(y[90:])
    base = {"learning_rate_init": 0.5, "max_iter": 40, "alpha": 0.001, "random_state": 0}
    alone, recorded = (plain_mlp(**base | params).set_params(scoring=s) for s in ("loss", scoring))
    alone.fit(X[:90], y[:90])
    recorded.fit(X[:90], y[:90], X_val=X_val, y_val=y_val)
    assert_same_bits(alone, recorded)
    for name in ("loss_curve_", "best_loss_", "n_iter_", "t_", "alpha_", "learning_rate_curve_"):
        assert getattr(alone, name) == getattr(recorded, name), name
    assert alone._training_state["rng"] == recorded._training_state["rng"]
    scores, losses = recorded.validation_scores_, recorded.validation_loss_curve_
    assert len(scores) == len(losses) == recorded.n_iter_
    assert recorded.best_iter_ == 1 + np.argmax(scores) < recorded.n_iter_
    assert recorded.best_validation_score_ == max(scores)
    if params.get("class_weight") is None:
        assert losses[-1] == pytest.approx(log_loss(y_val, recorded.predict_proba(X_val)), rel=1e-9)
    if scoring == "accuracy":
        assert scores[-1] == recorded.score(X_val, y_val)


def test_training_that_is_only_recorded_warns_as_without_a_validation_set():
    X, y = data()
    clf = mlp(early_stopping=False, n_iter_no_change=10, max_iter=12, learning_rate_init=0.01)
    with pytest.warns(ConvergenceWarning, match="max_iter=12 before it converged"):
        clf.fit(X, y, X_val=X, y_val=y)


def test_a_validation_loss_that_is_not_finite_is_recorded_and_does_not_end_training():
    X, y = data()
    clf = mlp(early_stopping=False, activation="identity", max_iter=3)
    clf.fit(X, y, X_val=np.full((1, 6), 1e308), y_val=y[:1])
    assert clf.n_iter_ == 3
    assert not np.isfinite(clf.validation_loss_curve_).any()
    assert clf.best_iter_ is None
    assert clf.best_validation_score_ is None


def test_a_warm_start_goes_on_recording():
    X, y = data()
    clf = mlp(early_stopping=False, warm_start=True, max_iter=2)
    for _ in range(2):
        clf.fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    once = mlp(early_stopping=False, max_iter=4).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert clf.validation_loss_curve_ == once.validation_loss_curve_
    assert clf.fit(X[:90], y[:90]).validation_loss_curve_ is None


# Attributes


def test_without_early_stopping_there_are_no_validation_results():
    X, y = data()
    clf = mlp(early_stopping=False, max_iter=5).fit(X, y)
    assert clf.validation_loss_curve_ is None
    assert clf.validation_scores_ is None
    assert clf.best_validation_score_ is None
    assert clf.best_iter_ is None
    assert clf.best_loss_ == min(clf.loss_curve_)


def test_no_validation_result_survives_a_refit_without_early_stopping():
    X, y = data()
    clf = mlp(max_iter=3).fit(X, y)
    clf.set_params(early_stopping=False, validation_fraction=0.1).fit(X, y)
    assert clf.validation_loss_curve_ is None
    assert clf.best_iter_ is None


def test_max_iter_reached_with_early_stopping_is_what_was_asked_for_and_no_warning():
    X, y = data()
    # Any warning is an error here; the training loss is still falling and the best parameters are restored.
    clf = mlp(n_iter_no_change=30, max_iter=35, learning_rate_init=0.01).fit(X, y)
    assert clf.n_iter_ == 35


def test_epochs_without_validation_are_nan_in_the_curves():
    X, y = data()
    clf = mlp(early_stopping=False, max_iter=2).fit(X, y)
    clf.set_params(early_stopping=True, warm_start=True, max_iter=3).fit(X, y)
    assert np.isnan(clf.validation_scores_[:2]).all()
    assert len(clf.validation_loss_curve_) == 5
    assert clf.validation_scores_[clf.best_iter_ - 1] == clf.best_validation_score_
