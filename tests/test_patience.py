"""Patience: exactly how many epochs without an improvement end training, or divide an adaptive rate."""

import numpy as np
import pytest
from estimators import overlapping_data as data
from estimators import scripted_scores
from estimators import stopping_mlp as mlp
from sklearn.exceptions import ConvergenceWarning


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
    clf = mlp(n_iter_no_change=k, tol=0.25, scoring=scripted_scores(scores), max_iter=len(scores)).fit(X, y)
    assert clf.n_iter_ == n_iter
    assert clf.validation_scores_ == scores[:n_iter]


def test_an_improvement_of_exactly_tol_does_not_count():
    X, y = data()
    clf = mlp(n_iter_no_change=2, tol=0.25, scoring=scripted_scores([1, 1.25, 1.25, 9])).fit(X, y)
    assert clf.n_iter_ == 3


def test_slow_progress_counts_once_it_exceeds_tol_over_the_last_improvement_that_counted():
    X, y = data()
    # Steps of 0.1 against a tol of 0.25: every third one counts. Compared with the best so far none would.
    scores = np.arange(10) * 0.1
    clf = mlp(n_iter_no_change=3, tol=0.25, max_iter=10, scoring=scripted_scores(scores)).fit(X, y)
    assert clf.n_iter_ == 10
    clf = mlp(n_iter_no_change=2, tol=0.25, max_iter=10, scoring=scripted_scores(scores)).fit(X, y)
    assert clf.n_iter_ == 3


def test_a_score_below_tol_of_improvement_is_no_new_reference():
    X, y = data()
    # 0.2 does not count over 0, so 0.3 does: it is measured against 0.
    clf = mlp(n_iter_no_change=2, tol=0.25, scoring=scripted_scores([0, 0.2, 0.3, 0.3, 0.3, 9])).fit(X, y)
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
    clf = mlp(max_iter=8, tol=0.25, n_iter_no_change=3, scoring=scripted_scores([3, 2, 1, 0])).fit(X, y)
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]
    assert clf.n_iter_ == 4
    assert clf.best_iter_ == 1


@pytest.mark.filterwarnings("ignore:.*is far too low:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_infinite_patience_trains_for_exactly_max_iter_epochs(early_stopping):
    X, y = data()
    clf = mlp(learning_rate_init=1e-300, max_iter=13, early_stopping=early_stopping).fit(X, y)
    assert clf.n_iter_ == 13


# adaptive


def test_adaptive_divides_the_rate_by_five_when_patience_runs_out_and_starts_the_comparison_afresh():
    X, y = data()
    # One lucky epoch (9) must not ruin the rate: after the division the comparison starts anew with 1.
    scores = [0, 9, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4]
    clf = mlp(
        learning_rate="adaptive", n_iter_no_change=2, tol=0.25, max_iter=13, scoring=scripted_scores(scores)
    ).fit(X, y)
    divisions = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2]
    np.testing.assert_allclose(clf.learning_rate_curve_, 0.5 / 5.0 ** np.array(divisions), rtol=1e-12)


def test_adaptive_ends_when_the_rate_would_fall_below_a_millionth():
    X, y = data()
    clf = mlp(learning_rate="adaptive", n_iter_no_change=1, learning_rate_init=1e-4, scoring=lambda *_: 0.0)
    clf.fit(X, y)
    np.testing.assert_allclose(clf.learning_rate_curve_, np.repeat([1e-4, 2e-5, 4e-6], 2), rtol=1e-12)


def test_max_iter_reached_while_the_training_loss_still_falls_warns():
    X, y = data()
    clf = mlp(early_stopping=False, n_iter_no_change=3, max_iter=6, tol=1e-6, learning_rate_init=0.01)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=6.*Raise max_iter.*n_iter_no_change=np\.inf"):
        clf.fit(X, y)
