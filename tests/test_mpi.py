"""Data-parallel training on real MPI ranks, compared with one process on the same global batches."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections import defaultdict
from pathlib import Path

import mpi_program
import numpy as np
import pytest
import textbook
from builders import make_rows
from mpi_program import BATCH_SIZE, CASES, MISTAKES, RAGGED, SAME_AS_ONE, SIZE
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import parallel
from skscratch.alpha_selection import HIGHEST, LOWEST, leave_one_out_increase
from skscratch.callbacks import ProgressPrinter
from skscratch.losses import LOSSES
from skscratch.parallel import MPICommunicator, data_parallel
from skscratch.settings import rows_per_batch
from skscratch.targets import ClassEncoding

MPIEXEC = shutil.which("mpiexec", path=sysconfig.get_path("scripts")) or shutil.which("mpiexec")


EXAMPLE = Path(__file__).parents[1] / "examples" / "scale_mpi.py"


def run_on_ranks(n_ranks, *arguments):
    program = [sys.executable, "-m", "mpi4py", *map(str, arguments)]
    # One thread for each rank: the machine's cores are for the ranks.
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [MPIEXEC, "-n", str(n_ranks), *program], env=env, timeout=300, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def everyones(tmp_path_factory):
    """Return what each rank wrote down; the ranks are started once for all tests."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    if MPIEXEC is None:
        pytest.skip("no mpiexec: no MPI library is installed")
    folder = tmp_path_factory.mktemp("ranks")
    done = run_on_ranks(SIZE, mpi_program.__file__, folder)
    assert done.returncode == 0, done.stderr
    return [pickle.loads(Path(folder, f"rank{rank}.pickle").read_bytes()) for rank in range(SIZE)]


@pytest.fixture
def ranks(everyones):
    """Return a function that gives what the ranks have for a case."""
    return lambda case: [results[case] for results, _ in everyones]


def assert_like_one(got, one, rtol=1e-9):
    expected = mpi_program.facts(one)
    assert_allclose(got["theta"], expected["theta"], rtol=rtol, atol=rtol)
    for name in ("n_iter_", "t_", "best_iter_", "batch_size_", "learning_rate_init_", "n_iter_no_change_"):
        assert got[name] == expected[name], name
    assert_allclose(got["loss_curve_"], expected["loss_curve_"], rtol=rtol)
    assert_array_equal(got["classes_"], expected["classes_"])


@pytest.mark.parametrize("case", CASES)
def test_all_ranks_hold_the_same_bits(ranks, case):
    first, *others = ranks(case)
    for other in others:
        assert_array_equal(other["theta"], first["theta"])
        assert other["loss_curve_"] == first["loss_curve_"]
        assert other["validation_loss_curve_"] == first["validation_loss_curve_"]
        assert other["n_iter_"] == first["n_iter_"]
        assert other["alpha_"] == first["alpha_"]
        for name, vector in (first["memory"] or {}).items():
            assert_array_equal(other["memory"][name], vector)


@pytest.mark.parametrize("case", SAME_AS_ONE)
def test_ranks_do_what_one_process_does(ranks, case):
    kind, one = mpi_program.mlp_like_one(case)
    one.fit(*mpi_program.make_data(kind))
    # L-BFGS chooses its steps by the values it meets, so rounding goes further there.
    assert_like_one(ranks(case)[0], one, rtol=1e-5 if case == "lbfgs" else 1e-9)


def test_the_patient_cases_end_before_their_last_epoch(ranks):
    assert 2 < ranks("patience")[0]["n_iter_"] < 100
    assert 2 < ranks("adaptive")[0]["n_iter_"] < 60


def test_float32_stays_float32(ranks):
    one = mpi_program.make_mlp().fit(*mpi_program.make_data("multiclass", dtype=np.float32))
    got = ranks("float32")[0]
    assert got["theta"].dtype == np.float32
    assert_like_one(got, one, rtol=1e-4)


def test_the_automatic_batch_size_counts_the_rows_of_all_ranks(ranks):
    assert rows_per_batch("auto", 6144) == 96
    one = mpi_program.make_mlp(batch_size=96, max_iter=2).fit(*mpi_program.make_data("binary", 6144))
    assert_like_one(ranks("automatic_batch_size")[0], one)
    assert one.batch_size_ == 96


