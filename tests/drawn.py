"""What the fuzz draws: recipes for data of every kind, and parameters, from tame to impossible ones.

A recipe is a few words and numbers, so that a failing example reads like a sentence; data are made from it
when they are needed. Each table below maps a name to a value or to a function that makes one.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import sklearn
from hypothesis import strategies as st
from sklearn.utils.fixes import parse_version

from skscratch import ScratchMLPClassifier
from skscratch.activations import ACTIVATIONS

# ----------------------------------------------------------------------------------------------------------
# Numbers: each takes a generator and a shape

TAME_VALUES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "whole numbers, many zeros": lambda rng, shape: rng.integers(0, 5, shape) * rng.integers(0, 2, shape),
}
WILD_VALUES = {
    "pixels": lambda rng, shape: rng.integers(0, 256, shape),
    "all equal": lambda rng, shape: np.ones(shape),
    "all zero": lambda rng, shape: np.zeros(shape),
    "off centre": lambda rng, shape: rng.normal(1e4, 1e3, shape),
    "1e10": lambda rng, shape: 1e10 * rng.normal(size=shape),
    "1e38": lambda rng, shape: 1e38 * rng.uniform(-3, 3, shape),
    "1e300": lambda rng, shape: 1e300 * rng.normal(size=shape),
    "1e-40": lambda rng, shape: 1e-40 * rng.normal(size=shape),
}
BAD_VALUES = {
    "NaN": lambda rng, shape: np.full(shape, np.nan),
    "infinite": lambda rng, shape: np.where(rng.permutation(shape[0])[:, None] % 2, np.inf, -np.inf),
}
VALUES = TAME_VALUES | WILD_VALUES | BAD_VALUES

# The dtypes of X, and what they are computed in.
COMPUTED_IN = dict.fromkeys(["float16", "float32", "bool", "int8", "uint8", "int16", "uint16"], "float32")
COMPUTED_IN |= dict.fromkeys(["float64", "int32", "uint32", "int64", "uint64"], "float64")


def cast(A, dtype):
    """Cast to dtype; what is beyond its numbers becomes one of the largest."""
    if dtype.kind != "b":
        limits = (np.iinfo if dtype.kind in "iu" else np.finfo)(dtype)
        A = np.where(np.isfinite(A), np.clip(A, float(limits.min) / 2, float(limits.max) / 2), A)
    with np.errstate(under="ignore"):
        return A.astype(dtype)


# ----------------------------------------------------------------------------------------------------------
# Layouts: each takes a C-contiguous array


def read_only(X):
    X.flags.writeable = False
    return X


def strided(A):
    wide = np.zeros((2 * A.shape[0], 3 * A.shape[1]), A.dtype)
    wide[::2, ::3] = A
    return wide[::2, ::3]


def csr(A):
    # SciPy has no sparse arrays of half precision.
    return sp.csr_array(A.astype(np.float32) if A.dtype == np.float16 else A)


def unsorted(A):
    """Return CSR whose columns are in descending order in each row."""
    X = csr(A)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(X.indptr, X.indptr[1:], strict=False)])
    order = order.astype(int)
    return sp.csr_array((X.data[order], X.indices[order], X.indptr), X.shape)


def duplicated(A):
    """Return CSR that stores every entry twice; the duplicates are summed."""
    X = unsorted(A)
    return sp.csr_array((X.data.repeat(2), X.indices.repeat(2), 2 * X.indptr), X.shape)


def frozen(X):
    """Return sparse X with read-only arrays, as joblib hands them to its workers."""
    for array in (X.data, X.indices, X.indptr):
        read_only(array)
    return X


def long_indices(A):
    """Return CSR with indices of 64 bits and row pointers of 32."""
    X = sp.csr_matrix(unsorted(A))
    X.indices = X.indices.astype(np.int64)
    return X


def named(A):
    return [f"x{j}" for j in range(A.shape[1])]


DENSE = {
    "C": lambda A: A,
    "F": np.asfortranarray,
    "strided": strided,
    "read-only": read_only,
    "list": lambda A: A.tolist(),
    "pandas": lambda A: pd.DataFrame(A, columns=named(A)),
    "polars": lambda A: pl.DataFrame(dict(zip(named(A), A.T, strict=True))),
}
SPARSE = {
    "CSR": csr,
    "CSR matrix": lambda A: sp.csr_matrix(csr(A)),
    "CSR, read-only": lambda A: frozen(csr(A)),
    "CSR, unsorted": unsorted,
    "CSR, unsorted, read-only": lambda A: frozen(unsorted(A)),
    "CSR, duplicates": duplicated,
    "CSR, duplicates, read-only": lambda A: frozen(duplicated(A)),
    "CSR, long indices": long_indices,
    "CSC": lambda A: csr(A).tocsc(),
    "COO, duplicates": lambda A: sp.coo_array(duplicated(A)),
}
LAYOUTS = DENSE | SPARSE

# ----------------------------------------------------------------------------------------------------------
# Labels: each takes a number of classes, and gives their labels in ascending order

LABELS = {
    "0, 1, 2": np.arange,
    "negative": lambda k: np.arange(-k, 0),
    "int8": lambda k: np.arange(k, dtype=np.int8),
    "beyond 2**53": lambda k: 2**60 + np.arange(k),
    "uint64 beyond 2**63": lambda k: np.uint64(2**63) + np.arange(k, dtype=np.uint64),
    "whole floats": lambda k: np.arange(k, dtype=float),
    "strings": lambda k: np.array(["a", "b", "caesar", "d", "é"][:k]),
    "objects": lambda k: np.array(["a", "b", "caesar", "d", "é"][:k], object),
    "bool": lambda k: np.array([False, True][:k]),
}
BAD_LABELS = {
    "floats": lambda k: np.arange(k) + 0.5,
    "NaN": lambda k: np.array([0.0, 1.0, 2.0, 3.0, np.nan][-k:]),
    "infinite": lambda k: np.array([0.0, 1.0, 2.0, 3.0, np.inf][-k:]),
    "None among strings": lambda k: np.array([None, "a", "b", "c", "d"][:k], object),
    "whole numbers as objects": lambda k: np.array([1, 10, 100, 1000, 10000][:k], object),
    "numbers and strings": lambda k: np.array([0, "a", 1, "b", 2][:k], object),
    "complex": lambda k: np.arange(k) * 1j,
}
if parse_version(sklearn.__version__) >= parse_version("1.7"):
    # Older versions accept them, with a warning.
    BAD_LABELS["bytes"] = lambda k: np.array([b"a", b"b", b"c", b"d", b"e"][:k])
# What holds the labels of the rows.
HOLDERS = {
    "array": lambda y: y,
    "read-only": read_only,
    "list": lambda y: y.tolist(),
    "one column": lambda y: y[:, np.newaxis],
    "pandas": pd.Series,
    "pandas, categories": lambda y: pd.Series(pd.Categorical(y)),
    "polars": lambda y: pl.Series(y.tolist(), strict=False),
}
# Tables of 0 and 1 for several labels at once.
TABLES = {
    "table": lambda Y: Y,
    "table of uint8": lambda Y: Y.astype(np.uint8),
    "table of bool": lambda Y: Y.astype(bool),
    "table of floats, Fortran order": lambda Y: np.asfortranarray(Y, dtype=float),
    "table, read-only": read_only,
    "table, pandas": pd.DataFrame,
}

# ----------------------------------------------------------------------------------------------------------
# Weights: each takes a generator and a number of rows

TAME_WEIGHTS = {
    "none": lambda rng, n: None,
    "whole numbers": lambda rng, n: rng.integers(1, 4, n),
    "zeros among them": lambda rng, n: np.where(np.arange(n) % 3 == 1, 0.0, rng.uniform(0.5, 2, n)),
    "float32, read-only": lambda rng, n: read_only(rng.uniform(0.5, 2, n).astype(np.float32)),
    "list": lambda rng, n: rng.uniform(0.5, 2, n).tolist(),
    "a number": lambda rng, n: 2.0,
}
WILD_WEIGHTS = {
    "1e10": lambda rng, n: 1e10 * rng.uniform(0.5, 2, n),
    "1e-10": lambda rng, n: 1e-10 * rng.uniform(0.5, 2, n),
    "1e300": lambda rng, n: 1e300 * rng.uniform(0.5, 2, n),
    "1e-300": lambda rng, n: 1e-300 * rng.uniform(0.5, 2, n),
    "the smallest number": lambda rng, n: np.full(n, 5e-324),
    "one row of 1e300": lambda rng, n: np.where(np.arange(n) == 0, 1e300, 1.0),
    "one row only": lambda rng, n: np.where(np.arange(n) == 0, 1.0, 0.0),
}
BAD_WEIGHTS = {
    "all zero": lambda rng, n: np.zeros(n),
    "negative": lambda rng, n: -np.ones(n),
    "NaN": lambda rng, n: np.full(n, np.nan),
    "infinite": lambda rng, n: np.full(n, np.inf),
    "too few": lambda rng, n: np.ones(n - 1),
    "a table": lambda rng, n: np.ones((n, 2)),
    "strings": lambda rng, n: ["a"] * n,
    "complex": lambda rng, n: np.full(n, 1j),
    "None in them": lambda rng, n: [None, *[1.0] * (n - 1)],
    "too large for a float": lambda rng, n: [10**400] * n,
    "a negative number": lambda rng, n: -1.0,
    "a number too large for a float": lambda rng, n: 10**400,
}
WEIGHTS = TAME_WEIGHTS | WILD_WEIGHTS | BAD_WEIGHTS

# ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """What data are made from; the same recipe gives the same data, in new arrays each time."""

    n_rows: int = 12
    n_columns: int = 2
    n_classes: int = 2
    values: str = "normal"
    dtype: str = "float64"
    layout: str = "C"
    labels: str = "0, 1, 2"
    holder: str = "array"
    weights: str = "none"
    seed: int = 0

    def but(self, **changes):
        """Return a recipe that differs in these ingredients only."""
        return replace(self, **changes)

    @property
    def multilabel(self):
        return self.labels in TABLES

    @property
    def X(self):
        A = VALUES[self.values](np.random.default_rng([self.seed, 0]), (self.n_rows, self.n_columns))
        return LAYOUTS[self.layout](cast(A, np.dtype(self.dtype)))

    @property
    def computed_in(self):
        """The dtype of the parameters and of everything that is computed from them."""
        dtype = np.asarray(self.X).dtype.name if self.layout == "list" else self.dtype
        return COMPUTED_IN[dtype]

    @property
    def classes(self):
        if self.multilabel:
            return np.arange(self.n_classes)
        return (LABELS | BAD_LABELS)[self.labels](self.n_classes)

    @property
    def y(self):
        """The labels of the rows: all classes are as frequent as they can be."""
        rng = np.random.default_rng([self.seed, 1])
        if self.multilabel:
            return TABLES[self.labels](rng.integers(0, 2, (self.n_rows, self.n_classes)))
        codes = rng.permutation(np.arange(self.n_rows) % self.n_classes)
        return HOLDERS[self.holder](self.classes[codes])

    @property
    def sample_weight(self):
        return WEIGHTS[self.weights](np.random.default_rng([self.seed, 2]), self.n_rows)

    @property
    def arguments(self):
        """X, y and sample_weight by their names."""
        return {"X": self.X, "y": self.y, "sample_weight": self.sample_weight}


def one_of(names):
    return st.sampled_from(list(names))


@st.composite
def recipes(draw, *, n_rows=(12, 30), dtypes=COMPUTED_IN, layouts=LAYOUTS, labels=(*LABELS, *TABLES), **more):
    """Draw recipes of ordinary data; further keywords name the choices for other ingredients."""
    kind = draw(one_of(labels))
    most_classes = 2 if kind == "bool" else 4
    return Recipe(
        n_rows=draw(st.integers(*n_rows)),
        n_columns=draw(st.integers(1, 4)),
        n_classes=draw(st.integers(2 if kind in TABLES else 1, most_classes)),
        values=draw(one_of(more.get("values", TAME_VALUES))),
        dtype=draw(one_of(dtypes)),
        layout=draw(one_of(layouts)),
        labels=kind,
        holder=draw(one_of(more.get("holders", HOLDERS))),
        weights=draw(one_of(more.get("weights", TAME_WEIGHTS))),
        seed=draw(st.integers(0, 9)),
    )


def tame_or_wild(tame, wild):
    """Draw a tame name twice as often as a wild one, so that not every example has several wild ones."""
    return st.one_of(one_of(tame), one_of(tame), one_of(wild))


@st.composite
def wild_recipes(draw):
    """Draw recipes of valid data, extreme ones included."""
    return draw(recipes(n_rows=(1, 30))).but(
        values=draw(tame_or_wild(TAME_VALUES, WILD_VALUES)),
        weights=draw(tame_or_wild(TAME_WEIGHTS, WILD_WEIGHTS)),
    )


BAD_DATA = [
    *({"values": name} for name in BAD_VALUES),
    *({"labels": name} for name in BAD_LABELS),
    *({"weights": name} for name in BAD_WEIGHTS),
]


# ----------------------------------------------------------------------------------------------------------
# Parameters


def falling(fraction):
    return 1 - fraction / 2


def nothing(*_, **__):
    return None


def not_a_number(*_, **__):
    return np.nan


def beyond_floats(*_, **__):
    return 10**400


# A class_weight is drawn as one weight for each class, and given to the estimator as the dict that it takes.
TAME = {
    "hidden_layer_sizes": ["auto", (), 1, (4,), [3, 2], np.array([2, 2])],
    "activation": sorted(ACTIVATIONS),
    "solver": ["sgd", "adam", "lbfgs"],
    "alpha": ["auto", 0, 0.01, 1.0],
    "batch_size": ["auto", 1, 5, 1000],
    "learning_rate": ["one_cycle", "cosine", "constant", "invscaling", "adaptive", falling],
    "learning_rate_init": ["auto", 1e-3, 0.05],
    "power_t": [0, 0.5, 1],
    "max_iter": [1, 2, 5, 13],
    "shuffle": [True, False],
    "random_state": [0, 1, np.random.RandomState(0)],
    "tol": [0, 1e-4, 1e6],
    "warm_start": [False, True],
    "momentum": [0, 0.9],
    "nesterovs_momentum": [True, False],
    "early_stopping": [False, True],
    "validation_fraction": [0.1, 0.5, 0.9],
    "scoring": ["loss", "accuracy", "neg_log_loss", "f1_macro"],
    "n_iter_no_change": ["auto", 1, 3, np.inf],
    "beta_1": [0, 0.9],
    "beta_2": [0, 0.999],
    "epsilon": [1e-8, 1.0],
    "max_fun": [1, 15000],
    "class_weight": [None, "balanced", (1, 3, 0.5, 2)],
    "dropout": [0, 0.3],
    "label_smoothing": [0, 0.1],
    "max_grad_norm": ["auto", None, 0.5, 1e-3],
}
WILD = {
    "hidden_layer_sizes": [np.array(3)],
    "activation": [np.array("relu"), ["tanh"]],
    "alpha": [1e-300, 1e10, 1e300],
    "learning_rate_init": [1e-300, 10.0, 1e20, 1e155, 1e300],
    "power_t": [500.0, 1000, 1e300],
    "max_iter": ["auto"],
    "tol": [1e300],
    "momentum": [1 - 1e-16],
    "beta_1": [1 - 1e-16],
    "beta_2": [1 - 1e-16],
    "epsilon": [1e-50, 5e-324, 1e300],
    "scoring": ["roc_auc", "top_k_accuracy"],
    "class_weight": [(0, 1, 1, 1), (1e300,) * 4, (1e307,) * 4, (1e-300,) * 4, (1e300, 1e-300, 1, 1)],
    "dropout": [0.999999, np.array(0.1), [0.5]],
    "label_smoothing": [1 - 1e-16],
    "max_grad_norm": [1e-300, 1e300],
}
TOO_LARGE = 10**400  # for any float
IMPOSSIBLE = {
    "hidden_layer_sizes": [None, 0, -1, 2.5, "3", (3, 0), [2.5], [[3]], [None]],
    "activation": [None, "swish", 3, ["relu"] * 7, [["relu"]], [None]],
    "solver": [None, "newton", 0, ["sgd"]],
    "alpha": [None, -1, np.nan, "1", [0.1], TOO_LARGE],
    "batch_size": [None, 0, 2.5, "all", np.inf, [8], TOO_LARGE],
    "learning_rate": [None, "linear", 0.1, nothing, not_a_number, beyond_floats],
    "learning_rate_init": [None, 0, -0.1, np.nan, "0.1", TOO_LARGE],
    "power_t": [None, -1, np.nan, "0.5", TOO_LARGE],
    "max_iter": [None, 0, -1, 2.5, "all", np.inf, TOO_LARGE],
    "shuffle": [None, "yes", 2],
    "random_state": [-1, 0.5, "seed", 2**32, TOO_LARGE],
    "tol": [None, -1e-4, np.nan, "0", TOO_LARGE],
    "verbose": [None, -1, "loud"],
    "warm_start": [None, "yes"],
    "momentum": [None, -0.1, 1, np.nan, "0.9"],
    "nesterovs_momentum": [None, "yes"],
    "early_stopping": [None, "yes", "auto"],
    "validation_fraction": [None, 0, 1.0, np.nan, "0.1"],
    "scoring": [None, "best", 0.5, ["loss"]],
    "n_iter_no_change": [None, 0, 2.5, np.nan, "all", TOO_LARGE],
    "beta_1": [None, -0.1, 1, np.nan, "0.9"],
    "beta_2": [None, -0.1, 1, np.nan, "0.9"],
    "epsilon": [None, 0, np.nan, "1", TOO_LARGE],
    "max_fun": [None, 0, 2.5, np.inf, TOO_LARGE],
    "class_weight": ["even", 2.0, {0: "a"}, {"nobody": 1}, [1, 2], [{}], {0: -1.0, 1: 1.0}, {0: np.nan}],
    "dropout": [None, -0.1, 1.0, "0.1", [0.1] * 7, [[0.1]], [None]],
    "label_smoothing": [None, -0.1, 1.0, "0.1", np.nan],
    "max_grad_norm": [0, -1, "0.5", np.nan, TOO_LARGE],
}

# With these, n calls of partial_fit do what fit does.
IN_PARTS = TAME | {
    "solver": ["sgd", "adam"],
    "early_stopping": [False],
    "n_iter_no_change": [np.inf],
    "class_weight": [None, (1, 3, 0.5, 2)],
}


@st.composite
def parameters(draw, *tables, most=10):
    """Draw values of a few parameters, from one or more tables of them."""
    choices = {name: [value for table in tables for value in table.get(name, [])] for name in sorted(TAME)}
    names = draw(st.lists(one_of(name for name in choices if choices[name]), unique=True, max_size=most))
    return {name: draw(one_of(choices[name])) for name in names}


def build(params, recipe):
    """Return a small and quick estimator with these parameters, fit for the classes of the recipe."""
    given = {"hidden_layer_sizes": 3, "max_iter": 3, "random_state": 0} | copy.deepcopy(params)
    weights: Any = given.get("class_weight")
    if isinstance(weights, tuple):
        if recipe.multilabel:
            given["class_weight"] = [dict(enumerate(weights[:2]))] * recipe.n_classes
        else:
            pairs = zip(recipe.classes.tolist(), weights, strict=False)
            given["class_weight"] = dict(pairs)
    return ScratchMLPClassifier(**given)
