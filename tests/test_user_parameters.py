"""Parameters and hidden layers in the user's hands: coefs_, intercepts_ and hidden_activations."""

import copy
import functools

import estimators
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

mlp = functools.partial(estimators.default_mlp, hidden_layer_sizes=(5, 4), activation="tanh", max_iter=3)

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.digitize(X[:, 0], [-0.5, 0.5])


def by_hand(clf, X):
    A1 = np.tanh(X @ clf.coefs_[0] + clf.intercepts_[0])
    A2 = np.tanh(A1 @ clf.coefs_[1] + clf.intercepts_[1])
    return A1, A2, A2 @ clf.coefs_[2] + clf.intercepts_[2]


def test_hidden_activations_are_the_layers_of_the_forward_pass():
    clf = mlp().fit(X, Y)
    A1, A2, Z = by_hand(clf, X)
    assert_allclose(clf.hidden_activations(X, 0), A1, rtol=1e-12)
    assert_allclose(clf.hidden_activations(X, 1), A2, rtol=1e-12)
    assert_array_equal(clf.hidden_activations(X), clf.hidden_activations(X, 1))
    assert_allclose(clf.decision_function(X), Z, rtol=1e-12)


@pytest.mark.parametrize(("sizes", "layer"), [((5, 4), 2), ((5, 4), -3), ((), -1)])
def test_a_hidden_layer_that_does_not_exist_is_an_error(sizes, layer):
    with pytest.raises(ValueError, match=f"layer={layer} is out of range.*{len(sizes)} hidden"):
        mlp(hidden_layer_sizes=sizes).fit(X, Y).hidden_activations(X, layer)


def brought(clf):
    rng = np.random.default_rng(1)
    return (
        [rng.normal(size=W.shape) for W in clf.coefs_],
        [rng.normal(size=b.shape) for b in clf.intercepts_],
    )


@pytest.mark.parametrize("how", ["lists", "items", "values"])
def test_weights_can_be_replaced_and_are_predicted_with(how):
    clf = mlp().fit(X, Y)
    coefs, intercepts = brought(clf)
    if how == "lists":
        clf.coefs_, clf.intercepts_ = coefs, intercepts
    for l in range(3):
        if how == "items":
            clf.coefs_[l], clf.intercepts_[l] = coefs[l], intercepts[l]
        if how == "values":
            clf.coefs_[l][:], clf.intercepts_[l][:] = coefs[l], intercepts[l]
    assert_allclose(clf.decision_function(X), by_hand(clf, X)[-1], rtol=1e-12)
    assert_array_equal(clf.coefs_[1], coefs[1])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_goes_on_from_weights_that_were_brought(method):
    clf = mlp(warm_start=True, max_iter=1, learning_rate_init=1e-300).fit(X, Y)
    coefs, intercepts = brought(clf)
    clf.coefs_, clf.intercepts_ = copy.deepcopy(coefs), copy.deepcopy(intercepts)
    getattr(clf, method)(X, Y)
    # The rate is lost in rounding: what was brought is what training began with.
    assert_allclose(clf.coefs_[0], coefs[0], rtol=1e-12)
    assert_allclose(clf.intercepts_[2], intercepts[2], rtol=1e-12)


def test_weights_of_another_shape_are_a_clear_error():
    clf = mlp().fit(X, Y)
    clf.coefs_[1] = np.zeros((4, 5))
    with pytest.raises(ValueError, match=r"coefs_\[1\] has shape \(4, 5\).*needs \(5, 4\)"):
        clf.predict(X)
    clf.coefs_ = clf.coefs_[:2]
    with pytest.raises(ValueError, match="coefs_ holds 2 arrays.*3 layers"):
        clf.predict(X)