def test_rows_without_weights_weigh_one_beside_a_rank_with_weights(ranks):
    X, y, w = mpi_program.make_data("multiclass")
    weights, here = np.ones_like(w), mpi_program.rows_of(1)
    weights[here] = w[here]
    assert_like_one(ranks("weights_on_one_rank_only")[0], mpi_program.make_mlp().fit(X, y, weights))


def test_partial_fit_resumes_on_all_ranks(ranks):
    one = mpi_program.make_mlp(max_iter=3).fit(*mpi_program.make_data("multiclass"))
    assert_like_one(ranks("partial_fit")[0], one)


def test_early_stopping_is_decided_on_the_validation_rows_of_all_ranks(ranks):
    X, y, w = mpi_program.make_data("multiclass")
    one = mpi_program.early_stopper().fit(
        X[:60], y[:60], w[:60], X_val=X[60:], y_val=y[60:], sample_weight_val=w[60:]
    )
    got = ranks("given_validation")[0]
    assert_like_one(got, one)
    assert_allclose(got["validation_loss_curve_"], one.validation_loss_curve_, rtol=1e-9)
    assert 1 < got["best_iter_"] < got["n_iter_"] < 60


def test_each_rank_splits_off_its_share(ranks):
    got = ranks("split_validation")[0]
    assert_array_equal(got["classes_"], [0, 1, 2])
    assert 0.6 * 90 <= got["rows_per_epoch"] <= 0.8 * 90


def test_the_only_row_of_a_class_stays_in_the_training_set_of_its_rank(ranks):
    got = ranks("a_class_of_one_row")[0]
    assert_array_equal(got["classes_"], [0, 1])
    # 30 rows are on each rank; a tenth of its class 0 is held out.
    assert got["rows_per_epoch"] == 90 - 3 * 3


def test_alpha_is_selected_on_the_rows_of_all_ranks(ranks):
    X, y, w = mpi_program.make_data("multiclass")
    one = mpi_program.make_mlp(learning_rate="one_cycle", max_iter=30)
    for _ in range(20):
        one.partial_fit(X, y, [0, 1, 2], w)
    got = ranks("selected_alpha")[0]
    # Until alpha is selected, training is the same. Each rank scales the curvature of its rows to all rows.
    assert_allclose(got["loss_curve_"][:20], one.loss_curve_, rtol=1e-9)
    network, loss, N = one._network(), LOSSES["multiclass"], w.sum() ** 2 / (w @ w)
    omega, gamma = w * N / w.sum(), 0.0
    for rank in range(SIZE):
        here = mpi_program.rows_of(rank)
        rows = make_rows(X[here], y[here], "multiclass")
        gamma += omega[here] @ leave_one_out_increase(
            network, loss, rows, omega[here], len(y) / len(here), 3.0
        )
    c = gamma / sum((W**2).sum() for W in one.coefs_)
    assert LOWEST < c < HIGHEST
    assert got["alpha_"] == pytest.approx(c / N, rel=1e-6)


def test_the_refit_takes_the_rows_of_all_ranks(ranks):
    got = ranks("refit")[0]
    assert got["n_iter_"] == 12
    assert len(got["refit_loss_curve_"]) == 4


def test_a_warning_that_depends_on_one_ranks_rows_keeps_nobody_waiting(ranks):
    everyone = ranks("hopeless_but_for_one_rank")
    warned = ["hardly better than guessing" in " ".join(got["warned"]) for got in everyone]
    assert warned == [False, False, True]


