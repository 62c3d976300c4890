"""BLAS threads: small networks use one, large ones all; the user's number is respected and given back."""

import os
import subprocess
import sys
import threading
from contextlib import nullcontext

import estimators
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController, threadpool_limits

from skscratch import all_blas_threads, blas_threads

X = np.random.default_rng(0).normal(size=(600, 40))
Y = np.arange(600) % 3

CONTROLLER = ThreadpoolController()


def numbers():
    """Return the number of threads of each BLAS library."""
    libraries = CONTROLLER.select(user_api="blas").lib_controllers
    assert libraries
    return {library.filepath: library.num_threads for library in libraries}


def all_are(number):
    return set(numbers().values()) == {number}


@pytest.fixture(autouse=True)
def user_allows_two_threads():
    with threadpool_limits(2, user_api="blas"):
        assert all_are(2)
        yield


class Seen:
    """A scorer that notes how many threads BLAS has while the network trains."""

    def __init__(self, action=lambda: None):
        self.numbers, self.action = [], action

    def __call__(self, clf, X, y):
        self.numbers.append(sorted(set(numbers().values())))
        self.action()
        return 1.0


def mlp(seen, **params):
    return estimators.mlp(hidden_layer_sizes=(50,), early_stopping=True, scoring=seen, max_iter=2, **params)


# Small and large networks


def test_a_small_network_trains_on_one_thread():
    seen = Seen()
    mlp(seen).fit(X, Y)
    assert seen.numbers == [[1], [1]]
    assert all_are(2)


def test_a_large_network_trains_on_all_threads():
    seen = Seen()
    X = np.random.default_rng(0).normal(size=(300, 800)).astype(np.float32)
    mlp(seen, batch_size=256).set_params(hidden_layer_sizes=(400,), max_iter=1).fit(X, Y[:300])
    assert seen.numbers == [[2]]


def test_the_border_lies_between_100_and_512_hidden_units_on_784_features():
    def threads(sizes, batch_size, **sparse):
        with blas_threads.threads_for(sizes, 60_000, batch_size, **sparse):
            (number,) = set(numbers().values())
        return number

    assert threads((784, 100, 10), 200) == 1
    assert threads((784, 512, 512, 10), 256) == 2
    assert threads((784, 100, 10), 2000) == 2
    # The products with sparse rows are SciPy's, which has one thread.
    assert threads((10_000, 100, 10), 200) == 2
    assert threads((10_000, 100, 10), 200, sparse=True) == 1
    assert threads((2**20, 100, 10), 50, sparse=True) == 1


def test_a_user_who_owns_the_machine_can_have_all_threads():
    seen = Seen()
    with all_blas_threads():
        mlp(seen).fit(X, Y)
    mlp(seen).fit(X, Y)
    assert seen.numbers == [[2], [2], [1], [1]]


def test_all_threads_are_for_one_python_thread_only():
    seen = Seen()
    with all_blas_threads():
        in_thread(mlp(seen).fit, X, Y).join()
    assert seen.numbers == [[1], [1]]


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_every_method_holds_one_thread(solver, monkeypatch):
    params = estimators.LBFGS_ONLY if solver == "lbfgs" else {}
    clf = estimators.mlp(**{**params, "hidden_layer_sizes": (50,), "max_iter": 3})
    entered = []
    limit = blas_threads._BLAS.limit
    monkeypatch.setattr(blas_threads._BLAS, "limit", lambda holder: (entered.append(1), limit(holder)))
    with pytest.warns(ConvergenceWarning) if solver == "lbfgs" else nullcontext():
        clf.fit(X, Y)
    calls = [clf.predict, clf.predict_proba, clf.decision_function, clf.hidden_activations]
    for call in calls:
        call(X)
        call(sp.csr_array(X))
    if solver == "sgd":
        clf.partial_fit(X, Y)
    assert len(entered) == 1 + 2 * len(calls) + (solver == "sgd")
    assert all_are(2)


def test_a_call_too_small_for_threads_does_not_touch_them(monkeypatch):
    clf = estimators.mlp(hidden_layer_sizes=(20,), alpha="auto").fit(X, Y)
    monkeypatch.setattr(blas_threads, "_BLAS", None)
    clf.partial_fit(X[:5], Y[:5])
    clf.predict_proba(X[:5])


# The user's number


@pytest.mark.parametrize("large", [False, True])
def test_the_users_limit_is_never_exceeded(large):
    seen = Seen()
    with threadpool_limits(1, user_api="blas"):
        with all_blas_threads() if large else nullcontext():
            mlp(seen).fit(X, Y)
        assert all_are(1)
    assert seen.numbers == [[1], [1]]


def test_a_number_that_the_user_sets_during_training_is_kept():
    def set_three():
        for library in CONTROLLER.select(user_api="blas").lib_controllers:
            library.set_num_threads(3)

    mlp(Seen(set_three)).fit(X, Y)
    assert all_are(3)


def test_the_number_is_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError):
        mlp(Seen(lambda: 1 / 0)).fit(X, Y)
    assert all_are(2)


def test_the_number_is_given_back_after_an_interrupt():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mlp(Seen(interrupt)).fit(X, Y)
    assert all_are(2)


class Library:
    """A BLAS library; an interrupt may come just before or just after its number is set."""

    internal_api, threading_layer = "openblas", "pthreads"

    def __init__(self, number, interrupted=""):
        self.num_threads, self.n_calls, self.interrupted = number, 0, interrupted

    def set_num_threads(self, number):
        self.n_calls += 1
        if self.interrupted == f"before {self.n_calls}":
            raise KeyboardInterrupt
        self.num_threads = number
        if self.interrupted == f"after {self.n_calls}":
            raise KeyboardInterrupt


