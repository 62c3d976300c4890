"""The scale-out examples on real engines: Dask workers, Parquet, memory maps, Optuna, successive halving."""

import gc
import importlib.util
import os
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score

from skscratch import ScratchMLPClassifier

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    """Import an example; the search engines' own imports come with it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def test_a_grid_search_runs_on_dask_workers(digits):
    pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    scale_dask = example("scale_dask")
    grid = {"scratchmlpclassifier__hidden_layer_sizes": [(8,), (16, 8)]}
    # A score that tells which process computed it.
    scoring = {"accuracy": "accuracy", "process": lambda mlp, X, y: os.getpid()}
    options = {"max_iter": 3, "scoring": scoring, "refit": "accuracy"}
    there = scale_dask.search_on_cluster(scale_dask.make_search(grid, **options), *digits)
    here = scale_dask.make_search(grid, **options).fit(*digits)
    processes = {int(there.cv_results_[f"split{i}_test_process"][j]) for i in range(3) for j in range(2)}
    assert os.getpid() not in processes
    assert set(here.cv_results_["split0_test_process"]) == {os.getpid()}
    for split in range(3):
        name = f"split{split}_test_accuracy"
        assert_array_equal(there.cv_results_[name], here.cv_results_[name])
    assert_array_equal(there.predict_proba(digits[0]), here.predict_proba(digits[0]))


@pytest.fixture(scope="module")
def out_of_core():
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return example("scale_out_of_core")


@pytest.fixture(scope="module")
def files(out_of_core, tmp_path_factory):
    return out_of_core.write_files(tmp_path_factory.mktemp("rows"), 60_000)


def peak_bytes(train):
    """Return a trained model and the most memory that Python and NumPy took at once while it was trained."""
    # What is imported at first use is no part of it.
    train()
    tracemalloc.start()
    try:
        return train(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_parquet_is_streamed(out_of_core, files):
    mlp, peak = peak_bytes(lambda: out_of_core.stream(files[0], n_epochs=2))
    assert mlp.t_ == 2 * 60_000
    assert mlp.score(*out_of_core.draw_rows(5_000, seed=10**6)) > 0.85
    # Two portions at most: the one that is trained on, and the one that is read.
    portion = out_of_core.ROWS_AT_ONCE * out_of_core.N_FEATURES * 4
    assert peak < 2 * portion + 2**21


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_portion_is_let_go_at_once(out_of_core, method):
    """Nothing in the model or in circles of references keeps the rows alive."""
    X, y = out_of_core.draw_rows(1_000, seed=0)
    mlp = ScratchMLPClassifier(5, max_iter=2, n_iter_no_change=np.inf)
    gc.disable()
    try:
        mlp.fit(X, y) if method == "fit" else mlp.partial_fit(X, y, classes=[0, 1, 2])
        rows = weakref.ref(X)
        del X
        assert rows() is None
    finally:
        gc.enable()


def test_a_stream_equals_the_same_portions_in_memory(out_of_core, files):
    X, y = np.load(files[1]), np.load(files[2])
    one = ScratchMLPClassifier(64, solver="adam", alpha=1e-5, batch_size=100, random_state=0)
    for start in range(0, len(X), out_of_core.ROWS_AT_ONCE):
        rows = slice(start, start + out_of_core.ROWS_AT_ONCE)
        one.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    streamed = out_of_core.stream(files[0], n_epochs=1)
    for ours, theirs in zip(one.coefs_, streamed.coefs_, strict=True):
        assert_array_equal(theirs, ours)


def test_a_memory_map_is_never_copied(out_of_core, files):
    mlp, peak = peak_bytes(lambda: out_of_core.fit_mapped(files[1], files[2], n_epochs=2))
    assert mlp.score(*out_of_core.draw_rows(5_000, seed=10**6)) > 0.85
    # X in the file is 4.8 MB.
    assert peak < 0.9 * files[1].stat().st_size
    in_memory = ScratchMLPClassifier(**mlp.get_params()).fit(np.load(files[1]), np.load(files[2]))
    for ours, theirs in zip(in_memory.coefs_, mlp.coefs_, strict=True):
        assert_array_equal(theirs, ours)


def test_the_out_of_core_example(out_of_core, capsys):
    assert min(out_of_core.main(n_rows=30_000)) > 0.8
    assert "30,000 rows" in capsys.readouterr().out


# Optuna's search for scikit-learn is marked as experimental, and uses a module that Optuna itself deprecates.
@pytest.mark.filterwarnings("ignore:OptunaSearchCV is experimental")
@pytest.mark.filterwarnings("ignore:`optuna.terminator` module has been deprecated:FutureWarning")
def test_optuna_prunes_trials_between_epochs(digits):
    pytest.importorskip("optuna_integration", reason="optuna and optuna-integration are not installed")
    scale_optuna = example("scale_optuna")
    scale_optuna.optuna.logging.set_verbosity(scale_optuna.optuna.logging.WARNING)
    search = scale_optuna.make_search(n_trials=12, max_iter=6).fit(*digits)
    states = [trial.state.name for trial in search.trials_]
    assert set(states) == {"COMPLETE", "PRUNED"}
    for trial in search.trials_:
        assert trial.state.name == "PRUNED" or trial.last_step == 5
    assert min(trial.last_step for trial in search.trials_) < 5
    # The score of six calls of partial_fit is that of fit with six epochs.
    best = scale_optuna.make_search(max_iter=6).estimator.set_params(**search.best_params_)
    assert_allclose(search.best_score_, cross_val_score(best, *digits, cv=3).mean(), rtol=1e-12)
    assert search.best_estimator_.n_iter_ == 6


def test_halving_with_epochs_as_the_resource(digits):
    scale_halving = example("scale_halving")
    grid = {
        "scratchmlpclassifier__hidden_layer_sizes": [(8,), (16,), (32,)],
        "scratchmlpclassifier__learning_rate_init": [1e-4, 0.01, 0.1],
    }
    search = scale_halving.make_search(grid, min_epochs=2, max_epochs=18, n_jobs=1).fit(*digits)
    assert search.n_candidates_ == [9, 3, 1]
    assert search.n_resources_ == [2, 6, 18]
    assert search.best_estimator_[-1].n_iter_ == 18
    assert search.best_params_["scratchmlpclassifier__learning_rate_init"] != 1e-4
    assert search.score(*digits) > 0.9
