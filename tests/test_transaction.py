"""A call that trains succeeds, or leaves the estimator as it was; what users store on it is kept."""

import copy
import inspect

import numpy as np
import pytest
from estimators import LBFGS_ONLY, data, mlp, parameters
from numpy.testing import assert_array_equal

from skscratch.history import CURVES

X, Y = data(n=40)


def snapshot(clf):
    return {name: copy.deepcopy(value) for name, value in vars(clf).items() if name != "_skl_callbacks"}


def assert_unchanged(clf, before):
    assert vars(clf).keys() - {"_skl_callbacks"} == before.keys()
    for name, value in before.items():
        np.testing.assert_equal(getattr(clf, name), value, err_msg=name)


class Storing:
    """A callback that stores what it sees on the estimator, and may raise."""

    def __init__(self, raises_in=None, error=None):
        self.raises_in, self.error = raises_in, error

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        estimator.history_ = [*getattr(estimator, "history_", []), context.task_name]
        if context.task_name == self.raises_in:
            raise self.error


def with_callback(clf, callback):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    return clf.set_callbacks(callback)


def test_what_a_callback_stores_on_the_estimator_survives_the_fit():
    clf = with_callback(mlp(max_iter=3), Storing()).fit(X, Y)
    assert clf.history_ == ["epoch", "epoch", "epoch", "fit"]
    assert clf.n_iter_ == 3


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize("error", [ValueError("no"), StopIteration(), KeyboardInterrupt()], ids=repr)
def test_a_callback_that_raises_when_the_fit_ends_leaves_the_estimator_as_it_was(solver, error):
    params = {"max_iter": 3} if solver == "sgd" else LBFGS_ONLY | {"max_iter": 200, "tol": 0.05}
    clf = mlp(**params, warm_start=True).fit(X, Y)
    before = snapshot(clf)
    with pytest.raises(type(error)) as raised:
        with_callback(clf, Storing("fit", error)).fit(X, Y)
    assert raised.value is error
    assert_unchanged(clf, before)


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize("error", [ValueError("no"), StopIteration()], ids=repr)
def test_an_error_of_a_callback_in_an_epoch_goes_up_as_it_is(solver, error):
    params = {"max_iter": 3} if solver == "sgd" else LBFGS_ONLY | {"max_iter": 200, "tol": 0.05}
    clf = mlp(**params)
    before = snapshot(clf)
    with pytest.raises(type(error)) as raised:
        with_callback(clf, Storing("epoch", error)).fit(X, Y)
    assert raised.value is error
    assert_unchanged(clf, before)


def test_callbacks_are_torn_down_after_an_error():
    class TornDown(Storing):
        def teardown(self, estimator, context):
            self.is_torn_down = True

    callback = TornDown("epoch", ValueError("no"))
    clf = with_callback(mlp(max_iter=3), callback)
    with pytest.raises(ValueError, match="no"):
        clf.fit(X, Y)
    assert callback.is_torn_down
    assert [name for name in vars(clf) if "callback" in name] == ["_skl_callbacks"]


def test_what_a_scorer_stores_survives_a_fit_that_succeeds_and_no_other():
    def scorer(estimator, X, y):
        estimator.scores_ = [*getattr(estimator, "scores_", []), estimator.score(X, y)]
        if len(estimator.scores_) > 5:
            raise RuntimeError("that is enough")
        return estimator.scores_[-1]

    clf = mlp(early_stopping=True, scoring=scorer, max_iter=3, warm_start=True).fit(X, Y)
    assert clf.scores_ == clf.validation_scores_
    before = snapshot(clf)
    with pytest.raises(RuntimeError, match="that is enough"):
        clf.fit(X, Y)
    assert_unchanged(clf, before)
    assert len(clf.set_params(max_iter=2).fit(X, Y).scores_) == 5


def test_what_a_schedule_counts_on_its_own_estimator_survives():
    class Counting(type(mlp())):
        def rate(self, fraction):
            self.n_calls_ = getattr(self, "n_calls_", 0) + 1
            return 1 - fraction

    clf = Counting(4, max_iter=3, random_state=0)
    clf.set_params(learning_rate=clf.rate).fit(X, Y)
    assert clf.n_calls_ >= 3


