"""Every kind of X: its precision, its layout, where it lies; and it is never written to."""

import copy
import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import estimators
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from estimators import parameters
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from skscratch import ScratchMLPClassifier
from skscratch.rows import largest_entry

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


def tol(solver, value):
    """Return tol as a parameter of L-BFGS; on the other solvers it has no effect here."""
    return {"tol": value} if solver == "lbfgs" else {}


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(("given", "computed"), COMPUTED_IN.items(), ids=lambda dtype: dtype.__name__)
def test_the_type_of_x_decides_the_precision(given, computed, solver):
    X, y = data()
    clf = ScratchMLPClassifier(
        (6, 4), solver=solver, alpha=0.1, max_iter=5, random_state=1, **tol(solver, 1e6)
    )
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
    clf = ScratchMLPClassifier((5,), solver=solver, alpha=0.1, max_iter=3, random_state=0, **tol(solver, 1e6))
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
    with pytest.warns(DataConversionWarning, match="column-vector y was"):
        clf = mlp().fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(parameters(clf), parameters(mlp().fit(X, y)))
    with pytest.warns(DataConversionWarning, match="column-vector y_val was"):
        clf = mlp().fit(X, y, X_val=X, y_val=y[:, np.newaxis])
    assert clf.validation_loss_curve_ == mlp().fit(X, y, X_val=X, y_val=y).validation_loss_curve_


def test_many_classes_are_told_apart():
    X = np.repeat(np.eye(300, dtype=np.float32) * 10, 2, axis=0)
    y = np.repeat(np.arange(300), 2)
    clf = mlp(hidden_layer_sizes=(), learning_rate_init=1.0, max_iter=60, alpha=0.0).fit(X, y)
    assert clf.score(X, y) == 1


# Sparse rows that are not canonical: SciPy would sort them and sum them up in place


def buffers(X):
    return X.data, X.indices, X.indptr


def untidy(X, *, repeated=True, types=(np.int32, np.int32), matrix=sp.csr_array):
    """Return X as CSR: each row's columns in falling order, and every entry twice: itself and 0."""
    csr = sp.csr_array(X)
    rows = zip(csr.indptr[:-1], csr.indptr[1:], strict=True)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in rows]).repeat(1 + repeated)
    values, indptr = csr.data[order], csr.indptr * (1 + repeated)
    if repeated:
        values[1::2] = 0
    untidy = matrix((values, csr.indices[order], indptr), shape=X.shape)
    untidy.indices, untidy.indptr = untidy.indices.astype(types[0]), untidy.indptr.astype(types[1])
    return untidy


UNTIDY = {
    "repeated": {},
    "unsorted": {"repeated": False},
    "matrix": {"matrix": sp.csr_matrix},
    "int64": {"types": (np.int64, np.int64)},
    "int64 columns, int32 rows": {"types": (np.int64, np.int32)},
    "int32 columns, int64 rows": {"types": (np.int32, np.int64)},
}


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("form", UNTIDY.values(), ids=UNTIDY)
def test_untidy_sparse_rows_are_only_read(form, dtype, solver):
    X, _ = data()
    y = np.random.default_rng(1).integers(0, 3, len(X))
    X = X.astype(dtype)
    rows, same = untidy(X, **form), untidy(X, **form)
    before = [a.copy() for a in buffers(rows)]
    for a in buffers(rows):
        a.flags.writeable = False
    # Nothing is to be learned from these labels, so the reach of the features is looked up in the end.
    steps = {
        "sgd": {"learning_rate_init": 0.011},
        "adam": {"learning_rate_init": 6e-4},
        "lbfgs": {"alpha": 5.0, "tol": 1e-12},
    }[solver]
    clf, again = (
        ScratchMLPClassifier((5,), "tanh", solver=solver, max_iter=12, random_state=0, **steps)
        for _ in range(2)
    )
    with pytest.warns(ConvergenceWarning) if solver == "lbfgs" else nullcontext():
        clf.fit(rows, y), again.fit(rows, y)
    np.testing.assert_array_equal(parameters(clf), parameters(again))
    if solver != "lbfgs":
        clf.set_params(early_stopping=True, scoring="accuracy").fit(rows, y, X_val=rows, y_val=y)
        clf.fit(rows, y).partial_fit(rows, y)
    dense = rows.toarray()
    for method in ("predict", "hidden_activations", *METHODS):
        predict = getattr(clf, method)
        np.testing.assert_allclose(predict(rows), predict(dense), rtol=1e-4, atol=1e-6)
    for now, then, other in zip(buffers(rows), before, buffers(same), strict=True):
        np.testing.assert_array_equal(now, then)
        assert now.dtype == other.dtype


