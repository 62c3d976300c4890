"""Batches: the same ones whatever X is made of, without a copy of X, and without garbage in every step."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from builders import (
    KINDS,
    N_OUTPUTS,
    begin_epoch,
    make_batches,
    make_network,
    make_rows,
    make_weights,
    make_y,
    small_trainer,
    textbook_Y,
)
from numpy.testing import assert_allclose, assert_array_equal

from skscratch import ScratchMLPClassifier, batches
from skscratch.activations import ACTIVATIONS
from skscratch.communicator import SingleProcess
from skscratch.input_data import compute_dtype
from skscratch.rows import effective_size

N, N_FEATURES = 23, 4
# Whole numbers that every type below holds without rounding.
WHOLE = np.random.default_rng(0).integers(0, 100, (N, N_FEATURES))
BITS = WHOLE % 2


def strided(X):
    """Every other row and column of a larger array."""
    large = np.full((2 * len(X), 2 * X.shape[1]), 77, X.dtype)
    large[::2, ::2] = X
    return large[::2, ::2]


def upside_down(X):
    return np.array(X[::-1])[::-1]


def unaligned(X):
    """Rows that begin one byte off every boundary of their type."""
    raw = np.zeros(X.nbytes + 1, np.uint8)
    view = raw[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


def memory_map(X, tmp_path):
    path = tmp_path / "X.dat"
    X.tofile(path)
    return np.memmap(path, X.dtype, "r", shape=X.shape)


DENSE = {
    "C order": lambda tmp_path: WHOLE.astype(float),
    "Fortran order": lambda tmp_path: np.asfortranarray(WHOLE, float),
    "strided": lambda tmp_path: strided(WHOLE.astype(float)),
    "rows upside down": lambda tmp_path: upside_down(WHOLE.astype(float)),
    "unaligned": lambda tmp_path: unaligned(WHOLE.astype(float)),
    "read-only": lambda tmp_path: np.broadcast_to(WHOLE.astype(float), WHOLE.shape),
    "memory map": lambda tmp_path: memory_map(WHOLE.astype(float), tmp_path),
    "memory map in Fortran order": lambda tmp_path: memory_map(WHOLE.T.astype(float), tmp_path).T,
    "memory map of float32": lambda tmp_path: memory_map(WHOLE.astype(np.float32), tmp_path),
    "big-endian float64": lambda tmp_path: WHOLE.astype(">f8"),
    "big-endian float32": lambda tmp_path: WHOLE.astype(">f4"),
    "big-endian int16": lambda tmp_path: WHOLE.astype(">i2"),
    "big-endian memory map": lambda tmp_path: memory_map(WHOLE.astype(">f8"), tmp_path),
    **{
        np.dtype(dtype).name: lambda tmp_path, dtype=dtype: WHOLE.astype(dtype)
        for dtype in ("f2", "f4", "g", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
    },
    "int64 in Fortran order": lambda tmp_path: np.asfortranarray(WHOLE),
}
SPARSE = {
    "CSR array": lambda tmp_path: sp.csr_array(WHOLE.astype(float)),
    "CSR array of float32": lambda tmp_path: sp.csr_array(WHOLE.astype(np.float32)),
    "CSR array of int64": lambda tmp_path: sp.csr_array(WHOLE),
    "CSR matrix": lambda tmp_path: sp.csr_matrix(WHOLE.astype(float)),
}
ANY_X = pytest.mark.parametrize("make", (DENSE | SPARSE).values(), ids=DENSE | SPARSE)
ANY_ORDER = pytest.mark.parametrize(
    "order", [None, np.random.default_rng(1).permutation(N)], ids=["in order", "shuffled"]
)


def network_for(X, kind="multiclass"):
    dtype = compute_dtype(X.dtype)
    return make_network((X.shape[1], 5, N_OUTPUTS[kind]), "tanh", dtype=dtype)


def batches_of(X, batch_size=5, kind="multiclass", weights=None, index=None, smoothing=0.0):
    rows = make_rows(X, make_y(kind, X.shape[0]), kind, weights, index, smoothing)
    return make_batches(rows, batch_size, kind, network_for(X, kind))


def contents(source, order=None):
    """Return copies of x, Y and w of every batch, one row per example."""
    result = []
    for _, filled in source.blocks(order):
        for batch in filled:
            x = batch.x.x.toarray() if hasattr(batch.x, "x") else batch.x.a[:-1].T.copy()
            w = np.broadcast_to(batch.w, (1, len(x)))[0].copy()
            result.append((x, batch.Y.T.copy(), w))
    return result


def as_read_only(X):
    parts = [X.data, X.indices, X.indptr] if sp.issparse(X) else [X]
    for part in parts:
        part.flags.writeable = False
    return X


# The same batches whatever X is made of


@ANY_ORDER
@ANY_X
def test_every_kind_of_X_gives_the_same_batches(make, order, tmp_path):
    X = as_read_only(make(tmp_path))
    order_or_rows = np.arange(N) if order is None else order
    got = contents(batches_of(X), order)
    assert [len(x) for x, _, _ in got] == [5, 5, 5, 5, 3]
    x = np.vstack([x for x, _, _ in got])
    assert x.dtype == compute_dtype(X.dtype)
    assert_array_equal(x, WHOLE[order_or_rows])


@ANY_ORDER
def test_boolean_X_gives_zeros_and_ones(order):
    got = contents(batches_of(BITS.astype(bool)), order)
    x = np.vstack([x for x, _, _ in got])
    assert x.dtype == np.float32
    assert_array_equal(x, BITS if order is None else BITS[order])


@ANY_X
def test_rows_chosen_by_an_index_give_the_same_batches_for_every_kind_of_X(make, tmp_path):
    index = np.array([20, 3, 3, 7, 11, 0, 22, 5])
    source = batches_of(as_read_only(make(tmp_path)), index=index)
    assert source.n_rows == len(index)
    assert_array_equal(np.vstack([x for x, _, _ in contents(source)]), WHOLE[index])


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE)
def test_the_dense_rows_end_in_ones_and_stay_so(make, tmp_path):
    source = batches_of(make(tmp_path))
    for _ in range(2):
        for _, filled in source.blocks(None):
            for batch in filled:
                assert_array_equal(batch.x.a[-1], 1)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        *[(dtype, np.float32) for dtype in ("?", "f2", "f4", "i1", "u1", "i2", "u2", ">f4", ">i2", ">f2")],
        *[(dtype, np.float64) for dtype in ("f8", "g", "i4", "u4", "i8", "u8", ">f8", ">i4")],
    ],
)
def test_small_types_compute_in_float32_and_wide_ones_in_float64(dtype, expected):
    assert compute_dtype(np.dtype(dtype)) == expected


def fitted(X, kind="multiclass", **params):
    params = {"hidden_layer_sizes": 5, "batch_size": 5, "max_iter": 3, "n_iter_no_change": np.inf} | params
    model = ScratchMLPClassifier(activation="tanh", learning_rate_init=0.001, random_state=0, **params)
    return model.fit(X, make_y(kind, N))


@pytest.mark.parametrize(
    "convert",
    [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.csc_matrix, sp.coo_array],
    ids=lambda convert: convert.__name__,
)
def test_the_estimator_takes_every_sparse_format(convert):
    X = WHOLE.astype(float)
    dense, sparse = fitted(X), fitted(convert(X))
    for W_dense, W_sparse in zip(dense.coefs_, sparse.coefs_, strict=True):
        assert_allclose(W_sparse, W_dense, rtol=1e-10, atol=1e-13)
    assert_allclose(sparse.predict_proba(convert(X)), dense.predict_proba(X), rtol=1e-10)


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE)
def test_the_estimator_learns_the_same_from_every_kind_of_X(make, tmp_path):
    X = as_read_only(make(tmp_path))
    model, plain = fitted(X), fitted(WHOLE.astype(compute_dtype(X.dtype)))
    for W, W_plain in zip(model.coefs_, plain.coefs_, strict=True):
        assert W.dtype == W_plain.dtype
        assert_array_equal(W, W_plain)
    assert_array_equal(model.predict_proba(X), plain.predict_proba(WHOLE.astype(compute_dtype(X.dtype))))


@ANY_X
def test_X_is_never_written_to(make, tmp_path):
    X = make(tmp_path)
    before = X.toarray() if sp.issparse(X) else np.array(X)
    source = batches_of(X, weights=make_weights(N))
    for order in (None, np.arange(N)[::-1]):
        for _ in source.blocks(order):
            pass
    assert_array_equal(X.toarray() if sp.issparse(X) else X, before)


# Targets and weights


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
@ANY_ORDER
@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_the_textbooks_in_the_order_of_the_rows(kind, order, smoothing):
    got = contents(batches_of(WHOLE, kind=kind, smoothing=smoothing), order)
    expected = textbook_Y(make_y(kind, N), kind, smoothing)
    assert_allclose(
        np.vstack([Y for _, Y, _ in got]), expected if order is None else expected[order], rtol=1e-15
    )


@ANY_ORDER
def test_weights_are_divided_by_the_batchs_size_times_the_mean_weight_of_all_rows(order):
    weights = make_weights(N)
    got = contents(batches_of(WHOLE, weights=weights), order)
    ordered = weights if order is None else weights[order]
    sizes = np.array([5] * 20 + [3] * 3)
    assert_allclose(np.concatenate([w for _, _, w in got]), ordered / (sizes * weights.mean()), rtol=1e-14)


def test_the_mean_weight_is_that_of_the_rows_that_take_part():
    weights, index = make_weights(N), np.arange(3, 13)
    source = batches_of(WHOLE, weights=weights, index=index)
    # The unit of the weights is a power of two.
    unit = weights[3] / source.rows.weights[3]
    assert_allclose(source.mean_weight * unit, weights[index].mean(), rtol=1e-15)
    assert unit == 2.0


def test_without_weights_every_example_weighs_one_over_the_size_of_its_batch():
    got = contents(batches_of(WHOLE))
    assert_array_equal(np.concatenate([w for _, _, w in got]), [1 / 5] * 20 + [1 / 3] * 3)


def test_equal_weights_give_the_batches_of_no_weights():
    equal, none = (contents(batches_of(WHOLE, weights=weights)) for weights in (np.full(N, 7.0), None))
    for (_, _, w), (_, _, w_none) in zip(equal, none, strict=True):
        assert_allclose(w, w_none, rtol=1e-15)


# Blocks and the tail


@pytest.mark.parametrize(
    ("n", "batch_size", "expected"),
    [
        (23, 5, [5, 5, 5, 5, 3]),
        (20, 5, [5, 5, 5, 5]),
        (5, 5, [5]),
        (4, 5, [4]),
        (1, 5, [1]),
        (6, 5, [5, 1]),
        (3, 1, [1, 1, 1]),
    ],
)
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_only_the_last_batch_is_smaller(make, n, batch_size, expected):
    source = batches_of(make(WHOLE[:n].astype(float)), batch_size)
    got = contents(source)
    assert [len(x) for x, _, _ in got] == expected
    assert_array_equal(np.vstack([x for x, _, _ in got]), WHOLE[:n])


@pytest.mark.parametrize("block_bytes", [1, 200, 400, 2**20])
@pytest.mark.parametrize("most", [1, 2, 3, 64])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_batches_do_not_depend_on_how_many_of_them_a_block_holds(make, most, block_bytes, monkeypatch):
    monkeypatch.setattr(batches, "MAX_BATCHES_IN_BLOCK", most)
    monkeypatch.setattr(batches, "BLOCK_BYTES", block_bytes)
    order, weights = np.random.default_rng(2).permutation(N), make_weights(N)
    got = contents(batches_of(make(WHOLE.astype(float)), 3, weights=weights), order)
    assert [len(x) for x, _, _ in got] == [3] * 7 + [2]
    assert_array_equal(np.vstack([x for x, _, _ in got]), WHOLE[order])
    assert_array_equal(
        np.vstack([Y for _, Y, _ in got]), textbook_Y(make_y("multiclass", N), "multiclass")[order]
    )
    sizes = np.array([3] * 21 + [2] * 2)
    expected = weights[order] / (sizes * weights.mean())
    assert_allclose(np.concatenate([w for _, _, w in got]), expected, rtol=1e-14)


@pytest.mark.parametrize("most", [1, 3])
def test_training_does_not_depend_on_how_many_batches_a_block_holds(most, monkeypatch):
    whole = small_trainer(weighted=True, alpha=0.1, batch_size=2)
    monkeypatch.setattr(batches, "MAX_BATCHES_IN_BLOCK", most)
    cut = small_trainer(weighted=True, alpha=0.1, batch_size=2)
    reports = [trainer.run_epoch() for trainer in (whole, cut)]
    assert_array_equal(whole.objective.network.theta, cut.objective.network.theta)
    assert_allclose(reports[0].loss, reports[1].loss, rtol=1e-14)


def test_a_second_pass_gives_what_the_first_gave():
    source = batches_of(WHOLE, weights=make_weights(N))
    for first, second in zip(contents(source), contents(source), strict=True):
        for a, b in zip(first, second, strict=True):
            assert_array_equal(a, b)


# The order


def test_a_random_order_holds_every_row_once():
    order = batches_of(WHOLE).random_order(np.random.default_rng(0))
    assert_array_equal(np.sort(order), np.arange(N))
    assert not np.array_equal(order, np.arange(N))


def test_a_random_order_of_chosen_rows_holds_each_of_them_once():
    index = np.array([20, 3, 7, 11, 0, 22, 5])
    order = batches_of(WHOLE, index=index).random_order(np.random.default_rng(0))
    assert_array_equal(np.sort(order), np.sort(index))


def test_the_order_is_the_generators():
    source = batches_of(WHOLE)
    first, again, other = (source.random_order(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# Memory


def peak_bytes(work):
    """Return how much memory the call holds at its worst, beyond what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


