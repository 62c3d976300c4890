"""Targets: encode the labels y as columns of Y, decode predictions, and resolve class weights.

There are three kinds of y, as in scikit-learn:

=============== ============================= ========= ===============================================
kind            codes                         n_outputs columns of Y
=============== ============================= ========= ===============================================
``binary``      (n,), 0 or 1                  1         the code itself
``multiclass``  (n,), position in classes     C         one-hot
``multilabel``  (n, n_labels), 0 or 1         n_labels  the row of codes
=============== ============================= ========= ===============================================

Codes are small integers. They become floating-point columns one block at a time, so there is never a one-hot
copy of the whole y. A single class is ``multiclass`` with one output, whose softmax is always 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from .checks import as_float, check_labels, short_repr


@dataclass(frozen=True)
class Targets:
    """The codes of all rows of X; ``fill`` turns them into columns of Y.

    ``smoothing`` is label smoothing, y <- (1 - s) y + s / k, where k is the number of outcomes (Szegedy et
    al. 2016, section 7).
    """

    kind: str
    codes: NDArray
    n_outputs: int
    smoothing: float = 0.0

    def fill(self, rows: NDArray | slice, Y: NDArray) -> None:
        """Fill Y, of shape (K, n_outputs, B), with the targets of K * B rows."""
        n_batches, n_outputs, batch_size = Y.shape
        if self.kind == "multiclass":
            codes = self.codes[rows].reshape(n_batches, 1, batch_size)
            np.equal(codes, np.arange(n_outputs, dtype=codes.dtype)[:, np.newaxis], out=Y)
        else:
            codes = self.codes[rows].reshape(n_batches, batch_size, n_outputs)
            np.copyto(Y, codes.transpose(0, 2, 1))
        if self.smoothing:
            Y *= 1 - self.smoothing
            Y += self.smoothing / (n_outputs if self.kind == "multiclass" else 2)


@dataclass(frozen=True, eq=False)
class CheckedTarget:
    """A y that has been checked and split into distinct labels and codes.

    ``codes`` holds each row's position in ``present``, the sorted distinct labels. For a multilabel table,
    ``codes`` is the table and ``present`` numbers its columns.
    """

    name: str
    multilabel: bool
    present: NDArray
    codes: NDArray

    @classmethod
    def read(cls, y: Any, name: str = "y", *, part: bool = False) -> CheckedTarget:
        """Check a y of shape (n,) or (n, n_labels); ``part`` means that this is not all of y."""
        if np.ndim(y) == 1:
            y = column_or_1d(y)
            present = distinct(y, name)
            if not part:
                check_classification_targets(y)  # warns if more than half of the labels are distinct
            return cls(name, False, present, np.searchsorted(present, y))
        _check_discrete(y, name)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                f"{name} has {np.shape(y)[1]} columns with several classes each (multiclass-multioutput). "
                "Pass one column of classes or a table of 0 and 1, or use MultiOutputClassifier, which "
                "trains one network per column."
            )
        if kind.startswith("multilabel"):
            table = y.toarray() if sp.issparse(y) else check_array(y, input_name=name)
            if not np.isin(table, (0, 1)).all():
                raise ValueError(f"{name} is a multilabel table and must hold only 0 and 1.")
            return cls(name, True, np.arange(table.shape[1]), table.astype(np.uint8))
        y = column_or_1d(y)
        present = np.unique(y)
        return cls(name, False, present, np.searchsorted(present, y))


def distinct(labels: NDArray, name: str) -> NDArray:
    """Return the sorted distinct labels; raise if they are not classes, such as fractions."""
    if labels.dtype.kind in "biuU":
        return np.unique(labels)
    _check_discrete(labels[:1], name)  # before the sort, which fails for objects of some types
    present = np.unique(labels)
    # Every label twice: scikit-learn would warn that many classes in few rows look like regression.
    _check_discrete(np.repeat(present, 2), name)
    return present


def _check_discrete(y: Any, name: str) -> None:
    try:
        with np.errstate(invalid="ignore"):  # scikit-learn casts floats to int64, even too large ones
            check_classification_targets(y)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


@dataclass(frozen=True, eq=False)
class ClassEncoding:
    """The classes of a classifier, with the mapping from labels to codes and back.

    ``classes`` is sorted. For multilabel targets it numbers the columns of y.
    """

    kind: str
    classes: NDArray

    @classmethod
    def from_classes(cls, classes: ArrayLike, *, multilabel: bool) -> ClassEncoding:
        """Return the encoding for these classes, or for these columns of a multilabel table."""
        if np.ndim(classes) != 1:
            raise ValueError(f"classes must be a sequence of labels, got {classes!r}.")
        check_labels(classes, "classes")
        given = column_or_1d(classes)
        if given.dtype == object and not any(isinstance(label, str) for label in given):
            given = np.asarray(given.tolist())  # y holds numbers, so classes must too
        classes = distinct(given, "classes")
        if multilabel:
            return cls("multilabel", np.arange(len(classes)))
        return cls("binary" if len(classes) == 2 else "multiclass", classes)

    @classmethod
    def for_network(cls, kind: str, classes: ArrayLike, n_outputs: int) -> ClassEncoding:
        """Return the encoding for a fitted network; check ``classes``, which the user may have changed."""
        classes, n_classes = np.asarray(classes), 2 if kind == "binary" else n_outputs
        if classes.shape != (n_classes,):
            raise ValueError(
                f"classes_ must hold one label for each of the network's {n_classes} classes; got "
                f"{classes!r}."
            )
        return cls(kind, classes)

    def from_codes(self, codes: NDArray) -> NDArray:
        """Return the labels of these codes."""
        return codes.astype(int) if self.kind == "multilabel" else self.classes[codes]

    @property
    def n_outputs(self) -> int:
        """Number of network outputs: one for two classes, otherwise one per class or label."""
        return 1 if self.kind == "binary" else len(self.classes)

    def encode(self, target: CheckedTarget, *, smoothing: float = 0.0) -> Targets:
        """Return the codes of a checked target; raise if it holds labels that are not among the classes."""
        encode = self._encode_table if self.kind == "multilabel" else self._encode
        return Targets(self.kind, encode(target), self.n_outputs, smoothing)

    def _encode(self, target: CheckedTarget) -> NDArray:
        if target.multilabel:
            raise ValueError(
                f"{target.name} is a multilabel table of shape {target.codes.shape}, but this classifier "
                f"has the classes {self.classes}. Pass one label per row, or fit a new classifier."
            )
        unseen = sorted(set(target.present.tolist()) - set(self.classes.tolist()), key=str)
        if unseen:
            advice = "With partial_fit, pass every class as `classes` in the first call."
            raise ValueError(
                f"{target.name} holds labels that are not among the classes: {unseen}. Expected labels from "
                f"{self.classes}. {advice if target.name == 'y' else ''}".rstrip()
            )
        order = np.argsort(self.classes)  # renamed classes may be unsorted
        # Without the cast, int64 and uint64 are compared as floats. For known labels it is exact.
        present = target.present.astype(self.classes.dtype)
        codes = order[np.searchsorted(self.classes, present, sorter=order)]
        return codes.astype(np.min_scalar_type(len(self.classes)))[target.codes]

    def _encode_table(self, target: CheckedTarget) -> NDArray:
        n_columns = target.codes.shape[1] if target.multilabel else 1
        if n_columns != len(self.classes):
            raise ValueError(
                f"{target.name} has {n_columns} columns, but there are {len(self.classes)} labels; "
                "pass one column of 0 and 1 for each label."
            )
        return target.codes

    def decode(self, P: NDArray) -> NDArray:
        """Return the most likely label of each row, given the result of predict_proba; ties go to the first.

        Different logits may round to equal probabilities, so labels decoded from logits could contradict the
        probabilities. In a multilabel row, labels with a probability above 0.5 are set.
        """
        if self.kind == "multilabel":
            return (P > 0.5).astype(int)
        return self.classes[P.argmax(axis=1)]


def note_on_numbers(classes: NDArray) -> str:
    """Return a hint if the classes are 0, 1, ...: a meta-estimator may have renumbered the user's labels."""
    if classes.tolist() != list(range(len(classes))):
        return ""
    return " (BaggingClassifier and some others renumber the sorted classes from 0 before they call fit.)"


