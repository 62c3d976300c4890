"""Memory: X is never copied, prediction works in blocks, and a fitted model holds little but its weights."""

import functools
import gc
import itertools
import pickle
import tracemalloc

import estimators
import numpy as np
import pytest
import scipy.sparse as sp

mlp = functools.partial(
    estimators.default_mlp, hidden_layer_sizes=10, activation="relu", alpha=1e-4, batch_size=200, max_iter=1
)

MB = 1e6


def peak(call):
    """Return the most bytes that the call held at once, beyond what was held before."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def weights_bytes(clf):
    return sum(p.nbytes for p in (*clf.coefs_, *clf.intercepts_))


def held_bytes(thing):
    """Return the bytes of all arrays that can be reached from here, each piece of memory once."""
    owners, seen, todo = {}, set(), [thing]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            while isinstance(one.base, np.ndarray):
                one = one.base
            owners[id(one)] = one.nbytes
        elif not isinstance(one, str | bytes | int | float):
            todo.extend(gc.get_referents(one))
    return sum(owners.values())


def bits(n_rows, dtype, order="C"):
    """Return rows of 400 features that are 0 or 1."""
    return np.asarray(np.random.default_rng(0).integers(0, 2, (n_rows, 400), np.uint8), dtype, order=order)


def sparse_rows(n_rows, n_columns):
    """Return rows with four entries each."""
    columns = np.sort(np.random.default_rng(0).integers(0, n_columns // 4, size=(n_rows, 4)), axis=1)
    columns += np.arange(4) * (n_columns // 4)
    data = np.ones(4 * n_rows, np.float32)
    return sp.csr_array((data, columns.ravel(), np.arange(0, 4 * n_rows + 1, 4)), shape=(n_rows, n_columns))


TRAININGS = {
    "sgd": ({}, 2.2),
    "sgd, early stopping": ({"early_stopping": True, "max_iter": 3}, 2.2),
    "sgd, early stopping by a score": ({"early_stopping": True, "scoring": "accuracy", "max_iter": 3}, 2.2),
    "sgd, dropout": ({"dropout": 0.5}, 2.2),
    "adam": ({"solver": "adam"}, 3.2),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("params", "most"), TRAININGS.values(), ids=TRAININGS)
def test_a_fitted_model_holds_its_weights_and_the_memory_of_its_optimizer(params, most, dtype):
    # Besides the weights, SGD keeps one vector, the velocity; Adam keeps two.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 300)).astype(dtype), rng.integers(0, 3, size=1000)
    clf = mlp(hidden_layer_sizes=(200, 100), **params).fit(X, y)
    assert weights_bytes(clf) > 80_000 * X.itemsize
    assert len(pickle.dumps(clf)) <= most * weights_bytes(clf)
    assert held_bytes(vars(clf)) <= most * weights_bytes(clf)
    clf.partial_fit(X, y)
    assert len(pickle.dumps(clf)) <= most * weights_bytes(clf)
    assert held_bytes(vars(clf)) <= most * weights_bytes(clf)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_prediction_works_in_blocks_of_rows(method):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200_000, 20)).astype(np.float32)
    clf = mlp(hidden_layer_sizes=(400,)).fit(X[:500], rng.integers(0, 4, size=500))
    # The hidden layer of all rows at once would take 320 MB. The scores of all rows take 3 MB; what comes on
    # top does not grow with the number of rows.
    results = 200_000 * 4 * 4
    assert peak(lambda: getattr(clf, method)(X)) < 2 * results + 20 * MB


def test_prediction_on_sparse_rows_works_in_blocks_of_rows():
    rng = np.random.default_rng(0)
    X = sparse_rows(100_000, 2000)
    clf = mlp(hidden_layer_sizes=(400,)).fit(X[:500], rng.integers(0, 4, size=500))
    # As a dense array X would take 800 MB.
    assert peak(lambda: clf.predict(X)) < 60 * MB


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
def test_prediction_does_not_cast_the_whole_of_x(dtype):
    X = bits(50_000, dtype)
    clf = mlp().fit(X[:500].astype(np.float32), np.arange(500) % 2)
    # In float32 X would take 80 MB.
    assert peak(lambda: clf.predict(X)) < 25 * MB


# Made once for all tests that train on it, and gone before the next one is made.
@pytest.fixture(
    scope="module",
    params=itertools.product("CF", [np.uint8, np.int64, np.float32, np.float64]),
    ids=lambda param: f"{param[0]}-{param[1].__name__}",
)
def large_X(request):
    order, dtype = request.param
    return bits(30_000, dtype, order)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_training_never_copies_x(large_X, shuffle, early_stopping):
    X, y = large_X, np.arange(30_000) % 3
    clf = mlp(shuffle=shuffle, early_stopping=early_stopping)
    # X has 12 million numbers: a copy takes 12 MB as uint8 and 48 MB as float32, in which it is computed.
    assert peak(lambda: clf.fit(X, y)) < 11 * MB
    assert peak(lambda: clf.partial_fit(X, y)) < 11 * MB


def test_training_never_reads_the_whole_of_a_memory_map(tmp_path):
    stored = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (30_000, 400))
    stored[:] = bits(30_000, np.float32)
    del stored
    X, y = np.load(tmp_path / "X.npy", mmap_mode="r"), np.arange(30_000) % 3
    for clf in (mlp(), mlp(early_stopping=True), mlp(early_stopping=True, scoring="accuracy")):
        # The map holds 48 MB; a scorer is shown its tenth.
        assert peak(lambda clf=clf: clf.fit(X, y)) < 16 * MB


def test_training_on_sparse_rows_never_makes_them_dense():
    X = sparse_rows(20_000, 5000)
    y = np.arange(20_000) % 2
    # As a dense array X would take 400 MB, a block of 200 rows 4 MB.
    assert peak(lambda: mlp().fit(X, y)) < 12 * MB


def test_labels_are_never_spread_over_columns():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50_000, 4)).astype(np.float32), np.arange(50_000) % 500
    # One column per class would take 25 MB as bytes, 100 MB as float32.
    assert peak(lambda: mlp(hidden_layer_sizes=(4,)).fit(X, y)) < 12 * MB


@pytest.mark.parametrize("max_iter", [2, 40])
def test_memory_does_not_grow_with_the_number_of_epochs(max_iter):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 50)).astype(np.float32), rng.integers(0, 3, size=1000)
    clf = mlp(hidden_layer_sizes=(300,), max_iter=max_iter, early_stopping=True)
    assert peak(lambda: clf.fit(X, y)) < 3.5 * MB


def test_partial_fit_does_not_grow_the_model():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 50)).astype(np.float32), rng.integers(0, 3, size=1000)
    clf = mlp(hidden_layer_sizes=(300,)).partial_fit(X, y, classes=[0, 1, 2])
    before = held_bytes(vars(clf))
    for _ in range(20):
        clf.partial_fit(X, y)
    assert held_bytes(vars(clf)) == before


# What a pickle holds


class Strict(pickle.Unpickler):
    """Trusts this package's classifier, and of NumPy what makes an array."""

    def __init__(self, file):
        super().__init__(file)
        self.asked = set()

    def find_class(self, module, name):
        self.asked.add(f"{module}.{name}")
        trusted = module.startswith("numpy") and name in (
            "_reconstruct", "ndarray", "dtype", "_frombuffer", "scalar"
        )  # fmt: skip
        if not trusted and name != "ScratchMLPClassifier":
            raise pickle.UnpicklingError(f"{module}.{name} is not trusted")
        return super().find_class(module, name)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("params", "most"), TRAININGS.values(), ids=TRAININGS)