BIG, BIG_FEATURES, BIG_BATCH, BIG_HIDDEN = 4100, 60, 2000, 40


def big_trainer(X, kind="multiclass", **options):
    sizes = (BIG_FEATURES, BIG_HIDDEN, BIG_HIDDEN, N_OUTPUTS[kind])
    dtype = compute_dtype(X.dtype)
    return small_trainer(
        kind, len(X), BIG_FEATURES, X=X, sizes=sizes, batch_size=BIG_BATCH, eta=1e-3, dtype=dtype, **options
    )


def train_in(trainer, order):
    """Take every step of an epoch whose order is already there."""
    for block, filled in trainer.batches.blocks(order):
        for batch in filled:
            trainer.step(batch)
        block.total_loss(trainer.objective.loss, len(filled))


def big_X(dtype, layout="C"):
    return np.array(np.random.default_rng(0).integers(0, 2, (BIG, BIG_FEATURES)), dtype, order=layout)


# The buffers of a batch hold from 40 numbers per example (a hidden layer) to 61 (the input). A few bytes per
# example for codes, weights and row numbers may be allocated afresh. So may the room in which NumPy changes
# types: it holds 8192 numbers at most, whatever the size of a batch.
SMALLEST_BUFFER = BIG_BATCH * BIG_HIDDEN * 4

