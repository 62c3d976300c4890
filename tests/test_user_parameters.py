"""Parameters and hidden layers in the user's hands: coefs_, intercepts_ and hidden_activations."""

import copy
import functools
import pickle

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
def test_training_resumes_from_weights_that_were_brought(method):
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


USES = {
    "predict": lambda clf: clf.predict(X),
    "predict_proba": lambda clf: clf.predict_proba(X),
    "hidden_activations": lambda clf: clf.hidden_activations(X),
    "partial_fit": lambda clf: clf.partial_fit(X, Y),
    "warm fit": lambda clf: clf.fit(X, Y),
    "to_sklearn": lambda clf: clf.to_sklearn(),
}
"""Every method that reads the parameters."""

every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


def standing_still():
    """Return a fitted classifier whose further training changes nothing: its rate is lost in rounding."""
    return mlp(warm_start=True, max_iter=1, learning_rate_init=1e-300).fit(X, Y)


@every_use
@pytest.mark.parametrize("kind", [list, tuple])
def test_nested_lists_of_whole_numbers_will_do(use, kind):
    clf, same = standing_still(), standing_still()
    same.coefs_ = [np.round(10 * W) for W in brought(clf)[0]]
    same.intercepts_ = [np.zeros(b.shape) for b in clf.intercepts_]
    clf.coefs_ = kind(W.astype(int).tolist() for W in same.coefs_)
    clf.intercepts_ = kind([0] * len(b) for b in same.intercepts_)
    result, expected = use(clf), use(same)
    if isinstance(expected, np.ndarray):
        assert_array_equal(result, expected)
    else:
        assert_array_equal(result.predict_proba(X), expected.predict_proba(X))


BAD = {
    "nothing": (None, None, r"coefs_ must be a list of arrays, one for each of the network's 3 layers"),
    "a number": (None, 3.0, r"coefs_ must be a list of arrays"),
    "an array of no dimension": (None, np.array(3.0), r"coefs_ must be a list of arrays"),
    "an empty list": (None, [], r"coefs_ holds 0 arrays.*3 layers"),
    "another shape": (1, np.zeros((4, 5)), r"coefs_\[1\] has shape \(4, 5\).*needs \(5, 4\)"),
    "no array": (1, None, r"coefs_\[1\] must be an array of real numbers"),
    "rows of unequal length": (1, [[1.0], [2.0, 3.0]], r"coefs_\[1\] must be an array of real numbers"),
    "strings": (1, np.full((5, 4), "1"), r"coefs_\[1\] must be an array of real numbers.*<U1"),
    "complex numbers": (1, np.ones((5, 4), complex), r"coefs_\[1\] must be.*real numbers.*complex128"),
    "NaN": (1, np.full((5, 4), np.nan), r"coefs_\[1\] holds values that are not finite in float64"),
}


@every_use
@pytest.mark.parametrize(("l", "value", "message"), BAD.values(), ids=BAD)
def test_every_use_of_what_cannot_be_the_parameters_says_the_same(use, l, value, message):
    clf = mlp(warm_start=True).fit(X, Y)
    if l is None:
        clf.coefs_ = value
    else:
        clf.coefs_[l] = value
    with pytest.raises(ValueError, match=message):
        use(clf)


@every_use
def test_an_array_that_was_written_to_is_checked_too(use):
    clf = mlp(warm_start=True).fit(X, Y)
    clf.intercepts_[1][1] = np.nan
    with pytest.raises(ValueError, match=r"intercepts_\[1\] holds values that are not finite"):
        use(clf)


def test_numbers_beyond_the_precision_of_the_network_are_not_finite_in_it():
    clf = mlp().fit(X.astype(np.float32), Y)
    clf.coefs_[0] = np.full((3, 5), 1e300)
    clf.coefs_[1] = np.full((5, 4), -1e300)
    for use in (USES["to_sklearn"], USES["partial_fit"]):
        with pytest.raises(ValueError, match=r"coefs_\[0\] holds values that are not finite in float32"):
            use(clf)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda clf: pickle.loads(pickle.dumps(clf))])
@pytest.mark.parametrize(("l", "value", "message"), BAD.values(), ids=BAD)
def test_a_copy_of_what_cannot_predict_can_be_made_and_cannot_predict(duplicate, l, value, message):
    clf = mlp().fit(X, Y)
    if l is None:
        clf.coefs_ = value
    else:
        clf.coefs_[l] = value
    again = duplicate(clf)
    assert again.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=message):
        again.predict(X)


@pytest.mark.parametrize("classes", [[0, 1, 2], ["low", "mid", "top"], ["top", "low", "mid"]], ids=str)
def test_classes_may_be_renamed_by_a_list(classes):
    clf, same = (mlp(warm_start=True).fit(X, Y) for _ in range(2))
    clf.classes_ = classes
    names = np.array(classes)
    for _ in range(2):
        assert_array_equal(clf.predict(X), names[same.predict(X)])
        clf.partial_fit(X, names[Y])
        same.partial_fit(X, Y)


@pytest.mark.parametrize("use", [USES["warm fit"], USES["to_sklearn"]])
def test_classes_out_of_order_are_an_error_where_order_counts(use):
    clf = mlp(warm_start=True).fit(X, Y)
    clf.classes_ = [2, 1, 0]
    with pytest.raises(ValueError, match=r"classes.*\[2,? 1,? 0\]"):
        use(clf)


@pytest.mark.parametrize("classes", [None, 3, [0, 1], [0, 1, 2, 3], [[0, 1, 2]]], ids=str)
@pytest.mark.parametrize("name", ["predict", "partial_fit", "warm fit", "to_sklearn"])
def test_classes_that_do_not_fit_the_network_are_an_error(name, classes):
    clf = mlp(warm_start=True).fit(X, Y)
    clf.classes_ = classes
    with pytest.raises(ValueError, match="classes_ must hold one label for each of the network's 3 classes"):
        USES[name](clf)
