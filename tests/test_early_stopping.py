"""What early stopping and patience mean, seen through the estimator."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, make_scorer

from skscratch import ScratchMLPClassifier
from skscratch.training import Trainer


def mlp(**params):
    """Return a small network that stops early by the validation loss, if at all."""
    given = {
        "hidden_layer_sizes": (8,),
        "activation": "tanh",
        "solver": "sgd",
        "max_grad_norm": None,
        "alpha": 0.001,
        "batch_size": 16,
        "learning_rate": "constant",
        "learning_rate_init": 0.5,
        "momentum": 0.9,
        "max_iter": 40,
        "tol": 0.0,
        "n_iter_no_change": np.inf,
        "early_stopping": True,
        "validation_fraction": 0.25,
        "scoring": "loss",
        "random_state": 0,
    }
    return ScratchMLPClassifier(**given | params)


def data(n=120, n_classes=2, seed=0):
    """Return overlapping classes, so that a network overfits soon; the first column numbers the rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    y = np.digitize(X[:, 1] + rng.normal(size=n), np.linspace(-1, 1, n_classes + 1)[1:-1])
    X[:, 0] = np.arange(n) / n
    return X, y


def row_numbers(X, n=120):
    return np.rint(np.asarray(X)[:, 0] * n).astype(int)


def assert_same_bits(a, b):
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)


class Watch:
    """A scorer that keeps what it is shown and what it answers."""

    def __init__(self, metric=accuracy_score):
        self.metric, self.shown, self.answers = metric, [], []

    def __call__(self, estimator, X, y, sample_weight=None):
        self.shown.append((np.array(X), np.array(y), sample_weight))
        self.answers.append(self.metric(y, estimator.predict(X), sample_weight=sample_weight))
        return self.answers[-1]


def script(answers):
    """Return a scorer that answers with these numbers, one by one."""
    answers = iter(answers)
    return lambda estimator, X, y: next(answers)


# The split


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["a", "b", "c"]), np.array([-5, 0, 5, 9])])
@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_the_validation_split_is_stratified(labels, fraction):
    rng = np.random.default_rng(0)
    sizes = np.array([100, 50, 30, 20])[: len(labels)]
    y = rng.permutation(np.repeat(labels, sizes))
    watch = Watch()
    mlp(max_iter=1, validation_fraction=fraction, scoring=watch).fit(rng.normal(size=(len(y), 3)), y)
    _, y_val, _ = watch.shown[0]
    counts = [(y_val == label).sum() for label in labels]
    assert counts == np.rint(fraction * sizes).tolist()


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_every_class_keeps_a_training_row_and_has_a_validation_row(fraction, n_classes):
    X, _ = data(60)
    y = np.r_[np.arange(1, n_classes).repeat(2), np.zeros(62 - 2 * n_classes, int)]
    watch = Watch()
    clf = mlp(max_iter=1, validation_fraction=fraction, scoring=watch).fit(X, y)
    _, y_val, _ = watch.shown[0]
    counts = np.bincount(y_val, minlength=n_classes)
    assert (counts >= 1).all()
    assert (np.bincount(y) - counts >= 1).all()
    assert clf.t_ == len(y) - len(y_val)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_class_too_rare_to_split_is_an_error_that_names_it(n_classes):
    X, y = data(n_classes=n_classes)
    names = np.array(["ash", "beech", "cedar"])[y]
    names[7] = "yew"
    with pytest.raises(ValueError, match=r"(?s)yew.*(Add rows|X_val)") as error:
        mlp().fit(X, names)
    assert "ash" not in str(error.value)


def test_a_class_with_one_row_of_positive_weight_is_too_rare_to_split():
    X, y = data(n_classes=2)
    y[:3], w = 2, np.ones(len(y))
    w[1:3] = 0
    with pytest.raises(ValueError, match=r"positive weight.*\[2\]"):
        mlp().fit(X, y, sample_weight=w)


def test_without_early_stopping_a_class_of_one_row_is_no_error():
    X, y = data(n_classes=2)
    y[0] = 2
    assert mlp(early_stopping=False, max_iter=2).fit(X, y).classes_.tolist() == [0, 1, 2]


