"""Targets: from labels to what the loss is measured against, and back; weights of classes and rows.

Three kinds of y are told apart, as scikit-learn does:

=============== ============================= ========= ===============================================
kind            codes                         n_outputs columns of Y
=============== ============================= ========= ===============================================
``binary``      (n,), 0 or 1                  1         the code itself
``multiclass``  (n,), position in classes     C         one-hot
``multilabel``  (n, n_labels), 0 or 1         n_labels  the row of codes
=============== ============================= ========= ===============================================

Codes are small integers. They become floating-point columns one block at a time, so no one-hot copy of
the whole y ever exists. A single class is ``multiclass`` with one output, whose softmax is always 1.
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
    """Codes of the rows of X, which the batches turn into columns of Y.

    ``smoothing`` moves a share of each target to all outcomes alike: y <- (1 - s) y + s / k, with k the
    number of outcomes (Szegedy et al. 2016, section 7).
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
    """The y of some rows, checked and taken apart once.

    ``codes`` holds each row's position in ``present``, the sorted distinct labels. For a table of labels it
    is the table, and ``present`` numbers its columns.
    """

    name: str
    multilabel: bool
    present: NDArray
    codes: NDArray

    @classmethod
    def read(cls, y: Any, name: str = "y", *, part: bool = False) -> CheckedTarget:
        """Take y apart, of shape (n,) or (n, n_labels); ``part`` says that more rows are elsewhere."""
        if np.ndim(y) == 1:
            y = column_or_1d(y)
            present = distinct(y, name)
            if not part:
                check_classification_targets(y)  # warns of a class in every other row
            return cls(name, False, present, np.searchsorted(present, y))
        _check_discrete(y, name)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                f"{name} has {np.shape(y)[1]} columns of several classes each (multiclass-multioutput). Pass "
                "one column of classes or a table of 0 and 1; MultiOutputClassifier trains a network per "
                "column."
            )
        if kind.startswith("multilabel"):
            table = y.toarray() if sp.issparse(y) else check_array(y, input_name=name)
            if not np.isin(table, (0, 1)).all():
                raise ValueError(f"{name} is a multilabel table and may only hold 0 and 1.")
            return cls(name, True, np.arange(table.shape[1]), table.astype(np.uint8))
        y = column_or_1d(y)
        present = np.unique(y)
        return cls(name, False, present, np.searchsorted(present, y))


def distinct(labels: NDArray, name: str) -> NDArray:
    """Return the sorted distinct labels; what is no class, such as a fraction, is an error."""
    _check_discrete(labels[:1], name)  # before the sort, which objects of some types cannot stand
    present = np.unique(labels)
    # Each twice, because many classes in few rows are no sign of a regression problem here.
    _check_discrete(np.repeat(present, 2), name)
    return present


def _check_discrete(y: Any, name: str) -> None:
    try:
        with np.errstate(invalid="ignore"):  # it casts floats to int64, whether that holds them or not
            check_classification_targets(y)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


@dataclass(frozen=True, eq=False)
class ClassEncoding:
    """The classes of a fitted classifier, and the way from labels to codes and back.

    ``classes`` is sorted; for multilabel targets it numbers the columns of y.
    """

    kind: str
    classes: NDArray

    @classmethod
    def from_classes(cls, classes: ArrayLike, *, multilabel: bool) -> ClassEncoding:
        """Return the labels for a list of classes (of columns, if multilabel)."""
        if np.ndim(classes) != 1:
            raise ValueError(f"classes must be a sequence of labels, got {classes!r}.")
        check_labels(classes, "classes")
        given = column_or_1d(classes)
        if given.dtype == object and not any(isinstance(label, str) for label in given):
            given = np.asarray(given.tolist())  # numbers, as they are in y
        classes = distinct(given, "classes")
        if multilabel:
            return cls("multilabel", np.arange(len(classes)))
        return cls("binary" if len(classes) == 2 else "multiclass", classes)

    @classmethod
    def for_network(cls, kind: str, classes: ArrayLike, n_outputs: int) -> ClassEncoding:
        """Return the labels for the outputs of a network; classes is in the user's hands."""
        classes, n_classes = np.asarray(classes), 2 if kind == "binary" else n_outputs
        if classes.shape != (n_classes,):
            raise ValueError(
                f"classes_ must hold one label for each of the network's {n_classes} classes; got "
                f"{classes!r}."
            )
        return cls(kind, classes)

    def from_codes(self, codes: NDArray) -> NDArray:
        """Return the labels that these codes stand for."""
        return codes.astype(int) if self.kind == "multilabel" else self.classes[codes]

    @property
    def n_outputs(self) -> int:
        """Number of scores per row: one for two classes, otherwise one for each class or label."""
        return 1 if self.kind == "binary" else len(self.classes)

    def encode(self, target: CheckedTarget, *, smoothing: float = 0.0) -> Targets:
        """Return the codes of the answers; labels that are not among the classes are an error."""
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
            raise ValueError(
                f"{target.name} holds labels that are not among the classes: {unseen}. Expected only labels "
                f"of {self.classes}; with partial_fit, name every class in the first call's `classes`."
            )
        order = np.argsort(self.classes)  # the user may have renamed the classes, in any order
        # Without the cast, int64 and uint64 would be compared as floats; of known labels it is exact.
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
        """Return the most likely label of each row, the first one of equals, from predict_proba's result.

        Scores that differ may round to equal probabilities, so labels from scores would not always go
        together with the probabilities. A label of several is there if it is more likely than not.
        """
        if self.kind == "multilabel":
            return (P > 0.5).astype(int)
        return self.classes[P.argmax(axis=1)]


def note_on_numbers(classes: NDArray) -> str:
    """Return a word on classes that are numbers from 0, and not those of the user's y, as in an ensemble."""
    if classes.tolist() != list(range(len(classes))):
        return ""
    return " (BaggingClassifier and some others number the sorted classes from 0 before they call fit.)"


ClassWeight = Mapping[Any, float] | Sequence[Mapping[Any, float]] | str | None


def class_tables(
    class_weight: ClassWeight, labels: ClassEncoding, codes: NDArray, weights: NDArray | None
) -> list[NDArray]:
    """Return, for each column of codes, the factor that ``class_weight`` gives each of its classes.

    "balanced" gives a class c the factor sum_i w_i / (C sum_{i in c} w_i), so that all classes weigh the
    same (King & Zeng 2001); a row that weighs k counts as k rows. For multilabel targets each label is a
    question of its own with the classes 0 and 1.
    """
    if labels.kind != "multilabel":
        return [_class_table(class_weight, labels.classes, codes, weights)]
    n_labels = len(labels.classes)
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
    """Return each row's factor; those of several labels are multiplied, as everywhere in scikit-learn.

    Only ratios matter, so each table is brought to where its smallest factor is in [1, 2) first.
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
    # A class without rows in this y may keep its weight; but then every class here must have one, or a
    # misspelt name would go unnoticed.
    if unknown and unweighted:
        raise ValueError(
            f"class_weight names {unknown}, which y does not hold, but not {unweighted}, which it does."
            + note_on_numbers(classes)
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
            "class_weight='balanced' cannot make up for the weights of the rows: those of one class sum to "
            f"{sums[present].min():g}, those of another to {sums.max():g}. Bring the weights closer together."
        )
    return table


def over_power_of_two(weights: NDArray, reference: float) -> NDArray:
    """Divide weights by the power of two that brings the reference to [1, 2); nothing is rounded."""
    return np.ldexp(weights, 1 - np.frexp(reference)[1])