TRAINED = {
    "float64": (np.float64, {}),
    "float32": (np.float32, {}),
    "uint8": (np.uint8, {}),
    "int64": (np.int64, {}),
    "weighted": (np.float32, {"weighted": True}),
    "penalised": (np.float32, {"alpha": 0.1}),
    "momentum": (np.float32, {"nesterov": False}),
    "adam": (np.float32, {"adam": {}, "alpha": 0.1}),
    "clipping": (np.float32, {"max_grad_norm": 0.1, "alpha": 0.1}),
    "dropout": (np.float32, {"dropout": 0.5}),
    "binary": (np.float32, {"kind": "binary"}),
    "multilabel": (np.float32, {"kind": "multilabel"}),
    **{name: (np.float32, {"activations": name}) for name in sorted(ACTIVATIONS)},
}


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize(("dtype", "options"), TRAINED.values(), ids=TRAINED)
def test_a_step_allocates_nothing_of_a_batchs_size(dtype, options, shuffled):
    trainer = big_trainer(big_X(dtype), **options)
    order = np.random.default_rng(0).permutation(BIG) if shuffled else None
    begin_epoch(trainer.optimizer, 1e-3, 0.9)
    train_in(trainer, order)
    assert peak_bytes(lambda: train_in(trainer, order)) < SMALLEST_BUFFER


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
def test_a_step_allocates_nothing_of_a_batchs_size_on_X_in_fortran_order(shuffled):
    trainer = big_trainer(big_X(np.float32, "F"))
    order = np.random.default_rng(0).permutation(BIG) if shuffled else None
    begin_epoch(trainer.optimizer, 1e-3, 0.9)
    train_in(trainer, order)
    assert peak_bytes(lambda: train_in(trainer, order)) < SMALLEST_BUFFER