class LibraryWithANumberForEachThread:
    """A BLAS library like MKL: a thread that sets no number has the one of the process."""

    internal_api, threading_layer = "mkl", "intel"

    def __init__(self, number):
        self._number, self._here = number, threading.local()

    @property
    def num_threads(self):
        return getattr(self._here, "number", self._number)

    def set_num_threads(self, number):
        self._here.number = number


def blas_with(monkeypatch, *controllers):
    blas = blas_threads._Blas()
    blas._libraries = [blas_threads._Library(controller) for controller in controllers]
    monkeypatch.setattr(blas_threads, "_BLAS", blas)


def one_thread():
    return blas_threads.threads_for((50, 50, 2), 100, 100)


@pytest.mark.parametrize("moment", ["before 1", "after 1", "before 2", "after 2"])
@pytest.mark.parametrize("which", [0, 1])
def test_an_interrupt_while_the_number_is_set_leaves_the_users(which, moment, monkeypatch):
    libraries = [Library(4), Library(8)]
    libraries[which].interrupted = moment
    blas_with(monkeypatch, *libraries)
    with pytest.raises(KeyboardInterrupt), one_thread():
        pass
    assert [library.num_threads for library in libraries] == [4, 8]
    with one_thread():
        assert [library.num_threads for library in libraries] == [1, 1]
    assert [library.num_threads for library in libraries] == [4, 8]


def test_where_each_python_thread_has_a_number_each_gets_its_own_back(monkeypatch):
    library = LibraryWithANumberForEachThread(4)
    blas_with(monkeypatch, library)
    seen = []

    def other():
        with one_thread():
            seen.append(library.num_threads)
        seen.append(library.num_threads)

    with one_thread():
        with one_thread():
            in_thread(other).join()
        seen.append(library.num_threads)
    assert seen == [1, 4, 1]
    assert library.num_threads == 4


def test_a_library_on_one_thread_is_left_alone(monkeypatch):
    library = Library(1)
    blas_with(monkeypatch, library)
    estimators.mlp(hidden_layer_sizes=(50,)).fit(X, Y)
    assert library.n_calls == 0


def test_without_a_library_that_can_be_controlled_nothing_happens(monkeypatch):
    blas_with(monkeypatch)
    estimators.mlp(hidden_layer_sizes=(50,)).fit(X, Y).predict(X)


# Several threads and processes


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def test_the_first_of_two_fits_to_end_does_not_lift_the_limit_of_the_other():
    both_train, first_ended = threading.Barrier(2), threading.Event()
    short = Seen(both_train.wait)
    long = Seen(lambda: (both_train.wait(), first_ended.wait()))
    threads = [in_thread(mlp(seen).set_params(max_iter=1).fit, X, Y) for seen in (short, long)]
    threads[0].join()
    assert all_are(1)
    first_ended.set()
    threads[1].join()
    assert short.numbers == long.numbers == [[1]]
    assert all_are(2)


def test_many_predictions_at_once_leave_the_users_number():
    clf = estimators.mlp(hidden_layer_sizes=(50,)).fit(X, Y)
    expected = clf.predict_proba(X)
    results = []

    def predict():
        for _ in range(50):
            results.append(np.array_equal(clf.predict_proba(X), expected))

    for thread in [in_thread(predict) for _ in range(4)]:
        thread.join()
    assert results == [True] * 200
    assert all_are(2)


FORK = """
import os, sys, threading, warnings
import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits
from skscratch import blas_threads

warnings.simplefilter("ignore")  # newer Pythons warn of every fork in a process with threads
libraries = ThreadpoolController().select(user_api="blas").lib_controllers
held, forked = threading.Event(), threading.Event()

def hold():
    with blas_threads.threads_for((50, 50, 2), 100, 100):
        held.set()
        forked.wait()

with threadpool_limits(2, user_api="blas"):
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        number, = {library.num_threads for library in libraries}
        with blas_threads.threads_for((50, 50, 2), 100, 100):
            within, = {library.num_threads for library in libraries}
        after, = {library.num_threads for library in libraries}
        os._exit(100 * number + 10 * within + after)
    _, status = os.waitpid(child, 0)
    forked.set()
    thread.join()
    print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_forked_during_training_in_another_thread_has_the_users_number():
    assert run(FORK, threads=2) == "212"


FIT = """
import hashlib, warnings
import numpy as np
from skscratch import ScratchMLPClassifier

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
y = rng.integers(10, size=700)
wide, narrow = rng.normal(size=(700, 785)).astype(np.float32), rng.normal(size=(700, 8))
for X, params in (
    (wide, {}),
    (wide, {"early_stopping": True}),
    (wide, {"solver": "adam"}),
    (wide, {"solver": "lbfgs", "max_grad_norm": None}),
    (narrow, {"hidden_layer_sizes": 8}),
):
    clf = ScratchMLPClassifier(**{"max_iter": 12, "random_state": 0, **params}).fit(X, y)
    arrays = [*clf.coefs_, *clf.intercepts_, clf.predict_proba(X), clf.predict_proba(X[:1])]
    print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


def run(program, threads):
    """Return what a program prints in a new process whose BLAS has this number of threads."""
    variables = {
        name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_bits_do_not_depend_on_the_number_of_threads():
    one, two = (run(FIT, threads) for threads in (1, 2))
    assert len(one.split()) == 5
    assert one == two
