"""Listeners: who is told of every epoch while the network is trained.

A listener may end training: ``end_epoch`` returns whether to stop. ``sklearn.callback`` exists from
scikit-learn 1.9 on; with older versions the estimator simply has no ``set_callbacks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .reports import EpochReport, Listener
from .team import ALONE, Team

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin where that does not exist."""

    def with_callbacks(method: Callable) -> Callable:
        """Return the method as it is: there are no callbacks to tear down."""
        return method


__all__ = ["Audience", "CallbackListener", "CallbackSupportMixin", "Printer", "with_callbacks"]


class Printer:
    """Prints one line for every epoch."""

    def begin_epoch(self) -> None:
        """Wait for the result."""

    def end_epoch(self, report: EpochReport) -> bool:
        """Print the epoch's number, losses, score, learning rate and seconds."""
        parts = [f"Iteration {report.epoch:4d}", f"loss {report.loss:.6f}"]
        if report.validation_loss is not None:
            parts.append(f"validation loss {report.validation_loss:.6f}")
            if report.score != -report.validation_loss:
                parts.append(f"score {report.score:.6f}")
        if report.learning_rate is not None:
            parts.append(f"learning rate {report.learning_rate:.3g}")
        print("  ".join([*parts, f"{report.seconds:.2f} s"]))
        return False


class CallbackListener:
    """Passes every epoch on to scikit-learn's callbacks, as a subtask of the fit.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        The context of the fit.
    estimator : estimator
        The one that the callbacks were set on.
    X, y : array-like
        What fit was given.
    metadata : dict or None
        The sample weights that fit was given.
    fitted : callable
        Returns the attributes that make a copy of the estimator predict as if training had stopped here;
        called only if a callback asks for such a copy.
    """

    def __init__(
        self, context: Any, estimator: Any, X: Any, y: Any, metadata: dict | None, fitted: Callable[[], dict]
    ) -> None:
        self._context, self._estimator, self._fitted = context, estimator, fitted
        self._data = {"X": X, "y": y, "metadata": metadata}

    def begin_epoch(self) -> None:
        """Open a subtask."""
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
        )

    def end_epoch(self, report: EpochReport) -> bool:
        """Close the subtask; any callback may ask to stop."""
        return bool(
            self._epoch.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
            )
        )


class Audience:
    """Several listeners as one, for all members of a team: where one of them stops, none is left waiting."""

    def __init__(self, listeners: Sequence[Listener], team: Team = ALONE) -> None:
        self._listeners, self._team = listeners, team

    def begin_epoch(self) -> None:
        """Tell everyone."""
        for listener in self._listeners:
            listener.begin_epoch()

    def end_epoch(self, report: EpochReport) -> bool:
        """Tell everyone; stop if anyone wants to, here or elsewhere in the team."""
        wishes = [listener.end_epoch(report) for listener in self._listeners]
        (n_wishes,) = self._team.total(any(wishes))
        return n_wishes > 0
