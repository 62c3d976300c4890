"""to_sklearn: the same network as scikit-learn's own MLPClassifier."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.neural_network import MLPClassifier

from skscratch import ScratchMLPClassifier

KINDS = ("binary", "multiclass", "multilabel", "strings")


def make_data(kind, dtype=np.float64, n=120):
    X = np.random.default_rng(4).normal(size=(n, 4)).astype(dtype)
    third = np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])
    y = {
        "binary": (X[:, 0] > 0).astype(int),
        "multiclass": third,
        "multilabel": (X[:, :3] > 0).astype(int),
        "strings": np.array(["ant", "bee", "caterpillar"])[third],
    }[kind]
    return X, y


def fitted(kind="multiclass", dtype=np.float64, **params):
    given = {"hidden_layer_sizes": (6, 5), "activation": "relu", "max_iter": 20}
    given |= {"n_iter_no_change": np.inf, "random_state": 0}
    given |= {} if params.get("solver") == "lbfgs" else {"learning_rate": "constant"}
    return ScratchMLPClassifier(**given | params).fit(*make_data(kind, dtype))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("sizes", "activation"),
    [
        *[((), "relu"), (7, "tanh"), ((6, 5), "relu"), ((6, 5), ["logistic"] * 2), ((6, 5), "identity")],
        *[((6, 5), "alrelu"), ((6, 5), "leaky_relu"), ((6, 5, 4), ["leaky_relu", "relu", "alrelu"])],
    ],
    ids=str,
)
def test_the_predictions_are_the_same(kind, dtype, sizes, activation):
    X, _ = make_data(kind, dtype)
    here = fitted(kind, dtype, hidden_layer_sizes=sizes, activation=activation)
    there = here.to_sklearn()
    assert type(there) is MLPClassifier
    assert_array_equal(there.predict(X), here.predict(X))
    assert there.predict(X).dtype == here.predict(X).dtype
    expected = here.predict_proba(X)
    tolerance = 20 * np.finfo(dtype).eps
    assert_allclose(there.predict_proba(X), expected, rtol=tolerance, atol=tolerance)
    assert there.predict_proba(X).dtype == expected.dtype
    assert_array_equal(there.classes_, here.classes_)


def test_what_is_written_for_sklearns_class_works_on_it():
    here, (X, y) = fitted(), make_data("multiclass")
    there = here.to_sklearn()
    assert there.score(X, y) == here.score(X, y)
    assert there.n_layers_ == 4
    assert there.n_outputs_ == 3
    assert there.out_activation_ == "softmax"
    assert there.loss_curve_ == here.loss_curve_
    assert (there.n_iter_, there.t_, there.loss_, there.best_loss_) == (
        20,
        20 * 120,
        here.loss_,
        here.best_loss_,
    )
    importances = permutation_importance(there, X, y, random_state=0).importances_mean
    assert importances[:2].min() > importances[2:].max()


def test_names_of_features_go_along():
    X, y = make_data("binary")
    X = pd.DataFrame(X, columns=list("abcd"))
    there = ScratchMLPClassifier(5, max_iter=3, n_iter_no_change=np.inf).fit(X, y).to_sklearn()
    assert_array_equal(there.feature_names_in_, list("abcd"))
    there.predict(X)
    with pytest.raises(ValueError, match="feature names"):
        there.predict(X[["b", "a", "c", "d"]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_training_can_continue_there_and_leaves_the_original_alone(kind, solver):
    here, (X, y) = fitted(kind, solver=solver, early_stopping=False), make_data(kind)
    before, curve = here.predict_proba(X), list(here.loss_curve_)
    there = here.to_sklearn()
    there.partial_fit(X, y)
    assert there.t_ == 21 * 120
    assert (there.coefs_[0] != here.coefs_[0]).any()
    assert_array_equal(here.predict_proba(X), before)
    assert here.loss_curve_ == curve


def test_the_first_step_there_has_no_velocity_from_nowhere():
    """With a rate that is lost in rounding, only a velocity left over could move the parameters."""
    here = fitted(momentum=0.9)
    there = here.to_sklearn().set_params(learning_rate_init=1e-300)
    there.partial_fit(*make_data("multiclass"))
    assert_array_equal(there.coefs_[0], here.coefs_[0])


def test_the_gradient_there_is_the_gradient_here():
    """One plain step over all rows from the same parameters: alpha and the batch size are converted."""
    X, y = make_data("multiclass")
    options = {"momentum": 0.0, "nesterovs_momentum": False, "batch_size": 500, "shuffle": False}
    here = fitted(**options, alpha=0.01, learning_rate_init=0.3)
    there = here.to_sklearn()
    assert there.alpha == pytest.approx(0.01 * 120)
    there.partial_fit(X, y)
    here.partial_fit(X, y)
    for ours, theirs in zip(here.coefs_ + here.intercepts_, there.coefs_ + there.intercepts_, strict=True):
        assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"solver": "adam"}, {"solver": "adam", "learning_rate_init": 0.001}),
        ({"learning_rate": "adaptive"}, {"learning_rate": "adaptive", "learning_rate_init": 0.05}),
        ({"learning_rate": "cosine", "dropout": 0.1}, {"learning_rate": "constant"}),
        ({"batch_size": 40, "alpha": "auto"}, {"batch_size": 40, "alpha": 3 / 120 * 40}),
        ({"n_iter_no_change": "auto", "learning_rate": "cosine"}, {"n_iter_no_change": 10}),
        ({"n_iter_no_change": 4, "tol": 1e9}, {"n_iter_no_change": 4}),
        (
            {"solver": "lbfgs", "n_iter_no_change": "auto", "alpha": 0.1, "max_iter": 500},
            {"alpha": 0.1 * 120},
        ),
        ({"early_stopping": True, "max_iter": 3}, {"early_stopping": True, "max_iter": 3}),
    ],
    ids=str,
)
def test_settings_for_further_training_are_carried_over(params, expected):
    there = fitted(**params).to_sklearn()
    settings = there.get_params()
    assert {name: settings[name] for name in expected} == pytest.approx(expected)
    # What MLPClassifier itself thinks of its parameters.
    there._validate_params()


def test_a_generator_given_as_random_state_is_not_drawn_from():
    generator = np.random.RandomState(0)
    here = fitted(random_state=generator)
    before = generator.get_state()[1].copy()
    assert here.to_sklearn().random_state is generator
    assert_array_equal(generator.get_state()[1], before)


def test_a_leaky_unit_becomes_two_relus_there():
    """phi(z) = max(z, 0) + max(-z, 0) / 2."""
    here = fitted(hidden_layer_sizes=(2, 3), activation=["alrelu", "relu"])
    there = here.to_sklearn()
    assert there.hidden_layer_sizes == (4, 3)
    assert there.activation == "relu"
    W, b, V = here.coefs_[0], here.intercepts_[0], here.coefs_[1]
    assert_array_equal(there.coefs_[0], np.hstack([W, -W]))
    assert_array_equal(there.intercepts_[0], np.hstack([b, -b]))
    assert_array_equal(there.coefs_[1], np.vstack([V, V / 2]))
    there.partial_fit(*make_data("multiclass"))
    assert not np.array_equal(there.coefs_[0][:, 2:], -there.coefs_[0][:, :2])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"activation": "gelu"}, r"no activation 'gelu'; .* identity, logistic, tanh, relu, leaky_relu"),
        ({"activation": ["relu", "tanh"]}, r"one activation for all hidden layers.*'relu', 'tanh'"),
    ],
)
def test_what_it_cannot_express_is_an_error(params, message):
    with pytest.raises(ValueError, match=message):
        fitted(**params).to_sklearn()


def test_one_class_only_is_an_error():
    X, y = make_data("binary")
    with pytest.raises(ValueError, match=r"fitted with one only: \[7\]"):
        ScratchMLPClassifier(5, max_iter=2, n_iter_no_change=np.inf).fit(X, np.full_like(y, 7)).to_sklearn()


def test_an_unfitted_network_is_an_error():
    with pytest.raises(NotFittedError):
        ScratchMLPClassifier().to_sklearn()


def test_the_penalty_counts_the_rows_of_a_refit_too():
    X, y = make_data("multiclass", n=200)
    clf = ScratchMLPClassifier(4, early_stopping=True, random_state=0).fit(X, y)
    assert clf.refit_loss_curve_
    there = clf.to_sklearn()
    assert there.alpha == pytest.approx(clf.alpha_ * there.batch_size)
    assert clf.alpha_ != pytest.approx(3 / 200)
