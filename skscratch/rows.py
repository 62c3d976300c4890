"""Rows: training set, validation set and sample weights, as views of X."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, isnan
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_array

from .checks import numbers_named
from .communicator import SINGLE_PROCESS, Communicator
from .copies import first_of_its_kind
from .targets import (
    ClassEncoding,
    ClassWeight,
    Targets,
    class_tables,
    over_power_of_two,
    row_factors,
)

PORTION = 10_000  # rows


@dataclass(frozen=True)
class Rows:
    """A subset of the rows of X with targets and weights; X is shared, never copied.

    Attributes
    ----------
    X : ndarray or CSR array of shape (n_samples, n_features)
    targets : Targets
        Codes of all rows of X.
    weights : ndarray of shape (n_samples,), float64, or None
        Weights of all rows of X; None if every weight is 1.
    index : ndarray of int, or None
        Indices of the rows in the subset; None for all rows.
    """

    X: NDArray | sp.csr_array
    targets: Targets
    weights: NDArray | None = None
    index: NDArray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows in the subset."""
        return self.X.shape[0] if self.index is None else len(self.index)

    @property
    def positions(self) -> NDArray:
        """Indices in X of the rows in the subset."""
        return np.arange(self.n_rows) if self.index is None else self.index

    @property
    def own_weights(self) -> NDArray | None:
        """Weights of the rows in the subset; None if every weight is 1."""
        return self.weights if self.weights is None or self.index is None else self.weights[self.index]

    @property
    def weight_sum(self) -> float:
        """Sum of the weights in the subset."""
        weights = self.own_weights
        return float(self.n_rows if weights is None else weights.sum())

    @property
    def square_sum(self) -> float:
        """Sum of the squared weights in the subset."""
        weights = self.own_weights
        return float(self.n_rows if weights is None else weights.dot(weights))

    @property
    def max_abs(self) -> float:
        """The largest absolute feature value in the subset; NaN if it holds one."""
        return largest_entry(self.X, self.index)

    def with_positive_weights(self) -> Rows:
        """Return the rows without those of weight 0."""
        if self.weights is None:
            return self
        positive = self.weights > 0
        if self.index is None:
            return self if positive.all() else replace(self, index=np.flatnonzero(positive))
        return replace(self, index=self.index[positive[self.index]])

    def times(self, factors: NDArray) -> Rows:
        """Return the rows with weights multiplied by ``factors``, one for each row of X."""
        with np.errstate(over="ignore", invalid="ignore"):
            weights = factors if self.weights is None else self.weights * factors
        if _may_overflow(weights):
            raise ValueError(
                "The weights that class_weight gives to the rows are too far apart: their sum may overflow. "
                "Bring the values of class_weight (and of sample_weight) closer together."
            )
        return replace(self, weights=weights).with_positive_weights()

    def scaled(self, communicator: Communicator = SINGLE_PROCESS) -> Rows:
        """Return the rows with weights divided by a power of two: the largest of all processes is in [1, 2).

        Only ratios of weights matter. The division rounds nothing, and sums of weights and of their squares
        stay finite.
        """
        own = self.own_weights
        largest = communicator.max(1.0 if own is None else float(own.max(initial=0)))
        if 1 <= largest < 2:
            return self
        weights = np.ones(self.X.shape[0]) if self.weights is None else self.weights
        with np.errstate(over="ignore"):  # in weights of other rows
            weights = over_power_of_two(weights, largest)
        return replace(self, weights=weights).with_positive_weights()

    def distinct(self) -> Rows:
        """Return the rows with duplicates merged into one row that has their total weight."""
        positions = self.positions
        first = first_of_its_kind(self.X, self.codes(), positions)
        if (first == np.arange(self.n_rows)).all():
            return self
        weights = np.bincount(positions[first], self.own_weights, minlength=self.X.shape[0])
        return replace(self, weights=weights.astype(np.float64)).with_positive_weights()

    def codes(self) -> NDArray:
        """Return the codes of the rows in the subset."""
        return self.targets.codes if self.index is None else self.targets.codes[self.index]


def largest_entry(X: Any, index: NDArray | None = None) -> float:
    """Return the largest absolute value in some rows of X (by default in all); NaN if they hold one.

    Works in portions to avoid a copy of the whole X. Sparse portions must be copies: SciPy's max and min sum
    duplicates in place, and X shares its buffers with the user's matrix.
    """
    n_rows = X.shape[0] if index is None else len(index)
    portions = (slice(first, first + PORTION) for first in range(0, n_rows, PORTION))
    parts = (X[portion if index is None else index[portion]] for portion in portions)
    return float(np.max([max(float(part.max()), -float(part.min())) for part in parts], initial=0.0))


def refuse_non_finite(largest: float) -> None:
    """Raise if ``largest`` is not finite; under ``assume_finite=True`` scikit-learn does not check X."""
    if not isfinite(largest):
        found = "NaN" if isnan(largest) else "infinity"
        raise ValueError(f"X contains {found}. Replace such values (SimpleImputer), or leave out their rows.")