def test_multilabel_rows_are_held_out_too():
    X, _ = data()
    Y = (X[:, 1:4] > 0).astype(int)
    watch = Watch()
    clf = mlp(max_iter=3, scoring=watch).fit(X, Y)
    X_val, Y_val, _ = watch.shown[0]
    np.testing.assert_array_equal(Y_val, Y[row_numbers(X_val)])
    assert len(X_val) == 30
    assert clf.t_ == 3 * 90


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_own_split_trains_as_if_both_parts_had_been_given(n_classes, weighted):
    X, y = data(n_classes=n_classes)
    names = np.array(["c", "a", "b"])[y]
    w = np.random.default_rng(1).uniform(0.2, 3, size=len(y)) if weighted else None
    watch = Watch()
    split = mlp(max_iter=10, scoring=watch).fit(X, names, sample_weight=w)
    X_val, y_val, w_val = watch.shown[0]
    held_out = row_numbers(X_val)
    np.testing.assert_array_equal(y_val, names[held_out])
    if weighted:
        np.testing.assert_array_equal(w_val, w[held_out])
    else:
        assert w_val is None
    rest = np.setdiff1d(np.arange(len(y)), held_out)
    assert len(np.unique(held_out)) == 30
    assert len(rest) == 90

    given = mlp(max_iter=10, scoring=Watch())
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
        watch = Watch()
        mlp(max_iter=1, scoring=watch, random_state=seed).fit(X, y)
        parts.append(row_numbers(watch.shown[0][0]).tolist())
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]


# What is watched


def test_by_default_the_validation_loss_is_watched():
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
def test_any_scorer_can_be_watched(scoring):
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
    watch = Watch()
    clf = mlp(max_iter=5, scoring=watch).fit(X, names)
    for X_val, y_val, _ in watch.shown:
        np.testing.assert_array_equal(y_val, names[row_numbers(X_val)])
    assert clf.validation_scores_ == watch.answers


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
    with pytest.raises(ValueError, match="takes no sample_weight"):
        mlp(scoring=scorer, max_iter=1).fit(X, y, sample_weight=np.full(len(y), 2.0))


# The best parameters are restored


@pytest.mark.parametrize("n_iter_no_change", [5, np.inf], ids=["patience spent", "max_iter reached"])
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
    clf = mlp(max_iter=6, scoring=script([0.1, 0.5, 0.3, 0.5, 0.5, 0.2])).fit(X, y)
    assert clf.best_iter_ == 2


def test_improvements_below_tol_are_restored_too():
    X, y = data()
    clf = mlp(max_iter=4, tol=0.5, scoring=script([0.1, 0.2, 0.3, 0.0])).fit(X, y)
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
    watch = Watch()
    clf = mlp(max_iter=3, scoring=watch)
    if sparse:
        clf.set_params(scoring="loss").fit(sp.csr_array(X), y, X_val=sp.csc_array(X_val), y_val=y_val)
    else:
        clf.fit(X, y, X_val=X_val, y_val=y_val)
        for X_shown, y_shown, _ in watch.shown:
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
    watch = Watch()
    mlp(max_iter=2, scoring=watch).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:], sample_weight_val=w)
    np.testing.assert_array_equal(watch.shown[0][2], w)


# Patience is exact


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_k_epochs_without_any_improvement_stop_training(k, early_stopping):
    X, y = data()
    # At this rate nothing moves; the first epoch counts, the next k do not.
    clf = mlp(n_iter_no_change=k, learning_rate_init=1e-300, early_stopping=early_stopping, shuffle=False)
    assert clf.fit(X, y).n_iter_ == 1 + k


@pytest.mark.parametrize(
    ("k", "scores", "n_iter"),
    [
        (2, [0, 1, 2, 2, 2, 9, 9], 5),
        (3, [0, 1, 2, 2, 2, 9, 9], 7),
        (1, [5, 4, 9, 9], 2),
        (3, [5, 1, 2, 3, 9, 9], 4),
    ],
)
def test_patience_counts_epochs_without_improvement(k, scores, n_iter):
    X, y = data()
    clf = mlp(n_iter_no_change=k, tol=0.25, scoring=script(scores), max_iter=len(scores)).fit(X, y)
    assert clf.n_iter_ == n_iter
    assert clf.validation_scores_ == scores[:n_iter]


def test_an_improvement_of_exactly_tol_does_not_count():
    X, y = data()
    clf = mlp(n_iter_no_change=2, tol=0.25, scoring=script([1, 1.25, 1.25, 9])).fit(X, y)
    assert clf.n_iter_ == 3


