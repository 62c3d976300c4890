"""Transaction: a call that trains either succeeds or leaves the estimator as it was."""

from __future__ import annotations

from types import TracebackType
from typing import Any

MISSING = object()


def shallow_copy(estimator: Any) -> Any:
    """Return another estimator with the very same attributes; copy.copy would rebuild the network."""
    model = object.__new__(type(estimator))
    model.__dict__ |= vars(estimator)
    return model


class Transaction:
    """Trains a shallow copy of an estimator, whose attributes become the estimator's own by ``commit``.

    While the copy is trained, callbacks and schedules may store attributes on the estimator itself. A commit
    keeps those, and an error removes them. Curves grow in place, so that a call costs the same whatever came
    before it; an error cuts them back to their old lengths.

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
        """Give the estimator the attributes that were set on the model."""
        before, trained = self._before, vars(self.model)
        changed = {name: value for name, value in trained.items() if before.get(name, MISSING) is not value}
        deleted = before.keys() - trained.keys()
        kept = {name: value for name, value in vars(self._estimator).items() if name not in deleted}
        # A single assignment, so that an interrupt finds the old estimator or the new one.
        self._estimator.__dict__ = kept | changed

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._estimator.__dict__ = self._before
            for value, length in self._lengths:
                del value[length:]