@pytest.mark.parametrize("method", ["predict", "hidden_activations", *METHODS])
@pytest.mark.parametrize("form", UNTIDY.values(), ids=UNTIDY)
def test_untidy_sparse_rows_whose_scores_overflow_are_only_read(form, method):
    X, y = data()
    clf = mlp().fit(X.astype(np.float32), y)
    rows = untidy(np.where(X == 2, 3e38, X).astype(np.float32), **form)
    before = [a.copy() for a in buffers(rows)]
    for a in buffers(rows):
        a.flags.writeable = False
    assert np.isfinite(getattr(clf, method)(rows)).all()
    for now, then in zip(buffers(rows), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("index", [None, np.array([2, 0])])
def test_the_largest_entry_is_that_of_the_dense_form(index):
    # Twice 40 in one place of the first row, 90 - 90 in the second, 70 and -60 in the others.
    rows = sp.csr_array(([40.0, 40, 90, -90, 70, -60], [1, 1, 0, 0, 2, 1], [0, 2, 4, 5, 6]), shape=(4, 3))
    assert largest_entry(rows, index) == largest_entry(rows.toarray(), index) == 80
    assert len(rows.data) == 6
    assert largest_entry(-rows, np.array([3])) == 60
    assert largest_entry(np.full((25_000, 1), -7, np.int8)) == 7


def test_no_rows_have_no_large_entry():
    # In distributed training, a process may be left without rows.
    assert largest_entry(np.ones((3, 2)), np.array([], int)) == 0


@pytest.mark.filterwarnings("ignore:.*alpha=5 is far too strong:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", [{}, {"repeated": False}], ids=["repeated", "unsorted"])
def test_threads_may_share_untidy_sparse_rows(form):
    rng = np.random.default_rng(0)
    X, y = rng.random((600, 100)) * (rng.random((600, 100)) < 0.05), rng.integers(0, 2, 600)
    rows, huge = untidy(X, **form), untidy(X * 1e308, **form)
    before = [a.copy() for a in buffers(rows)]
    fitted = mlp(max_iter=2, activation="identity").fit(X, y)
    fitted.coefs_[0] *= 1e3

    def work(solver):
        clf = ScratchMLPClassifier(
            (), solver=solver, alpha=5.0, max_iter=12, random_state=0, **tol(solver, 1e-9)
        )
        assert np.isfinite(fitted.decision_function(huge)).all()
        return parameters(clf.fit(rows, y))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, ["sgd", "adam", "lbfgs"] * 2))
    for result, first in zip(results, results[:3] * 2, strict=True):
        np.testing.assert_array_equal(result, first)
    for now, then in zip(buffers(rows), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert len(huge.data) == len(rows.data)


def test_untidy_sparse_tables_of_labels_are_only_read():
    X, _ = data()
    Y = (X[:, :3] > 1).astype(int)
    table = untidy(Y)
    before = [a.copy() for a in buffers(table)]
    for a in buffers(table):
        a.flags.writeable = False
    np.testing.assert_array_equal(parameters(mlp().fit(X, table)), parameters(mlp().fit(X, Y)))
    for now, then in zip(buffers(table), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int16, np.int64, np.float64])
