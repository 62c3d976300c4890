"""Which rows are taken as copies of others, and which as observations that happen to be equal."""

from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from builders import make_rows, make_X, make_y

from skscratch import copies
from skscratch.copies import first_of_its_kind

LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "float32": np.float32,
    "CSR": sp.csr_array,
}


def originals(X, y, index=None):
    """Return the number of the row that each row copies."""
    index = np.arange(X.shape[0]) if index is None else index
    return index[first_of_its_kind(X, y[index], index)]


def repeated(k, n=40, seed=0):
    """Return rows that occur k times each (or as k says), and what each of them copies."""
    copied = np.random.default_rng(seed).permutation(np.repeat(np.arange(n), k))
    _, first, group = np.unique(copied, return_index=True, return_inverse=True)
    return make_X(n, 3)[copied], make_y("multiclass", n)[copied], first[group]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", [2, 10, np.arange(40) % 5])
def test_copies_are_found(k, layout):
    X, y, expected = repeated(k)
    np.testing.assert_array_equal(originals(LAYOUTS[layout](X), y), expected)


def test_rows_that_all_differ_copy_none():
    X, y = make_X(40, 3), make_y("binary", 40)
    np.testing.assert_array_equal(originals(X, y), np.arange(40))
    rows = make_rows(X, y, "binary")
    assert rows.distinct() is rows


def test_rows_that_do_not_take_part_are_not_seen():
    X, y, _ = repeated(2)
    index = np.flatnonzero(np.arange(80) % 3)
    found = originals(X, y, index)
    assert set(found) <= set(index)
    np.testing.assert_array_equal(X[found], X[index])
    assert len(set(found)) == len(np.unique(X[index], axis=0))


def test_zero_is_zero_whatever_its_sign_and_whether_it_is_stored():
    X, y, expected = repeated(4)
    X[:, 1] = np.where(np.arange(160) % 2, 0.0, -0.0)
    np.testing.assert_array_equal(originals(X, y), expected)
    stored = sp.csr_array(np.where(X == 0, 7, X))
    stored.data[stored.data == 7] = 0
    np.testing.assert_array_equal(originals(stored, y), expected)


def test_unsorted_and_duplicate_entries_are_understood_and_left_alone():
    X, y, expected = repeated(2)
    indices, data = np.tile([2, 0, 1, 0], 80), X[:, [2, 0, 1, 0]].copy()
    data[:, 1], data[:, 3] = data[:, 1] - np.arange(80), np.arange(80)
    data = np.round(data * 1024) / 1024  # so that both parts sum up without rounding
    arrays = data.ravel(), indices, 4 * np.arange(81)
    for array in arrays:
        array.flags.writeable = False
    np.testing.assert_array_equal(originals(sp.csr_array(arrays, shape=(80, 3)), y), expected)


def test_equal_rows_of_which_one_has_another_target_are_observations():
    X, y, expected = repeated(4)
    odd = np.flatnonzero(expected == expected[5])
    y[odd[2]] = (y[odd[2]] + 1) % 3
    expected = expected.copy()
    expected[odd] = odd
    np.testing.assert_array_equal(originals(X, y), expected)


def test_targets_may_be_tables():
    X, _, expected = repeated(4)
    table = np.stack([expected % 2, expected % 3 == 0], axis=1)
    np.testing.assert_array_equal(originals(X, table), expected)


def test_a_row_that_is_much_more_frequent_than_others_is_no_copy():
    k = np.ones(300, int)
    k[7] = 130
    X, y, _ = repeated(k, n=300)
    np.testing.assert_array_equal(originals(X, y), np.arange(len(X)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_that_have_to_be_equal_are_observations(layout):
    X = np.repeat(list(product([0.0, 1.0], repeat=2)), 100, axis=0)
    y = (X.sum(axis=1) == 1).astype(int)
    np.testing.assert_array_equal(originals(LAYOUTS[layout](X), y), np.arange(400))


def test_one_row_has_the_weight_of_all_its_copies():
    X, y, expected = repeated(3)
    weights = np.random.default_rng(1).uniform(1, 2, 120)
    rows = make_rows(X, y, "multiclass", weights).distinct()
    np.testing.assert_array_equal(rows.index, np.unique(expected))
    sums = [weights[expected == original].sum() for original in rows.index]
    np.testing.assert_allclose(rows.own_weights, sums, rtol=1e-15)
    rows = make_rows(X, y, "multiclass").distinct()
    np.testing.assert_array_equal(rows.own_weights, np.full(40, 3.0))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("n_features", [2, 7, 64, 65, 300])
def test_copies_are_found_in_every_part_of_x(n_features, layout, monkeypatch):
    monkeypatch.setattr(copies, "PART_BYTES", 5000)
    rng = np.random.default_rng(0)
    copied = rng.permutation(np.repeat(np.arange(150), 3))
    X = LAYOUTS[layout](make_X(150, n_features)[copied])
    _, first, group = np.unique(copied, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(originals(X, copied % 2), first[group])


def test_rows_that_differ_in_one_column_only_are_told_apart():
    X = np.zeros((200, 200))
    X[np.arange(200), np.arange(200)] = 1
    np.testing.assert_array_equal(originals(X, np.zeros(200, int)), np.arange(200))
    X[:, 0] = 1e300
    np.testing.assert_array_equal(originals(X[1:], np.zeros(199, int)), np.arange(199))
