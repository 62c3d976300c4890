"""Initial weights: their bounds, their distribution, and what they do to signals on their way."""

import numpy as np
import pytest
from builders import make_network, make_workspace
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.activations import ACTIVATIONS
from skscratch.batches import DenseInput
from skscratch.initializers import BOUNDS, draw_weights


@pytest.mark.parametrize(
    ("family", "bound"),
    [
        # fan_in 24, fan_out 12: sqrt(6 / 24), sqrt(6 / 36), sqrt(3 / 24)
        ("he", 0.5),
        ("glorot", 0.408248290463863),
        ("lecun", 0.353553390593274),
    ],
)
def test_bounds_by_hand(family, bound):
    assert_allclose(BOUNDS[family](24, 12), bound, rtol=1e-14)


@pytest.mark.parametrize("family", sorted(BOUNDS))
def test_weights_fill_the_interval_evenly(family):
    W, b = np.empty((200, 100)), np.empty(100)
    draw_weights(family, W, b, np.random.default_rng(0))
    bound = BOUNDS[family](200, 100)
    assert np.abs(W).max() <= bound
    # Ten equal stretches: each holds 2000 of the 20000 draws, within five standard deviations (42 each).
    counts, _ = np.histogram(W, bins=10, range=(-bound, bound))
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(20000 * 0.1 * 0.9)


@pytest.mark.parametrize("family", sorted(BOUNDS))
def test_biases_start_at_zero(family):
    W, b = np.empty((3, 4)), np.full(4, np.nan)
    draw_weights(family, W, b, np.random.default_rng(0))
    assert_array_equal(b, 0)


@pytest.mark.parametrize("family", sorted(BOUNDS))
def test_the_same_seed_draws_the_same_weights_in_either_precision(family):
    double, single = np.empty((3, 4)), np.empty((3, 4), np.float32)
    draw_weights(family, double, np.empty(4), np.random.default_rng(5))
    draw_weights(family, single, np.empty(4, np.float32), np.random.default_rng(5))
    assert_array_equal(double.astype(np.float32), single)


def test_another_seed_draws_other_weights():
    first, second = np.empty((3, 4)), np.empty((3, 4))
    draw_weights("he", first, np.empty(4), np.random.default_rng(0))
    draw_weights("he", second, np.empty(4), np.random.default_rng(1))
    assert (first != second).all()


@pytest.mark.parametrize(
    "activation", ["relu", "leaky_relu", "alrelu", "elu", "selu", "gelu", "silu", "softplus", "tanh"]
)
def test_a_signal_neither_dies_nor_explodes_on_its_way_through_ten_layers(activation):
    width, n = 200, 100
    network = make_network((width,) * 11 + (1,), activation, np.empty(10 * 201 * 200 + 201))
    network.initialize(np.random.default_rng(0))
    X = np.random.default_rng(1).normal(size=(width, n))
    work, Z = make_workspace(network, n), np.empty((1, n))
    network.forward(DenseInput(np.vstack([X, np.ones((1, n))])), work, Z)
    first, last = (np.sqrt(np.mean(work.z[l] ** 2)) for l in (1, -1))
    assert 0.05 < last / first < 20


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_a_network_draws_by_the_family_of_its_activation(name):
    network = make_network((7, 5, 3), name)
    network.initialize(np.random.default_rng(2))
    W, b = np.empty((7, 5)), np.empty(5)
    draw_weights(ACTIVATIONS[name].init, W, b, np.random.default_rng(2))
    assert_array_equal(network.layers.W[0], W)