def test_ranks_that_run_out_of_rows_stand_by(ranks):
    """The textbook is given the global batches that the ranks drew."""
    n = sum(RAGGED)
    X, y, w = mpi_program.make_data("multiclass", n)
    shares = [round(BATCH_SIZE * n_here / n) for n_here in RAGGED]
    assert [-(-n_here // share) for n_here, share in zip(RAGGED, shares, strict=True)] == [3, 4, 4]
    ranks_orders = zip(*(got["orders"] for got in ranks("ragged_and_shuffled")), strict=True)
    orders = [
        np.concatenate([o[k * b : (k + 1) * b] for k in range(4) for o, b in zip(order, shares, strict=True)])
        for order in ranks_orders
    ]
    # With a rate that is lost in rounding, what was fitted is what training began with.
    one = mpi_program.make_mlp(learning_rate_init=1e-300, max_iter=1).fit(X, y)
    theta = [array.copy() for array in (*one.coefs_, *one.intercepts_)]
    network = textbook.Network(theta, ["tanh", "tanh"], "multiclass")
    curve = textbook.fit(
        network,
        X,
        np.eye(3)[y],
        w,
        orders=orders,
        etas=[0.05] * len(orders),
        batch_size=BATCH_SIZE,
        alpha=3 / textbook.effective_size(w),
    )
    got = ranks("ragged_and_shuffled")[0]
    assert_allclose(got["theta"], np.concatenate([a.ravel() for a in network.theta]), rtol=1e-9)
    assert_allclose(got["loss_curve_"], curve, rtol=1e-9)


def test_each_rank_draws_its_own_order(ranks):
    first = [got["orders"][0] for got in ranks("ragged_and_shuffled")]
    assert_array_equal(np.sort(np.concatenate(first)), np.arange(sum(RAGGED)))
    again = [got["orders"][1] for got in ranks("ragged_and_shuffled")]
    assert any((a != b).any() for a, b in zip(first, again, strict=True))


def test_classes_that_only_some_ranks_have_seen_are_known_to_all(ranks):
    for got in ranks("classes_here_and_there"):
        assert_array_equal(got["classes_"], ["ant", "bee", "caterpillar"])
        assert set(got["predicted"]) == {"ant", "bee", "caterpillar"}


def test_a_divergence_on_one_rank_is_met_by_all(ranks):
    everyone = ranks("divergence")
    assert 0 < everyone[0]["n_iter_"] < 50
    for got in everyone:
        assert any("diverged" in message for message in got["warned"])
        assert np.isfinite(got["theta"]).all()


@pytest.mark.parametrize("solver", mpi_program.STOPPING_SOLVERS)
def test_a_callback_that_stops_one_rank_stops_all(ranks, solver):
    assert [got["n_iter_"] for got in ranks(f"stopped {solver}")] == [3, 3, 3]


def test_an_ordinary_estimator_is_left(ranks):
    for got in ranks("an_ordinary_estimator_afterwards"):
        assert got["same"]
        assert got["rows"] == 5


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("different_dtypes", r"cannot train together; rank by rank, dtype: 'float64', 'float32', 'float64'"),
        ("different_features", r"number of parameters: 65, 71, 65"),
        ("different_labels", r"The ranks' y are incompatible"),
        ("another_score", r"scoring='accuracy' cannot be used in data-parallel training"),
        ("balanced", r"class_weight='balanced' cannot be used in data-parallel training"),
        ("different_epochs", r"rank by rank, max_iter: 5, 6, 7\. Only verbose and random_state may differ"),
        ("different_solvers", r"solver: 'sgd', 'lbfgs', 'lbfgs'"),
        ("a_row_of_each_class_per_rank", r"no rank has 2 rows of the same class .*n_samples = 6 on 3 ranks"),
    ],
)
def test_a_mistake_is_an_error_on_every_rank(everyones, mistake, message):
    assert mistake in MISTAKES
    for _, messages in everyones:
        with pytest.raises(ValueError, match=message):
            raise ValueError(messages[mistake])


def test_an_error_on_one_rank_ends_all_of_them(everyones):
    done = run_on_ranks(2, mpi_program.__file__, "--fail")
    assert done.returncode != 0
    assert "sample_weight holds negative values" in done.stderr


def test_the_example(everyones):
    done = run_on_ranks(2, EXAMPLE)
    assert done.returncode == 0, done.stderr
    assert "2 ranks, 674 rows on the first" in done.stdout
    assert "all ranks hold the same network: True" in done.stdout
    assert float(done.stdout.split("test accuracy:")[1]) > 0.95


def test_without_mpi4py_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"skscratch\[mpi\]"), data_parallel(mpi_program.make_mlp()):
        pass


# Ranks that are threads: the same as real ones, but for what carries the messages


class Threads:
    """Carries messages between threads; whoever waits in vain gets an error."""

    def __init__(self, size):
        self.size, self.rounds, self.change = size, defaultdict(dict), threading.Condition()
        self.is_broken = False

    def exchange(self, rank, number, message):
        """Return the messages that all ranks bring to the round of this number."""
        here = self.rounds[number]
        with self.change:
            here[rank] = message
            self.change.notify_all()
            self.change.wait_for(lambda: self.is_broken or len(here) == self.size, timeout=60)
        if len(here) < self.size:
            raise TimeoutError(f"rank {rank} waits in vain")
        return [here[each] for each in range(self.size)]

    def give_up(self):
        with self.change:
            self.is_broken = True
            self.change.notify_all()


