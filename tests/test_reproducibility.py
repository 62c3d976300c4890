"""The same seed gives the same bits on every run; predictions in several threads leave each other alone."""

import functools
import hashlib
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import estimators
import numpy as np
import pytest
from estimators import data

mlp = functools.partial(estimators.mlp, learning_rate="one_cycle", max_iter=5)

TRAININGS = {
    "sgd": {},
    "sgd, rows in order": {"shuffle": False},
    "early stopping": {"early_stopping": True},
    "adam": {"solver": "adam"},
    "dropout": {"dropout": 0.3},
    "lbfgs": {
        "solver": "lbfgs",
        "batch_size": "auto",
        "learning_rate_init": "auto",
        "n_iter_no_change": "auto",
        "tol": 1e6,
    },
}


def digest(clf, X):
    parts = [*clf.coefs_, *clf.intercepts_, np.array(clf.loss_curve_), clf.predict_proba(X)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


@pytest.mark.parametrize("params", TRAININGS.values(), ids=TRAININGS)
def test_the_same_seed_gives_the_same_bits(params):
    X, y = data()
    digests = {digest(mlp(**params).fit(X, y), X) for _ in range(3)}
    clf = mlp(**params).fit(X[:60], y[:60])
    digests.add(digest(clf.fit(X, y), X))  # a second fit remembers nothing of the first
    assert len(digests) == 1


@pytest.mark.parametrize("params", TRAININGS.values(), ids=TRAININGS)
def test_another_seed_gives_other_bits(params):
    X, y = data()
    assert len({digest(mlp(random_state=seed, **params).fit(X, y), X) for seed in range(4)}) == 4


def test_the_same_seed_gives_the_same_bits_in_another_process():
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import test_reproducibility as here
X, y = here.data()
print([here.digest(here.mlp(**params).fit(X, y), X) for params in here.TRAININGS.values()])
"""
    X, y = data()
    expected = str([digest(mlp(**params).fit(X, y), X) for params in TRAININGS.values()])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def global_state():
    name, key, position, *gauss = np.random.get_state()  # noqa: NPY002 - the very state that must not move
    return name, key.tolist(), position, gauss, random.getstate()


@pytest.mark.parametrize("params", TRAININGS.values(), ids=TRAININGS)
def test_no_global_random_state_is_used_or_moved(params):
    X, y = data()
    digests = set()
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        before = global_state()
        digests.add(digest(mlp(**params).fit(X, y), X))
        assert global_state() == before
    assert len(digests) == 1


def test_equal_random_states_give_equal_bits_and_one_gives_new_ones_each_time():
    X, y = data()
    one, other = np.random.RandomState(3), np.random.RandomState(3)
    first = digest(mlp(random_state=one).fit(X, y), X)
    assert digest(mlp(random_state=other).fit(X, y), X) == first
    assert digest(mlp(random_state=one).fit(X, y), X) != first


def test_without_a_seed_every_fit_is_another_one():
    X, y = data()
    clf = mlp(random_state=None)
    assert digest(clf.fit(X, y), X) != digest(clf.fit(X, y), X)


def test_prediction_draws_nothing():
    X, y = data()
    clf = mlp(dropout=0.5).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_precisions_start_from_the_same_weights(dtype):
    X, y = data()
    clf = mlp(learning_rate=lambda fraction: 0.0, max_iter=1).fit(X.astype(dtype), y)
    reference = mlp(learning_rate=lambda fraction: 0.0, max_iter=1).fit(X, y)
    for ours, theirs in zip(clf.coefs_, reference.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs.astype(dtype))


def test_other_rows_or_options_leave_the_initial_weights_alone():
    X, y = data()
    still = {"learning_rate": lambda fraction: 0.0, "max_iter": 1}
    reference = mlp(**still).fit(X, y)
    for clf in (
        mlp(**still, shuffle=False).fit(X, y),
        mlp(**still, early_stopping=True).fit(X, y),
        mlp(**still, batch_size=3).fit(X[:50] + 1, y[:50]),
        mlp(**still, solver="adam").fit(X, y),
    ):
        np.testing.assert_array_equal(clf.coefs_[0], reference.coefs_[0])


# Threads


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_predict_is_safe_to_call_from_several_threads_at_once(n_classes, method):
    X, y = data()
    clf = mlp(hidden_layer_sizes=(50, 50)).fit(X, np.minimum(y, n_classes - 1))
    rng = np.random.default_rng(1)
    parts = [rng.normal(size=(n, 4)) for n in rng.integers(1, 3000, size=60)]
    expected = [getattr(clf, method)(part) for part in parts]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(getattr(clf, method), parts))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_estimators_train_side_by_side_in_threads():
    X, y = data(n=400)
    seeds = range(12)
    expected = [digest(mlp(random_state=seed).fit(X, y), X) for seed in seeds]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda seed: digest(mlp(random_state=seed).fit(X, y), X), seeds))
    assert found == expected
