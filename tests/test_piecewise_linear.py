"""The encoding of numbers by their positions between knots, or by their values."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skscratch import PiecewiseLinearEncoder

RNG = np.random.default_rng(0)
SKEWED = RNG.lognormal(size=(300, 1))
NAN, INF = np.nan, np.inf


def encode(train, *tests, **params):
    """Return the encoded rows to fit on, or others, in float64."""
    encoder = PiecewiseLinearEncoder(dtype=np.float64, **params).fit(np.reshape(train, (-1, 1)))
    encoded = [encoder.transform(np.reshape(rows, (-1, 1))) for rows in tests or [train]]
    return encoded[0] if len(encoded) == 1 else encoded


@pytest.mark.parametrize("params", [{}, {"n_knots": 0}, {"n_knots": 5, "dtype": np.float64}], ids=str)
def test_every_check_of_scikit_learn_passes_but_one_that_is_skipped(params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(PiecewiseLinearEncoder(**params), on_fail=None, on_skip=None)
    assert len(results) > 40
    not_passed = {result["check_name"] for result in results if result["status"] != "passed"}
    assert not_passed <= {"check_array_api_input"}


# Within the training range


def test_the_columns_are_the_scaled_value_and_positions_by_interpolation():
    encoder = PiecewiseLinearEncoder(n_knots=6, dtype=np.float64).fit(SKEWED)
    (knots,) = encoder.knots_
    assert_array_equal(knots, np.quantile(SKEWED, [0, 0.2, 0.4, 0.6, 0.8, 1], method="nearest"))
    new = RNG.uniform(0, SKEWED.max(), size=(50, 1))
    positions, of_new = (
        np.column_stack([np.interp(x[:, 0], knots[t : t + 2], [0, 1]) for t in range(5)])
        for x in (SKEWED, new)
    )
    bins = (of_new - positions.mean(axis=0)) / np.sqrt(positions.var(axis=0).sum())
    z = StandardScaler().fit(SKEWED).transform(new)
    assert_allclose(encoder.transform(new), np.hstack([z, bins]) / np.sqrt(2), atol=1e-12)


def test_the_scaled_value_and_all_positions_together_have_the_same_variance():
    encoded = encode(SKEWED, n_knots=9)
    assert encoded.shape == (300, 9)
    assert_allclose(encoded.mean(axis=0), 0, atol=1e-12)
    assert_allclose(encoded[:, 0].var(), 0.5)
    assert_allclose(encoded[:, 1:].var(axis=0).sum(), 0.5)


def test_a_weighted_sum_is_any_function_that_is_linear_between_the_knots():
    encoder = PiecewiseLinearEncoder(n_knots=8).fit(SKEWED)
    jagged = np.interp(SKEWED[:, 0], encoder.knots_[0], [0, 5, -3, 2, 2, 9, -9, 1])
    encoded = encoder.transform(SKEWED)
    assert LinearRegression().fit(encoded, jagged).score(encoded, jagged) > 1 - 1e-9
    assert LinearRegression().fit(SKEWED, jagged).score(SKEWED, jagged) < 0.5


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_knots"),
    [(80, 1, 2), (81, 1, 3), (2999, 3, 9), (3000, 3, 10), (15000, 16, 16), (15000, 17, 15), (15000, 99, 2)],
)
def test_the_number_of_knots_grows_with_the_rows_and_falls_with_the_columns(n_samples, n_features, n_knots):
    X = RNG.normal(size=(n_samples, n_features))
    encoder = PiecewiseLinearEncoder().fit(X)
    assert [len(knots) for knots in encoder.knots_] == [n_knots] * n_features


def test_knots_that_coincide_are_merged():
    zeros = np.r_[np.zeros(80), np.arange(1, 21)].reshape(-1, 1)
    assert_array_equal(PiecewiseLinearEncoder(n_knots=11).fit(zeros).knots_[0], [0, 10, 20])


def test_the_type_of_the_output_is_that_of_the_parameter():
    for X in (SKEWED, SKEWED.astype(np.float32), (10 * SKEWED).astype(int)):
        assert PiecewiseLinearEncoder().fit_transform(X).dtype == np.float32
        assert PiecewiseLinearEncoder(dtype="float64").fit_transform(X).dtype == np.float64


# Columns of few values


GRADES = np.repeat([1.0, 2, 3, 5], [4, 180, 12, 4])


@pytest.mark.parametrize("n_knots", [4, "auto"])
def test_a_column_of_few_values_has_a_column_for_each(n_knots):
    encoder = PiecewiseLinearEncoder(n_knots=n_knots, dtype=np.float64).fit(GRADES.reshape(-1, 1))
    assert_array_equal(encoder.knots_[0], [1, 2, 3, 5])
    one_hot = (GRADES[:, np.newaxis] == [1, 2, 3, 5]).astype(float)
    at_least = np.column_stack([GRADES >= 2, GRADES >= 3, GRADES >= 5]).astype(float)
    expected = [
        (block - block.mean(axis=0)) * np.sqrt(variance / block.var(axis=0).sum())
        for block, variance in [(GRADES[:, np.newaxis], 0.5), (at_least, 0.3), (one_hot, 0.2)]
    ]
    assert_allclose(encoder.transform(GRADES[:, np.newaxis]), np.hstack(expected), atol=1e-12)


def test_between_two_of_the_values_it_is_linear():
    two, three, between, five, beyond = encode(GRADES, [2, 3, 4, 5, 6], n_knots=4)
    assert_allclose(between, (three + five) / 2)
    assert_array_equal(beyond, five)
    assert not np.allclose(two, three)


@pytest.mark.parametrize(
    ("n_samples", "n_features", "most"),
    [(80, 1, 0), (81, 1, 16), (300, 1, 16), (1000, 16, 16), (1000, 17, 15), (5000, 17, 15), (5000, 50, 5)],
)
def test_how_many_values_are_few_by_default(n_samples, n_features, most):
    for n_values in range(3, 20):
        X = RNG.normal(size=(n_samples, n_features))
        X[:, 0] = np.arange(n_samples) % n_values
        encoder = PiecewiseLinearEncoder().fit(X)
        if n_values <= most:
            assert_array_equal(encoder.knots_[0], np.arange(n_values))
        assert encoder.marks_values_[0] == (n_values <= most and n_samples <= 1000)
        assert not encoder.marks_values_[1:].any()


@pytest.mark.parametrize("n_knots", ["auto", 8])
def test_with_more_than_1000_rows_the_few_values_are_only_knots(n_knots):
    names = {
        n_samples: PiecewiseLinearEncoder(n_knots=n_knots)
        .fit(np.arange(n_samples).reshape(-1, 1) % 8)
        .get_feature_names_out(["a"])
        .tolist()
        for n_samples in (1000, 1001)
    }
    assert names[1001] == ["a", *(f"a_bin{t}" for t in range(1, 8))]
    assert names[1000] == [*names[1001], *(f"a_{value}" for value in range(8))]


def test_more_than_16_values_are_not_few_with_more_knots():
    for n_values in (16, 17):
        encoder = PiecewiseLinearEncoder(n_knots=20).fit(np.arange(200).reshape(-1, 1) % n_values)
        assert encoder.marks_values_[0] == (n_values == 16)


def test_rows_without_a_value_do_not_count():
    mostly_missing = np.full((10_000, 2), NAN)
    mostly_missing[:81, 0], mostly_missing[:3000, 1] = np.arange(81) % 8, np.arange(3000)
    encoder = PiecewiseLinearEncoder().fit(mostly_missing)
    assert_array_equal(encoder.marks_values_, [True, False])
    assert len(encoder.knots_[1]) == 10
    mostly_missing[80, 0] = NAN
    assert not PiecewiseLinearEncoder().fit(mostly_missing).marks_values_[0]


def test_two_values_are_only_scaled():
    assert PiecewiseLinearEncoder().fit_transform(np.arange(200).reshape(-1, 1) % 2).shape[1] == 1


# Outside of the training range


@pytest.mark.parametrize("n_knots", [0, 5])
def test_values_outside_the_training_range_count_as_its_ends(n_knots):
    ends, beyond = encode(SKEWED, [SKEWED.min(), SKEWED.max()] * 2, [-9, 99, -INF, INF], n_knots=n_knots)
    assert_array_equal(beyond, ends)


def test_infinite_training_values_count_as_the_largest_finite_one():
    with_infinite = np.r_[SKEWED[:, 0], INF, -INF]
    encoder = PiecewiseLinearEncoder(n_knots=5).fit(with_infinite.reshape(-1, 1))
    assert_array_equal(encoder.knots_[0], PiecewiseLinearEncoder(n_knots=5).fit(SKEWED).knots_[0])
    assert encoder.median_ == np.median(SKEWED)
    clipped = np.r_[SKEWED[:, 0], SKEWED.max(), SKEWED.min()].reshape(-1, 1)
    z = StandardScaler().fit_transform(clipped)[:, 0] / np.sqrt(2)
    assert_allclose(encode(with_infinite, n_knots=5)[:, 0], z, atol=1e-12)


def test_huge_values_neither_overflow_nor_warn():
    huge = np.r_[SKEWED[:, 0], 1.7e308]
    assert np.isfinite(encode(huge, n_knots=5)).all()
    # The rest can still be told apart by the positions between quantiles.
    assert np.ptp(encode(huge, SKEWED, n_knots=5)[:, 1]) > 0.1


@pytest.mark.parametrize("n_knots", [0, 3, 5])
def test_a_range_wider_than_the_largest_float_does_not_overflow(n_knots):
    column = np.repeat([-1.7e308, 0, 0.1, 0.2, 1.7e308], 20)
    z = StandardScaler().fit_transform(np.sign(np.trunc(column / 1e300)).reshape(-1, 1))[:, 0] / np.sqrt(2)
    assert_allclose(encode(column, n_knots=n_knots)[:, 0], z, atol=1e-12)


def test_the_median_of_huge_values_is_finite():
    missing, huge = encode([0, 1.7e308, 1.7e308, 1.7e308, NAN], [NAN], [1.7e308], n_knots=3)
    assert_array_equal(missing[:, :-1], huge[:, :-1])


# Missing values


def test_missing_values_become_the_median_and_are_marked():
    encoded, median = encode([NAN, 1, 2, 3, 9], [NAN, 2.5], [2.5, 2.5], n_knots=3)
    assert encoded.shape[1] == 4
    assert_array_equal(encoded[:, :3], median[:, :3])
    assert_array_equal(encoded[:, 3], [1, 0])


def test_values_that_are_missing_only_at_prediction_become_the_median():
    missing, median = encode([1, 2, 3, 9], [NAN], [2.5], n_knots=3)
    assert_array_equal(missing, median)


@pytest.mark.parametrize("column", [[7, 7, 7], [NAN, NAN, NAN], [INF, INF, NAN], [INF, -INF, INF]], ids=str)
def test_a_column_without_two_finite_values_becomes_zeros(column):
    new = encode(column, [7, 8, -INF])
    assert_array_equal(new[:, 0], 0)
    assert new.shape[1] == 1 + np.isnan(column).any()
    assert np.isfinite(new).all()


# Names


def test_names_of_the_columns():
    frame = pd.DataFrame({"age": [1.0, 2, 3, 4, NAN], "sex": [0, 1, 0, 1, 1], "pay": [3.0, 1, 2.5, 1, 1]})
    encoder = PiecewiseLinearEncoder(n_knots=3).set_output(transform="pandas")
    expected = ["age", "age_bin1", "age_bin2", "age_missing", "sex"]
    expected += ["pay", "pay_bin1", "pay_bin2", "pay_1", "pay_2.5", "pay_3"]
    assert encoder.fit_transform(frame).columns.tolist() == expected
    assert encoder.get_feature_names_out().tolist() == expected
    assert PiecewiseLinearEncoder().fit([[0.0], [1.0]]).get_feature_names_out().tolist() == ["x0"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1234567, 1234568, 1234569], ["1234567", "1234568", "1234569"]),
        ([-1, 2020001, 1e10, 1e300], ["-1", "2020001", "10000000000", "1e+300"]),
        ([2.0**53, 2.0**53 + 2, 2.0**53 + 4], ["9007199254740992", "9007199254740994", "9007199254740996"]),
        ([1 / 3, 0.1 + 0.2, 1], ["0.3", "0.333333", "1"]),
        ([0.1 + 0.2, 0.3, 1], ["0.29999999999999999", "0.30000000000000004", "1"]),
        (np.float32([0.1, 0.2, 1]), ["0.1", "0.2", "1"]),
        ([-0.0, 1, 2], ["0", "1", "2"]),
    ],
    ids=str,
)
def test_the_names_of_few_values_differ_and_are_no_longer_than_needed(values, texts):
    encoder = PiecewiseLinearEncoder(n_knots=5).fit(np.reshape(values, (-1, 1)))
    expected = ["a", *(f"a_bin{t}" for t in range(1, len(values))), *(f"a_{text}" for text in texts)]
    assert encoder.get_feature_names_out(["a"]).tolist() == expected


def test_bad_numbers_of_knots_are_an_error():
    for n_knots in (-1, 2.5, "many", None):
        with pytest.raises(ValueError, match="n_knots"):
            PiecewiseLinearEncoder(n_knots=n_knots).fit(SKEWED)
