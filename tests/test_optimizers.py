"""Optimizers: two steps by hand, many steps against independent implementations, and what they keep."""

import functools

import numpy as np
import pytest
import textbook
from builders import (
    begin_epoch,
    make_adam,
    make_network,
    make_objective,
    make_sgd,
    small_trainer,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import skscratch.objective
from skscratch import ScratchMLPClassifier
from skscratch.optimizers import clip_to_norm
from skscratch.schedules import Constant


def two_parameters(theta=(1.0, 2.0)):
    """Return an objective of one weight and one bias."""
    return make_objective(make_network((1, 1), [], np.array(theta)), "binary")


def take_step(objective, optimizer, gradient):
    objective.gradient[:] = gradient
    optimizer.step(objective.pieces_with_penalty())
    return objective.network.theta


# Two steps by hand


def test_momentum_by_hand():
    objective = two_parameters()
    sgd = make_sgd(objective, nesterov=False)
    begin_epoch(sgd, 0.1, 0.5)
    # v = 0.5 * (0, 0) - 0.1 * (2, -4) = (-0.2, 0.4);  theta = (1, 2) + v
    assert_allclose(take_step(objective, sgd, [2.0, -4.0]), [0.8, 2.4], rtol=1e-15)
    # v = 0.5 * (-0.2, 0.4) - 0.1 * (1, 1) = (-0.2, 0.1);  theta = (0.8, 2.4) + v
    assert_allclose(take_step(objective, sgd, [1.0, 1.0]), [0.6, 2.5], rtol=1e-15)
    assert_allclose(sgd.memory["velocity"], [-0.2, 0.1], rtol=1e-15)


def test_nesterov_by_hand():
    objective = two_parameters()
    sgd = make_sgd(objective, nesterov=True)
    begin_epoch(sgd, 0.1, 0.5)
    # v = (-0.2, 0.4) as above;  theta = (1, 2) + 0.5 v - 0.1 * (2, -4) = (1 - 0.1 - 0.2, 2 + 0.2 + 0.4)
    assert_allclose(take_step(objective, sgd, [2.0, -4.0]), [0.7, 2.6], rtol=1e-15)
    # v = (-0.2, 0.1) as above;  theta = (0.7, 2.6) + 0.5 v - 0.1 * (1, 1) = (0.7 - 0.2, 2.6 + 0.05 - 0.1)
    assert_allclose(take_step(objective, sgd, [1.0, 1.0]), [0.5, 2.55], rtol=1e-15)
    assert_allclose(sgd.memory["velocity"], [-0.2, 0.1], rtol=1e-15)


@pytest.mark.parametrize("nesterov", [False, True])
def test_without_momentum_a_step_is_plain_gradient_descent(nesterov):
    objective = two_parameters()
    sgd = make_sgd(objective, nesterov=nesterov)
    begin_epoch(sgd, 0.25, 0.0)
    # theta = (1, 2) - 0.25 * (2, -4), then - 0.25 * (1, 1)
    assert_array_equal(take_step(objective, sgd, [2.0, -4.0]), [0.5, 3.0])
    assert_array_equal(take_step(objective, sgd, [1.0, 1.0]), [0.25, 2.75])


def test_a_new_learning_rate_acts_on_new_gradients_only():
    objective = two_parameters()
    sgd = make_sgd(objective, nesterov=False)
    begin_epoch(sgd, 0.1, 0.5)
    take_step(objective, sgd, [2.0, -4.0])
    begin_epoch(sgd, 0.01, 0.5)
    # v = 0.5 * (-0.2, 0.4) - 0.01 * (1, 1) = (-0.11, 0.19);  theta = (0.8, 2.4) + v
    assert_allclose(take_step(objective, sgd, [1.0, 1.0]), [0.69, 2.59], rtol=1e-15)


def test_a_new_momentum_acts_from_the_next_step_on():
    objective = two_parameters()
    sgd = make_sgd(objective, nesterov=False)
    begin_epoch(sgd, 0.1, 0.5)
    take_step(objective, sgd, [2.0, -4.0])
    begin_epoch(sgd, 0.1, 0.75)
    # v = 0.75 * (-0.2, 0.4) - 0.1 * (1, 1) = (-0.25, 0.2);  theta = (0.8, 2.4) + v
    assert_allclose(take_step(objective, sgd, [1.0, 1.0]), [0.55, 2.6], rtol=1e-15)


def test_adam_by_hand():
    objective = two_parameters()
    adam = make_adam(objective, beta_1=0.5, beta_2=0.75, epsilon=2.0)
    begin_epoch(adam, 0.1, 0.0)
    # m = 0.5 * (2, -4) = (1, -2), m^ = m / (1 - 0.5) = (2, -4)
    # v = 0.25 * (4, 16) = (1, 4), v^ = v / (1 - 0.75) = (4, 16)
    # theta = (1, 2) - 0.1 * (2 / (2 + 2), -4 / (4 + 2)) = (1 - 0.05, 2 + 0.0666...)
    assert_allclose(take_step(objective, adam, [2.0, -4.0]), [0.95, 2 + 1 / 15], rtol=1e-15)
    # m = 0.5 * (1, -2) + 0.5 * (-2, 4) = (-0.5, 1), m^ = m / (1 - 0.25) = (-2/3, 4/3)
    # v = 0.75 * (1, 4) + 0.25 * (4, 16) = (1.75, 7), v^ = v / (1 - 0.5625) = (4, 16)
    # theta = theta - 0.1 * (-2/3 / (2 + 2), 4/3 / (4 + 2)) = (0.95 + 1/60, 2.0666... - 1/45)
    assert_allclose(take_step(objective, adam, [-2.0, 4.0]), [0.95 + 1 / 60, 2 + 1 / 15 - 1 / 45], rtol=1e-15)


def test_adams_first_step_is_as_long_as_the_rate_whatever_the_gradient():
    objective = two_parameters((0.0, 0.0))
    adam = make_adam(objective, epsilon=1e-300)
    begin_epoch(adam, 0.01, 0.0)
    assert_allclose(take_step(objective, adam, [1e-9, -1e9]), [-0.01, 0.01], rtol=1e-14)


def test_adam_ignores_the_momentum_of_the_schedule():
    class WithoutMomentum(Constant):
        def momentum(self, epoch, momentum):
            return 0.0

    results = []
    for schedule in (Constant(), WithoutMomentum()):
        objective = two_parameters()
        adam = make_adam(objective)
        adam.begin_epoch(schedule, 0)
        take_step(objective, adam, [2.0, -4.0])
        results.append(take_step(objective, adam, [1.0, 1.0]))
    assert_array_equal(*results)


def test_a_gradient_of_zero_moves_nothing():
    for make in (make_sgd, make_adam):
        objective = two_parameters()
        optimizer = make(objective)
        begin_epoch(optimizer, 0.1, 0.9)
        assert_array_equal(take_step(objective, optimizer, [0.0, 0.0]), [1, 2])


# Many steps against independent implementations, on a curved function whose gradient is known

N_STEPS = 60
OPTIMIZERS = {
    "plain": (
        functools.partial(make_sgd, nesterov=False),
        {"eta": 0.05, "momentum": 0.0},
        functools.partial(textbook.sgd, momentum=0.0, nesterov=False),
        ("SGD", {"lr": 0.05}),
    ),
    "momentum": (
        functools.partial(make_sgd, nesterov=False),
        {"eta": 0.05, "momentum": 0.9},
        functools.partial(textbook.sgd, momentum=0.9, nesterov=False),
        ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ),
    "nesterov": (
        functools.partial(make_sgd, nesterov=True),
        {"eta": 0.05, "momentum": 0.9},
        functools.partial(textbook.sgd, momentum=0.9, nesterov=True),
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ),
    "adam": (
        make_adam,
        {"eta": 0.05, "momentum": 0.0},
        textbook.adam,
        ("Adam", {"lr": 0.05}),
    ),
    "adam with other betas": (
        functools.partial(make_adam, beta_1=0.7, beta_2=0.9, epsilon=1e-3),
        {"eta": 0.05, "momentum": 0.0},
        functools.partial(textbook.adam, beta_1=0.7, beta_2=0.9, epsilon=1e-3),
        ("Adam", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3}),
    ),
}
CASES = pytest.mark.parametrize(
    ("make", "rates", "recurrence", "in_torch"), OPTIMIZERS.values(), ids=OPTIMIZERS
)


