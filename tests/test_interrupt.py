"""Ctrl-C: training ends, what it came to is kept, and the warning says after how many epochs."""

import copy
import functools
import io
import pickle
import signal
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import estimators
import numpy as np
import pytest
from estimators import data, parameters

import skscratch
from skscratch import ScratchMLPClassifier
from skscratch.stopping import Checkpoint

# Few calls, as some tests go through all of them, and few epochs.
mlp = functools.partial(
    estimators.mlp, hidden_layer_sizes=4, batch_size=20, learning_rate_init=0.3, max_iter=5
)

PACKAGE = str(Path(skscratch.__file__).parent)


@pytest.fixture(autouse=True)
def python_hears_ctrl_c():
    # A shell lets its background jobs ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


@contextmanager
def ctrl_c_after(n_events):
    """Press Ctrl-C once that many calls and returns were seen in this package; yield what counts them."""
    seen, dropped = [0], []

    def count(frame, event, argument):
        seen[0] += frame.f_code.co_filename.startswith(PACKAGE)
        if seen[0] == n_events:
            sys.setprofile(None)
            ctrl_c()

    # Python drops an exception that meets a destructor: then nothing was pressed.
    hook, sys.unraisablehook = sys.unraisablehook, dropped.append
    sys.setprofile(count)
    try:
        yield seen
    finally:
        sys.setprofile(None)
        sys.unraisablehook = hook


class Terminal(io.StringIO):
    """A stream whose reader presses Ctrl-C after so many lines."""

    def __init__(self, n_lines):
        super().__init__()
        self.n_lines = n_lines

    def write(self, text):
        written = super().write(text)
        self.n_lines -= text.count("\n")
        if self.n_lines == 0 and "\n" in text:
            ctrl_c()
        return written


class Epochs:
    """What training for 0, 1, 2, ... epochs comes to, and the parameters one epoch later."""

    def __init__(self, X, y, n, **params):
        self.X, self.y = X, y
        self.whole = [None, *(mlp(**params, max_iter=k).fit(X, y) for k in range(1, n + 1))]
        self.later = [None, *(copy.deepcopy(clf).partial_fit(X, y) for clf in self.whole[1:])]

    def assert_held_by(self, clf):
        """Check that clf holds n_iter_ epochs bit for bit, and resumes from them."""
        whole = self.whole[clf.n_iter_]
        np.testing.assert_array_equal(parameters(clf), parameters(whole))
        for name in ("n_iter_", "t_", "loss_curve_", "learning_rate_curve_", "loss_", "best_loss_"):
            assert getattr(clf, name) == getattr(whole, name), name
        later = copy.deepcopy(clf).partial_fit(self.X, self.y)
        np.testing.assert_array_equal(parameters(later), parameters(self.later[clf.n_iter_]))


def test_ctrl_c_ends_training_and_the_warning_says_after_how_many_epochs():
    X, y = data()
    clf = mlp(verbose=1)
    with redirect_stdout(Terminal(3)), pytest.warns(UserWarning, match=r"interrupted after 3 epoch"):
        clf.fit(X, y)
    assert clf.n_iter_ == 3
    Epochs(X, y, 3).assert_held_by(clf)


def test_ctrl_c_restores_the_best_parameters():
    X, y = data()
    scores = iter([1, 3, 2, 2, 2])

    def scorer(estimator, X, y):
        return next(scores)

    clf = mlp(verbose=1, early_stopping=True, scoring=scorer)
    with (
        redirect_stdout(Terminal(4)),
        pytest.warns(UserWarning, match=r"interrupted after 4 epoch.*best epoch \(2\)"),
    ):
        clf.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert clf.best_iter_ == 2
    assert clf.n_iter_ == len(clf.validation_scores_) == 4
    np.testing.assert_array_equal(parameters(clf), parameters(mlp(max_iter=2).fit(X[:40], y[:40])))


def test_ctrl_c_during_validation_undoes_that_epoch():
    X, y = data()
    scores = iter([1.0, 2.0, None])

    def scorer(estimator, X, y):
        score = next(scores)
        if score is None:
            ctrl_c()
        return score

    clf = mlp(early_stopping=True, scoring=scorer)
    with pytest.warns(UserWarning, match=r"interrupted after 2 epoch"):
        clf.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert clf.n_iter_ == len(clf.loss_curve_) == len(clf.validation_scores_) == 2
    whole = mlp(max_iter=2).fit(X[:40], y[:40])
    np.testing.assert_array_equal(parameters(clf), parameters(whole))
    # The generator is where two epochs left it, too.
    np.testing.assert_array_equal(
        parameters(clf.partial_fit(X[:40], y[:40])), parameters(whole.partial_fit(X[:40], y[:40]))
    )


