"""Data-parallel training on MPI: many processes, each with its own rows, train one network together.

Start the same script on every rank, give each rank its own part of the rows, and train inside
:func:`data_parallel`::

    with data_parallel(mlp, MPI.COMM_WORLD):
        mlp.fit(X_here, y_here)

Every step is one Allreduce of a flat vector: the gradient and, as its last entry, the number of rows that it
comes from. So all ranks take the same step and hold the same parameters, bit for bit, and the result is that
of one process which is given the same joint batches, up to the order of the sums.

Start the script with ``mpiexec -n 4 python -m mpi4py script.py``: an error on one rank then ends the others
too, which would otherwise wait for it for ever. So does Ctrl-C, which is an error here: ranks are interrupted
at different moments and could not agree on what to keep. Needs mpi4py and an MPI library; ``pip install
mpi4py mpich`` brings both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classifier import ScratchMLPClassifier
from .communicator import SINGLE_PROCESS
from .hyperparameters import CONSTRAINTS
from .targets import ClassEncoding

MAY_DIFFER = ("verbose", "random_state")
OWN_STATE = ("rng", "split_seed")  # what each rank draws with, for itself


@contextmanager
def data_parallel(estimator: ScratchMLPClassifier, comm: Any = None) -> Iterator[ScratchMLPClassifier]:
    """Let ``fit`` and ``partial_fit`` train with the rows of all MPI ranks, inside a ``with`` block.

    Each rank passes its own rows (and weights, and validation rows); their number may differ. What concerns
    all rows is taken over all ranks: the classes, ``alpha="auto"`` (to which each rank contributes what its
    own rows would lose if they were left out; copies are noticed where one rank has them), the loss and its
    curve, early stopping, divergence.
    ``batch_size`` is that of the joint batch, to which each rank contributes in proportion to its rows. A
    validation part is split off on every rank. The order of the rows is drawn on each rank for itself.
    A callback that stops training on one rank stops it on all. Afterwards each rank holds the same model, an
    ordinary estimator.

    Parameters
    ----------
    estimator : ScratchMLPClassifier
        Has the same parameters on every rank, but for ``verbose`` and ``random_state`` (the first weights
        are those of the first rank). `fit` and `partial_fit` compare them, functions by their names.
    comm : mpi4py.MPI.Comm, default=None
        The ranks that take part; None for all of them (``MPI.COMM_WORLD``).

    Yields
    ------
    ScratchMLPClassifier
        The estimator.

    Raises
    ------
    ImportError
        If mpi4py is not installed.
    ValueError
        If the estimator's parameters ask for what one rank cannot tell for all: another ``scoring`` than
        "loss" with early stopping, or ``class_weight="balanced"``. If the estimator is in such a block
        already.
    TypeError
        For another estimator, as a pipeline.

    Notes
    -----
    Scale the features with the same numbers everywhere: a StandardScaler that is fitted on each rank's rows
    alone would feed one network with differently scaled data.

    Inside the block the estimator cannot be cloned, and so not be searched over, cross-validated or put into
    an ensemble: each rank would train a clone of its own. Its copies and pickles are ordinary estimators.
    """
    _check_estimator(estimator)
    _check_parameters(vars(estimator))
    estimator._communicator = MPICommunicator(_world() if comm is None else comm)
    try:
        yield estimator
    finally:
        del estimator._communicator


class MPICommunicator:
    """The team of all ranks of an MPI communicator (see :class:`skscratch.communicator.Team`).

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._here = self._joint = np.empty(0)

    def check_agreement(self, parameters: Mapping[str, Any], **optional: Any) -> None:
        """Raise, on all ranks, unless all bring the same parameters and these allow to train together."""
        names = [name for name in CONSTRAINTS if name in parameters and name not in MAY_DIFFER]
        facts = {name: _comparable(parameters[name]) for name in names}
        facts |= {f"{name} is passed": array is not None for name, array in optional.items()}
        self._compare(facts, f"Only {' and '.join(MAY_DIFFER)} may differ.")
        _check_parameters(parameters)

    def union(self, encoding: ClassEncoding) -> ClassEncoding:
        """Return the labels that any rank has seen."""
        everyones = self._comm.allgather(encoding)
        classes = [each.classes for each in everyones]
        if len({(each.kind == "multilabel", _sort_of(each.classes)) for each in everyones}) > 1:
            seen = ", ".join(
                "a table" if each.kind == "multilabel" else f"{each.classes.tolist()} ({each.classes.dtype})"
                for each in everyones
            )
            raise ValueError(
                f"The ranks' y do not go together. Rank by rank, these labels were seen: {seen}. Give every "
                "rank labels of the same type."
            )
        if encoding.kind != "multilabel":
            return ClassEncoding.from_classes(_joined(classes), multilabel=False)
        if len(set(map(len, classes))) > 1:
            raise ValueError(
                "The ranks' y do not go together: they are tables with different numbers of columns, rank by "
                f"rank {', '.join(str(len(each)) for each in classes)}. Give every rank one column for each "
                "label."
            )
        return encoding

    def broadcast(self, theta: NDArray, state: Mapping[str, Any], encoding: ClassEncoding) -> None:
        """Overwrite theta, and the optimizer's vectors in the state, with those of rank 0."""
        numbers, vectors = _parted({name: state[name] for name in state if name not in OWN_STATE})
        facts = {"kind of y": encoding.kind, "classes": encoding.classes.tolist()}
        facts |= {"number of parameters": theta.size, "dtype": theta.dtype.name}
        self._compare(
            facts | numbers,
            "Give every rank an X with the same features and the same dtype, the same classes, and the same "
            "model where a training goes on.",
        )
        for vector in (theta, *vectors):
            self._comm.Bcast(vector, root=0)

    def _compare(self, facts: Mapping[str, Any], advice: str) -> None:
        """Raise, on all ranks, unless all bring the same facts."""
        everyones = self._comm.allgather(facts)
        listed = {name: [each.get(name) for each in everyones] for name in everyones[0]}
        differ = [
            f"{name}: {', '.join(map(repr, values))}"
            for name, values in listed.items()
            if not _all_equal(values)
        ]
        if differ:
            raise ValueError(f"The ranks cannot train together; rank by rank, {'; '.join(differ)}. {advice}")

    def sum(self, *numbers: float) -> tuple[Any, ...]:
        """Return the sum over all ranks of each number."""
        return tuple(sum(column) for column in zip(*self._comm.allgather(numbers), strict=True))

    def max(self, number: float) -> float:
        """Return the largest of all ranks' numbers."""
        return max(self._comm.allgather(number))

    def average_gradient(self, gradient: NDArray, n_rows: int) -> int:
        """Turn the mean gradient of n_rows rows into that of all ranks' rows, in one Allreduce.

        [sum_r n_r g_r, sum_r n_r] travels as one vector;   gradient <- sum_r n_r g_r / sum_r n_r
        """
        if self._here.size != gradient.size + 1 or self._here.dtype != gradient.dtype:
            self._here, self._joint = np.empty((2, gradient.size + 1), gradient.dtype)
        self._here[-1] = n_rows
        if n_rows:
            np.multiply(gradient, self._here[-1], out=self._here[:-1])
        else:
            self._here.fill(0)
        self._comm.Allreduce(self._here, self._joint)
        if self._joint[-1]:
            np.divide(self._joint[:-1], self._joint[-1], out=gradient)
        return int(self._joint[-1])