def test_the_measure_notices_an_array_of_a_batchs_size():
    assert peak_bytes(lambda: np.ones(SMALLEST_BUFFER // 4, np.float32)) >= SMALLEST_BUFFER


@pytest.mark.parametrize(
    ("dtype", "layout"),
    [*itertools.product((np.float64, np.float32, np.uint8, np.int64, ">f8"), "CF")],
    ids=str,
)
def test_the_whole_of_X_is_never_copied(dtype, layout, monkeypatch):
    # With blocks of one batch, so that all buffers together are a small part of X.
    monkeypatch.setattr(batches, "BLOCK_BYTES", 1)
    n, n_features = 20000, 100
    X = np.zeros((n, n_features), dtype, order=layout)

    def train():
        dtype = compute_dtype(X.dtype)
        small_trainer(
            n=n, n_features=n_features, X=X, sizes=(n_features, 5, 3), batch_size=200, dtype=dtype
        ).run_epoch()

    # Row numbers, codes and the like take about 8 bytes a row or two; a copy of X at least 100.
    assert peak_bytes(train) < 50 * n


# The unit of the weights


@pytest.mark.parametrize("weights", [None, np.full(N, 3.0), np.full(N, 5e-324)])
def test_all_processes_weigh_in_one_unit(weights):
    class Communicator(SingleProcess):
        def max(self, number):
            return 2.0**1000

    rows = make_rows(WHOLE, make_y("binary", N), "binary", weights)
    scaled = rows.scaled(Communicator())
    if weights is not None and weights[0] < 1e-300:
        assert scaled.n_rows == 0  # as good as absent
    else:
        assert_array_equal(scaled.weights, np.full(N, 1.0 if weights is None else 3.0) * 2.0**-1000)


def test_the_unit_is_that_of_the_rows_that_take_part():
    # A validation row may weigh so much more that the square of a training weight would vanish.
    weights = np.full(N, 3.0)
    weights[0] = 1e300
    rows = make_rows(WHOLE, make_y("binary", N), "binary", weights, index=np.arange(1, N)).scaled()
    assert_array_equal(rows.own_weights, np.full(N - 1, 1.5))
    assert effective_size(rows.weight_sum, rows.square_sum) == N - 1


def test_weights_whose_largest_is_between_one_and_two_stay_as_they_are():
    for weights in (None, np.linspace(0.1, 1.9, N)):
        rows = make_rows(WHOLE, make_y("binary", N), "binary", weights)
        assert rows.scaled() is rows
