"""Data-parallel training with MPI: several processes, each with its own rows, train one network.

Run the same script on every rank, give each rank its own part of the rows, and train inside
:func:`data_parallel`::

    with data_parallel(mlp, MPI.COMM_WORLD):
        mlp.fit(X_here, y_here)

Every step makes one all-reduce of a flat vector, which holds the gradient and the number of its rows. All
ranks take the same step, so their parameters stay bit-for-bit identical. The result is that of a single
process with the same global batches, up to the order of summation.

Start the script with ``mpiexec -n 4 python -m mpi4py script.py``: an error on one rank then stops all
ranks, which would otherwise wait for it forever. Ctrl-C is such an error, because ranks are interrupted at
different moments and cannot agree on which epoch to keep. mpi4py and an MPI library are required; ``pip
install mpi4py mpich`` installs both.
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
OWN_STATE = (
    "rng",
    "split_seed",
    "sketch",
)  # each rank draws random numbers of its own, and sees its own rows


@contextmanager
def data_parallel(estimator: ScratchMLPClassifier, comm: Any = None) -> Iterator[ScratchMLPClassifier]:
    """Context manager in which ``fit`` and ``partial_fit`` train on the rows of all MPI ranks.

    Each rank passes its own rows, sample weights and validation set; their numbers of rows may differ. All
    ranks together determine the classes, the loss and its curve, early stopping, divergence and
    ``alpha="auto"``. (For alpha, each rank contributes the leave-one-out losses of its own rows;
    duplicates are found only within a rank.) ``batch_size`` and ``batch_size_`` are the size of the
    global batch, to which each rank contributes in proportion to its rows. Each rank holds out its own
    part of the validation set and shuffles its own rows. A callback that stops training on one rank stops
    it on all ranks. Afterwards every rank has the same model, an ordinary estimator.

    Parameters
    ----------
    estimator : ScratchMLPClassifier
        Must have the same parameters on every rank, except ``verbose`` and ``random_state`` (all ranks start
        from the initial weights of rank 0). `fit` and `partial_fit` check this; they compare functions by
        name.
    comm : mpi4py.MPI.Comm, default=None
        The communicator of the ranks that train; None means all ranks (``MPI.COMM_WORLD``).

    Yields
    ------
    ScratchMLPClassifier
        The estimator.

    Raises
    ------
    ImportError
        If mpi4py is not installed.
    ValueError
        If ``class_weight="balanced"``, or if early stopping uses another ``scoring`` than "loss": both need
        all rows on one rank. If the estimator is already inside such a block.
    TypeError
        If the estimator is not a ScratchMLPClassifier; for example, a pipeline.

    Notes
    -----
    Scale the features in the same way on every rank. A StandardScaler fitted on each rank's own rows would
    scale the ranks' features differently.

    Inside the block the estimator cannot be cloned, because each rank would train a clone of its own. It can
    therefore not be used in a search, cross-validation or an ensemble. Its copies and pickles are ordinary
    estimators.
    """
    _check_estimator(estimator)
    _check_parameters(vars(estimator))
    estimator._communicator = MPICommunicator(_world() if comm is None else comm)
    try:
        yield estimator
    finally:
        del estimator._communicator


class MPICommunicator:
    """Data-parallel training over the ranks of MPI (see :class:`skscratch.communicator.Communicator`).

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._here = self._global = np.empty(0)

    def check_agreement(self, parameters: Mapping[str, Any], **optional: Any) -> None:
        """Raise, on all ranks, unless all have the same parameters and these suit data-parallel training."""
        names = [name for name in CONSTRAINTS if name in parameters and name not in MAY_DIFFER]
        facts = {name: _comparable(parameters[name]) for name in names}
        facts |= {f"{name} is passed": array is not None for name, array in optional.items()}
        self._compare(facts, f"Only {' and '.join(MAY_DIFFER)} may differ.")
        _check_parameters(parameters, validates=optional.get("X_val") is not None)

    def union(self, encoding: ClassEncoding) -> ClassEncoding:
        """Return the encoding of the classes of all ranks."""
        everyones = self._comm.allgather(encoding)
        classes = [each.classes for each in everyones]
        if len({(each.kind == "multilabel", _sort_of(each.classes)) for each in everyones}) > 1:
            seen = ", ".join(
                "a table" if each.kind == "multilabel" else f"{each.classes.tolist()} ({each.classes.dtype})"
                for each in everyones
            )
            raise ValueError(
                f"The ranks' y are incompatible. Rank by rank, the labels are {seen}. Give every rank labels "
                "of the same type."
            )
        if encoding.kind != "multilabel":
            return ClassEncoding.from_classes(_joined(classes), multilabel=False)
        if len(set(map(len, classes))) > 1:
            raise ValueError(
                "The ranks' y are incompatible: they are tables with different numbers of columns, rank by "
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
            "Give every rank an X with the same features and the same dtype, the same classes and, to resume "
            "training, the same model.",
        )
        for vector in (theta, *vectors):
            self._comm.Bcast(vector, root=0)

    def _compare(self, facts: Mapping[str, Any], advice: str) -> None:
        """Raise, on all ranks, unless ``facts`` are the same on all of them."""
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
        """Return the sum of each number over all ranks."""
        return tuple(sum(column) for column in zip(*self._comm.allgather(numbers), strict=True))

    def max(self, number: float) -> float:
        """Return the maximum of the number over all ranks."""
        return max(self._comm.allgather(number))

    def average_gradient(self, gradient: NDArray, n_rows: int) -> int:
        """Average the gradient over the global batch, in place; return the number of rows in that batch.

        gradient <- sum_r n_r g_r / sum_r n_r

        One all-reduce sums the vector [n_r g_r, n_r].
        """
        if self._here.size != gradient.size + 1 or self._here.dtype != gradient.dtype:
            self._here, self._global = np.empty((2, gradient.size + 1), gradient.dtype)
        self._here[-1] = n_rows
        if n_rows:
            np.multiply(gradient, self._here[-1], out=self._here[:-1])
        else:
            self._here.fill(0)
        self._comm.Allreduce(self._here, self._global)
        if self._global[-1]:
            np.divide(self._global[:-1], self._global[-1], out=gradient)
        return int(self._global[-1])