def effective_size(weight_sum: float, square_sum: float) -> float:
    """Return the effective sample size, N = (sum w)^2 / sum w^2 (Kish 1965)."""
    return weight_sum * (weight_sum / square_sum)


def _may_overflow(weights: NDArray) -> bool:
    """Return whether the sum of the weights may exceed the largest float."""
    return not weights.max(initial=0) <= np.finfo(float).max / max(len(weights), 1)


def check_weights(sample_weight: ArrayLike | None, n_rows: int, name: str) -> NDArray | None:
    """Return the weights as float64, or None; raise unless they are finite, >= 0 and not all 0."""
    if sample_weight is None:
        return None
    with numbers_named(name):
        if isinstance(sample_weight, Real):
            sample_weight = np.full(n_rows, float(sample_weight))
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name=name)
    if weights.shape != (n_rows,):
        raise ValueError(f"{name} has shape {weights.shape}, expected one weight per row: ({n_rows},).")
    if not np.isfinite(weights).all():  # scikit-learn does not check under assume_finite=True
        raise ValueError(f"{name} contains NaN or infinity. Replace such weights, or leave out their rows.")
    if (weights < 0).any():
        raise ValueError(
            f"{name} holds negative values (the smallest is {weights.min():g}); weights must be at least 0. "
            "To leave out a row, give it the weight 0."
        )
    if _may_overflow(weights):
        raise ValueError(f"The sum of {name} may overflow; divide the weights by their largest value.")
    if not weights.any():
        raise ValueError(
            f"All weights in {name} are zero, so no row is left; give at least one row a positive weight."
        )
    return weights


def split_off_validation(
    rows: Rows,
    encoding: ClassEncoding,
    fraction: float,
    rng: np.random.Generator,
    communicator: Communicator = SINGLE_PROCESS,
) -> tuple[Rows, Rows]:
    """Split rows into a training set and a validation set; both keep the order of the rows.

    With one label per row the split is stratified: each class gives about ``fraction`` of its rows to the
    validation set, at least one, and keeps at least one. The only row of a class stays in the training set.
    Multilabel rows are split at random. In distributed training each process splits its own rows.
    """
    positions = rows.positions
    if encoding.kind == "multilabel":
        groups = [positions]
    else:
        codes = rows.codes()
        groups = [positions[codes == code] for code in range(len(encoding.classes))]
    shares = [_share(len(group), fraction) for group in groups]
    n_held_out, n_rows = communicator.sum(sum(shares), rows.n_rows)
    if not n_held_out:
        raise ValueError(_why_no_split(encoding.kind, n_rows, communicator.size))
    held_out = np.concatenate([rng.permutation(g)[:n] for g, n in zip(groups, shares, strict=True)])
    training = np.setdiff1d(positions, held_out, assume_unique=True)
    # Label smoothing applies to training only.
    validation = replace(rows, index=np.sort(held_out), targets=replace(rows.targets, smoothing=0.0))
    return replace(rows, index=training), validation


def _share(n: int, fraction: float) -> int:
    """Return how many of n rows are held out: none of a single one."""
    return min(max(1, round(fraction * n)), n - 1) if n else 0


def _why_no_split(kind: str, n_rows: int, n_ranks: int) -> str:
    """Return the error message for rows of which none can be held out."""
    needed = "2 rows" if kind == "multilabel" else "2 rows of the same class"
    where, ranks = ("y does not have", "") if n_ranks == 1 else ("no rank has", f" on {n_ranks} ranks")
    return (
        f"early_stopping=True holds out a validation set, but {where} {needed} with a positive weight "
        f"(n_samples = {n_rows}{ranks}). Add rows, pass X_val and y_val, or set early_stopping=False."
    )


def weigh_classes(
    class_weight: ClassWeight,
    encoding: ClassEncoding,
    training: Rows,
    validation: Rows | None,
    communicator: Communicator = SINGLE_PROCESS,
) -> tuple[Rows, Rows | None]:
    """Apply class weights to both sets; "balanced" is computed from the training set.

    A single process may be left without rows of positive weight, but not all processes.
    """
    if class_weight is None:
        return training, validation
    tables = class_tables(class_weight, encoding, training.codes(), training.own_weights)
    training = training.times(row_factors(tables, training.targets.codes))
    if validation is not None:
        validation = validation.times(row_factors(tables, validation.targets.codes))
    n_rows = 0 if validation is None else validation.n_rows
    n_training, n_validation = communicator.sum(training.n_rows, n_rows)
    if not n_training:
        raise ValueError(
            f"class_weight={class_weight!r} gives every row weight 0. Give a class in y a positive weight."
        )
    if validation is not None and not n_validation:
        raise ValueError(
            f"class_weight={class_weight!r} gives every validation row weight 0. Give one of their classes a "
            "positive weight."
        )
    return training, validation
