"""Activations: values, slopes, extremes; every name in ACTIVATIONS is covered by being there."""

import numpy as np
import pytest
import textbook
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.activations import ACTIVATIONS
from skscratch.dropout import Dropout
from skscratch.initializers import BOUNDS

NAMES = sorted(ACTIVATIONS)
# Both sides of 0, the flat parts and the curved ones; 0 itself is a kink for some and has a test of its own.
Z = np.array([[-20.0, -6.0, -2.5, -1.0, -0.3, -1e-3], [1e-3, 0.2, 0.7, 1.5, 4.0, 20.0]])


def train(phi, z):
    """Return phi(z) and phi'(z) as the forward pass of training computes them."""
    a, slope = z.copy(), np.full_like(z, np.nan)
    phi.forward_with_slope(a, slope, np.full_like(z, np.nan) if phi.needs_scratch else None)
    return a, slope


def predict(phi, z):
    a = z.copy()
    phi.forward(a)
    return a


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_textbooks(name):
    value, _ = textbook.ACTIVATIONS[name]
    # e^z - 1 and log(1 + e^z) lose digits near 0 and far below it in the textbook, not in the package.
    assert_allclose(train(ACTIVATIONS[name], Z)[0], value(Z), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_are_the_textbooks(name):
    _, slope = textbook.ACTIVATIONS[name]
    assert_allclose(train(ACTIVATIONS[name], Z)[1], slope(Z), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_agree_with_numerical_ones(name):
    h = 1e-5
    numeric = (predict(ACTIVATIONS[name], Z + h) - predict(ACTIVATIONS[name], Z - h)) / (2 * h)
    assert_allclose(train(ACTIVATIONS[name], Z)[1], numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_prediction_and_training_give_the_same_values(name, dtype):
    z = np.linspace(-10, 10, 401, dtype=dtype).reshape(1, -1)
    eps = np.finfo(dtype).eps
    assert_allclose(predict(ACTIVATIONS[name], z), train(ACTIVATIONS[name], z)[0], rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_float64_rounded(name):
    a, slope = train(ACTIVATIONS[name], Z.astype(np.float32))
    a_double, slope_double = train(ACTIVATIONS[name], Z.astype(np.float32).astype(np.float64))
    assert a.dtype == slope.dtype == np.float32
    assert_allclose(a, a_double, rtol=1e-6, atol=1e-6)
    assert_allclose(slope, slope_double, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_huge_inputs_give_finite_values_and_slopes_without_a_warning(name, dtype):
    z = np.array([[-1e30, -1e4, -100.0, 100.0, 1e4, 1e30]], dtype)
    with np.errstate(all="raise", under="ignore"):
        # Squares of 1e30 leave float32; the result does not depend on that.
        with np.errstate(over="ignore"):
            a, slope = train(ACTIVATIONS[name], z)
            predicted = predict(ACTIVATIONS[name], z)
    assert np.isfinite(a).all()
    assert np.isfinite(slope).all()
    assert_allclose(predicted, a, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes_at_zero(name):
    expected = {
        "identity": (0, 1),
        "logistic": (0.5, 0.25),
        "tanh": (0, 1),
        "relu": (0, 0),
        "leaky_relu": (0, 0.01),
        "alrelu": (0, -0.5),
        "elu": (0, 1),
        "selu": (0, textbook.SELU_LAMBDA * textbook.SELU_ALPHA),
        "gelu": (0, 0.5),
        "silu": (0, 0.5),
        "softplus": (np.log(2), 0.5),
    }[name]
    a, slope = train(ACTIVATIONS[name], np.zeros((1, 1)))
    assert_allclose((a.item(), slope.item()), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "z", "a", "slope"),
    [
        ("identity", -3.0, -3.0, 1.0),
        # 1 / (1 + e^-ln 3) = 3 / 4;  3/4 * 1/4 = 3/16
        ("logistic", np.log(3), 0.75, 0.1875),
        # tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 3 / 5;  1 - 9/25 = 16/25
        ("tanh", np.log(2), 0.6, 0.64),
        ("relu", 2.5, 2.5, 1.0),
        ("relu", -2.5, 0.0, 0.0),
        ("leaky_relu", -2.5, -0.025, 0.01),
        ("alrelu", 2.5, 2.5, 1.0),
        ("alrelu", -2.5, 1.25, -0.5),
        # e^-ln 2 - 1 = -1/2, slope 1/2
        ("elu", -np.log(2), -0.5, 0.5),
        # lambda alpha = 1.7580993408473766; half of it on both counts
        ("selu", -np.log(2), -0.8790496704236883, 0.8790496704236883),
        ("selu", 2.0, 2.101401974710961, 1.0507009873554805),
        # Phi(1) = 0.8413447460685429, Phi'(1) = 0.24197072451914337
        ("gelu", 1.0, 0.8413447460685429, 1.0833154705876863),
        # z * 3/4;  3/4 + z * 3/16
        ("silu", np.log(3), 0.75 * np.log(3), 0.75 + 0.1875 * np.log(3)),
        # log(1 + 3) and 3/4
        ("softplus", np.log(3), np.log(4), 0.75),
    ],
)
def test_values_and_slopes_by_hand(name, z, a, slope):
    values = train(ACTIVATIONS[name], np.array([[z]]))
    assert_allclose((values[0].item(), values[1].item()), (a, slope), rtol=1e-14)


@pytest.mark.parametrize("name", ["elu", "selu", "softplus"])
def test_small_inputs_keep_their_digits(name):
    # e^z - 1 for tiny z, log(1 + e^z) for very negative z: the plain formulas would return 0.
    z = {"elu": -1e-20, "selu": -1e-20, "softplus": -50.0}[name]
    # e^z - 1 = z and log(1 + e^z) = e^z to double precision
    expected = {"elu": z, "selu": textbook.SELU_LAMBDA * textbook.SELU_ALPHA * z, "softplus": np.exp(z)}[name]
    assert_allclose(train(ACTIVATIONS[name], np.array([[z]]))[0].item(), expected, rtol=1e-14)
    assert_allclose(predict(ACTIVATIONS[name], np.array([[z]])).item(), expected, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_training_works_in_place_on_what_it_is_given(name):
    # Rows of a larger buffer, as in a network, where the ones below them must not be touched.
    phi = ACTIVATIONS[name]
    a = np.vstack([Z, np.ones((1, Z.shape[1]))])
    slope, scratch = np.full_like(Z, np.nan), np.full_like(Z, np.nan)
    phi.forward_with_slope(a[:-1], slope, scratch if phi.needs_scratch else None)
    expected = train(phi, Z)
    assert_array_equal(a[:-1], expected[0])
    assert_array_equal(slope, expected[1])
    assert_array_equal(a[-1], 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_family_of_initial_weights_exists(name):
    assert ACTIVATIONS[name].init in BOUNDS


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("he", ["relu", "leaky_relu", "alrelu", "elu", "gelu", "silu"]),
        ("glorot", ["identity", "logistic", "tanh", "softplus"]),
        ("lecun", ["selu"]),
    ],
)
def test_initial_weights_fit_the_activation(family, names):
    assert {name for name in NAMES if ACTIVATIONS[name].init == family} == set(names)


def test_selu_keeps_mean_zero_and_variance_one():
    # Its defining property: E[selu(z)] = 0 and E[selu(z)^2] = 1 for z from N(0, 1), by quadrature on each
    # side of the kink.
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = np.concatenate([6 * (nodes - 1), 6 * (nodes + 1)])
    density = np.tile(6 * weights, 2) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    a = predict(ACTIVATIONS["selu"], z.reshape(1, -1))[0]
    assert_allclose([(density * a).sum(), (density * a**2).sum()], [0, 1], atol=1e-12)


# Dropout, an activation around an activation


def test_dropped_units_give_zero_and_the_others_are_scaled_up():
    phi = Dropout(ACTIVATIONS["tanh"], 0.25, np.random.default_rng(0))
    z = np.full((200, 300), 0.5)
    a, slope = train(phi, z)
    plain_a, plain_slope = train(ACTIVATIONS["tanh"], z)
    kept = a != 0
    assert_allclose(a[kept], plain_a[kept] / 0.75, rtol=1e-14)
    assert_allclose(slope[kept], plain_slope[kept] / 0.75, rtol=1e-14)
    assert_array_equal(slope[~kept], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_the_share_it_was_asked_to(rate, dtype):
    z = np.ones((300, 400), dtype)
    a, _ = train(Dropout(ACTIVATIONS["identity"], rate, np.random.default_rng(1)), z)
    # 120000 draws: five standard deviations of the share are 5 sqrt(rate (1 - rate) / 120000).
    assert abs((a == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / z.size)
    # The mean stays 1; a kept unit counts 1 / (1 - rate).
    assert abs(a.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / z.size)


def test_dropout_draws_a_new_mask_for_every_pass_and_the_same_ones_from_the_same_seed():
    z = np.ones((20, 30))
    first, second = (Dropout(ACTIVATIONS["identity"], 0.5, np.random.default_rng(3)) for _ in range(2))
    masks = [train(first, z)[0] for _ in range(2)]
    assert not np.array_equal(masks[0], masks[1])
    for mask in masks:
        assert_array_equal(train(second, z)[0], mask)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_is_off_in_prediction(name):
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    assert_array_equal(predict(Dropout(ACTIVATIONS[name], 0.5, rng), Z), predict(ACTIVATIONS[name], Z))
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("name", NAMES)
def test_dropout_keeps_the_initial_weights_of_its_activation(name):
    assert Dropout(ACTIVATIONS[name], 0.5, np.random.default_rng()).init == ACTIVATIONS[name].init