class ThreadComm:
    """The part of an MPI communicator that skscratch uses. As the real one, it cannot be pickled."""

    def __init__(self, threads, rank):
        self._threads, self.rank, self._number = threads, rank, 0

    def __reduce__(self):
        raise TypeError("cannot pickle a communicator")

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self._threads.size

    def allgather(self, message):
        self._number += 1
        everyones = self._threads.exchange(self.rank, self._number, pickle.dumps(message))
        return [pickle.loads(each) for each in everyones]

    def Bcast(self, array, root):
        array[...] = self.allgather(array)[root]

    def Allreduce(self, here, total):
        total[...] = sum(self.allgather(here))


def on_threads(size, task):
    """Return what ``task(comm)`` returns on each rank, or the error that it raises there."""
    threads, results = Threads(size), [None] * size

    def work(rank):
        try:
            results[rank] = task(ThreadComm(threads, rank))
        except Exception as error:
            results[rank] = error
        threads.give_up()

    workers = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def fit_on_threads(mlps, data, **more):
    """Fit one estimator on each rank, with its own (X, y); return them, or the errors."""

    def task(comm):
        own = {name: values[comm.rank] for name, values in more.items()}
        with data_parallel(mlps[comm.rank], comm) as mlp:
            return mlp.fit(*data[comm.rank], **own)

    return on_threads(len(mlps), task)


def assert_all_raise(results, message):
    for error in results:
        with pytest.raises(ValueError, match=message):
            raise error


def theta_of(mlp):
    return np.concatenate([array.ravel() for array in (*mlp.coefs_, *mlp.intercepts_)])


def parts_of(kind="binary", size=2):
    X, y, _ = mpi_program.make_data(kind)
    return [(X[rank::size], y[rank::size]) for rank in range(size)]


def small(**params):
    return mpi_program.make_mlp(**{"hidden_layer_sizes": 3, "max_iter": 2} | params)


@pytest.mark.parametrize(
    ("mine", "theirs", "message"),
    [
        ({"activation": "relu"}, {"activation": "tanh"}, r"rank by rank, activation: 'relu', 'tanh'\. Only"),
        (
            {"hidden_layer_sizes": 4},
            {"hidden_layer_sizes": [4, 2]},
            r"hidden_layer_sizes: 4, \[4, 2\]\. Only",
        ),
        ({"alpha": 0.1, "tol": 0}, {}, r"alpha: 0\.1, 'auto'; tol: 0, 0\.0001\. Only"),
        ({"class_weight": {0: 1, 1: 2}}, {}, r"class_weight: \{0: 1, 1: 2\}, None\. Only"),
        ({"learning_rate": abs}, {"learning_rate": round}, r"learning_rate: 'abs', 'round'\. Only"),
        ({"learning_rate": abs}, {}, r"learning_rate: 'abs', 'constant'\. Only"),
        ({"early_stopping": True}, {}, r"early_stopping: True, False\. Only"),
        ({"warm_start": True}, {}, r"warm_start: True, False\. Only"),
    ],
)
def test_parameters_that_differ_are_named_on_every_rank(mine, theirs, message):
    mlps = small(**mine), small(**theirs)
    assert_all_raise(fit_on_threads(mlps, parts_of()), message)
    assert not any(hasattr(mlp, "coefs_") for mlp in mlps)


def test_a_validation_set_that_is_only_recorded_is_that_of_all_ranks():
    parts = parts_of()
    val = {"X_val": [X[:9] for X, _ in parts], "y_val": [y[:9] for _, y in parts]}
    alone, _ = fit_on_threads([small(), small()], parts)
    one, other = fit_on_threads([small(), small()], parts, **val)
    assert_array_equal(theta_of(one), theta_of(alone))
    assert one.validation_loss_curve_ == other.validation_loss_curve_
    X_val, y_val = np.concatenate(val["X_val"]), np.concatenate(val["y_val"])
    expected = log_loss(y_val, one.predict_proba(X_val))
    assert one.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)
    scored = fit_on_threads([small(scoring="accuracy") for _ in range(2)], parts, **val)
    assert_all_raise(scored, "scoring='accuracy' cannot be used in data-parallel training")


