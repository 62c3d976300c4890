"""BLAS threads: one thread for small products, the user's own setting for large ones.

NumPy's BLAS spreads even a small product over all cores, and its threads wait for each other in busy loops.
If another process needs one of the cores, all of them wait for the slowest. So a small network trains and
predicts on one thread.

The choice depends on sizes alone, never on the load of the machine. With several threads a product may
round differently, and one seed must give the same bits. At the border the two worst cases balance. With two
cores, a step with products of 100 million multiply-adds is 1.4 times as fast on two threads if both cores
are free, and 1.8 times as slow if another process uses one of them.

The number of threads belongs to the process. The first call that needs one thread sets it, and the last one
gives back the user's number. The number is never raised above the user's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any

from threadpoolctl import ThreadpoolController

# A call whose rows times parameters are fewer than FEW has no product that BLAS would spread, and skips the
# limit. MANY multiply-adds in the largest product of a step are too many for one thread.
FEW, MANY = 2**13, 2**26

_uses_all_threads = ContextVar("_uses_all_threads", default=False)


@contextmanager
def all_blas_threads() -> Iterator[None]:
    """Context manager in which estimators leave the number of BLAS threads as it is.

    By default, a network whose products are small trains and predicts on one BLAS thread, since several
    threads are slow as soon as another program runs. If the machine is yours alone, several may be faster.
    The results can then depend on the number of threads, in the last digits. It applies to the current Python
    thread, and not to the workers of ``n_jobs``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skscratch import ScratchMLPClassifier, all_blas_threads
    >>> X, y = load_iris(return_X_y=True)
    >>> with all_blas_threads():
    ...     clf = ScratchMLPClassifier(random_state=0).fit(X, y)
    """
    token = _uses_all_threads.set(True)
    try:
        yield
    finally:
        _uses_all_threads.reset(token)


def threads_for(
    sizes: Sequence[int], n_rows: int, batch_size: int, *, sparse: bool = False
) -> AbstractContextManager[Any]:
    """Return the context in which a network of these sizes processes n_rows, batch by batch.

    Sparse rows are multiplied without BLAS, so the products of the first layer do not count.
    """
    layers = [(m + 1) * n for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
    # Alpha selection multiplies rows by rows.
    is_tiny = n_rows * max(n_rows, sum(layers)) <= FEW
    largest_product = batch_size * max(layers[1:] if sparse else layers, default=0)
    is_small = not is_tiny and largest_product <= MANY
    return _OneThread() if is_small and not _uses_all_threads.get() else nullcontext()


class _OneThread:
    """A context that holds BLAS to one thread; several may overlap, in any threads."""

    def __enter__(self) -> None:
        self.thread = threading.get_ident()
        try:
            _BLAS.limit(self)
        except BaseException:
            # Ctrl-C may come halfway.
            _BLAS.release(self)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            _BLAS.release(self)
        except KeyboardInterrupt:
            _BLAS.release(self)
            raise


class _Blas:
    """The BLAS libraries of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @cached_property
    def _libraries(self) -> list[_Library]:
        controllers = ThreadpoolController().select(user_api="blas").lib_controllers
        return [_Library(controller) for controller in controllers]

    def limit(self, holder: _OneThread) -> None:
        """Hold all libraries to one thread until the holder releases them."""
        with self._lock:
            for library in self._libraries:
                library.limit(holder)

    def release(self, holder: _OneThread) -> None:
        """Undo ``limit``; after an interrupt, a second call completes the first."""
        with self._lock:
            for library in self._libraries:
                library.release(holder)

    def after_fork(self) -> None:
        """In a child process, forget the holders in threads that exist in the parent only."""
        self._lock = threading.RLock()
        for library in vars(self).get("_libraries", ()):
            library.forget_other_threads()


class _Library:
    """A BLAS library that contexts hold to one thread.

    Most builds of OpenBLAS have one number of threads for the whole process; then the last holder gives back
    the user's number. MKL, and OpenBLAS with OpenMP, have a number for each Python thread; then each Python
    thread has holders of its own.
    """

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._is_per_thread = controller.internal_api == "mkl" or _threading_layer(controller) == "openmp"
        self._holds: dict[int | None, _Hold] = {}

    def limit(self, holder: _OneThread) -> None:
        """Set the number to 1, unless it is 1 already."""
        number, scope = self._controller.num_threads or 1, self._scope(holder)
        if number > 1:
            hold = self._holds.setdefault(scope, _Hold())
            hold.number = number
            hold.holders.add(holder)
            self._set(1)
        elif scope in self._holds:
            self._holds[scope].holders.add(holder)

    def release(self, holder: _OneThread) -> None:
        """Remove the holder; the last one gives back the user's number."""
        scope = self._scope(holder)
        if scope in self._holds:
            self._holds[scope].holders.discard(holder)
            self._give_back_if_free(scope)

    def _give_back_if_free(self, scope: int | None) -> None:
        if self._holds[scope].holders:
            return
        # A number other than 1 was set by the user in the meantime.
        if self._controller.num_threads == 1:
            self._set(self._holds[scope].number)
        del self._holds[scope]

    def forget_other_threads(self) -> None:
        """Remove the holders in other Python threads."""
        here = threading.get_ident()
        for scope, hold in list(self._holds.items()):
            hold.holders = {holder for holder in hold.holders if holder.thread == here}
            if scope in (None, here):
                self._give_back_if_free(scope)
            else:
                del self._holds[scope]

    def _scope(self, holder: _OneThread) -> int | None:
        """Return the Python thread to which a limit applies; None if it applies to all."""
        return holder.thread if self._is_per_thread else None

    def _set(self, number: int) -> None:
        # From threadpoolctl 3.8 on, only the Python thread in control can set the number of OpenBLAS. That is
        # the user's thread if it is inside threadpool_limits. Control is taken and left, since a limit that
        # another thread cannot set would be missing there.
        clear = getattr(self._controller, "clear_controlling_thread", _no_thread_controls)
        clear(force=True)
        self._controller.set_num_threads(number)
        clear(force=True)


def _threading_layer(controller: Any) -> str | None:
    """Return what the library makes threads with; some libraries do not say."""
    return getattr(controller, "threading_layer", None)


def _no_thread_controls(force: bool) -> None:
    """Do nothing: before threadpoolctl 3.8, every thread can set the number."""


@dataclass
class _Hold:
    """The user's number of threads, and the contexts for which it is 1 at present."""

    number: int = 1
    holders: set[_OneThread] = field(default_factory=set)


_BLAS = _Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BLAS.after_fork)