def _check_estimator(estimator: Any) -> None:
    if not isinstance(estimator, ScratchMLPClassifier):
        raise TypeError(
            f"data_parallel needs a ScratchMLPClassifier, got {type(estimator).__name__}. Of a pipeline pass "
            "the last step; inside the block the pipeline's fit trains it together with the other ranks."
        )
    if estimator._communicator is not SINGLE_PROCESS:
        raise ValueError(
            "This estimator is inside a data_parallel block already. Leave that block before the next one "
            "begins, or use another estimator (made before the block, with clone)."
        )


def _check_parameters(parameters: Mapping[str, Any]) -> None:
    if parameters["early_stopping"] and parameters["scoring"] != "loss":
        raise ValueError(
            f"scoring={parameters['scoring']!r} cannot be used in data-parallel training: no rank sees all "
            "validation rows, and the scores of parts make no score of the whole. Use scoring='loss', which "
            "is summed over all ranks."
        )
    if isinstance(parameters["class_weight"], str):
        raise ValueError(
            "class_weight='balanced' cannot be used in data-parallel training: no rank sees the whole of y. "
            "Pass a dict; sklearn.utils.class_weight.compute_class_weight('balanced', ...) gives its values."
        )


def _comparable(value: Any) -> Any:
    """Return what tells a parameter apart on another rank: a function's name, a sequence as a list."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {key: _comparable(each) for key, each in value.items()}
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_comparable(each) for each in value] if isinstance(value, Iterable) else value


def _all_equal(values: list) -> bool:
    first = values[0]
    # NaN is no equal of itself.
    return all(each == first or repr(each) == repr(first) for each in values)


def _parted(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[NDArray]]:
    """Return the numbers and the vectors in the state of a training, each in the same order everywhere."""
    entries = {**state, **state["memory"]}
    del entries["memory"]
    names = sorted(entries)
    vectors = [entries[name] for name in names if isinstance(entries[name], np.ndarray)]
    return {name: entries[name] for name in names if not isinstance(entries[name], np.ndarray)}, vectors


def _sort_of(classes: NDArray) -> str:
    return "integer" if classes.dtype.kind in "iu" else classes.dtype.kind


def _joined(parts: list[NDArray]) -> NDArray:
    """Return the classes of all parts in one array that holds each of them exactly."""
    joined = np.concatenate(parts)
    if joined.dtype.kind != "f" or parts[0].dtype.kind == "f":
        return joined
    # NumPy knows no integers for int64 and uint64 together, and takes floats, which round large ones.
    low, high = (int(end([int(end(part)) for part in parts if part.size])) for end in (min, max))
    for dtype in (np.int64, np.uint64):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.concatenate([part.astype(dtype) for part in parts])
    raise ValueError(
        f"The ranks' y do not go together: their labels reach from {low} to {high}, and no integer type "
        "holds both. Use smaller numbers, or strings."
    )


def _world() -> Any:
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            "data_parallel needs mpi4py and an MPI library: pip install 'skscratch[mpi]'."
        ) from error
    return MPI.COMM_WORLD