def curved(theta):
    """Gradient of sum_i c_i theta_i^2 / 2 - cos(theta_i), with curvatures c from 0.1 to 3."""
    return np.linspace(0.1, 3.0, theta.size, dtype=theta.dtype) * theta + np.sin(theta)


def start(sizes, dtype):
    n = sum((m + 1) * n for m, n in zip(sizes[:-1], sizes[1:], strict=True))
    return np.random.default_rng(0).normal(0, 2, n).astype(dtype)


def path(make, rates, theta, sizes):
    """Return the parameters after every step of the package's optimizer."""
    objective = make_objective(make_network(sizes, "tanh", theta.copy()), "multiclass")
    optimizer = make(objective)
    begin_epoch(optimizer, **rates)
    return [take_step(objective, optimizer, curved(objective.network.theta)).copy() for _ in range(N_STEPS)]


@CASES
@pytest.mark.parametrize("piece_length", [100, 17], ids=["one piece", "several pieces"])
def test_the_path_is_that_of_the_papers_recurrence(
    make, rates, recurrence, in_torch, piece_length, monkeypatch
):
    monkeypatch.setattr(skscratch.objective, "PIECE_LENGTH", piece_length)
    theta, memory = start((4, 5, 3), np.float64), ()
    ours = path(make, rates, theta, (4, 5, 3))
    for step in ours:
        theta, *memory = recurrence(theta, curved(theta), rates["eta"], *memory)
        assert_allclose(step, theta, rtol=1e-10, atol=1e-13)


