"""What sample weights and class weights mean, seen through the estimator."""

import functools

import estimators
import numpy as np
import pytest
from estimators import parameters
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

mlp = functools.partial(
    estimators.mlp,
    hidden_layer_sizes=(6,),
    activation="tanh",
    batch_size=8,
    learning_rate_init=0.1,
    max_iter=6,
    random_state=3,
)
data = functools.partial(estimators.data, n=48)

KINDS = ["binary", "multiclass", "multilabel"]


def split(early_stopping):
    """Return the parameters of a validation split of a quarter, if there is one."""
    return {"early_stopping": True, "validation_fraction": 0.25} if early_stopping else {}


def weighted_data_loss(clf, X, y, weights=None):
    """Return sum_i w_i loss_i / sum_i w_i, from the estimator's own probabilities."""
    P = clf.predict_proba(X)
    if y.ndim == 1:
        return log_loss(y, P, sample_weight=weights, labels=clf.classes_)
    each = -(y * np.log(P) + (1 - y) * np.log(1 - P)).sum(axis=1)
    return np.average(each, weights=weights)


def penalty(clf, alpha):
    return alpha / 2 * sum((W**2).sum() for W in clf.coefs_)


def assert_same_parameters(a, b, **tolerance):
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_allclose(ours, theirs, **tolerance)


def assert_same_bits(a, b):
    estimators.assert_same_bits(a, b)
    assert a.loss_curve_ == b.loss_curve_


def first_call(method, y):
    return {"classes": np.unique(y)} if method == "partial_fit" else {}


# A row of weight k behaves as k copies


@pytest.mark.parametrize("alpha", [0.05, "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_full_batches_a_row_of_weight_k_is_k_copies(kind, alpha):
    X, y = data(kind)
    k = np.random.default_rng(1).integers(0, 4, size=len(X))
    weighted = mlp(alpha=alpha, batch_size=len(X)).fit(X, y, sample_weight=k)
    copied = mlp(alpha=alpha, batch_size=k.sum()).fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0))
    assert_same_parameters(weighted, copied, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weighted.loss_curve_, copied.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_in_minibatches_of_equal_weight_sum_a_row_of_weight_k_is_k_copies(kind):
    X, y = data(kind)
    k = np.tile([1, 3, 2, 2, 1, 3, 4, 0], 6)  # eight rows, sixteen copies in every batch
    weighted = mlp(batch_size=7, shuffle=False).fit(X, y, sample_weight=k)
    copied = mlp(batch_size=16, shuffle=False).fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0))
    assert_same_parameters(weighted, copied, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 5, 8, 48])
@pytest.mark.parametrize("kind", KINDS)
def test_one_weight_for_all_rows_changes_nothing_at_any_batch_size(kind, batch_size):
    X, y = data(kind)
    plain = mlp(batch_size=batch_size).fit(X, y)
    weighted = mlp(batch_size=batch_size).fit(X, y, sample_weight=np.full(len(X), 7.0))
    assert_same_parameters(weighted, plain, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 6, 12])
@pytest.mark.parametrize("kind", KINDS)
def test_in_any_minibatches_a_row_of_weight_k_is_k_copies_in_expectation(kind, batch_size):
    # With tiny steps and no momentum an epoch moves by the rate times the sum of its batches' gradients,
    # each of them taken at the same parameters.
    X, y = data(kind)
    rate = 1e-7
    k = np.random.default_rng(2).integers(1, 5, size=len(X))
    X_copied, y_copied = np.repeat(X, k, axis=0), np.repeat(y, k, axis=0)
    assert len(X) % batch_size == 0

    def mean_step(X, y, batch_size, weights=None):
        def after(rate):
            clf = mlp(batch_size=batch_size, learning_rate_init=rate, momentum=0.0, max_iter=1)
            return parameters(clf.fit(X, y, sample_weight=weights))

        return (after(rate) - after(1e-300)) / (rate * len(X) / batch_size)

    # One full batch of copies is the gradient itself, the expectation of every minibatch's.
    expected = mean_step(X_copied, y_copied, len(X_copied))
    np.testing.assert_allclose(mean_step(X, y, batch_size, k), expected, rtol=1e-3, atol=1e-5)
    # The comparison can fail: without weights the gradient is another one.
    assert not np.allclose(mean_step(X, y, batch_size), expected, rtol=1e-3, atol=1e-3)


