"""Losses: probabilities and log-likelihoods, exact from the scores, at the edges too."""

import numpy as np
import pytest
import textbook
from builders import KINDS, N_OUTPUTS, make_y, textbook_Y
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.losses import LOSSES

N = 8


def link_and_losses(loss, scores, Y):
    """Return probabilities and losses of one batch; scores, Y and the result have one row per example."""
    Z, Y = np.array(scores.T, order="C"), np.array(Y.T, dtype=scores.dtype, order="C")
    ones = loss.summing_matrix(len(Z), Z.dtype)
    P, s, out = (
        np.full_like(Z, np.nan),
        np.full((len(ones), Z.shape[1]), np.nan, Z.dtype),
        np.full_like(Z[0], np.nan),
    )
    loss.link(Z, ones, s, P)
    loss.losses(Z, s, Y, out)
    return P.T, out


def make_scores(n_outputs, scale=2.0):
    return scale * np.random.default_rng(n_outputs).normal(size=(N, n_outputs))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_and_losses_are_the_textbooks(kind, smoothing):
    link, cross_entropy = textbook.OUTPUTS[kind]
    scores, Y = make_scores(N_OUTPUTS[kind]), textbook_Y(make_y(kind, N), kind, smoothing)
    P, losses = link_and_losses(LOSSES[kind], scores, Y)
    assert_allclose(P, link(scores), rtol=1e-13)
    assert_allclose(losses, cross_entropy(link(scores), Y), rtol=1e-12)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 15, 16, 17, 40])
def test_softmax_is_the_textbooks_for_few_and_for_many_classes(n_classes):
    scores, y = make_scores(n_classes), np.arange(N) % n_classes
    P, losses = link_and_losses(LOSSES["multiclass"], scores, np.eye(n_classes)[y])
    expected = textbook.softmax(scores)
    assert_allclose(P, expected, rtol=1e-13)
    assert_allclose(losses, -np.log(expected[np.arange(N), y]), rtol=1e-12, atol=1e-15)


def test_softmax_by_hand():
    # e^0 : e^ln 3 : e^ln 4 = 1 : 3 : 4, so p = 1/8, 3/8, 1/2
    scores, Y = np.log([[1.0, 3.0, 4.0]]), np.array([[0.0, 1.0, 0.0]])
    P, losses = link_and_losses(LOSSES["multiclass"], scores, Y)
    assert_allclose(P, [[0.125, 0.375, 0.5]], rtol=1e-15)
    assert_allclose(losses, [-np.log(0.375)], rtol=1e-15)


