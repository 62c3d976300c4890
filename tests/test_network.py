"""The network: one vector seen as layers, forward and backward passes, and the room they work in."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import textbook
from builders import make_network, make_theta, make_workspace, make_X, poison_workspace, textbook_network
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.activations import ACTIVATIONS
from skscratch.batches import DenseInput, SparseInput
from skscratch.network import Layers, flat_parameters

SIZES = (3, 5, 4, 2)
N = 6


def dense_input(X):
    """Return a[0]: the rows of X as columns, and ones below them."""
    return DenseInput(np.vstack([X.T, np.ones(len(X), X.dtype)]))


def scores_of(network, X):
    """Return the scores, one row per example, and the workspace that the forward pass has filled."""
    work, Z = make_workspace(network, len(X)), np.empty((network.sizes[-1], len(X)), network.theta.dtype)
    network.forward(dense_input(X), work, Z)
    return Z.T, work


# One vector, seen as layers


def test_layers_are_views_laid_out_one_after_the_other_with_each_bias_below_its_weights():
    # Sizes 2-3-1: nine parameters of M[0] (2 x 3 weights, then 3 biases), four of M[1] (3 weights, 1 bias).
    layers = Layers(np.arange(13.0), (2, 3, 1))
    assert_array_equal(layers.W[0], [[0, 1, 2], [3, 4, 5]])
    assert_array_equal(layers.b[0], [6, 7, 8])
    assert_array_equal(layers.W[1], [[9], [10], [11]])
    assert_array_equal(layers.b[1], [12])
    assert_array_equal(layers.M[0], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])


def test_writing_to_a_layer_writes_to_the_vector():
    vector = np.zeros(13)
    layers = Layers(vector, (2, 3, 1))
    layers.W[1][...] = 5
    layers.b[0][1] = 7
    assert_array_equal(vector, [0, 0, 0, 0, 0, 0, 0, 7, 0, 5, 5, 5, 0])


def test_length_counts_every_weight_and_bias():
    assert Layers.length((784, 15, 10)) == 784 * 15 + 15 + 15 * 10 + 10
    assert Layers.length((4, 3)) == 15


def test_the_network_works_on_the_very_vector_it_was_given():
    theta = make_theta(SIZES)
    network = make_network(SIZES, "tanh", theta)
    assert network.theta is theta
    assert all(np.shares_memory(M, theta) for M in network.layers.M)


# Forward and backward


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_forward_gives_the_textbooks_scores(activation):
    network, X = make_network(SIZES, activation), make_X(N, 3)
    z, _ = textbook.forward(textbook_network(SIZES, activation, network.theta, "multiclass"), X)
    assert_allclose(scores_of(network, X)[0], z[-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_prediction_gives_the_scores_of_training(activation):
    network, X = make_network(SIZES, activation), make_X(N, 3)
    work, Z = make_workspace(network, N), np.empty((2, N))
    network.logits(dense_input(X), work, Z)
    assert_allclose(Z.T, scores_of(network, X)[0], rtol=1e-13, atol=1e-15)


def test_forward_by_hand():
    # z[1] = X W[0] + b[0] = [1*1 + 2*0 + .5, 1*(-1) + 2*2 - 4] = [1.5, -1];  a[1] = relu(z[1]) = [1.5, 0]
    # Z = a[1] W[1] + b[1] = 1.5 * 2 + 0 * 3 + 0.25 = 3.25
    theta = np.array([1.0, -1.0, 0.0, 2.0, 0.5, -4.0, 2.0, 3.0, 0.25])
    scores, _ = scores_of(make_network((2, 2, 1), "relu", theta), np.array([[1.0, 2.0]]))
    assert_array_equal(scores, [[3.25]])


def test_backward_by_hand():
    # The network of the test above, with dJ/dZ = 2:
    # dM[1] = a[1] delta[2]^T = [1.5*2, 0*2, 1*2] = [3, 0, 2]
    # delta[1] = (W[1] delta[2]) * phi' = [2*2, 3*2] * [1, 0] = [4, 0]
    # dM[0] = a[0] delta[1]^T = [[1*4, 0], [2*4, 0], [1*4, 0]]
    theta = np.array([1.0, -1.0, 0.0, 2.0, 0.5, -4.0, 2.0, 3.0, 0.25])
    X = np.array([[1.0, 2.0]])
    network = make_network((2, 2, 1), "relu", theta)
    _, work = scores_of(network, X)
    work.delta[-1][...] = 2
    gradient = np.full(9, np.nan)
    network.backward(dense_input(X), work, Layers(gradient, network.sizes))
    assert_array_equal(gradient, [4, 0, 8, 0, 4, 0, 3, 0, 2])


@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (3, 1, 1), (1, 2, 3, 4, 5)], ids=str)
def test_backward_gives_the_textbooks_gradient_at_every_depth(sizes):
    network, X = make_network(sizes, "tanh"), make_X(N, sizes[0])
    twin = textbook_network(sizes, "tanh", network.theta, "multilabel")
    Y, w = np.zeros((N, sizes[-1])), np.full(N, 1 / N)
    z, a = textbook.forward(twin, X)
    dW, db = textbook.backward(twin, z, a, Y, w, alpha=0.0)
    _, work = scores_of(network, X)
    work.delta[-1][...] = ((a[-1] - Y) * w[:, np.newaxis]).T
    gradient = Layers(np.full_like(network.theta, np.nan), sizes)
    network.backward(dense_input(X), work, gradient)
    for l in range(len(dW)):
        assert_allclose(gradient.W[l], dW[l], rtol=1e-12, atol=1e-15)
        assert_allclose(gradient.b[l], db[l], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("make_sparse", [sp.csr_array, sp.csr_matrix])
def test_sparse_input_gives_the_scores_and_the_gradient_of_dense_input(make_sparse):
    X = make_X(N, 3)
    X[np.abs(X) < 0.5] = 0
    network = make_network(SIZES, "tanh")
    results = []
    for x in (dense_input(X), SparseInput(make_sparse(X))):
        work, Z = make_workspace(network, N), np.empty((2, N))
        network.forward(x, work, Z)
        work.delta[-1][...] = np.arange(2 * N).reshape(2, N)
        gradient = np.full_like(network.theta, np.nan)
        network.backward(x, work, Layers(gradient, SIZES))
        results.append((Z, gradient))
    for dense, sparse in zip(*results, strict=True):
        assert_allclose(sparse, dense, rtol=1e-12, atol=1e-14)


def test_the_passes_change_neither_the_input_nor_the_parameters():
    network, X = make_network(SIZES, "relu"), make_X(N, 3)
    x, theta = dense_input(X), network.theta.copy()
    before = x.a.copy()
    work, Z = make_workspace(network, N), np.empty((2, N))
    network.forward(x, work, Z)
    work.delta[-1][...] = 1
    network.backward(x, work, Layers(np.empty_like(theta), SIZES))
    assert_array_equal(x.a, before)
    assert_array_equal(network.theta, theta)


# The workspace


def test_poison_reaches_every_buffer_and_spares_the_ones_that_meet_the_biases():
    network = make_network(SIZES, ["gelu", "tanh"])
    work = make_workspace(network, N)
    poison_workspace(work)
    for buffer in (*work.z[1:], *work.slope[1:], *work.delta[1:], work.scratch[1]):
        assert np.isnan(buffer).all()
    for a in work.a[1:]:
        assert_array_equal(a[-1], 1)


def test_only_activations_that_ask_for_a_spare_buffer_get_one():
    network = make_network((3, 5, 4, 2), ["tanh", "gelu"])
    assert [scratch is not None for scratch in make_workspace(network, N).scratch] == [False, False, True]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_buffer_has_the_dtype_of_the_parameters(dtype):
    work = make_workspace(make_network(SIZES, "gelu", dtype=dtype), N)
    for buffer in (*work.a[1:], *work.slope[1:], *work.scratch[1:], *work.delta[1:]):
        assert buffer.dtype == dtype


# Weights and biases that come back from a user, a pickle or a copy


def as_lists(theta):
    layers = Layers(theta, SIZES)
    return list(layers.W), list(layers.b)


def test_views_of_one_vector_are_recognised_without_a_copy():
    theta = make_theta(SIZES)
    assert flat_parameters(*as_lists(theta), SIZES, theta.dtype) is theta


@pytest.mark.parametrize(
    "cut_off", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_are_brought_back_into_one_vector(cut_off):
    theta = make_theta(SIZES)
    coefs, intercepts = cut_off(as_lists(theta))
    flat = flat_parameters(coefs, intercepts, SIZES, theta.dtype)
    assert_array_equal(flat, theta)
    assert not np.shares_memory(flat, theta)


def test_a_replaced_array_is_used():
    theta = make_theta(SIZES)
    coefs, intercepts = as_lists(theta)
    coefs[1] = np.ones_like(coefs[1])
    flat = flat_parameters(coefs, intercepts, SIZES, theta.dtype)
    assert_array_equal(Layers(flat, SIZES).W[1], 1)
    assert_array_equal(Layers(flat, SIZES).W[0], coefs[0])


def test_two_views_that_changed_places_are_noticed():
    # Two layers of one shape, views of the same vector in the wrong order: their places are not their values.
    sizes = (3, 3, 3)
    theta = make_theta(sizes)
    layers = Layers(theta, sizes)
    swapped = flat_parameters([layers.W[1], layers.W[0]], list(layers.b), sizes, theta.dtype)
    assert_array_equal(Layers(swapped, sizes).W[0], layers.W[1])
    assert_array_equal(Layers(swapped, sizes).W[1], layers.W[0])


def test_weights_of_another_dtype_are_converted():
    theta = make_theta(SIZES)
    flat = flat_parameters(*as_lists(theta), SIZES, np.dtype(np.float32))
    assert flat.dtype == np.float32
    assert_array_equal(flat, theta.astype(np.float32))


def test_a_wrong_shape_is_named():
    coefs, intercepts = as_lists(make_theta(SIZES))
    coefs[1] = coefs[1].T
    with pytest.raises(ValueError, match=r"coefs_\[1\] has shape \(4, 5\), but the network needs \(5, 4\)"):
        flat_parameters(coefs, intercepts, SIZES, np.dtype(float))


def test_a_wrong_number_of_layers_is_named():
    coefs, intercepts = as_lists(make_theta(SIZES))
    with pytest.raises(ValueError, match="intercepts_ holds 2 arrays, but the network has 3 layers"):
        flat_parameters(coefs, intercepts[:-1], SIZES, np.dtype(float))


# Initial weights


def test_drawn_weights_suit_the_activation_that_follows_and_biases_are_zero():
    network = make_network((50, 40, 30, 20), ["relu", "tanh"])
    network.initialize(np.random.default_rng(0))
    # He for relu: sqrt(6 / 50);  Glorot for tanh: sqrt(6 / (40 + 30)), for the scores: sqrt(6 / (30 + 20))
    for W, bound in zip(network.layers.W, [(6 / 50) ** 0.5, (6 / 70) ** 0.5, (6 / 50) ** 0.5], strict=True):
        assert 0.99 * bound < np.abs(W).max() <= bound
    for b in network.layers.b:
        assert_array_equal(b, 0)


def test_the_same_generator_draws_the_same_weights_in_either_precision():
    double, single = make_network(SIZES, "relu"), make_network(SIZES, "relu", dtype=np.float32)
    double.initialize(np.random.default_rng(7))
    single.initialize(np.random.default_rng(7))
    assert_array_equal(double.theta.astype(np.float32), single.theta)
