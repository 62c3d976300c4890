"""The objective and its gradient: a numerical witness for each derivative, the textbook for each value."""

import numpy as np
import pytest
import textbook
from builders import (
    KINDS,
    N_OUTPUTS,
    flatten,
    make_batches,
    make_network,
    make_objective,
    make_rows,
    make_theta,
    make_weights,
    make_X,
    make_y,
    mask_drawer,
    textbook_network,
    textbook_Y,
)
from numpy.testing import assert_allclose, assert_array_equal

import skscratch.objective
from skscratch.activations import ACTIVATIONS
from skscratch.network import Layers

N, N_FEATURES = 7, 3
# A step for the numerical gradient, and the distance that every z keeps from 0, where ReLU has its kink.
# A parameter that moves by STEP moves no z by more than a few STEPs.
STEP, AWAY_FROM_KINKS = 1e-5, 1e-3


def sizes_of(kind):
    return (N_FEATURES, 5, 4, N_OUTPUTS[kind])


def theta_away_from_kinks(X, activations, kind, masks=None):
    sizes = sizes_of(kind)
    for seed in range(20):
        theta = make_theta(sizes, seed)
        z, _ = textbook.forward(textbook_network(sizes, activations, theta, kind), X, masks)
        if min(np.abs(z_l).min() for z_l in z[1:-1]) > AWAY_FROM_KINKS:
            return theta
    raise AssertionError("no starting point away from the kinks was found")


def numerical_gradient(value, theta):
    """(J(theta + h e_i) - J(theta - h e_i)) / 2h for each i; theta is moved in place and put back."""
    gradient = np.empty_like(theta)
    for i in range(theta.size):
        here = theta[i]
        theta[i] = here + STEP
        above = value()
        theta[i] = here - STEP
        below = value()
        theta[i] = here
        gradient[i] = (above - below) / (2 * STEP)
    return gradient


def problem(kind, activations="tanh", *, weighted=False, alpha=0.0, smoothing=0.0, batch_size=N):
    """Return the objective of a small network, its batches, and what the textbook needs for the same."""
    X, y = make_X(N, N_FEATURES), make_y(kind, N)
    weights = make_weights(N) if weighted else None
    theta = theta_away_from_kinks(X, activations, kind)
    twin = textbook_network(sizes_of(kind), activations, theta, kind)
    network = make_network(sizes_of(kind), activations, theta)
    rows = make_rows(X, y, kind, weights, smoothing=smoothing)
    batches = make_batches(rows, batch_size, kind, network)
    w = weights if weighted else np.ones(N)
    return make_objective(network, kind, alpha), batches, (twin, X, textbook_Y(y, kind, smoothing), w)


def assert_agrees_with_numerical_gradient(objective, batches):
    _, gradient = objective.value_and_gradient(batches)
    numeric = numerical_gradient(lambda: objective.value_and_gradient(batches)[0], objective.network.theta)
    assert np.abs(gradient).max() > 1e-3
    assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradient_agrees_with_numerical_gradient(activation, kind, weighted, alpha):
    objective, batches, _ = problem(kind, activation, weighted=weighted, alpha=alpha)
    assert_agrees_with_numerical_gradient(objective, batches)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_agrees_with_numerical_gradient_for_smoothed_labels(kind, weighted):
    objective, batches, _ = problem(kind, weighted=weighted, alpha=0.1, smoothing=0.2)
    assert_agrees_with_numerical_gradient(objective, batches)


def test_gradient_agrees_with_numerical_gradient_for_a_different_activation_in_each_layer():
    objective, batches, _ = problem("multiclass", ["relu", "logistic"], weighted=True, alpha=0.1)
    assert_agrees_with_numerical_gradient(objective, batches)