@CASES
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_path_is_that_of_torch(dtype, make, rates, recurrence, in_torch):
    torch = pytest.importorskip("torch")
    name, options = in_torch
    theta = start((4, 5, 3), dtype)
    twin = torch.tensor(theta)
    optimizer = getattr(torch.optim, name)([twin], **options)
    tolerance = {"rtol": 1e-10, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}
    for step in path(make, rates, theta, (4, 5, 3)):
        twin.grad = torch.tensor(curved(twin.numpy()))
        optimizer.step()
        assert step.dtype == dtype
        assert_allclose(step, twin.numpy(), **tolerance)


# The memory of an optimizer


@pytest.mark.parametrize("make", [make_sgd, make_adam])
def test_an_optimizer_resumes_from_its_memory_with_the_same_bits(make):
    gradients = np.random.default_rng(0).normal(size=(6, 2))
    whole, halves = two_parameters(), two_parameters()
    optimizer = make(whole)
    begin_epoch(optimizer, 0.1, 0.9)
    for g in gradients:
        take_step(whole, optimizer, g)
    first = make(halves)
    begin_epoch(first, 0.1, 0.9)
    for g in gradients[:3]:
        take_step(halves, first, g)
    second = make(halves, memory=first.memory)
    begin_epoch(second, 0.1, 0.9)
    for g in gradients[3:]:
        take_step(halves, second, g)
    assert_array_equal(halves.network.theta, whole.network.theta)


@pytest.mark.parametrize("make", [make_sgd, make_adam])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_holds_plain_arrays_and_numbers_in_the_dtype_of_the_parameters(make, dtype):
    objective = make_objective(make_network((3, 4, 2), "tanh", dtype=dtype), "multiclass")
    memory = make(objective).memory
    for value in memory.values():
        if isinstance(value, np.ndarray):
            assert value.dtype == dtype
            assert value.shape == objective.network.theta.shape
            assert_array_equal(value, 0)
        else:
            assert type(value) is int