def test_the_sample_size_counts_the_parts_of_all_ranks():
    parts, mlps = parts_of(), [small(), small()]

    def task(comm):
        X, y = parts[comm.rank]
        with data_parallel(mlps[comm.rank], comm) as mlp:
            for i in (0, 5, 0, *range(5, len(X), 5)):
                mlp.partial_fit(X[i : i + 5], y[i : i + 5], [0, 1])
            return mlp

    one, other = on_threads(2, task)
    assert one.alpha_ == other.alpha_ == pytest.approx(3 / 90 * 10 / 32, rel=1e-12)
    assert_array_equal(theta_of(one), theta_of(other))


def test_parameters_are_compared_by_their_meaning():
    mlps = (
        small(hidden_layer_sizes=(4, 2), class_weight={0: 1, 1: 2.5}, learning_rate=lambda t: 1 - t),
        small(
            hidden_layer_sizes=np.array([4, 2]),
            class_weight={np.int64(1): np.float64(2.5), np.int64(0): 1.0},
            learning_rate=lambda t: 1 - t,
            max_iter=np.int32(2),
        ),
    )
    one, other = fit_on_threads(mlps, parts_of())
    assert_array_equal(theta_of(one), theta_of(other))


@pytest.mark.parametrize("seeds", [(0, 1), (None, 5), (np.random.RandomState(1), None)])
def test_the_seed_and_verbose_may_differ(seeds, capsys):
    mlps = [small(random_state=seed, verbose=rank, shuffle=True) for rank, seed in enumerate(seeds)]
    one, other = fit_on_threads(mlps, parts_of())
    assert_array_equal(theta_of(one), theta_of(other))
    assert capsys.readouterr().out.count("Epoch") == 2


def test_partial_fit_compares_parameters_in_every_call():
    def task(comm):
        with data_parallel(small(), comm) as mlp:
            mlp.partial_fit(*parts_of()[comm.rank], classes=[0, 1])
            mlp.set_params(learning_rate_init=0.1 * (1 + comm.rank))
            return mlp.partial_fit(*parts_of()[comm.rank])

    assert_all_raise(on_threads(2, task), r"learning_rate_init: 0\.1, 0\.2\. Only")


def test_partial_fit_compares_the_classes():
    def task(comm):
        with data_parallel(small(), comm) as mlp:
            return mlp.partial_fit(*parts_of()[comm.rank], classes=[0, 1, 2 + comm.rank])

    assert_all_raise(on_threads(2, task), r"rank by rank, classes: \[0, 1, 2\], \[0, 1, 3\]\. Give")


def test_partial_fit_compares_the_kind_of_y():
    X, y, _ = mpi_program.make_data("multiclass")
    ys = y, np.eye(3, dtype=int)[y]

    def task(comm):
        with data_parallel(small(), comm) as mlp:
            return mlp.partial_fit(X, ys[comm.rank], classes=[0, 1, 2])

    assert_all_raise(on_threads(2, task), r"kind of y: 'multiclass', 'multilabel'\. Give")


def test_training_resumes_from_the_same_model_only():
    fitted = small(warm_start=True).fit(*parts_of()[0])
    results = fit_on_threads([fitted, small(warm_start=True)], parts_of())
    assert_all_raise(results, r"rank by rank, .*epoch: 2, 0; .*to resume training, the same model")


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_ranks_that_trained_apart_resume_with_the_first_ones_model(solver):
    """Its optimizer's vectors, too: with their own ones the ranks would part again."""
    mlps = [
        small(solver=solver, warm_start=True).fit(X_here, y_here)
        for X_here, y_here in [tuple(a[:40] for a in part) for part in parts_of()]
    ]
    one, other = fit_on_threads(mlps, parts_of())
    assert_array_equal(theta_of(one), theta_of(other))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("y", [[0, 1], [[0, 1]]], ids=["classes", "table"])
def test_a_split_that_gives_no_validation_row_anywhere_is_refused(size, y):
    X = np.random.default_rng(0).normal(size=(len(y), 4))
    results = fit_on_threads([small(early_stopping=True) for _ in range(size)], [(X, y)] * size)
    n = len(y) * size
    needed = "2 rows of the same class" if np.ndim(y) == 1 else "2 rows"
    message = rf"no rank has {needed} with a positive .*n_samples = {n} on {size} ranks.*pass X_val and y_val"
    assert_all_raise(results, message)