def test_sigmoid_by_hand():
    # z = ln 3: p = 3/4, so -log(3/4) where the label is there and -log(1/4) where it is not
    scores = np.log([[3.0, 3.0]])
    P, losses = link_and_losses(LOSSES["multilabel"], scores, np.array([[1.0, 0.0]]))
    assert_allclose(P, [[0.75, 0.75]], rtol=1e-15)
    assert_allclose(losses, [-np.log(0.75) - np.log(0.25)], rtol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_of_the_loss_by_the_scores_is_P_minus_Y(kind):
    scores, Y, h = make_scores(N_OUTPUTS[kind]), textbook_Y(make_y(kind, N), kind, 0.1), 1e-5
    P, _ = link_and_losses(LOSSES[kind], scores, Y)
    for c in range(N_OUTPUTS[kind]):
        step = h * (np.arange(N_OUTPUTS[kind]) == c)
        above, below = (link_and_losses(LOSSES[kind], scores + d, Y)[1] for d in (step, -step))
        assert_allclose((P - Y)[:, c], (above - below) / (2 * h), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_loss_of_huge_scores_is_exact(dtype):
    # The loss is the distance of the true score from the largest: there is no limit where it is cut off.
    scores = np.array([[1e5, 0.0, -1e5], [1e5, 0.0, -1e5], [1e5, 0.0, -1e5]], dtype)
    P, losses = link_and_losses(LOSSES["multiclass"], scores, np.eye(3))
    assert_array_equal(losses, [0, 1e5, 2e5])
    assert_array_equal(P, [[1, 0, 0]] * 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_loss_of_huge_scores_is_exact(dtype):
    scores = np.array([[1e5], [1e5], [-1e5], [-1e5]], dtype)
    P, losses = link_and_losses(LOSSES["binary"], scores, np.array([[1.0], [0.0], [1.0], [0.0]]))
    assert_array_equal(losses, [0, 1e5, 1e5, 0])
    assert_array_equal(P[:, 0], [1, 1, 0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 5.0, 10.0, 15.0, 30.0])
def test_a_small_sigmoid_loss_keeps_its_digits(size, dtype):
    # A score on the right side: -log(1 / (1 + e^-size)) = log(1 + e^-size), whichever the label is.
    scores = np.array([[size], [-size]], dtype)
    _, losses = link_and_losses(LOSSES["binary"], scores, np.array([[1.0], [0.0]]))
    assert_allclose(losses, [np.log1p(np.exp(-size))] * 2, rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1.0, 5.0, 10.0, 15.0, 30.0])
def test_a_small_softmax_loss_is_exact_to_the_rounding_of_one(size, dtype):
    # log(sum_c e^z_c) - z_y with a sum just above 1
    _, losses = link_and_losses(LOSSES["multiclass"], np.array([[0.0, -size]], dtype), np.array([[1.0, 0.0]]))
    assert_allclose(losses, [np.log1p(np.exp(-size))], rtol=0, atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_is_never_negative(kind):
    for scale in (0.1, 1.0, 10.0, 100.0):
        scores = make_scores(N_OUTPUTS[kind], scale).astype(np.float32)
        _, losses = link_and_losses(LOSSES[kind], scores, textbook_Y(make_y(kind, N), kind))
        assert (losses >= 0).all()


def test_a_single_class_is_certain_and_costs_nothing():
    P, losses = link_and_losses(LOSSES["multiclass"], make_scores(1), np.ones((N, 1)))
    assert_array_equal(P, 1)
    assert_array_equal(losses, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_of_a_block_of_batches_are_those_of_each_batch(kind):
    loss, n_outputs = LOSSES[kind], N_OUTPUTS[kind]
    scores = np.stack([make_scores(n_outputs), 3 * make_scores(n_outputs)])
    Y = np.stack([textbook_Y(make_y(kind, N, seed), kind) for seed in (0, 1)])
    apart = [link_and_losses(loss, *batch)[1] for batch in zip(scores, Y, strict=True)]
    Z, Y = np.array(scores.transpose(0, 2, 1), order="C"), np.array(Y.transpose(0, 2, 1), order="C")
    ones = loss.summing_matrix(n_outputs, Z.dtype)
    P, s, out = np.empty_like(Z), np.empty((2, len(ones), N)), np.empty((2, N))
    for k in range(2):
        loss.link(Z[k], ones, s[k], P[k])
    loss.losses(Z, s, Y, out)
    assert_array_equal(out, apart)


# For prediction: one row per example, all rows at once


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_for_prediction_are_those_of_training(kind):
    scores = make_scores(N_OUTPUTS[kind])
    P, _ = link_and_losses(LOSSES[kind], scores, textbook_Y(make_y(kind, N), kind))
    assert_allclose(LOSSES[kind].probabilities(scores), P, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e2, 1e30])
@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_finite_and_keep_the_dtype_for_any_finite_scores(kind, scale, dtype):
    scores = make_scores(N_OUTPUTS[kind], scale).astype(dtype)
    log_P = LOSSES[kind].log_probabilities(scores)
    assert log_P.dtype == LOSSES[kind].probabilities(scores).dtype == dtype
    assert np.isfinite(log_P).all()
    assert (log_P <= 0).all()
    assert_allclose(np.exp(log_P), LOSSES[kind].probabilities(scores), rtol=1e-5, atol=1e-30)


def test_log_probability_of_a_hopeless_class_is_its_distance_in_score():
    assert_array_equal(LOSSES["multiclass"].log_probabilities(np.array([[0.0, -5000.0]])), [[0, -5000]])
    assert_array_equal(LOSSES["binary"].log_probabilities(np.array([[-5000.0]])), [[-5000]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_probabilities_sum_to_one(dtype):
    P = LOSSES["multiclass"].probabilities(make_scores(7, 30.0).astype(dtype))
    assert_allclose(P.sum(axis=1), 1, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("kind", "name"), [("binary", "logistic"), ("multiclass", "softmax"), ("multilabel", "logistic")]
)
def test_the_output_activation_has_scikit_learns_name(kind, name):
    assert LOSSES[kind].out_activation == name
