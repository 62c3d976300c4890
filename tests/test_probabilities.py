"""Probabilities, their logarithms and the scores they come from."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import log_expit, log_softmax

from skscratch import ScratchMLPClassifier

KINDS = ["one class", "binary", "multiclass", "multilabel"]


def fitted(kind, **params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = {
        "one class": np.full(60, "only"),
        "binary": np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)],
        "multiclass": np.array([10, 20, 30])[np.digitize(X[:, 0], [-0.5, 0.5])],
        "multilabel": (X[:, :3] > 0).astype(int),
    }[kind]
    given = {
        "hidden_layer_sizes": (6,),
        "activation": "relu",
        "solver": "sgd",
        "alpha": 0.001,
        "batch_size": 10,
        "learning_rate_init": 0.1,
        "max_iter": 20,
        "n_iter_no_change": np.inf,
        "random_state": 1,
    }
    return ScratchMLPClassifier(**given | params).fit(X, y), X, y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e12])
@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_finite_and_exact_for_huge_scores(kind, scale, dtype):
    clf, X, _ = fitted(kind)
    X = X.astype(dtype) * dtype(scale)
    z = clf.decision_function(X)
    log_P = clf.predict_log_proba(X)
    assert np.isfinite(log_P).all()
    if scale > 1 and kind != "one class":
        assert log_P.min() < -700  # where the logarithm of a rounded probability is -inf
    if kind == "binary":
        expected = np.c_[log_expit(-z), log_expit(z)]
    elif kind == "multilabel":
        expected = log_expit(z)
    else:
        expected = log_softmax(z.reshape(len(X), -1), axis=1)
    np.testing.assert_allclose(log_P, expected, rtol=1e-12)
    np.testing.assert_allclose(np.exp(log_P), clf.predict_proba(X), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e6])
@pytest.mark.parametrize("kind", ["one class", "binary", "multiclass"])
def test_rows_of_probabilities_sum_to_one(kind, scale, dtype):
    clf, X, y = fitted(kind)
    P = clf.predict_proba(X.astype(dtype) * scale)
    assert P.shape == (60, len(np.unique(y)))
    assert ((P >= 0) & (P <= 1)).all()
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=4 * np.finfo(P.dtype).eps)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("hidden_layer_sizes", [(6,), ()])
def test_a_single_class_gives_one_column_of_ones(hidden_layer_sizes, early_stopping):
    clf, X, _ = fitted("one class", hidden_layer_sizes=hidden_layer_sizes, early_stopping=early_stopping)
    np.testing.assert_array_equal(clf.predict_proba(X), np.ones((60, 1)))
    np.testing.assert_array_equal(clf.predict_log_proba(X), np.zeros((60, 1)))
    assert clf.classes_.tolist() == ["only"]
    assert set(clf.predict(X)) == {"only"}
    assert clf.score(X, np.full(60, "only")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_those_of_scikit_learn(kind):
    clf, X, y = fitted(kind)
    columns = {"one class": 1, "binary": 2, "multiclass": 3, "multilabel": 3}[kind]
    assert clf.predict_proba(X).shape == clf.predict_log_proba(X).shape == (60, columns)
    scores = (60,) if columns < 3 else (60, 3)
    assert clf.decision_function(X).shape == scores
    assert clf.predict(X).shape == y.shape
    assert clf.predict(X).dtype.kind == y.dtype.kind
    assert clf.n_outputs_ == (1 if columns < 3 else 3)
    assert clf.out_activation_ == ("logistic" if kind in ("binary", "multilabel") else "softmax")


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_agree_with_probabilities_and_scores(kind):
    clf, X, _ = fitted(kind)
    P, z = clf.predict_proba(X), clf.decision_function(X)
    if kind == "multilabel":
        np.testing.assert_array_equal(clf.predict(X), (P > 0.5).astype(int))
        np.testing.assert_array_equal(clf.predict(X), (z > 0).astype(int))
    else:
        np.testing.assert_array_equal(clf.predict(X), clf.classes_[P.argmax(axis=1)])
    if kind == "binary":
        np.testing.assert_array_equal(clf.predict(X), clf.classes_[(z > 0).astype(int)])


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_the_network_written_out(kind):
    clf, X, _ = fitted(kind)
    hidden = np.maximum(X @ clf.coefs_[0] + clf.intercepts_[0], 0)
    z = hidden @ clf.coefs_[1] + clf.intercepts_[1]
    np.testing.assert_allclose(clf.decision_function(X).reshape(z.shape), z, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_loss_is_exact_without_clipping(kind):
    # Logits of a million and wrong labels: a probability that is clipped at 1e-16 would cost at most 37.
    clf, X, y = fitted(kind)
    X_far = X * 1e6
    wrong = 1 - y if kind == "multilabel" else np.roll(clf.classes_, 1)[np.searchsorted(clf.classes_, y)]
    params = clf.get_params() | {"early_stopping": True, "max_iter": 1}
    with pytest.warns(UserWarning, match="X_val lies far from X"):
        validated = ScratchMLPClassifier(**params).fit(X, y, X_val=X_far, y_val=wrong)
    log_P = validated.predict_log_proba(X_far)
    if kind == "multilabel":
        z = validated.decision_function(X_far)
        expected = -np.where(wrong == 1, log_expit(z), log_expit(-z)).sum(axis=1).mean()
    else:
        expected = -log_P[np.arange(60), np.searchsorted(clf.classes_, wrong)].mean()
    assert expected > 1e4
    assert validated.validation_loss_curve_[0] == pytest.approx(expected, rel=1e-10)


def test_the_training_loss_is_exact_without_clipping():
    X = np.array([[1e8], [-1e8]] * 10)
    y = np.array([0, 1] * 10)
    params = {
        "hidden_layer_sizes": (),
        "alpha": 0.0,
        "batch_size": 20,
        "max_iter": 1,
        "n_iter_no_change": np.inf,
    }
    losses = []
    for labels in (y, 1 - y):
        clf = ScratchMLPClassifier(**params, learning_rate_init=1e-300, random_state=0).fit(X, labels)
        losses.append(clf.loss_)
    assert min(losses) == 0
    assert max(losses) == pytest.approx(1e8 * abs(clf.coefs_[0][0, 0]), rel=1e-12)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_predicted_alone_as_among_others(kind, method):
    clf, X, _ = fitted(kind)
    together = getattr(clf, method)(X)
    alone = np.concatenate([getattr(clf, method)(row) for row in X[:, np.newaxis]])
    if method == "predict":
        np.testing.assert_array_equal(alone, together)
    else:
        np.testing.assert_allclose(alone, together, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_many_rows_are_predicted_like_few(method):
    clf, _, _ = fitted("multiclass")
    X = np.random.default_rng(1).normal(size=(150_001, 4))
    whole = getattr(clf, method)(X)
    for part in (slice(0, 50), slice(74_980, 75_030), slice(149_950, None)):
        np.testing.assert_allclose(getattr(clf, method)(X[part]), whole[part], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_rows_are_predicted_like_dense_ones(kind):
    clf, X, _ = fitted(kind)
    X = X * (X > 0)
    for sparse in (sp.csr_array(X), sp.csc_matrix(X), sp.coo_array(X)):
        np.testing.assert_allclose(clf.predict_proba(sparse), clf.predict_proba(X), rtol=1e-10)


def test_multilabel_probabilities_are_each_label_by_itself():
    clf, X, Y = fitted("multilabel", hidden_layer_sizes=(), batch_size=60, alpha=0.05, max_iter=400)
    for column in range(3):
        alone = ScratchMLPClassifier(**clf.get_params()).fit(X, Y[:, column])
        np.testing.assert_allclose(clf.predict_proba(X)[:, column], alone.predict_proba(X)[:, 1], rtol=1e-4)


# The ends of the number range


def with_scores(kind, scores):
    """Return a classifier without hidden layers and an X for which its scores are these."""
    scores = np.asarray(scores)
    clf, X, _ = fitted(kind, hidden_layer_sizes=(), max_iter=1)
    assert clf.coefs_[0].shape[1] == len(scores)
    clf = ScratchMLPClassifier((), max_iter=1).fit(X.astype(scores.dtype), fitted(kind)[2])
    clf.coefs_[0][:], clf.intercepts_[0][:] = 0, scores
    return clf, np.zeros((2, 4), scores.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_log_probabilities_are_finite_for_the_largest_scores_there_are(kind, dtype):
    most = np.finfo(dtype).max
    scores = {"binary": [-most], "multiclass": [most, -most, 0], "multilabel": [most, -most, 0]}[kind]
    clf, X = with_scores(kind, np.array(scores, dtype))
    half = np.log(dtype(0.5))
    expected = {"binary": [0, -most], "multiclass": [0, -most, -most], "multilabel": [0, -most, half]}[kind]
    np.testing.assert_array_equal(clf.decision_function(X).reshape(2, -1), [scores] * 2)
    np.testing.assert_allclose(clf.predict_log_proba(X), [expected] * 2, rtol=1e-6)
    P = {"binary": [1, 0], "multiclass": [1, 0, 0], "multilabel": [1, 0, 0.5]}[kind]
    np.testing.assert_array_equal(clf.predict_proba(X), [P] * 2)
    label = {"binary": "no", "multiclass": 10, "multilabel": [1, 0, 0]}[kind]
    assert clf.predict(X).tolist() == [label] * 2


def test_log_probabilities_are_cut_off_only_below_the_lowest_number():
    clf, X = with_scores("multiclass", np.array([3e38, -3e38, 0], np.float32))
    lowest = np.finfo(np.float32).min
    np.testing.assert_array_equal(clf.predict_log_proba(X), np.array([[0, lowest, -3e38]] * 2, np.float32))
    clf, X = with_scores("multiclass", np.array([1.5e38, -1.5e38, 0], np.float32))
    np.testing.assert_array_equal(clf.predict_log_proba(X), np.array([[0, -3e38, -1.5e38]] * 2, np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tiny", [0.0, 1e-30, -1e-30])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_of_equal_probabilities_the_first_one_is_predicted(kind, tiny, dtype):
    # Scores that differ by less than probabilities can show are a tie: the first class, and no label.
    scores = {"binary": [tiny], "multiclass": [-tiny, tiny, 0], "multilabel": [tiny, tiny, 0]}[kind]
    clf, X = with_scores(kind, np.array(scores, dtype))
    P = clf.predict_proba(X)
    assert len(np.unique(P)) == 1
    label = {"binary": "no", "multiclass": 10, "multilabel": [0, 0, 0]}[kind]
    assert clf.predict(X).tolist() == [label] * 2
    if kind != "multilabel":
        assert clf.predict(X).tolist() == clf.classes_[P.argmax(axis=1)].tolist()


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_ties_are_those_of_mlp_classifier(kind):
    clf, X = with_scores(kind, np.array([1e-30] * {"binary": 1, "multilabel": 3}[kind]))
    np.testing.assert_array_equal(clf.to_sklearn().predict(X), clf.predict(X))


WITHOUT_BOUND = ["identity", "relu", "leaky_relu", "alrelu", "elu", "selu", "gelu", "silu", "softplus"]


@pytest.mark.parametrize("activation", WITHOUT_BOUND)
@pytest.mark.parametrize("form", [np.array, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_rows_have_finite_and_saturated_predictions(kind, activation, form):
    clf, X, _ = fitted(kind, activation=activation, max_iter=3)
    far = form(np.full((2, 4), 1.7e308) * [1, -1, 1, -1])
    clf.coefs_[0] *= 10
    for method in (clf.hidden_activations, clf.decision_function, clf.predict_log_proba):
        assert np.isfinite(method(far)).all()
    P = clf.predict_proba(far)
    np.testing.assert_array_equal(P, np.rint(P))
    if kind != "multilabel":
        np.testing.assert_array_equal(P.sum(axis=1), 1)
    clf.coefs_[0][0, 0] = np.nan
    for method in (clf.hidden_activations, clf.predict):
        with pytest.raises(ValueError, match=r"coefs_\[0\] holds values that are not finite"):
            method(X)


PREDICTIONS = ["predict_proba", "predict_log_proba", "decision_function", "hidden_activations", "predict"]


@pytest.mark.parametrize("method", PREDICTIONS)
@pytest.mark.parametrize("value", [1e39, -1e300, 1.7e308])
@pytest.mark.parametrize("form", [np.array, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_absurd_row_leaves_the_others_as_they_are_bit_for_bit(dtype, form, value, method):
    _, X, y = fitted("multiclass")
    clf = ScratchMLPClassifier(6, max_iter=20, random_state=1).fit(X.astype(dtype), y)
    rows, absurd = X.copy(), X.copy()
    rows[7], absurd[7] = 1, value
    expected, got = getattr(clf, method)(form(rows)), getattr(clf, method)(form(absurd))
    others = np.arange(len(X)) != 7
    np.testing.assert_array_equal(got[others], expected[others])
    assert got.dtype == expected.dtype
    assert np.isfinite(got[7]).all()


def test_an_absurd_row_is_predicted_as_in_double_precision_and_as_by_mlp_classifier():
    _, X, y = fitted("multiclass")
    clf = ScratchMLPClassifier(6, "relu", max_iter=20, random_state=1).fit(X.astype(np.float32), y)
    double = clf.to_sklearn()
    double.coefs_ = [W.astype(np.float64) for W in double.coefs_]
    double.intercepts_ = [b.astype(np.float64) for b in double.intercepts_]
    absurd = 1e300 * X
    np.testing.assert_array_equal(clf.predict(absurd), double.predict(absurd))
    np.testing.assert_allclose(clf.predict_proba(absurd), double.predict_proba(absurd), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_missing_or_infinite_value_stays_an_error(value):
    clf, X, _ = fitted("binary")
    X[7, 2] = value
    for method in PREDICTIONS:
        with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
            getattr(clf, method)(X)


def test_weights_that_no_row_is_small_enough_for_are_an_error():
    clf, X, _ = fitted("binary", hidden_layer_sizes=(6, 6), activation="identity", max_iter=3)
    clf.intercepts_[0] = np.full(6, 1e300)
    clf.coefs_[1] = np.full((6, 6), 1e300)
    with pytest.raises(ValueError, match="are not finite in float64"):
        clf.predict(X)