@pytest.mark.parametrize("class_weight", [None, {0: 1, 1: 2}])
def test_a_split_that_gives_a_validation_row_somewhere_is_enough(class_weight):
    X, y = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 1, 0, 0, 1])
    mlps = [small(early_stopping=True, class_weight=class_weight) for _ in range(2)]
    one, other = fit_on_threads(mlps, [(X[:2], y[:2]), (X[2:], y[2:])])
    assert one.t_ / one.n_iter_ == 4
    assert_array_equal(theta_of(one), theta_of(other))
    assert one.validation_loss_curve_ == other.validation_loss_curve_


def test_class_weights_that_leave_one_rank_without_rows():
    X, y = parts_of()[0]
    mlps = [small(class_weight={0: 0, 1: 1, 2: 1}) for _ in range(2)]
    one, other = fit_on_threads(mlps, [(X, np.zeros_like(y)), (X, 1 + y)])
    assert one.t_ == 2 * len(X)
    assert_array_equal(theta_of(one), theta_of(other))
    mlps = [small(class_weight={0: 0, 1: 0, 2: 0}) for _ in range(2)]
    results = fit_on_threads(mlps, [(X, np.zeros_like(y)), (X, 1 + y)])
    assert_all_raise(results, r"gives every row weight 0")


def test_a_clone_inside_the_block_is_refused():
    X, y = parts_of()[0]
    with data_parallel(small(), ThreadComm(Threads(1), 0)) as mlp:
        for train in (
            lambda: clone(mlp),
            lambda: clone(make_pipeline(StandardScaler(), mlp)),
            lambda: GridSearchCV(mlp, {"alpha": [0.1, 1]}).fit(X, y),
            lambda: cross_val_score(mlp, X, y),
            lambda: BaggingClassifier(mlp, n_estimators=2).fit(X, y),
        ):
            with pytest.raises(ValueError, match=r"clone .* inside data_parallel would train alone on every"):
                train()
    assert clone(mlp).get_params() == mlp.get_params()


def test_a_pipeline_trains_its_last_step_together_with_the_other_ranks():
    def task(comm):
        with data_parallel(small(), comm) as mlp:
            make_pipeline("passthrough", mlp).fit(*parts_of()[comm.rank])
        return mlp

    one, other = on_threads(2, task)
    assert_array_equal(theta_of(one), theta_of(other))
    assert one.t_ == 2 * 90


def test_another_estimator_is_refused():
    pipeline = make_pipeline(StandardScaler(), small())
    with pytest.raises(TypeError, match=r"needs a ScratchMLPClassifier, got Pipeline.*pass the last step"):
        data_parallel(pipeline, ThreadComm(Threads(1), 0)).__enter__()


@pytest.mark.parametrize("duplicate", [lambda mlp: pickle.loads(pickle.dumps(mlp)), copy.deepcopy, copy.copy])
def test_copies_made_inside_the_block_belong_to_no_team(duplicate):
    X, y = parts_of()[0]
    with data_parallel(small(), ThreadComm(Threads(1), 0)) as mlp:
        mlp.partial_fit(X, y, classes=[0, 1])
        kept = duplicate(mlp)
        mlp.partial_fit(X, y)
    assert "_team" not in vars(kept)
    with data_parallel(kept, ThreadComm(Threads(1), 0)):
        kept.partial_fit(X, y)
    assert_array_equal(theta_of(kept), theta_of(mlp))


def test_a_block_inside_another_is_refused_and_the_outer_one_continues():
    def task(comm):
        with data_parallel(small(), comm) as mlp:
            with pytest.raises(ValueError, match=r"is already inside a data_parallel block"):
                data_parallel(mlp, comm).__enter__()
            mlp.fit(*parts_of()[comm.rank])
        return mlp

    one, other = on_threads(2, task)
    assert_array_equal(theta_of(one), theta_of(other))
    assert one.t_ == 2 * 90


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"class_weight": "balanced"}, r"class_weight='balanced' cannot be used in data-parallel"),
        (
            {"early_stopping": True, "scoring": "accuracy"},
            r"scoring='accuracy' cannot be used in data-parallel",
        ),
    ],
)
def test_what_is_refused_at_the_entry_is_refused_inside(params, message):
    X, y = parts_of()[0]
    with pytest.raises(ValueError, match=message):
        data_parallel(small(**params), ThreadComm(Threads(1), 0)).__enter__()
    with data_parallel(small(), ThreadComm(Threads(1), 0)) as mlp:
        mlp.set_params(**params)
        with pytest.raises(ValueError, match=message):
            mlp.fit(X, y)