def test_entries_in_one_place_sum_up_as_in_the_dense_form(dtype):
    # In X's own dtype: True and True are True, and 200 + 100 is 44 in a byte.
    X, y = data()
    rows = untidy(X.astype(dtype))
    rows.data[1::2] = 100
    rows.data[::2] = np.array([200]).astype(dtype)
    sparse, dense = mlp().fit(rows, y), mlp().fit(rows.toarray(), y)
    np.testing.assert_allclose(parameters(sparse), parameters(dense), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(dense.predict_proba(rows), dense.predict_proba(rows.toarray()), rtol=1e-4)


# Frames and text, which scikit-learn would read otherwise

NULLABLE = {
    "Float32": np.float32,
    "boolean": np.bool_,
    "Int8": np.int8,
    "UInt16": np.uint16,
    "Int32": np.int32,
    "Float64": np.float64,
}


@pytest.mark.parametrize(("name", "dtype"), NULLABLE.items(), ids=NULLABLE)
def test_nullable_columns_of_pandas_are_computed_in_the_precision_of_plain_ones(name, dtype):
    X, y = data()
    X = (X > 0) if dtype is np.bool_ else X
    frame = pd.DataFrame(X, columns=list("abcde")).astype(name)
    clf, plain = mlp().fit(frame, y), mlp().fit(X.astype(dtype), y)
    assert types_of(clf, frame) == types_of(plain, X) == {np.dtype(COMPUTED_IN[dtype])}
    np.testing.assert_array_equal(parameters(clf), parameters(plain))
    np.testing.assert_array_equal(clf.predict_proba(frame), plain.predict_proba(X))
    frame.iloc[3, 2] = pd.NA
    with pytest.raises(ValueError, match="X contains NaN"):
        clf.predict(frame)


def test_nullable_columns_beside_plain_ones_are_computed_in_what_holds_both():
    X, y = data()
    frame = pd.DataFrame(X, columns=list("abcde")).astype({"a": "Float32", "b": np.float32, "c": "Int16"})
    narrow = frame.astype({"d": np.int16}).assign(e=(frame["e"] > 0).astype("boolean"))
    assert types_of(mlp().fit(narrow, y), narrow) == {np.dtype(np.float32)}
    assert types_of(mlp().fit(frame, y), frame) == {np.dtype(np.float64)}
    categories = frame.astype({"e": "category"})
    np.testing.assert_array_equal(parameters(mlp().fit(categories, y)), parameters(mlp().fit(frame, y)))


TEXT = {
    "strings": lambda X: X.astype(str),
    "bytes": lambda X: X.astype("S"),
    "list of lists": lambda X: X.astype(str).tolist(),
    "objects": lambda X: X.astype(str).astype(object),
    "pandas": lambda X: pd.DataFrame(X.astype(str), columns=list("abcde")),
    "polars": lambda X: pl.DataFrame(X.astype(str), schema=list("abcde")),
}


@pytest.mark.parametrize("form", TEXT.values(), ids=TEXT)
def test_numbers_written_as_text_are_numbers_in_any_container(form):
    X, y = data()
    X = X + 0.25
    clf, plain = mlp().fit(form(X), y), mlp().fit(X, y)
    np.testing.assert_array_equal(parameters(clf), parameters(plain))
    np.testing.assert_array_equal(clf.predict_proba(form(X)), plain.predict_proba(X))
    before = copy.deepcopy(vars(clf))
    for wrong, message in ((np.nan, "X contains NaN"), (-np.inf, "X contains infinity")):
        X[0, 0] = wrong
        with np.errstate(invalid="ignore"):  # NumPy 1.24 warns of writing infinity as text
            text = form(X)
        with pytest.raises(ValueError, match=message):
            clf.predict(text)
        with pytest.raises(ValueError, match=message):
            clf.partial_fit(text, y)
    assert before.keys() == vars(clf).keys()
