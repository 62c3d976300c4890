"""Callbacks, which are called at the beginning and end of every epoch.

A callback can stop training: ``on_epoch_end`` returns whether to stop. ``sklearn.callback`` requires
scikit-learn 1.9; with older versions the estimator has no ``set_callbacks``.
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
        """Replaces scikit-learn's mixin in versions that do not have it."""

    def with_callbacks(method: Callable) -> Callable:
        """Return the method unchanged: there are no callbacks to tear down."""
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
    """The interface of a callback."""

    def on_epoch_begin(self) -> None:
        """Called before each epoch; by L-BFGS when an iteration is done, just before ``on_epoch_end``."""

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Called after each epoch with its record; return whether to stop training."""


class ProgressPrinter:
    """Prints one line for every epoch."""

    def on_epoch_begin(self) -> None:
        """Print nothing yet."""

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Print the epoch's number and phase, its losses, score, learning rate and seconds."""
        name = "Iteration" if record.learning_rate is None else "Epoch"  # L-BFGS has no epochs
        phase = f" ({record.phase})" if record.phase else ""
        parts = [f"{name} {record.epoch:4d}{phase}", f"loss {record.loss:.6f}"]
        if record.validation_loss is not None:
            parts.append(f"validation loss {record.validation_loss:.6f}")
            if record.score != -record.validation_loss:
                parts.append(f"score {record.score:.6f}")
        if record.learning_rate is not None:
            parts.append(f"learning rate {record.learning_rate:.3g}")
        print("  ".join([*parts, f"{record.seconds:.2f} s"]))
        return False


class SklearnCallbacks:
    """Calls scikit-learn's callbacks for every epoch, as a subtask of the fit.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        The context of the fit.
    estimator : estimator
        The estimator that has the callbacks.
    X, y : array-like
        The arguments of fit.
    metadata : dict or None
        The sample weights passed to fit.
    fitted : callable
        Returns the fitted attributes for the current parameters. scikit-learn sets them on a copy of the
        estimator if a callback asks for one.
    """

    def __init__(
        self, context: Any, estimator: Any, X: Any, y: Any, metadata: dict | None, fitted: Callable[[], dict]
    ) -> None:
        self._context, self._estimator, self._fitted = context, estimator, fitted
        self._data = {"X": X, "y": y, "metadata": metadata}

    def on_epoch_begin(self) -> None:
        """Begin the subtask of an epoch."""
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
        )

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """End the subtask of the epoch; return whether a callback asks to stop."""
        return bool(
            self._epoch.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=self._fitted, **self._data
            )
        )


class FitTask:
    """One call of fit as a task of scikit-learn's callbacks; does nothing if there are none.

    Parameters
    ----------
    estimator : estimator
        The estimator that has the callbacks.
    X, y, sample_weight : array-like
        The arguments of fit.
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
        """Return the callback that notifies scikit-learn's callbacks of each epoch, if there are any."""
        if self._context is None:
            return []
        return [SklearnCallbacks(self._context, self._estimator, fitted=fitted, **self._data)]

    def end(self) -> None:
        """End the task."""
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes={}, **self._data
            )


class CallbackList:
    """Several callbacks as one; if any of them asks to stop, on any process, all processes stop.

    Parameters
    ----------
    callbacks : sequence of Callback
    communicator : Communicator
    """

    def __init__(
        self, callbacks: Sequence[Callback] = (), communicator: Communicator = SINGLE_PROCESS
    ) -> None:
        self._callbacks, self._communicator = callbacks, communicator

    def on_epoch_begin(self) -> None:
        """Call ``on_epoch_begin`` of every callback."""
        for callback in self._callbacks:
            callback.on_epoch_begin()

    def on_epoch_end(self, record: EpochRecord) -> bool:
        """Call ``on_epoch_end`` of every callback; return whether any asks to stop, on any process."""
        requests = [callback.on_epoch_end(record) for callback in self._callbacks]
        (n_requests,) = self._communicator.sum(any(requests))
        return bool(n_requests)


NO_CALLBACKS = CallbackList()