# A row of weight zero behaves as an absent one


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 48])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_zero_is_absent_bit_for_bit(kind, batch_size, early_stopping):
    X, y = data(kind)
    w = np.random.default_rng(4).uniform(0.5, 2, size=len(X))
    w[::3] = 0
    params = {"batch_size": batch_size, **split(early_stopping)}
    with_zeros = mlp(**params).fit(X, y, sample_weight=w)
    without = mlp(**params).fit(X[w > 0], y[w > 0], sample_weight=w[w > 0])
    assert_same_bits(with_zeros, without)
    assert with_zeros.validation_loss_curve_ == without.validation_loss_curve_
    assert with_zeros.t_ == without.t_


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_weight_zero_is_absent_in_partial_fit(kind):
    X, y = data(kind)
    w = np.ones(len(X))
    w[10:40] = 0
    classes = np.arange(3) if kind == "multilabel" else np.unique(y)
    with_zeros, without = mlp(), mlp()
    for _ in range(3):
        with_zeros.partial_fit(X, y, classes=classes, sample_weight=w)
        without.partial_fit(X[w > 0], y[w > 0], classes=classes, sample_weight=w[w > 0])
    assert_same_bits(with_zeros, without)


def test_a_validation_row_of_weight_zero_is_absent():
    X, y = data("multiclass")
    w = np.ones(16)
    w[::2] = 0
    given = mlp(early_stopping=True)
    given.fit(X[16:], y[16:], X_val=X[:16], y_val=y[:16], sample_weight_val=w)
    cut = mlp(early_stopping=True).fit(X[16:], y[16:], X_val=X[:16][w > 0], y_val=y[:16][w > 0])
    np.testing.assert_allclose(given.validation_loss_curve_, cut.validation_loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_batch_of_zero_weights_takes_no_step(momentum):
    X, y = data("multiclass")
    w = np.ones(len(X))
    w[8:24] = 0  # the second and third batch of eight
    params = {"batch_size": 8, "shuffle": False, "momentum": momentum, "alpha": 0.5}
    with_empty_batches = mlp(**params).fit(X, y, sample_weight=w)
    without = mlp(**params).fit(np.delete(X, np.s_[8:24], axis=0), np.delete(y, np.s_[8:24]))
    assert_same_parameters(with_empty_batches, without, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tiny", [1e-300, 1e-30, 1e30])
def test_weights_of_any_magnitude_train_alike(tiny):
    X, y = data("multiclass")
    w = np.random.default_rng(4).uniform(0.5, 2, size=len(X))
    scaled = mlp().fit(X, y, sample_weight=w * tiny)
    assert_same_parameters(scaled, mlp().fit(X, y, sample_weight=w), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_negative_weights_are_an_error(method):
    X, y = data("binary")
    w = np.ones(len(X))
    w[5] = -0.5
    with pytest.raises(ValueError, match=r"sample_weight.*negative.*-0\.5"):
        getattr(mlp(), method)(X, y, sample_weight=w, **first_call(method, y))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_weights_that_are_all_zero_are_an_error(method):
    X, y = data("binary")
    with pytest.raises(ValueError, match=r"sample_weight.*zero"):
        getattr(mlp(), method)(X, y, sample_weight=np.zeros(len(X)), **first_call(method, y))


# loss_ is the weighted objective


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("batch_size", [7, 48])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_the_weighted_objective(kind, weighted, batch_size, alpha):
    # The rate is so small that all batches meet the same parameters, those that the fit ends with.
    X, y = data(kind)
    w = np.random.default_rng(5).uniform(0, 3, size=len(X)) if weighted else None
    clf = mlp(alpha=alpha, batch_size=batch_size, learning_rate_init=1e-300, max_iter=1)
    clf.fit(X, y, sample_weight=w)
    expected = weighted_data_loss(clf, X, y, w) + penalty(clf, alpha)
    assert clf.loss_ == pytest.approx(expected, rel=1e-12)
    assert clf.loss_curve_ == [clf.loss_]


def test_loss_contains_the_class_weights():
    X, y = data("binary")
    clf = mlp(learning_rate_init=1e-300, max_iter=1, class_weight={"no": 5, "yes": 0.5}).fit(X, y)
    w = np.where(y == "no", 5, 0.5)
    assert clf.loss_ == pytest.approx(weighted_data_loss(clf, X, y, w) + penalty(clf, 0.01), rel=1e-12)


def test_automatic_alpha_is_one_constant_over_the_number_of_rows_whatever_they_weigh():
    constants = []
    for n, weight, batch_size in [(48, None, 8), (48, None, 48), (48, 2.5, 8), (33, None, 7)]:
        X, y = data("multiclass", n=n)
        w = None if weight is None else np.full(n, weight)
        clf = mlp(alpha="auto", batch_size=batch_size, learning_rate_init=1e-300, max_iter=1)
        clf.fit(X, y, sample_weight=w)
        alpha = (clf.loss_ - weighted_data_loss(clf, X, y)) / penalty(clf, 1)
        constants.append(alpha * n)
    assert constants[0] > 0
    np.testing.assert_allclose(constants, constants[0], rtol=1e-8)


@pytest.mark.filterwarnings("ignore:.*alpha=1000 is far too strong:sklearn.exceptions.ConvergenceWarning")
def test_biases_are_not_penalised():
    X, y = data("multiclass")
    params = {"learning_rate_init": 0.5, "batch_size": 48, "max_iter": 300, "hidden_layer_sizes": ()}
    clf = mlp(alpha=1e3, **params | {"learning_rate_init": 1e-4}).fit(X, y)
    assert np.abs(clf.coefs_[0]).max() < 1e-2
    # A free bias reaches the logarithm of the classes' shares, as if X were not there.
    free = mlp(alpha=0, **params).fit(np.zeros_like(X), y)
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(free.predict_proba(X[:1] * 0)[0], shares, rtol=1e-6)


# class_weight


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("batch_size", [7, 48])
def test_a_dict_of_class_weights_is_multiplied_into_the_sample_weights(batch_size, early_stopping):
    X, y = data("multiclass")
    table = {0: 0.5, 1: 3.0, 2: 1.25}
    w = np.random.default_rng(6).uniform(0.5, 2, size=len(X))
    factors = np.array([table[label] for label in y])
    params = {"batch_size": batch_size, **split(early_stopping)}
    by_class = mlp(class_weight=table, **params).fit(X, y, sample_weight=w)
    by_row = mlp(**params).fit(X, y, sample_weight=w * factors)
    assert_same_bits(by_class, by_row)


def test_a_class_of_weight_zero_is_not_learned_but_stays_a_class():
    X, y = data("multiclass")
    clf = mlp(class_weight={0: 1, 1: 0, 2: 1}).fit(X, y)
    assert clf.classes_.tolist() == [0, 1, 2]
    absent = mlp()
    for _ in range(6):
        absent.partial_fit(X[y != 1], y[y != 1], classes=[0, 1, 2])
    assert_same_parameters(clf, absent, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_balanced_gives_every_class_the_same_weight(kind):
    X, y = data(kind)
    table = dict(zip(np.unique(y), compute_class_weight("balanced", classes=np.unique(y), y=y), strict=True))
    assert len(set(table.values())) > 1
    balanced = mlp(class_weight="balanced").fit(X, y)
    assert_same_parameters(balanced, mlp(class_weight=table).fit(X, y), rtol=1e-9, atol=1e-12)


def test_balanced_counts_a_row_of_weight_k_as_k_rows():
    X, y = data("multiclass")
    k = np.random.default_rng(7).integers(0, 4, size=len(X))
    weighted = mlp(class_weight="balanced", batch_size=48).fit(X, y, sample_weight=k)
    copied = mlp(class_weight="balanced", batch_size=k.sum())
    copied.fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0))
    assert_same_parameters(weighted, copied, rtol=1e-9, atol=1e-12)


def test_balanced_is_taken_from_the_training_part_of_the_split():
    # Of two rows of "rare" one is held out, of forty others ten: the shares differ between the parts.
    X, _ = data("binary", n=42)
    y = np.array(["rare"] * 2 + ["usual"] * 40)
    params = {"early_stopping": True, "validation_fraction": 0.25}
    balanced = mlp(class_weight="balanced", **params).fit(X, y)
    of_training_part = mlp(class_weight={"rare": 31 / (2 * 1), "usual": 31 / (2 * 30)}, **params).fit(X, y)
    of_whole = mlp(class_weight={"rare": 42 / (2 * 2), "usual": 42 / (2 * 40)}, **params).fit(X, y)
    assert_same_parameters(balanced, of_training_part, rtol=1e-9, atol=1e-12)
    assert not np.allclose(parameters(balanced), parameters(of_whole), rtol=1e-3)


def test_balanced_does_not_look_at_given_validation_rows():
    X, y = data("multiclass")
    X_val, y_val = X[:10], np.zeros(10, int)
    table = dict(enumerate(compute_class_weight("balanced", classes=np.arange(3), y=y[10:])))
    balanced, named = mlp(class_weight="balanced", early_stopping=True), mlp(class_weight=table)
    named.set_params(early_stopping=True)
    for clf in (balanced, named):
        clf.fit(X[10:], y[10:], X_val=X_val, y_val=y_val)
    assert_same_parameters(balanced, named, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(balanced.validation_loss_curve_, named.validation_loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 2, 1: 5}, {0: 1, 1: 1}, {0: 0.5, 1: 3}]])