def test_slow_progress_counts_once_it_exceeds_tol_over_the_last_improvement_that_counted():
    X, y = data()
    # Steps of 0.1 against a tol of 0.25: every third one counts. Compared with the best so far none would.
    scores = np.arange(10) * 0.1
    clf = mlp(n_iter_no_change=3, tol=0.25, max_iter=10, scoring=script(scores)).fit(X, y)
    assert clf.n_iter_ == 10
    clf = mlp(n_iter_no_change=2, tol=0.25, max_iter=10, scoring=script(scores)).fit(X, y)
    assert clf.n_iter_ == 3


def test_a_score_below_tol_of_improvement_is_no_new_reference():
    X, y = data()
    # 0.2 does not count over 0, so 0.3 does: it is measured against 0.
    clf = mlp(n_iter_no_change=2, tol=0.25, scoring=script([0, 0.2, 0.3, 0.3, 0.3, 9])).fit(X, y)
    assert clf.n_iter_ == 5


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("tol", [0.0, 1e-3, 1e-2])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_patience_stops_where_the_curve_says(k, tol, early_stopping):
    X, y = data(n_classes=3)
    params = {"early_stopping": early_stopping, "tol": tol, "max_iter": 400, "learning_rate_init": 0.2}
    clf = mlp(n_iter_no_change=k, **params).fit(X, y)
    curve = clf.validation_loss_curve_ if early_stopping else clf.loss_curve_
    reference, stale = curve[0], 0
    for epoch, loss in enumerate(curve[1:], start=2):
        if loss < reference - tol:
            reference, stale = loss, 0
        else:
            stale += 1
        assert (stale == k) == (epoch == clf.n_iter_)
    assert clf.n_iter_ < 400


def test_the_best_epoch_and_patience_do_not_look_at_the_training_loss():
    X, y = data()
    clf = mlp(max_iter=8, tol=0.25, n_iter_no_change=3, scoring=script([3, 2, 1, 0])).fit(X, y)
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]
    assert clf.n_iter_ == 4
    assert clf.best_iter_ == 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_infinite_patience_trains_for_exactly_max_iter_epochs(early_stopping):
    X, y = data()
    clf = mlp(learning_rate_init=1e-300, max_iter=13, early_stopping=early_stopping).fit(X, y)
    assert clf.n_iter_ == 13


# adaptive


def test_adaptive_divides_the_rate_by_five_when_patience_is_spent_and_starts_the_comparison_afresh():
    X, y = data()
    # One lucky epoch (9) must not ruin the rate: after the division the comparison starts anew with 1.
    scores = [0, 9, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4]
    clf = mlp(
        learning_rate="adaptive", n_iter_no_change=2, tol=0.25, max_iter=13, scoring=script(scores)
    ).fit(X, y)
    divisions = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]
    np.testing.assert_allclose(clf.learning_rate_curve_, 0.5 / 5.0 ** np.array(divisions), rtol=1e-12)


def test_adaptive_ends_when_the_rate_would_fall_below_a_millionth():
    X, y = data()
    clf = mlp(learning_rate="adaptive", n_iter_no_change=1, learning_rate_init=1e-4, scoring=lambda *_: 0.0)
    clf.fit(X, y)
    np.testing.assert_allclose(clf.learning_rate_curve_, np.repeat([1e-4, 2e-5, 4e-6], 2), rtol=1e-12)


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
    clf.set_params(early_stopping=False).fit(X, y)
    assert clf.validation_loss_curve_ is None
    assert clf.best_iter_ is None


def test_max_iter_reached_with_early_stopping_is_what_was_asked_for_and_no_warning():
    X, y = data()
    # Any warning is an error here; the training loss is still falling and the best parameters are restored.
    clf = mlp(n_iter_no_change=30, max_iter=35, learning_rate_init=0.01).fit(X, y)
    assert clf.n_iter_ == 35


def test_max_iter_reached_while_the_training_loss_still_falls_warns():
    X, y = data()
    clf = mlp(early_stopping=False, n_iter_no_change=3, max_iter=6, tol=1e-6, learning_rate_init=0.01)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=6.*Raise max_iter.*n_iter_no_change=np\.inf"):
        clf.fit(X, y)


# The closing course: after the search for the best epoch, the rows that judged are trained on as well


def annealed(**params):
    return mlp(**{"learning_rate": "one_cycle", "learning_rate_init": 0.2, "max_iter": 20} | params)


