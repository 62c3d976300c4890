"""Callbacks: what is called before and after every epoch.

A callback may stop training: ``on_epoch_end`` returns whether to stop. ``sklearn.callback`` exists from
scikit-learn 1.9 on; with older versions the estimator simply has no ``set_callbacks``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .communicator import SINGLE_PROCESS, Communicator
from .history import EpochRecord

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin where that does not exist."""

    def with_callbacks(method: Callable) -> Callable:
        """Return the method as it is: there are no callbacks to tear down."""
        return method


__all__ = [
    "NO_CALLBACKS",
    "Callback",
    "CallbackList",
    "CallbackSupportMixin",
    "FitTask",
    "ProgressPrinter",
    "SklearnCallbacks",
    "with_callbacks",
]


class Callback(Protocol):
    """What the trainer calls."""

    def on_epoch_begin(self) -> None:
        """Take note that an epoch begins."""

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Take the record of the epoch; return whether to stop training."""


class ProgressPrinter:
    """Prints one line for every epoch."""

    def on_epoch_begin(self) -> None:
        """Wait for the result."""

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Print the epoch's number, losses, score, learning rate and seconds."""
        parts = [f"Iteration {record.epoch:4d}", f"loss {record.loss:.6f}"]
        if record.validation_loss is not None:
            parts.append(f"validation loss {record.validation_loss:.6f}")
            if record.score != -record.validation_loss:
                parts.append(f"score {record.score:.6f}")
        if record.learning_rate is not None:
            parts.append(f"learning rate {record.learning_rate:.3g}")
        print("  ".join([*parts, f"{record.seconds:.2f} s"]))
        return False


class SklearnCallbacks:
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

    def on_epoch_begin(self) -> None:
        """Open a subtask."""
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
        )

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Close the subtask; any callback may ask to stop."""
        return bool(
            self._epoch.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
            )
        )


class FitTask:
    """One call of fit, as scikit-learn's callbacks see it; nothing where there are none.

    Parameters
    ----------
    estimator : estimator
        The one that the callbacks were set on.
    X, y, sample_weight : array-like
        What fit was given.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator = estimator
        self._context: Any = None
        if not getattr(estimator, "_skl_callbacks", None):
            return
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"X": X, "y": y, "metadata": metadata}
        # With max_iter="auto" the number of epochs depends on the number of rows.
        n_epochs = None if estimator.max_iter == "auto" else estimator.max_iter
        self._context = estimator._init_callback_context(max_subtasks=n_epochs)
        self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def epoch_callbacks(self, fitted: Callable[[], dict]) -> list[Callback]:
        """Return what passes the epochs on."""
        if self._context is None:
            return []
        return [SklearnCallbacks(self._context, self._estimator, fitted=fitted, **self._data)]

    def end(self) -> None:
        """Close the task."""
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes={}, **self._data
            )


class CallbackList:
    """Several callbacks as one, for all processes: if one of them stops, all do.

    Parameters
    ----------
    callbacks : sequence of Callback
    team : Team
    """

    def __init__(
        self, callbacks: Sequence[Callback] = (), communicator: Communicator = SINGLE_PROCESS
    ) -> None:
        self._callbacks, self._communicator = callbacks, communicator

    def on_epoch_begin(self) -> None:
        """Call every one."""
        for callback in self._callbacks:
            callback.on_epoch_begin()

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Call every one; stop if any of them asks to, here or in another process."""
        requests = [callback.on_epoch_end(record) for callback in self._callbacks]
        (n_requests,) = self._communicator.sum(any(requests))
        return bool(n_requests)


NO_CALLBACKS = CallbackList()
