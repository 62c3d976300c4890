"""Tabular classification data sets, and their preprocessing, which is the same for most models.

A data set is a pandas frame X and an integer vector y. Numeric columns of X are floats, all others are
strings, and missing values are NaN.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

BUNDLED = {
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "iris": load_iris,
    "wine": load_wine,
}


def load_sets(folder=None, names=None):
    """Return {name: (X, y)}, sorted by name: scikit-learn's own data sets and the files of `folder`.

    A file with the name of a bundled data set replaces it, so none counts twice. `names` selects some
    of them.
    """
    readers = {name: lambda load=load: read_bundled(load) for name, load in BUNDLED.items()}
    for path in sorted(Path(folder).glob("*.dat*")) if folder else []:
        readers[path.name.split(".dat")[0]] = lambda path=path: read_keel(path)
    unknown = set(names or []) - set(readers)
    if unknown:
        raise SystemExit(f"unknown data sets {sorted(unknown)}; there are {sorted(readers)}")
    return {name: readers[name]() for name in sorted(names or readers)}


def read_bundled(load):
    X, y = load(return_X_y=True)
    return pd.DataFrame(X).add_prefix("x"), y


def read_keel(path):
    """Read comma-separated values without header; the class comes last, "?" or "<null>" is missing."""
    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"])
    frame = frame.dropna(subset=frame.columns[-1]).add_prefix("x")
    X, labels = frame.iloc[:, :-1], frame.iloc[:, -1]
    numeric = X.select_dtypes("number").astype(float)
    nominal = X.drop(columns=numeric.columns).astype(object)
    nominal = nominal.map(str.strip, na_action="ignore")
    return numeric.join(nominal), np.unique(labels.astype(str).str.strip(), return_inverse=True)[1]


def raw_table(X):
    """Return X with columns of categories instead of strings, as gradient boosting wants it."""
    return X.astype(dict.fromkeys(X.select_dtypes(exclude="number"), "category"))


def make_preprocessing():
    """Impute the median and standardise numbers; impute the most frequent and one-hot the rest."""
    return ColumnTransformer(
        [
            (
                "numeric",
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                make_column_selector(dtype_include="number"),
            ),
            (
                "nominal",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                make_column_selector(dtype_exclude="number"),
            ),
        ],
        sparse_threshold=0,
    )