def test_a_loader_needs_to_trust_one_class_alone(params, most, method, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 5)), rng.integers(0, 3, size=100)
    clf = mlp(**params).fit(X, y)
    if method == "partial_fit":
        clf = mlp(**params).partial_fit(X, y, classes=[0, 1, 2])
    (tmp_path / "clf.pickle").write_bytes(pickle.dumps(clf.set_params(n_iter_no_change=10)))
    with open(tmp_path / "clf.pickle", "rb") as file:
        loaded = Strict(file).load()
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    loaded.partial_fit(X, y)


def kinds_in(thing):
    if isinstance(thing, dict):
        thing = [*thing, *thing.values()]
    if isinstance(thing, list | tuple):
        return {kind for part in thing for kind in kinds_in(part)}
    return {type(thing)}


@pytest.mark.parametrize(("params", "most"), TRAININGS.values(), ids=TRAININGS)
def test_a_fitted_model_holds_plain_arrays_lists_numbers_and_strings_only(params, most):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 5)), rng.integers(0, 3, size=100)
    clf = mlp(**params).fit(X, y)
    fitted = {name: value for name, value in vars(clf).items() if name not in clf.get_params()}
    assert kinds_in(fitted) <= {np.ndarray, int, float, str, bool, type(None)}


@pytest.mark.parametrize(
    ("params", "limit"),
    [
        # The parameters, their gradient, the velocity, and copies of both after the last whole epoch.
        ({}, 6),
        # The parameters of the best epoch.
        ({"early_stopping": True}, 7),
        # Two moments, and their copies.
        ({"solver": "adam"}, 8),
    ],
    ids=str,
)
def test_training_a_wide_network_holds_few_vectors_of_its_size(params, limit):
    X = np.random.default_rng(0).normal(size=(40, 2**16)).astype(np.float32)
    clf = estimators.default_mlp(hidden_layer_sizes=100, max_iter=3, **params)
    n_bytes = peak(lambda: clf.fit(X, np.arange(40) % 2))
    assert n_bytes < limit * weights_bytes(clf)
