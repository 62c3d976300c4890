"""Divergence: training stops at once, what was finite is kept, and the warning says what happened."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from estimators import data, mlp, parameters
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier
from skscratch.losses import LOSSES


def explode_after(epochs):
    """Return a schedule that multiplies the rate by 1e200 once so many of ten epochs are done."""
    return lambda fraction: 1.0 if fraction < (epochs - 0.5) / 10 else 1e200


def infinite_in_sum(X):
    """Return finite rows that no product survives."""
    return np.abs(X) * 5e307


@pytest.mark.parametrize("alpha", [0.0, 0.01])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("epochs", [0, 1, 4, 9])
def test_the_parameters_of_the_last_finite_epoch_are_kept(solver, epochs, alpha):
    X, y = data()
    clf = mlp(solver=solver, alpha=alpha, learning_rate=explode_after(epochs))
    with pytest.warns(ConvergenceWarning, match=rf"diverged in epoch {epochs + 1}\b"):
        clf.fit(X, y)
    # The same without a last epoch; with none at all, the parameters that training started from.
    kept = mlp(solver=solver, alpha=alpha, max_iter=max(epochs, 1))
    if not epochs:
        kept.set_params(learning_rate=lambda fraction: 0.0)
    kept.fit(X, y)
    np.testing.assert_array_equal(parameters(clf), parameters(kept))
    assert clf.n_iter_ == epochs
    assert len(clf.loss_curve_) == epochs
    if epochs:
        assert clf.loss_curve_ == kept.loss_curve_
    assert np.isfinite(clf.loss_)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_the_warning_says_what_to_do():
    X, y = data()
    with pytest.warns(ConvergenceWarning, match=r"Scale the features.*lower learning_rate_init"):
        mlp(learning_rate=explode_after(2)).fit(X, y)


def test_one_warning_is_raised_and_it_points_at_the_caller():
    X, y = data()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mlp(learning_rate=explode_after(2)).fit(X, y)
        mlp(learning_rate_init=1e200).partial_fit(X, y, classes=[0, 1, 2])
    assert [w.category for w in caught] == [ConvergenceWarning] * 2
    assert {w.filename for w in caught} == {__file__}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_huge_rate_diverges_without_further_noise(dtype):
    X, y = data()
    clf = mlp(learning_rate_init=1e30 if dtype == np.float32 else 1e200)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        clf.fit(X.astype(dtype), y)
    assert np.isfinite(parameters(clf)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_unscaled_features_warn_or_raise_and_leave_nothing_infinite(dtype):
    X, y = data()
    largest = np.log10(np.finfo(dtype).max)
    results = []
    for exponent in np.linspace(3, largest - 1, 12):
        clf, error = mlp(max_iter=5), None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                clf.fit((X * 10.0**exponent).astype(dtype), y)
            except ValueError as raised:
                error = str(raised)
        if error:
            assert "Scale the features" in error
            assert not hasattr(clf, "coefs_")
            results.append("error")
            continue
        assert {w.category for w in caught} <= {ConvergenceWarning}
        assert np.isfinite(parameters(clf)).all()
        assert np.isfinite(clf.loss_curve_).all()
        results.append("warning" if caught else "trained")
    assert "warning" in results


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_where_not_even_the_first_loss_is_finite_an_error_says_so(solver):
    X, y = data()
    clf = ScratchMLPClassifier((7,), solver=solver, alpha=0.0, max_iter=5, random_state=0)
    with pytest.raises(ValueError, match=r"finite.*Scale the features"):
        clf.fit(infinite_in_sum(X), y)
    assert not hasattr(clf, "coefs_")


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_with_early_stopping_the_best_parameters_before_it_are_restored(scoring):
    X, y = data()
    clf = mlp(learning_rate=explode_after(6), early_stopping=True, scoring=scoring, learning_rate_init=0.3)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 7"):
        clf.fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    best = mlp(max_iter=clf.best_iter_, learning_rate_init=0.3).fit(X[:50], y[:50])
    np.testing.assert_array_equal(parameters(clf), parameters(best))
    assert len(clf.validation_loss_curve_) == 6


def test_the_warning_names_the_parameters_that_are_kept():
    X, y = data()
    scores = iter([1, 3, 2, 2])
    clf = mlp(learning_rate=explode_after(4), early_stopping=True, scoring=lambda *_: next(scores))
    with pytest.warns(ConvergenceWarning, match=r"best epoch \(2\)"):
        clf.fit(X, y)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_call_of_partial_fit_that_diverges_leaves_no_trace(solver):
    X, y = data()
    clf, undisturbed = mlp(solver=solver), mlp(solver=solver)
    for _ in range(3):
        clf.partial_fit(X, y, classes=[0, 1, 2])
        undisturbed.partial_fit(X, y, classes=[0, 1, 2])
    clf.set_params(learning_rate_init=1e200)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        clf.partial_fit(X, y)
    clf.set_params(learning_rate_init=0.05)
    np.testing.assert_array_equal(parameters(clf), parameters(undisturbed))
    np.testing.assert_array_equal(
        parameters(clf.partial_fit(X, y)), parameters(undisturbed.partial_fit(X, y))
    )
    for name in ("n_iter_", "t_", "loss_curve_", "loss_", "learning_rate_curve_"):
        assert getattr(clf, name) == getattr(undisturbed, name)


def test_the_warning_of_partial_fit_counts_epochs_as_n_iter_does():
    X, y = data()
    clf = mlp()
    for _ in range(3):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.warns(ConvergenceWarning, match=r"in epoch 4\b.*after epoch 3\b"):
        clf.set_params(learning_rate_init=1e200).partial_fit(X, y)
    assert clf.n_iter_ == 3


def test_a_chunk_whose_loss_is_infinite_is_an_error_and_leaves_no_trace():
    X, y = data()
    clf = mlp().partial_fit(X, y, classes=[0, 1, 2])
    before = parameters(clf)
    with pytest.raises(ValueError, match="Scale the features"):
        clf.partial_fit(infinite_in_sum(X), y)
    np.testing.assert_array_equal(parameters(clf), before)
    assert clf.n_iter_ == 1


@pytest.mark.filterwarnings("ignore:X_val lies far from X:UserWarning")
def test_an_infinite_validation_loss_is_not_passed_over_in_silence():
    X, y = data()
    clf = mlp(early_stopping=True, n_iter_no_change=3, max_iter=10)
    with pytest.raises(ValueError, match=r"validation|X_val"):
        clf.fit(X, y, X_val=infinite_in_sum(X), y_val=y)
    assert not hasattr(clf, "coefs_")


def test_a_scorer_that_answers_nan_is_not_passed_over_in_silence():
    X, y = data()
    clf = mlp(early_stopping=True, scoring=lambda *_: np.nan)
    with pytest.raises(ValueError, match=r"scor.*nan"):
        clf.fit(X, y)
    assert not hasattr(clf, "coefs_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_loss_that_grows_but_stays_finite_does_not_end_training(early_stopping):
    X, y = data()
    clf = mlp(hidden_layer_sizes=(), learning_rate_init=1e6, early_stopping=early_stopping, alpha=0.0).fit(
        X, y
    )
    assert clf.n_iter_ == 10


@pytest.mark.parametrize("n_iter_no_change", [20, np.inf])
def test_a_training_that_ends_far_above_where_it_began_says_so(n_iter_no_change):
    # Every epoch's loss exceeds the one before, but patience or max_iter ends it before anything overflows.
    X, y = data()
    clf = mlp(
        hidden_layer_sizes=(7,),
        activation="identity",
        batch_size=70,
        learning_rate_init=0.3,
        max_iter=30,
        n_iter_no_change=n_iter_no_change,
    )
    with pytest.warns(ConvergenceWarning, match=r"learning_rate_init"):
        clf.fit(X * 5, y)
    assert clf.loss_ > 1e4 * clf.loss_curve_[0]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_full_batch_that_diverges_keeps_parameters_of_a_finite_loss(method, momentum):
    # The loss is measured before the step: the epoch that destroys the parameters is the one before the first
    # infinite loss, and its parameters are finite themselves.
    X, y = data()
    clf = mlp(activation="identity", batch_size=70, learning_rate_init=1.0, momentum=momentum, max_iter=100)

    def train():
        if method == "fit":
            return clf.fit(X * 10, y)
        while not hasattr(clf, "n_iter_") or clf.n_iter_ == len(calls):
            calls.append(clf.partial_fit(X * 10, y, classes=[0, 1, 2]))
        return clf

    calls = []
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch [2-9]"):
        train()
    assert np.isfinite(clf.loss_curve_).all()
    assert np.isfinite(clf.predict_log_proba(X * 10)).all()


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.uint16, np.float16, np.float64])
def test_small_features_that_tell_nothing_are_no_divergence(dtype, make):
    # The warning of features that reach too far measures them, whatever their type.
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 3, size=(200, 3)).astype(dtype), np.arange(200) % 2
    if make is sp.csr_array and dtype is np.float16:
        pytest.skip("SciPy has no sparse arrays of float16")
    ScratchMLPClassifier((3,), max_iter=12, random_state=0).fit(make(X), y)


@pytest.mark.parametrize(("activation", "factor"), [("relu", 1), ("alrelu", 1000)])
def test_features_too_wide_to_learn_from_are_named(activation, factor):
    # Two of the columns are areas, which reach 4254 and drown the others, unless they are scaled.
    X, y = load_breast_cancer(return_X_y=True)
    X *= factor
    clf = ScratchMLPClassifier(activation=activation, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"hardly better than guessing.*4.25e\+0[36].*StandardScaler"):
        clf.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(StandardScaler().fit_transform(X), y)


def test_on_features_too_wide_little_learning_is_named_too():
    X, y = load_wine(return_X_y=True)
    clf = ScratchMLPClassifier(random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"learned little.*guessing gives 1\.1.*1\.68e\+03"):
        clf.fit(X, y)
    assert clf.score(X, y) < 0.75


def test_a_penalty_that_diverges_by_itself_is_named():
    X, y = data()
    clf = ScratchMLPClassifier(alpha=10, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"diverged.*alpha=10 times the learning rate 0\.2 is above 1"
    ):
        clf.fit(X, y)


def test_the_defaults_units_survive_features_too_wide():
    X, y = load_breast_cancer(return_X_y=True)

    def fitted(activation):
        return ScratchMLPClassifier(activation=activation, random_state=0).fit(X, y)

    def moving(clf):
        return (clf.hidden_activations(X).std(axis=0) > 0).mean()

    with pytest.warns(ConvergenceWarning):
        dying = fitted("relu")
    living = fitted("alrelu")
    assert moving(dying) < 0.5
    assert moving(living) == 1
    assert dying.score(X, y) < 0.65 < 0.8 < living.score(X, y)


def test_a_strong_penalty_is_not_taken_for_features_too_wide():
    X, y = np.repeat([[-20.0], [20.0]], 50, axis=0), np.repeat([0, 1], 50)
    clf = ScratchMLPClassifier(
        (3,), activation="relu", alpha=3, learning_rate_init=0.001, max_iter=200, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match=r"gives 0.693\. alpha=3 is far too strong for 100 rows"):
        clf.fit(X, y)
    assert clf.loss_ > 0.8 * np.log(2)
    assert clf.score(X, y) == 1


def test_guessing_has_the_loss_of_equal_probabilities():
    assert LOSSES["multiclass"].loss_at_zero_logits(5) == pytest.approx(np.log(5))
    assert LOSSES["binary"].loss_at_zero_logits(1) == pytest.approx(np.log(2))
    assert LOSSES["multilabel"].loss_at_zero_logits(3) == pytest.approx(3 * np.log(2))


@pytest.mark.parametrize(("dtype", "eta"), [(np.float32, 1e20), (np.float64, 1e155), (np.float64, 1e300)])
@pytest.mark.parametrize("max_iter", [1, 2])
def test_parameters_that_are_finite_but_have_no_finite_loss_are_not_kept(max_iter, dtype, eta):
    # In one batch the loss is taken before the step, so it tells nothing of the parameters after it.
    X, y = data(n=20)
    clf = mlp(learning_rate_init=eta, batch_size=20, max_iter=max_iter)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        clf.fit(X.astype(dtype), y)
    assert np.isfinite(clf.loss_)
    assert np.isfinite(clf.predict_proba(X)).all()
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        mlp(learning_rate_init=eta, batch_size=20).partial_fit(X.astype(dtype), y, classes=[0, 1, 2])


@pytest.mark.parametrize("given", [False, True], ids=["split", "X_val"])
def test_early_stopping_keeps_the_initial_parameters_where_the_first_epoch_diverges(given):
    X, y = data(n=60)
    params = {"learning_rate_init": 1e300, "batch_size": 60, "max_iter": 3}
    validation = {"X_val": X, "y_val": y} if given else {}
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch 1.*after epoch 0 are kept"):
        clf = mlp(early_stopping=True, **params).fit(X, y, **validation)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        plain = mlp(**params).fit(X, y)
    np.testing.assert_array_equal(parameters(clf), parameters(plain))
    assert clf.best_iter_ is None
    assert clf.validation_scores_ == clf.loss_curve_ == []
    assert np.isfinite(clf.predict_proba(X)).all()