@pytest.mark.parametrize("make", [make_sgd, make_adam])
def test_parameters_are_moved_in_place(make):
    objective = two_parameters()
    theta = objective.network.theta
    optimizer = make(objective)
    begin_epoch(optimizer, 0.1, 0.9)
    take_step(objective, optimizer, [1.0, 1.0])
    assert objective.network.theta is theta
    assert (theta != [1, 2]).all()


@pytest.mark.parametrize("make", [make_sgd, make_adam])
def test_the_penalty_pulls_on_weights_and_not_on_biases(make):
    objective = make_objective(make_network((2, 3), [], np.full(9, 2.0)), "multiclass", alpha=0.5)
    optimizer = make(objective)
    begin_epoch(optimizer, 0.1, 0.0)
    theta = take_step(objective, optimizer, np.zeros(9))
    assert (theta[:6] < 2).all()
    assert_array_equal(theta[6:], 2)


# The gradient's norm


def test_a_long_gradient_is_cut_to_the_largest_norm_in_its_direction():
    # ||(3, 4)|| = 5
    gradient = np.array([3.0, 4.0])
    clip_to_norm(gradient, 1.0)
    assert_allclose(gradient, [0.6, 0.8], rtol=1e-15)


@pytest.mark.parametrize("largest", [5.0, 5.1, 1e9])
def test_a_gradient_that_is_not_longer_stays_as_it_is(largest):
    gradient = np.array([3.0, 4.0])
    clip_to_norm(gradient, largest)
    assert_array_equal(gradient, [3, 4])


def test_a_gradient_of_zero_stays_zero():
    gradient = np.zeros(3)
    clip_to_norm(gradient, 1.0)
    assert_array_equal(gradient, 0)


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e30), (np.float64, 1e200)])
@np.errstate(over="ignore")
def test_a_finite_gradient_whose_square_overflows_is_clipped_all_the_same(dtype, huge):
    gradient = np.array([3.0, 4.0], dtype) * dtype(huge)
    clip_to_norm(gradient, 1.0)
    assert_allclose(gradient, [0.6, 0.8], rtol=1e-6)


def test_a_gradient_whose_square_overflows_is_clipped_to_the_limit_also_above_one():
    gradient = np.array([3e30, 4e30], np.float32)
    with np.errstate(over="ignore"):
        clip_to_norm(gradient, 100.0)
    assert_allclose(gradient, [60.0, 80.0], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@np.errstate(invalid="ignore", over="ignore")
def test_clipping_does_not_hide_a_gradient_that_is_not_finite(bad):
    gradient = np.array([1.0, bad])
    clip_to_norm(gradient, 1.0)
    assert not np.isfinite(gradient).all()


def test_clipping_is_the_textbooks():
    gradient = np.random.default_rng(0).normal(size=50)
    (expected,) = textbook.clip([gradient.copy()], 2.0)
    clip_to_norm(gradient, 2.0)
    assert_allclose(gradient, expected, rtol=1e-13)
    assert_allclose(np.linalg.norm(gradient), 2.0, rtol=1e-13)


@pytest.mark.parametrize("epsilon", [1e-50, 5e-324])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_trains_with_an_epsilon_that_the_dtype_cannot_hold(dtype, epsilon):
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(60, 4)), np.zeros((60, 1))]).astype(dtype)  # weights without a gradient
    y = (X[:, 0] > 0).astype(int)
    clf = ScratchMLPClassifier(4, solver="adam", alpha=0.0, max_iter=20, random_state=0)
    tiny = clone(clf).set_params(epsilon=epsilon).fit(X, y)
    for ours, theirs in zip(tiny.coefs_, clf.set_params(epsilon=1e-19).fit(X, y).coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert tiny.loss_ < 0.8 * tiny.loss_curve_[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adams_step_is_bounded_where_the_square_of_the_gradient_vanishes(dtype):
    objective = small_trainer(dtype=dtype).objective
    adam = make_adam(objective, epsilon=5e-324)
    before = objective.network.theta.copy()
    objective.gradient[...] = np.finfo(dtype).tiny ** 0.5 / 1e8
    begin_epoch(adam, 0.1)
    adam.step(objective.pieces)
    assert np.abs(objective.network.theta - before).max() <= 0.1
