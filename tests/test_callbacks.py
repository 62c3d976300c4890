"""Callbacks of scikit-learn: a subtask for each epoch, the stop signal, copies only where asked for."""

import functools
import warnings

import estimators
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.callbacks import SklearnCallbacks

mlp = functools.partial(estimators.default_mlp, hidden_layer_sizes=4, max_iter=5, n_iter_no_change="auto")

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.array(["ash", "beech"])[(X[:, 0] > 0).astype(int)]


class Recorder:
    """Records its calls, and may ask to stop after an epoch."""

    def __init__(self, stop_after=None):
        self.stop_after, self.tasks, self.torn_down = stop_after, [], False

    def setup(self, estimator, context):
        self.estimator = estimator

    def teardown(self, estimator, context):
        self.torn_down = True

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.tasks.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


class Predictor(Recorder):
    """Asks for the fitted copy and predicts with it."""

    def __init__(self):
        super().__init__()
        self.copies = []

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "epoch":
            self.copies.append((fitted_estimator, fitted_estimator.predict_proba(X)))


def test_every_epoch_is_a_subtask_of_the_fit():
    recorder = Recorder()
    clf = mlp().set_callbacks(recorder).fit(X, Y)
    epochs = [(edge, "epoch", i) for i in range(5) for edge in ("begin", "end")]
    assert recorder.tasks == [("begin", "fit", 0), *epochs, ("end", "fit", 0)]
    assert recorder.estimator is clf
    assert recorder.torn_down


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_callback_ends_training_and_what_was_trained_is_kept(solver):
    clf = mlp(solver=solver, max_iter=20).set_callbacks(Recorder(stop_after=3)).fit(X, Y)
    assert clf.n_iter_ == len(clf.loss_curve_) == 3


def test_stopping_by_a_callback_leaves_the_bits_of_so_many_epochs():
    constant = {"learning_rate": "constant", "n_iter_no_change": np.inf}
    stopped = mlp(max_iter=20, **constant).set_callbacks(Recorder(stop_after=3)).fit(X, Y)
    assert_array_equal(stopped.coefs_[0], mlp(max_iter=3, **constant).fit(X, Y).coefs_[0])


def test_copies_predict_as_training_stood_and_do_not_change_afterwards():
    predictor = Predictor()
    constant = {"learning_rate": "constant", "n_iter_no_change": np.inf}
    mlp(**constant).set_callbacks(predictor).fit(X, Y)
    assert len(predictor.copies) == 5
    for n, (copy, proba) in enumerate(predictor.copies, start=1):
        assert_array_equal(proba, copy.predict_proba(X))
        assert_allclose(proba, mlp(max_iter=n, **constant).fit(X, Y).predict_proba(X), rtol=1e-12)


def test_no_copy_is_made_where_none_is_asked_for(monkeypatch):
    def no_copy(self):
        raise AssertionError("a copy was made")

    monkeypatch.setattr(ScratchMLPClassifier, "_fitted_now", no_copy)
    mlp().set_callbacks(Recorder()).fit(X, Y)
    with pytest.raises(AssertionError, match="a copy was made"):
        mlp().set_callbacks(Predictor()).fit(X, Y)


def test_without_callbacks_none_is_called(monkeypatch):
    def nobody(*args, **kwargs):
        raise AssertionError("a callback was made")

    monkeypatch.setattr(SklearnCallbacks, "__init__", nobody)
    mlp().fit(X, Y)


def test_the_fitted_estimator_keeps_nothing_of_the_callbacks_but_their_list():
    clf = mlp().set_callbacks(Recorder()).fit(X, Y)
    assert [name for name in vars(clf) if "callback" in name] == ["_skl_callbacks"]


def scored(make):
    """Fit what make returns for a monitored classifier, and return the monitor's accuracies per epoch."""
    monitor = callback.ScoringMonitor(scoring="accuracy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = make(mlp().set_callbacks(monitor))
    data = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    return fitted, data


def test_the_scoring_monitor_works_alone():
    clf, scores = scored(lambda clf: clf.fit(X, Y))
    assert len(scores) == 5
    assert scores[-1] == clf.score(X, Y)


def test_the_scoring_monitor_works_in_a_pipeline_without_a_warning():
    pipeline, scores = scored(lambda clf: make_pipeline(StandardScaler(), clf).fit(X, Y))
    assert len(scores) == 5
    assert scores[-1] == pipeline.score(X, Y)


def test_the_scoring_monitor_works_under_a_grid_search():
    _, scores = scored(lambda clf: GridSearchCV(clf, {"alpha": [0.1, 0.01]}, cv=2).fit(X, Y))
    assert len(scores) == 5 * (2 * 2 + 1)


@pytest.mark.parametrize("wrap", [lambda clf: clf, lambda clf: make_pipeline(StandardScaler(), clf)])
def test_the_progress_bar_works_alone_and_in_a_pipeline(wrap):
    pytest.importorskip("rich", reason="the progress bar of scikit-learn draws with rich")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrap(mlp()).set_callbacks(callback.ProgressBar()).fit(X, Y)