def test_ctrl_c_before_an_epoch_is_kept_forgets_that_it_was_the_best(monkeypatch):
    marks = []

    class Interrupted(Checkpoint):
        def discard(self):
            marks.append(self)
            if len(marks) == 3:
                ctrl_c()
            super().discard()

    monkeypatch.setattr(skscratch.training, "Checkpoint", Interrupted)
    X, y = data()
    with pytest.warns(UserWarning, match="interrupted after 2"):
        clf = mlp(early_stopping=True).fit(X, y, X_val=X, y_val=y)
    assert clf.n_iter_ == len(clf.validation_scores_) == 2
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert clf.best_iter_ == 1 + np.argmax(clf.validation_scores_)


@pytest.mark.parametrize("fitted", [False, True])
def test_before_the_first_epoch_has_ended_ctrl_c_goes_up(fitted):
    X, y = data()
    clf = mlp(max_iter=2)
    if fitted:
        clf.fit(X, y)

    def scorer(estimator, X, y):
        ctrl_c()

    before = pickle.dumps(vars(copy.deepcopy(clf)))
    with pytest.raises(KeyboardInterrupt):
        clf.set_params(early_stopping=True, scoring=scorer).fit(X, y)
    clf.set_params(early_stopping=False, scoring="loss")
    assert pickle.dumps(vars(copy.deepcopy(clf))) == before


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_ctrl_c_at_any_moment_leaves_whole_epochs(solver):
    X, y = data()
    params = {"solver": solver, "max_iter": 3, "batch_size": 30}
    epochs = Epochs(X, y, 3, solver=solver, batch_size=30)
    with ctrl_c_after(np.inf) as seen:
        mlp(**params).fit(X, y)
    reported = set()
    for moment in range(1, seen[0] + 1, 3):
        clf = mlp(**params)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with ctrl_c_after(moment):
                    clf.fit(X, y)
            except KeyboardInterrupt:
                # It goes up before the first epoch has ended, or after all has been done.
                assert not caught
                if hasattr(clf, "coefs_"):
                    assert clf.n_iter_ == 3, moment
                    epochs.assert_held_by(clf)
                continue
        if caught:
            assert f"interrupted after {clf.n_iter_} epoch" in str(caught[0].message)
            reported.add(clf.n_iter_)
        else:
            assert clf.n_iter_ == 3
        epochs.assert_held_by(clf)
    assert reported >= {1, 2}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_ctrl_c_at_any_moment_of_partial_fit_leaves_it_undone_or_done(solver):
    X, y = data()
    begun = mlp(solver=solver).partial_fit(X, y, classes=[0, 1, 2])
    epochs = Epochs(X, y, 2, solver=solver)
    with ctrl_c_after(np.inf) as seen:
        copy.deepcopy(begun).partial_fit(X, y)
    for moment in range(1, seen[0] + 1, 3):
        clf = copy.deepcopy(begun)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with ctrl_c_after(moment):
                    clf.partial_fit(X, y)
            except KeyboardInterrupt:
                assert not caught
        epochs.assert_held_by(clf)


def test_ctrl_c_in_a_warm_start_keeps_the_epochs_of_both_fits():
    X, y = data()
    clf = mlp(warm_start=True, verbose=1)
    with redirect_stdout(io.StringIO()):
        clf.fit(X, y)
    with redirect_stdout(Terminal(2)), pytest.warns(UserWarning, match=r"interrupted after 2 epoch"):
        clf.fit(X, y)
    np.testing.assert_array_equal(parameters(clf), parameters(mlp(max_iter=7).fit(X, y)))
    assert len(clf.loss_curve_) == 7


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_error_during_training_goes_up_and_leaves_the_fitted_model_as_it_was(method):
    X, y = data()
    clf = mlp(warm_start=True).fit(X, y)
    before = copy.deepcopy(clf)

    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("no space left")

    clf.set_params(verbose=1)
    with redirect_stdout(Broken()), pytest.raises(OSError, match="no space left"):
        getattr(clf, method)(X, y)
    clf.set_params(verbose=0)
    np.testing.assert_array_equal(parameters(clf), parameters(before))
    np.testing.assert_array_equal(parameters(clf.partial_fit(X, y)), parameters(before.partial_fit(X, y)))


def test_an_interrupted_lbfgs_keeps_its_last_iteration():
    X, y = data()
    clf = ScratchMLPClassifier((4,), solver="lbfgs", alpha=0.01, max_iter=50, random_state=0, verbose=1)
    with redirect_stdout(Terminal(3)), pytest.warns(UserWarning, match=r"interrupted after 3"):
        clf.fit(X, y)
    assert clf.n_iter_ == len(clf.loss_curve_) == 3
    assert clf.score(X, y) > 0.4
