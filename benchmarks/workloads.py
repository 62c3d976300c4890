"""Data sets and networks of the comparison."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import train_test_split

MOMENTUM = 0.9
SEED = 0


@dataclass(frozen=True)
class Problem:
    """One network to train on one data set, with the arrays loaded; the same for every tool."""

    X: NDArray | sp.csr_array
    y: NDArray
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    learning_rate: float
    alpha: float
    repeats: int
    n_predicted: int

    @property
    def n_classes(self) -> int:
        return int(self.y.max()) + 1

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.X.shape[1], *self.hidden, self.n_classes)

    @property
    def n_batches(self) -> int:
        return self.X.shape[0] // self.batch_size


@dataclass(frozen=True)
class Workload:
    """A line of the table, with the title by which the whole report calls it.

    `kind` says what is timed: "fit", "predict" (for the first `n_predicted` rows) or "search" (a
    whole GridSearchCV). A timed run repeats `epochs` epochs `repeats` times, which takes a fraction of
    a second for the fast tools.
    """

    name: str
    title: str
    data: Callable[[Path | None], tuple[NDArray | sp.csr_array, NDArray]]
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    learning_rate: float
    dtype: str = "float32"
    alpha: float = 1e-4
    repeats: int = 1
    n_predicted: int = 0
    kind: str = "fit"
    alone: bool = False  # other tools would take minutes

    def load(self, folder: Path | None, shorter: int = 1) -> Problem:
        """Load the data, without the rows after the last whole batch, so that all tools take equal steps.

        With ``shorter``, epochs and repeats are divided by it.
        """
        X, y = self.data(folder)
        n = len(y) - len(y) % self.batch_size
        return Problem(
            X=X[:n].astype(self.dtype),
            y=y[:n],
            hidden=self.hidden,
            batch_size=self.batch_size,
            epochs=max(1, self.epochs // shorter),
            learning_rate=self.learning_rate,
            alpha=self.alpha,
            repeats=max(1, self.repeats // shorter),
            n_predicted=self.n_predicted,
        )

    @property
    def unit(self) -> str:
        """The unit that the table's times refer to."""
        if self.kind == "fit":
            return "fit" if self.repeats > 1 else "step"
        return {"predict": "call", "search": "search"}[self.kind]

    def count(self, problem: Problem) -> int:
        """Return the number of units in one timed run."""
        return problem.epochs * problem.n_batches if self.unit == "step" else problem.repeats


def clusters(folder: Path | None) -> tuple[NDArray, NDArray]:
    """Return 90 % of three clusters of 5,000 points in the plane."""
    rng = np.random.RandomState(12)
    means = [(0, 0), (1, 4), (2, 8)]
    covariances = [[[2, 0.75], [0.75, 2]], [[1, 0.75], [0.75, 1]], [[0, 0.75], [0.75, 0]]]
    X = np.vstack(
        [
            rng.multivariate_normal(mean, covariance, 5000, check_valid="ignore")
            for mean, covariance in zip(means, covariances, strict=True)
        ]
    )
    y = np.repeat(np.arange(3), 5000)
    X, _, y, _ = train_test_split(X, y, test_size=0.1, random_state=12)
    return X, y


def digits(folder: Path | None) -> tuple[NDArray, NDArray]:
    """Return scikit-learn's 1,797 digits of 8 x 8 pixels, between 0 and 1."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def few_rows(folder: Path | None) -> tuple[NDArray, NDArray]:
    """Return 150 rows with 4 features and 3 classes."""
    rng = np.random.default_rng(SEED)
    y = np.arange(150) % 3
    return rng.standard_normal((150, 4)) + y[:, None], y


@cache
def tabular(folder: Path | None) -> tuple[NDArray, NDArray]:
    """Return 40,000 rows with 54 features and 7 classes, standardised."""
    return _tabular(40_000)


@cache
def long_tabular(folder: Path | None) -> tuple[NDArray, NDArray]:
    """Return the same with 100,000 rows."""
    return _tabular(100_000)


def _tabular(n: int) -> tuple[NDArray, NDArray]:
    X, y = make_classification(n, 54, n_informative=20, n_redundant=10, n_classes=7, random_state=SEED)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


@cache
def mnist(folder: Path | None) -> tuple[NDArray, NDArray]:
    """Return MNIST's 60,000 training images from IDX files, or random images of the same shape."""
    if folder is None:
        rng = np.random.default_rng(SEED)
        y = rng.integers(10, size=60_000)
        prototypes = np.float32(0.06) * rng.standard_normal((10, 784), dtype=np.float32)
        X = rng.standard_normal((60_000, 784), dtype=np.float32)
        X *= np.float32(0.4)
        X += prototypes[y] - np.float32(0.3)
        return X.clip(0, 1, out=X), y
    images = _read_idx(folder, "train-images-idx3-ubyte", header=16)
    labels = _read_idx(folder, "train-labels-idx1-ubyte", header=8)
    return images.reshape(-1, 784) / np.float32(255), labels.astype(np.intp)


