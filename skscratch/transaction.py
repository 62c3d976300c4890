"""Transaction: a call that trains either succeeds or leaves the estimator as it was."""

from __future__ import annotations

from types import TracebackType
from typing import Any

MISSING = object()


def shallow_copy(estimator: Any) -> Any:
    """Return an estimator that shares all attributes; copy.copy would rebuild the network."""
    model = object.__new__(type(estimator))
    model.__dict__ |= vars(estimator)
    return model


class Transaction:
    """Makes a shallow copy of an estimator to train; ``commit`` moves its attributes to the estimator.

    During training, callbacks and schedules may set attributes on the estimator itself. A commit keeps them;
    an error removes them. Curves are lists that grow in place, so the time of a call does not depend on their
    lengths; an error truncates them to their old lengths.

    Parameters
    ----------
    estimator : estimator

    Attributes
    ----------
    model : estimator
        The copy.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator, self._before = estimator, dict(vars(estimator))
        self._lengths = [(value, len(value)) for value in self._before.values() if isinstance(value, list)]
        self.model = shallow_copy(estimator)

    def commit(self) -> None:
        """Set the changed attributes of the model on the estimator."""
        before, trained = self._before, vars(self.model)
        changed = {name: value for name, value in trained.items() if before.get(name, MISSING) is not value}
        deleted = before.keys() - trained.keys()
        kept = {name: value for name, value in vars(self._estimator).items() if name not in deleted}
        # A single assignment, so that an interrupt leaves either the old estimator or the new one.
        self._estimator.__dict__ = kept | changed

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # scikit-learn's decorator still needs its own notes to tear the callbacks down.
            notes = {name: value for name, value in vars(self._estimator).items() if "callback" in name}
            self._estimator.__dict__ = self._before | notes
            for value, length in self._lengths:
                del value[length:]