@pytest.mark.parametrize("learning_rate", ["one_cycle", "cosine"])
def test_a_quarter_of_the_epochs_is_kept_for_a_closing_course_on_all_rows(learning_rate):
    X, y = data()
    clf = annealed(learning_rate=learning_rate).fit(X, y)
    assert clf.n_iter_ == len(clf.loss_curve_) == len(clf.validation_scores_) == 15
    assert len(clf.closing_loss_curve_) == 5
    assert clf.t_ == 15 * 90 + 5 * 120


def test_where_patience_is_spent_early_the_closing_course_is_no_longer_than_the_search():
    X, y = data()
    clf = annealed(max_iter=400, n_iter_no_change=2, scoring=script([0.3, 0.2, 0.1])).fit(X, y)
    assert clf.n_iter_ == len(clf.closing_loss_curve_) == 3
    assert clf.best_iter_ == 1


@pytest.mark.parametrize(
    "params",
    [{}, {"solver": "adam", "learning_rate_init": 0.01}, {"class_weight": "balanced"}, {"alpha": "auto"}],
    ids=str,
)
def test_the_closing_course_is_a_new_training_from_the_best_epoch_on(params):
    X, y = data()
    clf = annealed(**params).fit(X, y)
    # With a warm start to come there is no closing course, so it can be taken by hand.
    by_hand = annealed(**params, warm_start=True, max_iter=15).fit(X, y)
    assert by_hand.best_iter_ == clf.best_iter_
    assert by_hand.closing_loss_curve_ is None
    by_hand._training_state["memory"] = {}
    rate = by_hand.learning_rate_init / 2
    by_hand.set_params(early_stopping=False, learning_rate="cosine", learning_rate_init=rate, max_iter=5)
    # Of "auto" the closing course takes over what the judged one has found.
    by_hand.set_params(alpha=clf.alpha_).fit(X, y)
    assert_same_bits(clf, by_hand)
    assert clf.closing_loss_curve_ == by_hand.loss_curve_[15:]


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": "constant"},
        {"learning_rate": "adaptive"},
        {"learning_rate": lambda fraction: 1 - fraction},
        {"warm_start": True},
        {"max_iter": 11},
    ],
    ids=["constant", "adaptive", "callable", "warm start", "too few epochs"],
)
def test_otherwise_the_best_epoch_is_the_last_word(params):
    X, y = data()
    clf = annealed(**params).fit(X, y)
    assert clf.closing_loss_curve_ is None
    assert clf.n_iter_ == clf.max_iter


def test_given_validation_rows_are_never_trained_on():
    X, y = data()
    clf = annealed().fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert clf.closing_loss_curve_ is None
    assert clf.best_validation_score_ == pytest.approx(-log_loss(y[90:], clf.predict_proba(X[90:])))


def test_what_follows_a_closing_course_counts_on_from_the_judged_epochs():
    X, y = data()
    clf = annealed().fit(X, y)
    clf.set_params(warm_start=True, max_iter=4).fit(X, y)
    assert len(clf.validation_scores_) == len(clf.loss_curve_) == 19
    assert 15 < clf.best_iter_ <= 19
    assert clf.validation_scores_[clf.best_iter_ - 1] == clf.best_validation_score_
    assert clf.closing_loss_curve_ is None


def test_epochs_that_nobody_judged_are_nan_in_the_curves():
    X, y = data()
    clf = mlp(early_stopping=False, max_iter=2).fit(X, y)
    clf.set_params(early_stopping=True, warm_start=True, max_iter=3).fit(X, y)
    assert np.isnan(clf.validation_scores_[:2]).all()
    assert len(clf.validation_loss_curve_) == 5
    assert clf.validation_scores_[clf.best_iter_ - 1] == clf.best_validation_score_


@pytest.mark.parametrize("epochs", [15, 17], ids=["at once", "after two epochs"])
def test_an_interrupt_of_the_closing_course_keeps_whole_epochs(epochs, monkeypatch):
    X, y = data()
    done, run_epoch = [], Trainer.run_epoch

    def run_or_interrupt(trainer, validation=None):
        if len(done) == epochs:
            raise KeyboardInterrupt
        done.append(run_epoch(trainer, validation))
        return done[-1]

    monkeypatch.setattr(Trainer, "run_epoch", run_or_interrupt)
    clf = annealed()
    with pytest.warns(UserWarning, match=rf"interrupted after {epochs} epoch"):
        clf.fit(X, y)
    assert clf.n_iter_ == 15
    assert len(clf.closing_loss_curve_ or []) == epochs - 15
    monkeypatch.undo()
    if epochs == 15:
        assert_same_bits(clf, annealed(warm_start=True, max_iter=15).fit(X, y))