def _check_estimator(estimator: Any) -> None:
    if not isinstance(estimator, ScratchMLPClassifier):
        raise TypeError(
            f"data_parallel needs a ScratchMLPClassifier, got {type(estimator).__name__}. For a "
            "pipeline, pass the last step; inside the block the pipeline's fit trains it on all ranks."
        )
    if estimator._communicator is not SINGLE_PROCESS:
        raise ValueError(
            "This estimator is already inside a data_parallel block. Leave that block first, or use another "
            "estimator (clone it before the block)."
        )


def _check_parameters(parameters: Mapping[str, Any], *, validates: bool = False) -> None:
    if (parameters["early_stopping"] or validates) and parameters["scoring"] != "loss":
        raise ValueError(
            f"scoring={parameters['scoring']!r} cannot be used in data-parallel training: no rank "
            "sees the whole validation set, and the scores of its parts cannot be combined. Use "
            "scoring='loss', which is averaged over all ranks."
        )
    if isinstance(parameters["class_weight"], str):
        raise ValueError(
            "class_weight='balanced' cannot be used in data-parallel training: no rank sees all of y. Pass a "
            "dict; sklearn.utils.class_weight.compute_class_weight('balanced', ...) returns its values."
        )


def _comparable(value: Any) -> Any:
    """Return a form of a parameter that ranks can compare: a function's name, a sequence as a list."""
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
    # NaN does not equal itself.
    return all(each == first or repr(each) == repr(first) for each in values)


def _parted(state: Mapping[str, Any]) -> tuple[dict[str, Any], list[NDArray]]:
    """Return the numbers and the vectors in a training state, in the same order on every rank."""
    entries = {**state, **state["memory"]}
    del entries["memory"]
    names = sorted(entries)
    vectors = [entries[name] for name in names if isinstance(entries[name], np.ndarray)]
    return {name: entries[name] for name in names if not isinstance(entries[name], np.ndarray)}, vectors


def _sort_of(classes: NDArray) -> str:
    return "integer" if classes.dtype.kind in "iu" else classes.dtype.kind


def _joined(parts: list[NDArray]) -> NDArray:
    """Concatenate the classes of all ranks without rounding any of them."""
    joined = np.concatenate(parts)
    if joined.dtype.kind != "f" or parts[0].dtype.kind == "f":
        return joined
    # NumPy promotes int64 with uint64 to float64, which rounds large integers.
    low, high = (int(end([int(end(part)) for part in parts if part.size])) for end in (min, max))
    for dtype in (np.int64, np.uint64):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return np.concatenate([part.astype(dtype) for part in parts])
    raise ValueError(
        f"The ranks' y are incompatible: their labels range from {low} to {high}, and no integer type holds "
        "both. Use smaller numbers, or strings."
    )


def _world() -> Any:
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            "data_parallel needs mpi4py and an MPI library: pip install 'skscratch[mpi]'."
        ) from error
    return MPI.COMM_WORLD