def test_a_scorer_cannot_spoil_the_parameters():
    def spoil(estimator, X, y):
        accuracy = estimator.score(X, y)
        for array in (*estimator.coefs_, *estimator.intercepts_):
            array.fill(np.nan)
        estimator.classes_.fill(7)
        estimator._activations[0] = "tanh"
        for array in (X, y):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
        estimator.coefs_ = estimator.classes_ = None
        estimator.n_features_in_ = estimator._kind = 0
        return accuracy

    spoiled, clean = (
        mlp(early_stopping=True, scoring=scoring, max_iter=4).fit(X, Y, X_val=X, y_val=Y)
        for scoring in (spoil, "accuracy")
    )
    assert spoiled.validation_scores_ == clean.validation_scores_
    assert_array_equal(parameters(spoiled), parameters(clean))
    assert_array_equal(spoiled.predict(X), clean.predict(X))


def test_a_scorer_cannot_replace_a_fitted_attribute():
    fitted = [name for name in inspect.get_annotations(type(mlp())) if not name.startswith("_")]

    def replace(estimator, X, y):
        accuracy = estimator.score(X, y)
        for name in fitted:
            setattr(estimator, name, "replaced")
        return accuracy

    replaced, clean = (
        mlp(early_stopping=True, scoring=scoring, max_iter=3, warm_start=True).fit(X, Y).fit(X, Y)
        for scoring in (replace, "accuracy")
    )
    assert_unchanged(replaced.set_params(scoring="accuracy"), snapshot(clean))
    assert not hasattr(replaced, "feature_names_in_")


# Curves grow in place


class Untouchable(list):
    """A curve so long that only appending to it is affordable."""

    def __iter__(self):
        raise AssertionError("the whole curve was read")

    def __getitem__(self, index):
        assert not isinstance(index, slice), "the whole curve was copied"
        return super().__getitem__(index)

    def copy(self):
        raise AssertionError("the whole curve was copied")

    __add__ = __reversed__ = __contains__ = index = count = sort = copy


def with_untouchable_curves(clf):
    curves = {name: Untouchable(getattr(clf, name)) for name in CURVES if getattr(clf, name) is not None}
    vars(clf).update(curves)
    return clf, curves


def test_a_call_of_partial_fit_does_not_look_at_the_curves_again():
    clf, curves = with_untouchable_curves(mlp().partial_fit(X, Y, classes=[0, 1, 2]))
    clf.partial_fit(X, Y)
    for name, curve in curves.items():
        assert getattr(clf, name) is curve
        assert len(curve) == 2
    assert clf.best_loss_ == min(curves["loss_curve_"][0], curves["loss_curve_"][1])


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_a_warm_start_does_not_look_at_the_curves_again(early_stopping, scoring):
    clf = mlp(warm_start=True, max_iter=1, early_stopping=early_stopping, scoring=scoring)
    clf, curves = with_untouchable_curves(clf.fit(X, Y, X_val=X, y_val=Y))
    clf.fit(X, Y, X_val=X, y_val=Y)
    assert curves.keys() == set(CURVES)
    for name, curve in curves.items():
        assert getattr(clf, name) is curve
        assert len(curve) == 2


def test_the_best_loss_is_that_of_all_epochs_after_early_stopping_too():
    clf = mlp(early_stopping=True, learning_rate_init=0.1).fit(X, Y, X_val=X, y_val=Y)
    assert clf.best_loss_ is None
    # One step that makes it worse.
    clf.set_params(learning_rate_init=30.0).partial_fit(X, Y).partial_fit(X, Y)
    assert clf.best_loss_ == min(clf.loss_curve_) < clf.loss_


def test_a_failed_call_cuts_the_curves_back(monkeypatch):
    clf = mlp().partial_fit(X, Y, classes=[0, 1, 2])
    before = snapshot(clf)
    # The curves have grown by then.
    monkeypatch.setattr("skscratch.transaction.Transaction.commit", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clf.partial_fit(X, Y)
    assert_unchanged(clf, before)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_the_curves_of_a_copy_do_not_grow_with_the_original(copier):
    clf = mlp().partial_fit(X, Y, classes=[0, 1, 2])
    other = copier(clf)
    clf.partial_fit(X, Y)
    assert (len(clf.loss_curve_), len(other.loss_curve_)) == (2, 1)
