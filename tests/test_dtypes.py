"""Every kind of X: its precision, its layout, where it lies; and it is never written to."""

import functools

import estimators
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from estimators import parameters
from sklearn.exceptions import DataConversionWarning

from skscratch import ScratchMLPClassifier

mlp = functools.partial(estimators.mlp, learning_rate="one_cycle", max_iter=5)

METHODS = ["predict_proba", "predict_log_proba", "decision_function"]


def data(n=70, seed=0):
    """Return small whole numbers, which every type holds exactly, many of them zero."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, size=(n, 5))
    return X * (X > 1), (X[:, 0] + rng.integers(0, 2, size=n)) % 3


def types_of(clf, X):
    """Return the types of everything that training and prediction give."""
    arrays = [*clf.coefs_, *clf.intercepts_, *(getattr(clf, method)(X) for method in METHODS)]
    return {array.dtype for array in arrays}


COMPUTED_IN = {np.float32: np.float32, np.float64: np.float64, np.float16: np.float32, np.bool_: np.float32}
COMPUTED_IN |= dict.fromkeys([np.int8, np.uint8, np.int16, np.uint16], np.float32)
COMPUTED_IN |= dict.fromkeys([np.int32, np.uint32, np.int64, np.uint64], np.float64)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(("given", "computed"), COMPUTED_IN.items(), ids=lambda dtype: dtype.__name__)
def test_the_type_of_x_decides_the_precision(given, computed, solver):
    X, y = data()
    clf = ScratchMLPClassifier((6, 4), solver=solver, alpha=0.1, max_iter=5, tol=1e6, random_state=1)
    clf.fit(X.astype(given), y)
    assert types_of(clf, X.astype(given)) == {np.dtype(computed)}


@pytest.mark.parametrize("form", [np.array, sp.csr_array])
@pytest.mark.parametrize(("given", "computed"), COMPUTED_IN.items(), ids=lambda dtype: dtype.__name__)
def test_every_type_trains_as_the_type_it_is_computed_in(given, computed, form):
    X, y = data()
    if given == np.bool_:
        X = X > 0
    if given != np.float16:  # SciPy has no sparse arrays of half precision
        X = form(X)
    one, other = mlp().fit(X.astype(given), y), mlp().fit(X.astype(computed), y)
    np.testing.assert_array_equal(parameters(one), parameters(other))
    assert one.loss_curve_ == other.loss_curve_


def test_half_precision_is_trained_without_overflow():
    X, y = data()
    X = (X * 1000).astype(np.float16)
    clf = mlp(max_iter=2, learning_rate_init=1e-6).fit(X, y)
    assert np.isfinite(clf.loss_curve_).all()


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"class_weight": "balanced"}, {"dropout": 0.2}]
)
def test_float32_stays_float32_with_float64_weights(params, solver):
    X, y = data()
    X, w = X.astype(np.float32), np.random.default_rng(0).uniform(0.5, 2, size=len(y))
    clf = mlp(solver=solver, **params).fit(X, y, sample_weight=w)
    assert types_of(clf, X) == {np.dtype(np.float32)}


def test_float32_stays_float32_through_partial_fit_and_prediction_on_float64():
    X, y = data()
    clf = mlp().partial_fit(X.astype(np.float32), y, classes=[0, 1, 2]).partial_fit(X.astype(np.float64), y)
    assert types_of(clf, X.astype(np.float64)) == {np.dtype(np.float32)}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_optimizers_vectors_have_the_precision_of_the_weights(solver):
    X, y = data()
    clf = mlp(solver=solver).fit(X.astype(np.float32), y)
    assert not [a for a in arrays_in(vars(clf)) if a.dtype == np.float64 and a.size > 10]


def arrays_in(thing):
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, dict):
        thing = list(thing.values())
    return [a for part in thing for a in arrays_in(part)] if isinstance(thing, list | tuple) else []


# Layouts


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def strided(X):
    wide = np.zeros((2 * X.shape[0], 3 * X.shape[1]), X.dtype)
    wide[::2, ::3] = X
    return wide[::2, ::3]


def swapped(X):
    return X.astype(X.dtype.newbyteorder())


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "read-only": read_only,
    "strided": strided,
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "other byte order": swapped,
    "list of lists": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "numpy matrix rows": lambda X: [row for row in X],
    "pandas": lambda X: pd.DataFrame(X, columns=list("abcde")),
    "polars": lambda X: pl.DataFrame({name: column for name, column in zip("abcde", X.T, strict=True)}),
    "pandas, nullable": lambda X: pd.DataFrame(X, columns=list("abcde")).astype("Float64"),
}


@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"shuffle": False}], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_bits(layout, params):
    X, y = data()
    X = X.astype(np.float64) + 0.25
    plain, other = mlp(**params).fit(X, y), mlp(**params).fit(layout(X), y)
    np.testing.assert_array_equal(parameters(other), parameters(plain))
    assert other.loss_curve_ == plain.loss_curve_
    np.testing.assert_array_equal(other.predict_proba(layout(X)), plain.predict_proba(X))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_read_only_memory_maps_are_trained_on(dtype, order, early_stopping, tmp_path):
    X, y = data()
    stored = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", dtype, X.shape, fortran_order=order == "F")
    stored[:] = X
    del stored
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    clf, plain = mlp(early_stopping=early_stopping), mlp(early_stopping=early_stopping)
    clf.fit(mapped, y), plain.fit(X.astype(dtype), y)
    np.testing.assert_array_equal(parameters(clf), parameters(plain))
    np.testing.assert_array_equal(clf.predict_proba(mapped), plain.predict_proba(X.astype(dtype)))
    np.testing.assert_array_equal(mapped, X)


SPARSE = [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.csc_matrix, sp.lil_array]


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"solver": "adam"}, {"dropout": 0.2}], ids=str
)
@pytest.mark.parametrize("make", SPARSE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows_train_like_dense_ones(dtype, make, params):
    X, y = data()
    X = X.astype(dtype)
    dense, sparse = mlp(**params).fit(X, y), mlp(**params).fit(make(X), y)
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(parameters(sparse), parameters(dense), rtol=tolerance, atol=tolerance)
    assert {a.dtype for a in sparse.coefs_} == {np.dtype(dtype)}
    np.testing.assert_allclose(
        sparse.predict_proba(make(X)), dense.predict_proba(X), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_sparse_rows_may_be_unsorted_and_hold_duplicates(index):
    X, y = data()
    X = X.astype(float)
    csr = sp.csr_array(X)
    # Every entry in two halves, each row's columns in falling order.
    rows = zip(csr.indptr[:-1], csr.indptr[1:], strict=True)
    order = np.concatenate([np.arange(a, b)[::-1].repeat(2) for a, b in rows])
    indices, indptr = csr.indices[order].astype(index), (2 * csr.indptr).astype(index)
    messy = sp.csr_array((csr.data[order] / 2, indices, indptr), shape=X.shape)
    before = [a.copy() for a in (messy.data, messy.indices, messy.indptr)]
    clf = mlp().fit(messy, y)
    np.testing.assert_allclose(parameters(clf), parameters(mlp().fit(X, y)), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(clf.predict_proba(messy), clf.predict_proba(X), rtol=1e-9)
    for a, b in zip((messy.data, messy.indices, messy.indptr), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sparse_rows_without_entries_are_rows_of_zeros():
    X, y = data()
    X[10:30] = 0
    np.testing.assert_allclose(
        parameters(mlp().fit(sp.csr_array(X), y)), parameters(mlp().fit(X, y)), rtol=1e-9, atol=1e-12
    )


# X is never written to


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64])
@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray, sp.csr_array, sp.csc_array])
def test_nothing_that_was_passed_is_written_to(form, dtype, solver):
    X, y = data()
    X = form(X.astype(dtype))
    w = np.random.default_rng(0).uniform(0.5, 2, size=len(y))
    parts = [X.data, X.indices, X.indptr] if sp.issparse(X) else [X]
    passed = [*parts, y, w]
    before = [a.copy() for a in passed]
    for a in passed:
        a.flags.writeable = False
    clf = ScratchMLPClassifier((5,), solver=solver, alpha=0.1, max_iter=3, tol=1e6, random_state=0)
    if solver == "lbfgs":
        clf.fit(X, y, w)
    else:
        clf.set_params(early_stopping=True).fit(X, y, w, X_val=X, y_val=y, sample_weight_val=w)
        clf.partial_fit(X, y, sample_weight=w)
    clf.predict(X), clf.predict_proba(X), clf.predict_log_proba(X), clf.decision_function(X)
    for now, then in zip(passed, before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool, float])
def test_tables_of_labels_are_not_written_to(dtype):
    X, _ = data()
    Y = (X[:, :3] > 1).astype(dtype)
    before = Y.copy()
    Y.flags.writeable = False
    clf = mlp().fit(X, Y)
    np.testing.assert_array_equal(Y, before)
    assert set(np.unique(clf.predict(X))) <= {0, 1}


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.coo_array])
def test_sparse_tables_of_labels_train_like_dense_ones(make):
    X, _ = data()
    Y = (X[:, :3] > 1).astype(int)
    sparse = mlp().fit(X, make(Y))
    np.testing.assert_array_equal(parameters(sparse), parameters(mlp().fit(X, Y)))


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2]),
        np.array([-7, 3, 1000]),
        np.array([0.0, 1.0, 2.0]),
        np.array(["a", "bb", "ccc"]),
        np.array(["a", "bb", "ccc"], dtype=object),
        np.array([1, 2, 3], dtype=np.uint8),
        np.array([2**40, 2**41, 2**42]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_type_come_back(labels):
    X, y = data()
    clf = mlp().fit(X, labels[y])
    np.testing.assert_array_equal(clf.classes_, labels)
    assert clf.predict(X).dtype == clf.classes_.dtype
    assert set(clf.predict(X)) <= set(labels)
    np.testing.assert_array_equal(parameters(clf), parameters(mlp().fit(X, y)))


@pytest.mark.parametrize(
    "form",
    [
        list,
        pd.Series,
        pd.Categorical,
        pl.Series,
        lambda names: pd.Series(names, dtype="string"),
        lambda names: pd.Series(names, index=np.arange(len(names))[::-1]),
    ],
    ids=["list", "pandas", "categorical", "polars", "pandas string", "pandas with another index"],
)
def test_labels_in_any_container_train_alike(form):
    X, y = data()
    names = np.array(["a", "bb", "ccc"])[y]
    np.testing.assert_array_equal(parameters(mlp().fit(X, form(names))), parameters(mlp().fit(X, names)))


@pytest.mark.parametrize("form", [np.array, pd.Series, pl.Series], ids=["numpy", "pandas", "polars"])
def test_booleans_are_labels(form):
    X, y = data()
    clf = mlp().fit(X, form(y > 0))
    assert clf.classes_.tolist() == [False, True]
    assert clf.predict(X).dtype == bool


def test_a_column_of_labels_is_taken_with_a_warning():
    X, y = data()
    with pytest.warns(DataConversionWarning, match="column-vector"):
        clf = mlp().fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(parameters(clf), parameters(mlp().fit(X, y)))


def test_many_classes_are_told_apart():
    X = np.repeat(np.eye(300, dtype=np.float32) * 10, 2, axis=0)
    y = np.repeat(np.arange(300), 2)
    clf = mlp(hidden_layer_sizes=(), learning_rate_init=1.0, max_iter=60, alpha=0.0).fit(X, y)
    assert clf.score(X, y) == 1