ClassWeight = Mapping[Any, float] | Sequence[Mapping[Any, float]] | str | None


def class_tables(
    class_weight: ClassWeight, encoding: ClassEncoding, codes: NDArray, weights: NDArray | None
) -> list[NDArray]:
    """Return one table per column of codes: the factor that ``class_weight`` gives each class.

    "balanced" gives class c the factor sum_i w_i / (C sum_{i in c} w_i), so all classes have the same total
    weight (King & Zeng 2001); a row of weight k counts as k rows. In a multilabel table each column has the
    classes 0 and 1.
    """
    if encoding.kind != "multilabel":
        return [_class_table(class_weight, encoding.classes, codes, weights)]
    n_labels = len(encoding.classes)
    per_label: Any = [class_weight] * n_labels if isinstance(class_weight, str) else class_weight
    if isinstance(per_label, Mapping) or per_label is None or len(per_label) != n_labels:
        raise ValueError(
            "For multilabel y, class_weight must be None, 'balanced' or a list with one dict {0: weight, "
            f"1: weight}} for each of the {n_labels} labels. Got {class_weight!r}."
        )
    if not isinstance(class_weight, str) and not all(isinstance(entry, Mapping) for entry in per_label):
        raise ValueError(f"Each entry of a class_weight list must be a dict, got {class_weight!r}.")
    columns = zip(per_label, codes.T, strict=True)
    return [_class_table(weight, np.arange(2), column, weights) for weight, column in columns]