def test_validation_rows_on_one_rank_only():
    data = parts_of()
    mlps = [small(early_stopping=True) for _ in range(2)]
    results = fit_on_threads(mlps, data, X_val=[None, data[1][0]], y_val=[None, data[1][1]])
    assert_all_raise(results, r"rank by rank, X_val is passed: False, True; y_val is passed: False, True\.")


@pytest.mark.parametrize(
    ("labels", "others", "dtype"),
    [
        (np.array([-1, 0, 1]), np.array([0, 1, 200], np.uint8), np.int64),
        (np.array([-1, 0, 1], np.int8), np.array([0, 1, 2], np.uint16), np.int32),
        (np.array([-1, 2**60 + 1], np.int64), np.array([1, 2**60], np.uint64), np.int64),
        (np.array([1, 2], np.int64), np.array([1, 2**63 + 1], np.uint64), np.uint64),
    ],
)
def test_integer_labels_of_all_sizes_go_together(labels, others, dtype):
    def task(comm):
        here = (labels, others)[comm.rank]
        return MPICommunicator(comm).union(ClassEncoding.from_classes(here, multilabel=False)).classes

    for classes in on_threads(2, task):
        assert classes.tolist() == sorted({*labels.tolist(), *others.tolist()})
        assert classes.dtype == dtype


def test_signed_labels_beside_unsigned_ones_train_one_network():
    (X, y), (X2, y2) = parts_of()
    one, other = fit_on_threads([small(), small()], [(X, y.astype(np.int64)), (X2, y2.astype(np.uint8))])
    assert_array_equal(theta_of(one), theta_of(other))
    assert_array_equal(one.classes_, [0, 1])


@pytest.mark.parametrize(
    ("mine", "theirs", "message"),
    [
        (np.array([-1, 1]), np.array([1, 2**63], np.uint64), r"range from -1 to 9223372036854775808, and no"),
        (np.array([0, 1]), np.array(["0", "1"]), r"\[0, 1\] \(int64\), \['0', '1'\] \(<U1\)\. Give every"),
        (np.array([0, 1]), np.eye(2, dtype=int), r"\[0, 1\] \(int64\), a table\. Give every rank labels of"),
        (np.eye(3, dtype=int), np.eye(2, dtype=int), r"different numbers of columns, rank by rank 3, 2\."),
    ],
)
def test_labels_that_do_not_go_together(mine, theirs, message):
    data = [(np.random.default_rng(0).normal(size=(len(y), 4)), y) for y in (mine, theirs)]
    assert_all_raise(fit_on_threads([small(), small()], data), message)


@pytest.mark.parametrize("params", [{}, mpi_program.LBFGS_ONLY | {"solver": "lbfgs", "alpha": 0.1}])
def test_an_interrupt_in_a_team_is_an_error(params, monkeypatch):
    """The other ranks know nothing of it; as an error it ends them."""
    X, y = parts_of()[0]

    class Elsewhere(MPICommunicator):
        size = property(lambda self: 2, lambda self, size: None)

    def interrupt(printer, report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressPrinter, "on_epoch_end", interrupt)
    monkeypatch.setattr(parallel, "MPICommunicator", Elsewhere)
    with data_parallel(small(verbose=1, **params), ThreadComm(Threads(1), 0)) as mlp:
        with pytest.raises(KeyboardInterrupt):
            mlp.set_params(max_iter=5).fit(X, y)
    assert not hasattr(mlp, "coefs_")


@pytest.mark.parametrize(
    ("n_rows", "weights", "message"),
    [(0, None, r"0 sample"), (5, np.zeros(5), r"All weights in sample_weight are zero")],
)
def test_a_rank_without_rows_or_weights_is_refused(n_rows, weights, message):
    X, y = parts_of()[0]
    with data_parallel(small(), ThreadComm(Threads(1), 0)) as mlp, pytest.raises(ValueError, match=message):
        mlp.fit(X[:n_rows], y[:n_rows], weights)
