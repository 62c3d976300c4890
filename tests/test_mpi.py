"""Data-parallel training on real MPI ranks, held against one process that is given the same joint batches."""

import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import mpi_program
import numpy as np
import pytest
import textbook
from builders import make_rows
from mpi_program import BATCH_SIZE, CASES, MISTAKES, RAGGED, SAME_AS_ONE, SIZE
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.losses import LOSSES
from skscratch.parallel import data_parallel
from skscratch.parameters import rows_per_batch
from skscratch.penalty import HIGHEST, LOWEST, left_out

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
    for name in ("n_iter_", "t_", "best_iter_"):
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


def test_rows_without_weights_weigh_one_beside_a_rank_with_weights(ranks):
    X, y, w = mpi_program.make_data("multiclass")
    weights, here = np.ones_like(w), mpi_program.rows_of(1)
    weights[here] = w[here]
    assert_like_one(ranks("weights_on_one_rank_only")[0], mpi_program.make_mlp().fit(X, y, weights))


def test_partial_fit_goes_on_together(ranks):
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


def test_the_penalty_is_tuned_on_the_rows_of_all_ranks(ranks):
    X, y, w = mpi_program.make_data("multiclass")
    one = mpi_program.make_mlp(learning_rate="one_cycle", max_iter=30)
    for _ in range(20):
        one.partial_fit(X, y, [0, 1, 2], w)
    got = ranks("tuned_penalty")[0]
    # Before it is set the training is the same; then each rank's own rows stand for all of them.
    assert_allclose(got["loss_curve_"][:20], one.loss_curve_, rtol=1e-9)
    network, loss, N = one._network(), LOSSES["multiclass"], w.sum() ** 2 / (w @ w)
    omega, gamma = w * N / w.sum(), 0.0
    for rank in range(SIZE):
        here = mpi_program.rows_of(rank)
        rows = make_rows(X[here], y[here], "multiclass")
        gamma += omega[here] @ left_out(network, loss, rows, omega[here], len(y) / len(here), 3.0)
    c = gamma / sum((W**2).sum() for W in one.coefs_)
    assert LOWEST < c < HIGHEST
    assert got["alpha_"] == pytest.approx(c / N, rel=1e-6)


def test_a_closing_course_takes_the_rows_of_all_ranks(ranks):
    got = ranks("closing_course")[0]
    assert got["n_iter_"] == 12
    assert len(got["closing"]) == 4


def test_a_complaint_that_depends_on_one_ranks_rows_keeps_nobody_waiting(ranks):
    everyone = ranks("hopeless_but_for_one_rank")
    complained = ["hardly better than guessing" in " ".join(got["warned"]) for got in everyone]
    assert complained == [False, False, True]


def test_ranks_that_run_out_of_rows_stand_by(ranks):
    """The textbook is given the joint batches that the ranks drew."""
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


def test_an_ordinary_estimator_is_left(ranks):
    for got in ranks("an_ordinary_estimator_afterwards"):
        assert got["same"]
        assert got["rows"] == 5


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("different_dtypes", r"differ in their number of parameters or in their dtype.*float32"),
        ("different_features", r"differ in their number of parameters"),
        ("different_labels", r"The ranks' y do not go together"),
        ("a_class_too_rare_to_split", r"fewer than 2 rows .*: \[1\]"),
        ("another_score", r"scoring='accuracy' cannot be used in data-parallel training"),
        ("balanced", r"class_weight='balanced' cannot be used in data-parallel training"),
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
