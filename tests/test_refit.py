"""The refit on all rows that follows early stopping: how long, from where, and when there is none."""

import pytest
from estimators import assert_same_bits, scripted_scores
from estimators import overlapping_data as data
from estimators import stopping_mlp as mlp
from sklearn.metrics import log_loss

from skscratch.training import Trainer


def annealed(**params):
    return mlp(**{"learning_rate": "one_cycle", "learning_rate_init": 0.2, "max_iter": 20} | params)


@pytest.mark.parametrize("learning_rate", ["one_cycle", "cosine"])
def test_a_quarter_of_the_epochs_is_kept_for_a_refit_on_all_rows(learning_rate):
    X, y = data()
    clf = annealed(learning_rate=learning_rate).fit(X, y)
    assert clf.n_iter_ == len(clf.loss_curve_) == len(clf.validation_scores_) == 15
    assert len(clf.refit_loss_curve_) == 5
    assert clf.t_ == 15 * 90 + 5 * 120


def test_where_patience_runs_out_early_the_refit_is_no_longer_than_the_training_before_it():
    X, y = data()
    clf = annealed(max_iter=400, n_iter_no_change=2, scoring=scripted_scores([0.3, 0.2, 0.1])).fit(X, y)
    assert clf.n_iter_ == len(clf.refit_loss_curve_) == 3
    assert clf.best_iter_ == 1


@pytest.mark.parametrize(
    "params",
    [{}, {"solver": "adam", "learning_rate_init": 0.01}, {"class_weight": "balanced"}, {"alpha": "auto"}],
    ids=str,
)
def test_the_refit_is_a_new_training_from_the_best_epoch_on(params):
    X, y = data()
    clf = annealed(**params).fit(X, y)
    # With warm_start=True there is no refit, so it can be done by hand.
    by_hand = annealed(**params, warm_start=True, max_iter=15).fit(X, y)
    assert by_hand.best_iter_ == clf.best_iter_
    assert by_hand.refit_loss_curve_ is None
    by_hand._training_state["memory"] = {}
    rate = by_hand.learning_rate_init / 2
    by_hand.set_params(early_stopping=False, learning_rate="cosine", learning_rate_init=rate, max_iter=5)
    by_hand.set_params(validation_fraction=0.1)
    # The refit keeps the prior precision that alpha="auto" selected; by hand, alpha is given.
    by_hand.set_params(alpha=clf.alpha_).fit(X, y)
    assert_same_bits(clf, by_hand)
    assert clf.refit_loss_curve_ == by_hand.loss_curve_[15:]


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
def test_otherwise_there_is_no_refit(params):
    X, y = data()
    clf = annealed(**params).fit(X, y)
    assert clf.refit_loss_curve_ is None
    assert clf.n_iter_ == clf.max_iter


def test_given_validation_rows_are_never_trained_on():
    X, y = data()
    clf = annealed().fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert clf.refit_loss_curve_ is None
    assert clf.best_validation_score_ == pytest.approx(-log_loss(y[90:], clf.predict_proba(X[90:])))


def test_a_warm_start_after_a_refit_counts_on_from_the_validated_epochs():
    X, y = data()
    clf = annealed().fit(X, y)
    clf.set_params(warm_start=True, max_iter=4).fit(X, y)
    assert len(clf.validation_scores_) == len(clf.loss_curve_) == 19
    assert 15 < clf.best_iter_ <= 19
    assert clf.validation_scores_[clf.best_iter_ - 1] == clf.best_validation_score_
    assert clf.refit_loss_curve_ is None


@pytest.mark.parametrize("epochs", [15, 17], ids=["at once", "after two epochs"])
def test_an_interrupt_of_the_refit_keeps_whole_epochs(epochs, monkeypatch):
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
    assert len(clf.refit_loss_curve_ or []) == epochs - 15
    monkeypatch.undo()
    if epochs == 15:
        assert_same_bits(clf, annealed(warm_start=True, max_iter=15).fit(X, y))