def test_class_weights_of_several_labels_are_multiplied(class_weight):
    X, y = data("multilabel")
    tables = class_weight
    if class_weight == "balanced":
        tables = [
            dict(enumerate(compute_class_weight("balanced", classes=np.arange(2), y=column)))
            for column in y.T
        ]
    factors = np.prod([[table[v] for v in column] for table, column in zip(tables, y.T, strict=True)], axis=0)
    by_class = mlp(class_weight=class_weight).fit(X, y)
    assert_same_parameters(by_class, mlp().fit(X, y, sample_weight=factors), rtol=1e-9, atol=1e-12)


def test_balanced_raises_in_partial_fit():
    X, y = data("binary")
    clf = mlp(class_weight="balanced")
    with pytest.raises(ValueError, match=r"balanced.*partial_fit.*compute_class_weight"):
        clf.partial_fit(X, y, classes=np.unique(y))
    assert not hasattr(clf, "partial_fit")
    assert hasattr(clf.set_params(class_weight={"no": 2, "yes": 1}), "partial_fit")


def test_a_dict_of_class_weights_acts_in_partial_fit_on_chunks_that_lack_a_class():
    X, y = data("multiclass")
    table = {0: 0.5, 1: 3.0, 2: 1.25}
    by_class, by_row = mlp(class_weight=table), mlp()
    for label in (0, 2, 1):
        chunk, labels = X[y <= label], y[y <= label]
        by_class.partial_fit(chunk, labels, classes=[0, 1, 2])
        by_row.partial_fit(
            chunk, labels, classes=[0, 1, 2], sample_weight=np.array([table[label] for label in labels])
        )
    assert_same_bits(by_class, by_row)