def row_factors(tables: list[NDArray], codes: NDArray) -> NDArray:
    """Return the factor of each row; factors of several labels are multiplied, as in scikit-learn.

    Only ratios matter. Each table is first scaled so that its smallest positive factor is in [1, 2).
    """
    columns = codes.reshape(len(codes), -1).T
    with np.errstate(over="ignore", invalid="ignore"):
        tables = [over_power_of_two(table, table[table > 0].min(initial=np.inf)) for table in tables]
        return np.prod([table[column] for table, column in zip(tables, columns, strict=True)], axis=0)


def _class_table(class_weight: Any, classes: NDArray, codes: NDArray, weights: NDArray | None) -> NDArray:
    if isinstance(class_weight, str):
        return _balanced(codes, weights, len(classes))
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight must be None, 'balanced' or a dict from classes to weights, got {class_weight!r}."
        )
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    unweighted = [label for label in labels if label not in class_weight]
    # A weight for a class that is not in y is allowed only if every class in y has a weight. Otherwise a
    # misspelt name would go unnoticed.
    if unknown and unweighted:
        raise ValueError(
            f"class_weight names {unknown}, which y does not hold, but not {unweighted}, which y holds. Use "
            "the labels of y as keys." + note_on_numbers(classes)
        )
    table = np.array([as_float(class_weight.get(label, 1.0)) for label in labels])
    if not np.isfinite(table).all() or (table < 0).any():
        raise ValueError(
            f"class_weight must hold finite weights of at least 0, got {short_repr(class_weight)}."
        )
    return table


def _balanced(codes: NDArray, weights: NDArray | None, n_classes: int) -> NDArray:
    sums = np.bincount(codes, weights, minlength=n_classes).astype(float)
    present = sums > 0
    totals = over_power_of_two(sums, sums.max())
    totals[~present] = 1
    with np.errstate(over="ignore", divide="ignore"):
        table = np.where(present, totals[present].sum() / (present.sum() * totals), 1.0)
    if not np.isfinite(table).all():
        raise ValueError(
            "class_weight='balanced' cannot balance the sample weights: they sum to "
            f"{sums[present].min():g} in one class and to {sums.max():g} in another. Bring the weights "
            "closer together."
        )
    return table


def over_power_of_two(weights: NDArray, reference: float) -> NDArray:
    """Divide weights by the power of two that scales ``reference`` into [1, 2), which rounds nothing."""
    return np.ldexp(weights, 1 - np.frexp(reference)[1])
