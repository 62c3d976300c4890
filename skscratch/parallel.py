"""Data-parallel training on MPI: many processes, each with its own rows, train one network together.

Start the same script on every rank, give each rank its own part of the rows, and train inside
:func:`data_parallel`::

    with data_parallel(mlp, MPI.COMM_WORLD):
        mlp.fit(X_here, y_here)

Every step is one Allreduce of a flat vector: the gradient and, as its last entry, the number of rows that it
comes from. So all ranks take the same step and hold the same parameters, bit for bit, and the result is that
of one process which is given the same joint batches, up to the order of the sums.

Start the script with ``mpiexec -n 4 python -m mpi4py script.py``: an error on one rank then ends the others
too, which would otherwise wait for it for ever. Needs mpi4py and an MPI library; ``pip install mpi4py mpich``
brings both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .classifier import ScratchMLPClassifier
from .targets import Labels


@contextmanager
def data_parallel(estimator: ScratchMLPClassifier, comm: Any = None) -> Iterator[ScratchMLPClassifier]:
    """Let ``fit`` and ``partial_fit`` train with the rows of all MPI ranks, inside a ``with`` block.

    Each rank passes its own rows (and weights, and validation rows); their number may differ. What concerns
    all rows is taken over all ranks: the classes, ``alpha="auto"`` (to which each rank contributes what its
    own rows would lose if they were left out; copies are noticed where one rank has them), the loss and its
    curve, early stopping, divergence.
    ``batch_size`` is that of the joint batch, to which each rank contributes in proportion to its rows. A
    validation part is split off on every rank. The order of the rows is drawn on each rank for itself.
    Afterwards each rank holds the same model, an ordinary estimator.

    Parameters
    ----------
    estimator : ScratchMLPClassifier
        Has the same parameters on every rank, but for ``verbose``.
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
        "loss" with early stopping, or ``class_weight="balanced"``.

    Notes
    -----
    Scale the features with the same numbers everywhere: a StandardScaler that is fitted on each rank's rows
    alone would feed one network with differently scaled data.
    """
    _check_parameters(estimator)
    estimator._team = Ranks(_world() if comm is None else comm)
    try:
        yield estimator
    finally:
        del estimator._team


class Ranks:
    """The team of all ranks of an MPI communicator (see :class:`skscratch.team.Team`).

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._here = self._joint = np.empty(0)

    def unite(self, labels: Labels) -> Labels:
        """Return the labels that any rank has seen."""
        everyones = self._comm.allgather(labels)
        kinds = {(each.kind == "multilabel", each.classes.dtype.kind) for each in everyones}
        if len(kinds) > 1:
            raise ValueError(
                "The ranks' y do not go together. Rank by rank, these labels were seen: "
                f"{[each.classes.tolist() for each in everyones]}."
            )
        if labels.kind == "multilabel":
            return labels
        return Labels.of_classes(np.concatenate([each.classes for each in everyones]), multilabel=False)

    def agree(self, theta: NDArray) -> None:
        """Overwrite theta with that of rank 0."""
        everyones = self._comm.allgather((theta.size, theta.dtype.name))
        if len(set(everyones)) > 1:
            listed = ", ".join(f"{size} of {dtype}" for size, dtype in everyones)
            raise ValueError(
                "The ranks' networks differ in their number of parameters or in their dtype; rank by rank: "
                f"{listed}. Give every rank an X with the same features and the same dtype."
            )
        self._comm.Bcast(theta, root=0)

    def total(self, *numbers: float) -> tuple[Any, ...]:
        """Return the sum over all ranks of each number."""
        return tuple(sum(column) for column in zip(*self._comm.allgather(numbers), strict=True))

    def largest(self, number: float) -> float:
        """Return the largest of all ranks' numbers."""
        return max(self._comm.allgather(number))

    def average(self, gradient: NDArray, n_rows: int) -> int:
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


def _check_parameters(estimator: ScratchMLPClassifier) -> None:
    if estimator.early_stopping and estimator.scoring != "loss":
        raise ValueError(
            f"scoring={estimator.scoring!r} cannot be used in data-parallel training: no rank sees all "
            "validation rows, and the scores of parts make no score of the whole. Use scoring='loss', which "
            "is summed over all ranks."
        )
    if isinstance(estimator.class_weight, str):
        raise ValueError(
            "class_weight='balanced' cannot be used in data-parallel training: no rank sees the whole of y. "
            "Pass a dict; sklearn.utils.class_weight.compute_class_weight('balanced', ...) gives its values."
        )


def _world() -> Any:
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            "data_parallel needs mpi4py and an MPI library: pip install 'skscratch[mpi]'."
        ) from error
    return MPI.COMM_WORLD