def test_gradient_agrees_with_numerical_gradient_without_hidden_layers():
    X, y = make_X(N, N_FEATURES), make_y("multiclass", N)
    network = make_network((N_FEATURES, 3), [])
    batches = make_batches(make_rows(X, y, "multiclass", make_weights(N)), 4, "multiclass", network)
    assert_agrees_with_numerical_gradient(make_objective(network, "multiclass", 0.2), batches)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradient_agrees_with_numerical_gradient_under_dropout(activation):
    X, y, kind, rng = make_X(N, N_FEATURES), make_y("multiclass", N), "multiclass", np.random.default_rng()
    sizes = sizes_of(kind)
    masks = mask_drawer(np.random.default_rng(4), sizes[1:-1], 0.3)(N)
    theta = theta_away_from_kinks(X, activation, kind, masks)
    twin = textbook_network(sizes, activation, theta, kind)
    network = make_network(sizes, activation, theta, dropout=0.3, rng=rng)
    objective = make_objective(network, kind, 0.1)
    batches = make_batches(make_rows(X, y, kind), N, kind, network)

    def value_and_gradient():
        # The same masks every time.
        rng.bit_generator.state = np.random.default_rng(4).bit_generator.state
        return objective.value_and_gradient(batches)

    _, gradient = value_and_gradient()
    numeric = numerical_gradient(lambda: value_and_gradient()[0], theta)
    assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
    expected = textbook.gradient(twin, X, textbook_Y(y, kind), np.full(N, 1 / N), 0.1, masks)
    assert_allclose(gradient, flatten(expected, sizes), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_textbooks_gradient_agrees_with_a_numerical_one(kind):
    _, _, (twin, X, Y, w) = problem(kind, "gelu", weighted=True, alpha=0.3, smoothing=0.1)
    gradient = textbook.gradient(twin, X, Y, w / w.sum(), 0.3)
    for array, dJ in zip(twin.theta, gradient, strict=True):
        # W and b are changed in place, so the twin sees every step.
        numeric = numerical_gradient(lambda: textbook.objective(twin, X, Y, w, 0.3), array.reshape(-1))
        assert_allclose(dJ.reshape(-1), numeric, rtol=1e-6, atol=1e-8)


def test_the_numerical_witness_notices_a_wrong_slope(monkeypatch):
    class WrongTanh(type(ACTIVATIONS["tanh"])):
        def forward_with_slope(self, z, slope, scratch):
            super().forward_with_slope(z, slope, scratch)
            slope *= 1 + 1e-5

    monkeypatch.setitem(ACTIVATIONS, "tanh", WrongTanh())
    objective, batches, _ = problem("multiclass")
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_agrees_with_numerical_gradient(objective, batches)


@pytest.mark.parametrize("batch_size", [1, 3, N])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_value_and_gradient_are_the_textbooks_at_every_batch_size(kind, weighted, alpha, batch_size):
    objective, batches, (twin, X, Y, w) = problem(
        kind, "tanh", weighted=weighted, alpha=alpha, smoothing=0.1, batch_size=batch_size
    )
    value, gradient = objective.value_and_gradient(batches)
    expected = textbook.gradient(twin, X, Y, w / w.sum(), alpha)
    assert_allclose(value, textbook.objective(twin, X, Y, w, alpha), rtol=1e-13)
    assert_allclose(gradient, flatten(expected, sizes_of(kind)), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_data_loss_is_the_value_without_the_penalty(kind):
    objective, batches, (twin, X, Y, w) = problem(kind, weighted=True, alpha=0.7, batch_size=3)
    assert_allclose(objective.data_loss(batches), textbook.objective(twin, X, Y, w, 0.0), rtol=1e-13)
    assert_allclose(objective.penalty(), textbook.penalty(twin, 0.7), rtol=1e-13)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_data_gradients_of_the_batches_average_to_the_whole_gradient(weighted):
    objective, batches, (twin, X, Y, w) = problem("multiclass", weighted=weighted, batch_size=3)
    total = np.zeros_like(objective.gradient)
    for block, filled in batches.blocks(None):
        for batch in filled:
            objective.data_gradient(batch)
            total += objective.gradient * block.batch_size / N
    expected = textbook.gradient(twin, X, Y, w / w.sum(), 0.0)
    assert_allclose(total, flatten(expected, sizes_of("multiclass")), rtol=1e-11, atol=1e-14)


def test_weights_do_not_cancel_inside_a_batch():
    # The first batch holds all the weight but a little; its gradient must be larger for that.
    X, y = make_X(4, N_FEATURES), make_y("multiclass", 4)
    network = make_network(sizes_of("multiclass"), "tanh")
    first = {}
    for weight in (1.0, 3.0):
        rows = make_rows(X, y, "multiclass", np.array([weight, weight, 1.0, 1.0]))
        objective = make_objective(network, "multiclass")
        batches = make_batches(rows, 2, "multiclass", network)
        _, filled = next(batches.blocks(None))
        objective.data_gradient(filled[0])
        first[weight] = objective.gradient.copy()
    # w_i / (|B| * mean weight): 1 / (2 * 1) without, 3 / (2 * 2) with the weights.
    assert_allclose(first[3.0], 1.5 * first[1.0], rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_k_counts_as_k_rows(kind):
    X, y = make_X(N, N_FEATURES), make_y(kind, N)
    repeats = np.array([1, 3, 2, 1, 4, 1, 2])
    network = make_network(sizes_of(kind), "tanh")
    objective = make_objective(network, kind, 0.2)
    weighted = make_rows(X, y, kind, repeats.astype(float))
    repeated = make_rows(np.repeat(X, repeats, axis=0), np.repeat(y, repeats, axis=0), kind)
    (J, g), (J_repeated, g_repeated) = (
        objective.value_and_gradient(make_batches(rows, 100, kind, network)) for rows in (weighted, repeated)
    )
    assert_allclose(J, J_repeated, rtol=1e-13)
    assert_allclose(g, g_repeated, rtol=1e-11, atol=1e-14)


def test_a_weight_of_zero_counts_as_an_absent_row():
    X, y = make_X(N, N_FEATURES), make_y("multiclass", N)
    weights = np.array([1.0, 0.0, 2.0, 0.0, 1.0, 3.0, 0.0])
    network = make_network(sizes_of("multiclass"), "tanh")
    objective = make_objective(network, "multiclass", 0.2)
    there = weights > 0
    with_zeros = make_rows(X, y, "multiclass", weights).with_positive_weights()
    without = make_rows(X[there], y[there], "multiclass", weights[there])
    (J, g), (J_without, g_without) = (
        objective.value_and_gradient(make_batches(rows, 3, "multiclass", network))
        for rows in (with_zeros, without)
    )
    assert J == J_without
    assert_array_equal(g, g_without)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_a_common_factor_of_all_weights_changes_nothing(scale):
    objective, batches, (_, X, _, w) = problem("multiclass", weighted=True, alpha=0.3, batch_size=3)
    rows = make_rows(X, make_y("multiclass", N), "multiclass", scale * w)
    scaled = make_batches(rows, 3, "multiclass", objective.network)
    (J, g), (J_scaled, g_scaled) = (objective.value_and_gradient(b) for b in (batches, scaled))
    assert_allclose(J, J_scaled, rtol=1e-13)
    assert_allclose(g, g_scaled, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("piece_length", [1, 7, 38, 1000])
def test_the_penalty_falls_on_every_weight_and_on_no_bias(piece_length, monkeypatch):
    monkeypatch.setattr(skscratch.objective, "PIECE_LENGTH", piece_length)
    network = make_network((N_FEATURES, 5, 3), "tanh")
    objective = make_objective(network, "multiclass", 0.25)
    objective.gradient.fill(0)
    objective.add_penalty_gradient()
    decay = Layers(objective.gradient, network.sizes)
    for l, (W, b) in enumerate(zip(decay.W, decay.b, strict=True)):
        assert_array_equal(W, 0.25 * network.layers.W[l])
        assert_array_equal(b, 0)


@pytest.mark.parametrize("alpha", [0.0, 0.25])
@pytest.mark.parametrize("piece_length", [1, 7, 38, 1000])
def test_pieces_cover_the_parameters_once_each(piece_length, alpha, monkeypatch):
    monkeypatch.setattr(skscratch.objective, "PIECE_LENGTH", piece_length)
    objective = make_objective(make_network((N_FEATURES, 5, 3), "tanh"), "multiclass", alpha)
    seen = np.zeros(38, int)
    for piece in objective.pieces_with_penalty():
        seen[piece.span] += 1
        assert 0 < len(piece.theta) <= piece_length
        assert np.shares_memory(piece.theta, objective.network.theta[piece.span])
        assert np.shares_memory(piece.gradient, objective.gradient[piece.span])
    assert_array_equal(seen, 1)


def test_alpha_zero_leaves_the_gradient_as_it_is():
    objective = make_objective(make_network((3, 4, 2), "tanh"), "multiclass", 0.0)
    objective.gradient[:] = np.arange(objective.gradient.size)
    objective.add_penalty_gradient()
    assert_array_equal(objective.gradient, np.arange(objective.gradient.size))
    assert objective.penalty() == 0


def test_value_and_gradient_returns_an_array_of_its_own():
    objective, batches, _ = problem("binary")
    _, first = objective.value_and_gradient(batches)
    kept = first.copy()
    objective.network.theta *= 2
    objective.value_and_gradient(batches)
    assert_array_equal(first, kept)


def test_float32_stays_float32_and_agrees_with_double_precision():
    objective, batches, _ = problem("multiclass", "tanh", weighted=True, alpha=0.2, batch_size=3)
    J, g = objective.value_and_gradient(batches)
    network = make_network(objective.network.sizes, "tanh", objective.network.theta.astype(np.float32))
    single = make_batches(batches.rows, 3, "multiclass", network)
    J_single, g_single = make_objective(network, "multiclass", 0.2).value_and_gradient(single)
    assert g_single.dtype == np.float32
    assert_allclose(J_single, J, rtol=1e-6)
    assert_allclose(g_single, g, rtol=1e-5, atol=1e-6)