def _read_idx(folder: Path, name: str, header: int) -> NDArray:
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.exists():
        content = plain.read_bytes()
    elif packed.exists():
        content = gzip.decompress(packed.read_bytes())
    else:
        raise SystemExit(
            f"{folder} holds neither {name} nor {name}.gz; --data must name a folder with one of them."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header)


@cache
def sparse(folder: Path | None) -> tuple[sp.csr_array, NDArray]:
    """Return 20,000 rows in CSR with 10,000 features, a density of 1 %, and 10 classes."""
    rng = np.random.default_rng(SEED)
    n, n_features, n_filled, n_classes = 20_000, 10_000, 100, 10
    # Each class draws half of its words from its own tenth of the vocabulary.
    y = rng.integers(n_classes, size=n)
    words = rng.integers(n_features, size=(n, n_filled))
    own = n_features // n_classes
    words[:, : n_filled // 2] = words[:, : n_filled // 2] % own + own * y[:, None]
    X = sp.csr_array(
        (rng.random(words.size), words.ravel(), np.arange(0, words.size + 1, n_filled)),
        shape=(n, n_features),
    )
    X.sum_duplicates()
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X, y


@cache
def text(folder: Path | None) -> tuple[sp.csr_array, NDArray]:
    """Return 3,000 rows of 64 words out of 20,000."""
    return words(3000, 20_000)


@cache
def text_of_many_words(folder: Path | None) -> tuple[sp.csr_array, NDArray]:
    """Return 3,000 rows of 64 words out of 200,000."""
    return words(3000, 200_000)


def words(n: int, n_features: int, n_words: int = 64, seed: int = SEED) -> tuple[sp.csr_array, NDArray]:
    """Return n rows in CSR and 10 classes; by Zipf's law, the k-th word is 1 / k as frequent as the first."""
    rng = np.random.default_rng(seed)
    y = rng.integers(10, size=n)
    frequency = 1 / np.arange(1, n_features + 1)
    ranks = rng.choice(n_features, size=(n, n_words), p=frequency / frequency.sum())
    # Each class has its own most frequent words for half of its text.
    ranks[:, : n_words // 2] = (ranks[:, : n_words // 2] + n_features // 10 * y[:, None]) % n_features
    X = sp.csr_array(
        (
            rng.random(ranks.size),
            ranks.ravel().astype(np.int32),
            np.arange(0, ranks.size + 1, n_words, dtype=np.int32),
        ),
        shape=(n, n_features),
    )
    X.sum_duplicates()
    return X, y


# name, title, data, hidden, batch_size, epochs, learning_rate
WORKLOADS = [
    Workload("clusters", "2-5-3, batch 100", clusters, (5,), 100, 40, 0.01),
    Workload("digits-32", "64-32-10, batch 32", digits, (32,), 32, 80, 0.02),
    Workload("digits-100", "64-100-10, batch 200", digits, (100,), 200, 100, 0.05),
    Workload("tabular-32bit", "54-100-7, batch 200", tabular, (100,), 200, 5, 0.02),
    Workload("tabular-64bit", "54-100-7, batch 200, float64", tabular, (100,), 200, 5, 0.02, "float64"),
    Workload("mnist-15", "784-15-10, batch 128", mnist, (15,), 128, 5, 0.02),
    Workload("mnist-100-32bit", "784-100-10, batch 200", mnist, (100,), 200, 4, 0.02),
    Workload("mnist-100-64bit", "784-100-10, batch 200, float64", mnist, (100,), 200, 2, 0.02, "float64"),
    Workload("mnist-512", "784-512-512-10, batch 256", mnist, (512, 512), 256, 1, 0.02),
    Workload("sparse", "uniformly sparse 10000-100-10, batch 200", sparse, (100,), 200, 1, 0.05),
    Workload("text", "text 20000-100-10, batch 50, float64", text, (100,), 50, 5, 0.05, "float64"),
    Workload(
        "text-200000",
        "text 200000-100-10, batch 50, float64",
        *(text_of_many_words, (100,), 50, 5, 0.05),
        dtype="float64",
        alone=True,
    ),
    Workload("search", "GridSearchCV on digits, 60 fits", digits, (), 32, 20, 0.02, kind="search"),
    Workload("one-epoch", "fit of 150 rows, 1 epoch", few_rows, (100,), 150, 1, 0.02, repeats=50),
    Workload(
        "predict-1",
        "predict_proba of 1 row, 54-100-7",
        *(tabular, (100,), 200, 1, 0.02),
        kind="predict",
        n_predicted=1,
        repeats=300,
    ),
    Workload(
        "predict-100000",
        "predict_proba of 100,000 rows, 54-100-7",
        *(long_tabular, (100,), 200, 1, 0.02),
        kind="predict",
        n_predicted=100_000,
        repeats=2,
    ),
]