# Weights near the ends of the range of floats


@pytest.mark.parametrize("alpha", [0.01, "auto"])
@pytest.mark.parametrize("weight", [5e-324, 1e-310, 1e-300, 1e155, 1e300])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_weights_that_are_all_alike_are_as_none_however_small_or_large(method, weight, alpha):
    X, y = data("binary")
    plain, weighted = (
        getattr(mlp(alpha=alpha), method)(X, y, sample_weight=w, **first_call(method, y))
        for w in (None, np.full(len(X), weight))
    )
    assert_same_parameters(weighted, plain, rtol=1e-9, atol=1e-12)
    assert weighted.loss_ == pytest.approx(plain.loss_, rel=1e-12)


def test_weights_at_the_smallest_number_keep_their_ratios():
    X, y = data("multiclass")
    k = np.random.default_rng(1).integers(1, 5, size=len(X))
    assert_same_bits(mlp().fit(X, y, sample_weight=k * 5e-324), mlp().fit(X, y, sample_weight=k))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("factor", "weight"), [(1e307, None), (1e300, 1e300), (1e-300, 1e-300), (5e-324, 5e-324), (1e300, 1e-300)]
)
def test_class_weights_that_are_all_alike_are_as_none_however_small_or_large(method, factor, weight):
    X, y = data("binary")
    w = None if weight is None else np.full(len(X), weight)
    weighted, plain = (
        getattr(clf, method)(X, y, sample_weight=w, **first_call(method, y))
        for clf, w in ((mlp(class_weight={"no": factor, "yes": factor}), w), (mlp(), None))
    )
    assert_same_parameters(weighted, plain, rtol=1e-9, atol=1e-12)


def test_large_class_weights_keep_their_ratio():
    X, y = data("binary")
    large, small = (mlp(class_weight={"no": 3 * f, "yes": f}).fit(X, y) for f in (2.0**1020, 1.0))
    assert_same_bits(large, small)


@pytest.mark.parametrize("factor", [1e-310, 1e-300, 1e300])
def test_balanced_classes_do_not_mind_the_scale_of_the_weights(factor):
    X, y = data("multiclass")
    w = np.random.default_rng(4).uniform(0.5, 2, size=len(X))
    scaled, plain = (mlp(class_weight="balanced").fit(X, y, sample_weight=s * w) for s in (factor, 1))
    assert_same_parameters(scaled, plain, rtol=1e-9, atol=1e-12)


def test_classes_whose_weights_no_float_can_balance_are_refused_with_the_reason():
    X, y = data("binary")
    w = np.where(y == "no", 1e300, 1e-300)
    with pytest.raises(ValueError, match="class_weight='balanced' cannot balance"):
        mlp(class_weight="balanced").fit(X, y, sample_weight=w)


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 1, 1: 60}] * 700])
def test_a_row_with_too_many_rare_labels_to_weigh_is_refused_with_the_reason(class_weight):
    X = data("binary")[0]
    table = np.zeros((len(X), 700), int)
    table[5] = 1
    with pytest.raises(ValueError, match="that class_weight gives to the rows are too far apart"):
        mlp(class_weight=class_weight).fit(X, table)


def test_many_balanced_labels_are_no_trouble():
    X = data("binary")[0]
    table = (np.random.default_rng(0).random((len(X), 700)) < 0.1).astype(int)
    assert np.isfinite(mlp(class_weight="balanced", max_iter=2).fit(X, table).loss_)
