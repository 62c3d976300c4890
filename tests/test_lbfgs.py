"""L-BFGS: the optimum, its curve, its ends, and what an interrupt leaves behind."""

import numpy as np
import pytest
from builders import (
    N_OUTPUTS,
    StopAfter,
    make_batches,
    make_lbfgs,
    make_network,
    make_objective,
    make_rows,
    make_weights,
    make_X,
    make_y,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from skscratch.history import StopReason

N, N_FEATURES, ALPHA = 60, 4, 0.05


def lbfgs_for(kind="multiclass", hidden=(), *, weighted=False, dtype=np.float64, batch_size=25, **options):
    """Return an L-BFGS on a small problem; batches only portion it."""
    X, y = make_X(N, N_FEATURES).astype(dtype), make_y(kind, N)
    network = make_network((N_FEATURES, *hidden, N_OUTPUTS[kind]), "tanh", dtype=dtype)
    rows = make_rows(X, y, kind, make_weights(N) if weighted else None)
    return make_lbfgs(
        make_objective(network, kind, ALPHA), make_batches(rows, batch_size, kind, network), **options
    )


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_without_hidden_layers_lbfgs_reaches_the_optimum_of_logistic_regression(kind, weighted):
    lbfgs = lbfgs_for(kind, weighted=weighted, tol=1e-8)
    assert lbfgs.run(1000).stop_reason is StopReason.CONVERGED
    w = make_weights(N) if weighted else np.ones(N)
    # Its penalty is ||W||^2 / (2 C) beside the sum of the losses, ours alpha ||W||^2 / 2 beside their mean.
    other = LogisticRegression(C=1 / (w.sum() * ALPHA), tol=1e-10, max_iter=10000)
    other.fit(make_X(N, N_FEATURES), make_y(kind, N), sample_weight=w)
    W, b = lbfgs.objective.network.layers.W[0], lbfgs.objective.network.layers.b[0]
    assert_allclose(W, other.coef_.T, atol=1e-6)
    # A number added to all biases changes no probability of a softmax.
    shift = 0 if kind == "binary" else 1
    assert_allclose(b - shift * b.mean(), other.intercept_ - shift * other.intercept_.mean(), atol=1e-6)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_lbfgs_ends_where_the_gradient_is_at_most_tol(kind):
    lbfgs = lbfgs_for(kind, (5,), weighted=True, tol=1e-5)
    assert lbfgs.run(1000).stop_reason is StopReason.CONVERGED
    _, gradient = lbfgs.objective.value_and_gradient(lbfgs.batches)
    assert np.abs(gradient).max() <= 1e-5


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_lbfgs_converges_in_float32_and_says_so(tol):
    lbfgs = lbfgs_for("multiclass", (5,), dtype=np.float32, tol=tol)
    result = lbfgs.run(1000)
    assert result.stop_reason is StopReason.CONVERGED
    assert lbfgs.objective.network.theta.dtype == np.float32


def test_lbfgs_reports_the_whole_loss_curve_and_leaves_the_parameters_of_its_last_point():
    lbfgs = lbfgs_for("multiclass", (5,))
    result = lbfgs.run(1000)
    curve = [record.loss for record in result.records]
    assert len(curve) > 5
    assert (np.diff(curve) <= 0).all()
    assert_allclose(lbfgs.objective.value(lbfgs.batches), curve[-1], rtol=1e-13)
    assert [record.epoch for record in result.records] == list(range(1, len(curve) + 1))


def test_lbfgs_that_reaches_max_iter_says_so():
    result = lbfgs_for("multiclass", (5,)).run(3)
    assert result.stop_reason is StopReason.MAX_ITER
    assert len(result.records) == 3


def test_lbfgs_evaluates_the_objective_about_as_often_as_it_may(monkeypatch):
    lbfgs, n_evaluations = lbfgs_for("multiclass", (5,), max_fun=4), 0
    value_and_gradient = lbfgs.objective.value_and_gradient

    def count(batches):
        nonlocal n_evaluations
        n_evaluations += 1
        return value_and_gradient(batches)

    monkeypatch.setattr(lbfgs.objective, "value_and_gradient", count)
    result = lbfgs.run(1000)
    assert result.stop_reason is StopReason.MAX_ITER
    # SciPy finishes the line search that it is in.
    assert 4 <= n_evaluations <= 10


def test_a_callback_stops_lbfgs_after_that_iteration():
    lbfgs, whole, callback = lbfgs_for(hidden=(5,)), lbfgs_for(hidden=(5,)), StopAfter(4)
    result = lbfgs.run(1000, callback)
    whole.run(4)
    assert result.stop_reason is StopReason.CALLBACK
    assert result.records == callback.records
    assert len(callback.records) == callback.n_begun == 4
    assert_array_equal(lbfgs.objective.network.theta, whole.objective.network.theta)


def interrupt_evaluation(lbfgs, number, monkeypatch):
    value_and_gradient, n_evaluations = lbfgs.objective.value_and_gradient, 0

    def interrupted(batches):
        nonlocal n_evaluations
        n_evaluations += 1
        if n_evaluations == number:
            raise KeyboardInterrupt
        return value_and_gradient(batches)

    monkeypatch.setattr(lbfgs.objective, "value_and_gradient", interrupted)


def test_an_interrupt_leaves_the_parameters_of_the_last_finished_iteration(monkeypatch):
    lbfgs, callback = lbfgs_for(hidden=(5,)), StopAfter(1000)
    interrupt_evaluation(lbfgs, 8, monkeypatch)
    result = lbfgs.run(1000, callback)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert 0 < len(result.records) < 8
    assert_allclose(lbfgs.objective.value(lbfgs.batches), result.records[-1].loss, rtol=1e-13)


def test_an_interrupt_before_the_first_iteration_has_ended_leaves_no_trace(monkeypatch):
    lbfgs = lbfgs_for(hidden=(5,))
    before = lbfgs.objective.network.theta.copy()
    interrupt_evaluation(lbfgs, 2, monkeypatch)
    result = lbfgs.run(1000)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert not result.records
    assert_array_equal(lbfgs.objective.network.theta, before)


@pytest.mark.parametrize("batch_size", [1, 7, N])
def test_lbfgs_does_not_depend_on_the_portions_in_which_rows_are_summed(batch_size):
    portions, whole = (
        lbfgs_for(weighted=True, batch_size=batch_size),
        lbfgs_for(weighted=True, batch_size=1000),
    )
    for lbfgs in (portions, whole):
        lbfgs.run(1000)
    assert_allclose(portions.objective.network.theta, whole.objective.network.theta, atol=1e-5)
