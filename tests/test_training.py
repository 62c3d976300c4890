"""Training: the textbook's numbers, the same bits on every way to get there, and a true stop reason."""

import copy
import functools

import estimators
import numpy as np
import pytest
import scipy.sparse as sp
import textbook
from builders import (
    KINDS,
    N_OUTPUTS,
    StopAfter,
    everything_that_lives_on,
    flatten,
    make_batches,
    make_rows,
    make_state,
    make_theta,
    make_trainer,
    make_weights,
    make_X,
    make_y,
    mask_drawer,
    orders,
    poison_block,
    poison_step,
    small_trainer,
    textbook_network,
    textbook_Y,
)
from numpy.testing import assert_allclose, assert_array_equal

import skscratch.objective
from skscratch.activations import ACTIVATIONS
from skscratch.history import StopReason
from skscratch.schedules import Adaptive, InverseScaling
from skscratch.stopping import Patience
from skscratch.training import Validation

N, N_FEATURES, N_EPOCHS = 23, 3, 4
ADAM = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}


def train_both(
    kind,
    activations="tanh",
    *,
    weighted=False,
    alpha=0.0,
    smoothing=0.0,
    shuffle=True,
    batch_size=5,
    momentum=0.9,
    nesterov=True,
    adam=None,
    max_grad_norm=None,
    dropout=0.0,
    hidden=(5, 4),
    dtype=np.float64,
    sparse=False,
):
    """Return (theta, loss curve) of the package and of the textbook, from one start and in one order."""
    sizes = (N_FEATURES, *hidden, N_OUTPUTS[kind])
    X, y = make_X(N, N_FEATURES).astype(dtype), make_y(kind, N)
    weights = make_weights(N) if weighted else None
    theta = make_theta(sizes, dtype=dtype)
    twin = textbook_network(sizes, activations, theta, kind)
    trainer = make_trainer(
        make_rows(sp.csr_array(X) if sparse else X, y, kind, weights, smoothing=smoothing),
        kind,
        sizes,
        activations,
        theta=theta,
        batch_size=batch_size,
        alpha=alpha,
        eta=0.05,
        momentum=momentum,
        nesterov=nesterov,
        adam=adam,
        max_grad_norm=max_grad_norm,
        dropout=dropout,
        shuffle=shuffle,
        dtype=dtype,
    )
    curve = [trainer.run_epoch().loss for _ in range(N_EPOCHS)]
    rng = np.random.default_rng(0)
    if adam is None:
        update = functools.partial(textbook.sgd, momentum=momentum, nesterov=nesterov)
    else:
        update = functools.partial(textbook.adam, **adam)
    twin_curve = textbook.fit(
        twin,
        X.astype(np.float64),
        textbook_Y(y, kind, smoothing),
        weights if weighted else np.ones(N),
        orders=orders(N, N_EPOCHS, rng, shuffle),
        etas=[0.05] * N_EPOCHS,
        batch_size=batch_size,
        alpha=alpha,
        update=update,
        largest=max_grad_norm or np.inf,
        draw_masks=mask_drawer(rng, hidden, dropout, dtype) if dropout else None,
    )
    return (theta, curve), (flatten(twin.theta, sizes), twin_curve)


def assert_same_training(ours, twin, rtol=1e-10, atol=1e-12):
    assert_allclose(ours[1], twin[1], rtol=rtol)
    assert_allclose(ours[0], twin[0], rtol=rtol, atol=atol)


# The same numbers as the textbook's


@pytest.mark.parametrize("nesterov", [False, True], ids=["momentum", "nesterov"])
@pytest.mark.parametrize("alpha", [0.0, 0.02])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_textbooks(kind, weighted, alpha, nesterov):
    assert_same_training(*train_both(kind, weighted=weighted, alpha=alpha, nesterov=nesterov))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_training_is_the_textbooks_for_every_activation(activation):
    assert_same_training(*train_both("multiclass", activation, weighted=True, alpha=0.02))


@pytest.mark.parametrize("batch_size", [1, 4, 22, 23, 100])
def test_training_is_the_textbooks_at_every_batch_size(batch_size):
    assert_same_training(*train_both("multiclass", weighted=True, alpha=0.02, batch_size=batch_size))


@pytest.mark.parametrize("hidden", [(), (1,), (4,), (3, 4, 2)], ids=str)
def test_training_is_the_textbooks_at_every_depth(hidden):
    assert_same_training(*train_both("multiclass", hidden=hidden, weighted=True, alpha=0.02))


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_textbooks_with_smoothed_labels(kind):
    assert_same_training(*train_both(kind, weighted=True, smoothing=0.1))


@pytest.mark.parametrize("alpha", [0.0, 0.02])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_with_adam_is_the_textbooks(kind, weighted, alpha):
    assert_same_training(*train_both(kind, weighted=weighted, alpha=alpha, adam=ADAM))


@pytest.mark.parametrize("adam", [None, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_training_with_dropout_is_the_textbooks_given_the_same_masks(activation, adam):
    # Masks are drawn after the order of the rows, batch by batch and layer by layer.
    assert_same_training(*train_both("multiclass", activation, weighted=True, dropout=0.4, adam=adam))


def test_dropout_in_float32_draws_its_masks_in_float32():
    ours, twin = train_both("multiclass", dropout=0.4, dtype=np.float32)
    assert_same_training(ours, twin, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("adam", [None, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("max_grad_norm", [0.05, 0.3, 100.0])
def test_training_with_clipped_gradients_is_the_textbooks(max_grad_norm, adam):
    # The norm is that of the data term's gradient; the penalty is added afterwards.
    assert_same_training(*train_both("multiclass", alpha=0.3, max_grad_norm=max_grad_norm, adam=adam))


@pytest.mark.parametrize("max_grad_norm", [None, 0.5, 1e-3])
def test_a_limit_on_the_gradient_leaves_the_penalty_as_it_is(max_grad_norm):
    # Rows of zeros have no gradient in the first layer, so each step multiplies its weights by 1 - eta alpha.
    X, y = np.zeros((32, 3)), np.arange(32) % 2
    given = dict(alpha=1.0, learning_rate_init=0.01, momentum=0.0, batch_size=16, max_grad_norm=max_grad_norm)
    clf = estimators.mlp(**given, max_iter=1).partial_fit(X, y, classes=[0, 1])
    before = clf.coefs_[0].copy()
    clf.partial_fit(X, y)
    assert_allclose(clf.coefs_[0], 0.99**2 * before, rtol=1e-12)


def test_a_clipped_gradient_changes_training():
    free, _ = train_both("multiclass", alpha=0.3)
    clipped, _ = train_both("multiclass", alpha=0.3, max_grad_norm=0.05)
    assert not np.allclose(free[0], clipped[0], rtol=1e-3)


def test_training_is_the_textbooks_without_shuffling():
    assert_same_training(*train_both("multiclass", shuffle=False))


def test_training_is_the_textbooks_without_momentum():
    assert_same_training(*train_both("multiclass", momentum=0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_textbooks_on_sparse_rows(kind):
    assert_same_training(*train_both(kind, weighted=True, alpha=0.02, sparse=True))


@pytest.mark.parametrize("kind", KINDS)
def test_training_in_float32_is_the_textbooks_to_single_precision(kind):
    ours, twin = train_both(kind, weighted=True, alpha=0.02, dtype=np.float32)
    assert ours[0].dtype == np.float32
    assert_same_training(ours, twin, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("adam", [None, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("alpha", [0.0, 0.02])
def test_training_is_the_textbooks_with_more_parameters_than_one_piece_holds(alpha, adam, monkeypatch):
    monkeypatch.setattr(skscratch.objective, "PIECE_LENGTH", 7)
    assert_same_training(*train_both("multiclass", alpha=alpha, adam=adam, max_grad_norm=0.3))


def test_training_is_the_textbooks_under_a_schedule():
    etas = [0.05 / (t + 1) ** 0.5 for t in range(N_EPOCHS)]
    X, y, sizes = make_X(N, N_FEATURES), make_y("binary", N), (N_FEATURES, 4, 1)
    theta = make_theta(sizes)
    twin = textbook_network(sizes, "tanh", theta, "binary")
    trainer = make_trainer(
        make_rows(X, y, "binary"), "binary", sizes, theta=theta, eta=0.05, schedule=InverseScaling(0.5)
    )
    reports = [trainer.run_epoch() for _ in range(N_EPOCHS)]
    textbook.fit(
        twin,
        X,
        textbook_Y(y, "binary"),
        np.ones(N),
        orders=orders(N, N_EPOCHS, np.random.default_rng(0)),
        etas=etas,
        batch_size=4,
        alpha=0.0,
    )
    assert_allclose([record.learning_rate for record in reports], etas, rtol=1e-15)
    assert_allclose(theta, flatten(twin.theta, sizes), rtol=1e-10, atol=1e-12)


def test_many_small_batches_in_many_blocks_train_as_in_the_textbook():
    # 403 batches of one row: several blocks of batches, the last of them filled in part.
    n, sizes = 403, (N_FEATURES, 4, 3)
    X, y = make_X(n, N_FEATURES), make_y("multiclass", n)
    theta, weights = make_theta(sizes), make_weights(n)
    twin = textbook_network(sizes, "tanh", theta, "multiclass")
    rows = make_rows(X, y, "multiclass", weights)
    trainer = make_trainer(rows, "multiclass", sizes, theta=theta, batch_size=1, eta=0.01)
    assert sum(1 for _ in trainer.batches.blocks(None)) > 2
    curve = [trainer.run_epoch().loss for _ in range(2)]
    twin_curve = textbook.fit(
        twin,
        X,
        textbook_Y(y, "multiclass"),
        weights,
        orders=orders(n, 2, np.random.default_rng(0)),
        etas=[0.01] * 2,
        batch_size=1,
        alpha=0.0,
    )
    assert_same_training((theta, curve), (flatten(twin.theta, sizes), twin_curve), rtol=1e-9)


# The same bits


def poison_before_every_block_and_step(trainer, monkeypatch):
    """Make the trainer poison each block before it is filled, and what a step has to fill before the step."""
    for block in trainer.batches._blocks:

        def fill(rows, n_rows, block=block, fill=block.fill):
            poison_block(block)
            return fill(rows, n_rows)

        monkeypatch.setattr(block, "fill", fill)
    plain_step = trainer.step

    def step(batch):
        poison_step(trainer, batch)
        plain_step(batch)

    monkeypatch.setattr(trainer, "step", step)


@pytest.mark.parametrize("X_dtype", [np.float64, np.float32, np.int16, np.int64])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_never_reads_what_it_has_not_written(kind, weighted, X_dtype, monkeypatch):
    X = (3 * make_X(N, N_FEATURES)).astype(X_dtype)
    clean, poisoned = (
        small_trainer(kind, N, X=X, weighted=weighted, alpha=0.1, batch_size=5) for _ in range(2)
    )
    poison_before_every_block_and_step(poisoned, monkeypatch)
    losses = [[trainer.run_epoch().loss for _ in range(3)] for trainer in (clean, poisoned)]
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0]).all()
    assert_array_equal(clean.objective.network.theta, poisoned.objective.network.theta)


OPTIONS = {
    "plain": {},
    "momentum": {"nesterov": False},
    "adam": {"adam": ADAM},
    "clipping": {"max_grad_norm": 0.1},
    "dropout": {"dropout": 0.4},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_no_activation_and_no_option_reads_what_it_has_not_written(activation, options, monkeypatch):
    clean, poisoned = (small_trainer(activations=activation, alpha=0.1, **options) for _ in range(2))
    poison_before_every_block_and_step(poisoned, monkeypatch)
    assert clean.run_epoch().loss == poisoned.run_epoch().loss
    assert_array_equal(clean.objective.network.theta, poisoned.objective.network.theta)


def test_the_poison_reaches_a_step_that_reads_too_early(monkeypatch):
    trainer = small_trainer()
    poison_before_every_block_and_step(trainer, monkeypatch)
    monkeypatch.setattr(trainer.objective.network, "forward", lambda x, work, Z: None)
    assert trainer.run_epoch().loss == np.inf


def test_the_loss_measured_without_slopes_reads_nothing_unwritten(monkeypatch):
    trainer = small_trainer(weighted=True, alpha=0.1, batch_size=5)
    clean = trainer.objective.value(trainer.batches)
    poison_before_every_block_and_step(trainer, monkeypatch)
    assert trainer.objective.value(trainer.batches) == clean


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_run_of_n_epochs_gives_the_bits_of_n_times_run_epoch(options):
    at_once, one_by_one = (small_trainer(weighted=True, alpha=0.1, **options) for _ in range(2))
    result = at_once.run(6)
    losses = [one_by_one.run_epoch().loss for _ in range(6)]
    assert [record.loss for record in result.records] == losses
    assert_array_equal(at_once.objective.network.theta, one_by_one.objective.network.theta)
    assert at_once.state.rng.bit_generator.state == one_by_one.state.rng.bit_generator.state


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_new_trainer_resumes_from_the_state_with_the_same_bits(options):
    whole, halves = (small_trainer(alpha=0.1, **options) for _ in range(2))
    whole.run(6)
    halves.run(3)
    theta = halves.objective.network.theta.copy()
    second = small_trainer(alpha=0.1, theta=theta, state=copy.deepcopy(halves.state), **options)
    second.run(3)
    assert_array_equal(theta, whole.objective.network.theta)
    assert second.state.epoch == whole.state.epoch == 6
    assert second.state.memory.keys() == whole.state.memory.keys()
    for name, vector in whole.state.memory.items():
        assert_array_equal(second.state.memory[name], vector)


def test_present_loss_is_the_objective_of_the_present_parameters():
    trainer = small_trainer(weighted=True, alpha=0.3, batch_size=5)
    trainer.run_epoch()
    value, _ = trainer.objective.value_and_gradient(trainer.batches)
    assert_allclose(trainer.objective.value(trainer.batches), value, rtol=1e-14)


def test_training_without_shuffling_draws_nothing():
    trainer = small_trainer(shuffle=False)
    before = trainer.state.rng.bit_generator.state
    trainer.run(3)
    assert trainer.state.rng.bit_generator.state == before


def test_training_leaves_numpys_global_generator_alone():
    before = np.random.get_state()  # noqa: NPY002
    small_trainer().run(2)
    for old, new in zip(before, np.random.get_state(), strict=True):  # noqa: NPY002
        assert_array_equal(old, new)


# The stop reason and the result


class LossFrom:
    """A validation whose loss follows a script; the parameters of each epoch are kept for comparison."""

    def __init__(self, trainer, losses):
        self.losses, self.trainer, self.seen = iter(losses), trainer, []

    def evaluate(self, record):
        self.seen.append(self.trainer.objective.network.theta.copy())
        record.validation_loss = next(self.losses)
        record.score = -record.validation_loss
        return record.validation_loss


def raise_in_epoch(trainer, epoch, exception, monkeypatch, step_in_epoch=2):
    """Make the trainer raise in the middle of an epoch."""
    plain_step, n_steps = trainer.step, 0
    batches = trainer.batches
    fatal = (epoch - 1) * -(-batches.n_rows // batches.batch_size) + step_in_epoch

    def step(batch):
        nonlocal n_steps
        n_steps += 1
        plain_step(batch)
        if n_steps == fatal:
            raise exception

    monkeypatch.setattr(trainer, "step", step)


def test_without_patience_every_epoch_is_trained_and_nothing_is_restored():
    trainer = small_trainer()
    result = trainer.run(5)
    assert result.stop_reason is StopReason.MAX_ITER
    assert [record.epoch for record in result.records] == [1, 2, 3, 4, 5]
    assert trainer.state.epoch == 5
    assert result.best_epoch is None
    assert result.best_score is None


def test_training_ends_as_converged_when_patience_runs_out():
    # No improvement counts against a tolerance of 1000 but the first.
    result = small_trainer().run(50, [Patience(4, tol=1000.0)])
    assert result.stop_reason is StopReason.CONVERGED
    assert len(result.records) == 1 + 4


def test_patience_monitors_the_validation_where_there_is_one():
    trainer = small_trainer(eta=1e-3)
    validation = LossFrom(trainer, [3.0, 2.0, 2.5, 2.4, 2.3])
    result = trainer.run(50, [Patience(3, tol=0.0)], validation)
    assert result.stop_reason is StopReason.CONVERGED
    assert len(result.records) == 5


@pytest.mark.parametrize("rules", [(), [Patience(3, tol=0.0)]], ids=["max_iter", "patience"])
def test_the_best_parameters_are_restored_however_training_ends(rules):
    trainer = small_trainer()
    validation = LossFrom(trainer, [3.0, 1.0, 2.0, 1.5, 2.5])
    result = trainer.run(5, rules, validation)
    assert result.best_epoch == 2
    assert result.best_score == -1.0
    assert_array_equal(trainer.objective.network.theta, validation.seen[1])
    assert not np.array_equal(validation.seen[1], validation.seen[-1])
    assert [record.validation_loss for record in result.records] == [3.0, 1.0, 2.0, 1.5, 2.5]


def test_the_first_of_equally_good_epochs_is_the_best():
    trainer = small_trainer()
    validation = LossFrom(trainer, [2.0, 1.0, 1.0])
    assert trainer.run(3, (), validation).best_epoch == 2


def test_parameters_trained_after_the_restore_do_not_change_the_best_ones():
    trainer = small_trainer()
    validation = LossFrom(trainer, [1.0, 2.0])
    trainer.run(2, (), validation)
    restored = trainer.objective.network.theta.copy()
    trainer.run_epoch()
    assert not np.array_equal(trainer.objective.network.theta, restored)
    assert_array_equal(restored, validation.seen[0])


def test_validation_loss_is_the_textbooks_and_training_is_not_disturbed_by_it():
    validated, alone = small_trainer(alpha=0.5), small_trainer(alpha=0.5)
    X, y, w = make_X(9, N_FEATURES, seed=5), make_y("multiclass", 9, seed=5), make_weights(9, seed=5)
    sizes = validated.objective.network.sizes
    held_out = make_batches(make_rows(X, y, "multiclass", w), 4, "multiclass", validated.objective.network)
    result = validated.run(1, (), Validation(validated.objective, held_out))
    alone.run(1)
    assert_array_equal(validated.objective.network.theta, alone.objective.network.theta)
    twin = textbook_network(sizes, "tanh", validated.objective.network.theta, "multiclass")
    expected = textbook.objective(twin, X, textbook_Y(y, "multiclass"), w, alpha=0.0)
    assert_allclose(result.records[0].validation_loss, expected, rtol=1e-13)
    assert result.records[0].score == -result.records[0].validation_loss


def test_a_score_is_monitored_in_place_of_the_loss():
    trainer = small_trainer()
    held_out = make_batches(trainer.batches.rows, 4, "multiclass", trainer.objective.network)
    scores = iter([0.5, 0.9, 0.7])
    result = trainer.run(3, (), Validation(trainer.objective, held_out, lambda: next(scores)))
    assert result.best_epoch == 2
    assert result.best_score == 0.9
    assert [record.score for record in result.records] == [0.5, 0.9, 0.7]
    assert all(record.validation_loss > 0 for record in result.records)


def test_a_callback_that_returns_true_stops_training_after_that_epoch():
    callback = StopAfter(3)
    result = small_trainer().run(10, callbacks=callback)
    assert result.stop_reason is StopReason.CALLBACK
    assert len(result.records) == 3
    assert result.records == callback.records
    assert callback.n_begun == 3


@np.errstate(over="ignore", invalid="ignore")
def test_divergence_ends_training_and_keeps_the_last_finite_parameters_and_state():
    trainer, twin = small_trainer(activations="identity"), small_trainer(activations="identity")
    twin.run(2)
    trainer.run(2)
    trainer.optimizer.eta_0 = 1e200
    result = trainer.run(5)
    assert result.stop_reason is StopReason.DIVERGED
    assert result.records == []
    theta, state = everything_that_lives_on(trainer)
    assert_array_equal(theta, twin.objective.network.theta)
    assert_array_equal(state["memory"]["velocity"], twin.state.memory["velocity"])
    assert state["rng"] == twin.state.rng.bit_generator.state
    assert state["epoch"] == 2


@np.errstate(over="ignore", invalid="ignore")
def test_divergence_after_finite_epochs_keeps_their_reports():
    class Explosive(InverseScaling):
        def factor(self, epoch):
            return 1.0 if epoch < 3 else 1e300

    trainer, twin = (small_trainer(activations="identity", schedule=Explosive(0.0)) for _ in range(2))
    result = trainer.run(10)
    twin.run(3)
    assert result.stop_reason is StopReason.DIVERGED
    assert [record.epoch for record in result.records] == [1, 2, 3]
    assert np.isfinite([record.loss for record in result.records]).all()
    assert_array_equal(trainer.objective.network.theta, twin.objective.network.theta)


@np.errstate(over="ignore", invalid="ignore")
def test_divergence_restores_the_best_parameters_where_there_is_a_validation():
    class Explosive(InverseScaling):
        def factor(self, epoch):
            return 1.0 if epoch < 3 else 1e300

    trainer = small_trainer(activations="identity", schedule=Explosive(0.0))
    validation = LossFrom(trainer, [2.0, 1.0, 3.0])
    result = trainer.run(10, (), validation)
    assert result.stop_reason is StopReason.DIVERGED
    assert result.best_epoch == 2
    assert_array_equal(trainer.objective.network.theta, validation.seen[1])


@np.errstate(over="ignore", invalid="ignore")
def test_parameters_that_leave_the_finite_numbers_in_the_last_step_count_as_divergence():
    # One batch: its loss is taken before the step, so it is finite while the parameters are not.
    trainer = small_trainer(activations="identity", batch_size=13, eta=1e308)
    trainer.objective.network.theta *= 1e3
    theta = trainer.objective.network.theta.copy()
    assert np.isfinite(trainer.objective.value(trainer.batches))
    result = trainer.run(1)
    assert result.stop_reason is StopReason.DIVERGED
    assert_array_equal(trainer.objective.network.theta, theta)


def test_an_interrupt_in_a_later_epoch_ends_training_as_after_the_epoch_before(monkeypatch):
    trainer, twin = small_trainer(), small_trainer()
    raise_in_epoch(trainer, 4, KeyboardInterrupt(), monkeypatch)
    result = trainer.run(10)
    twin.run(3)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert len(result.records) == 3
    theta, state = everything_that_lives_on(trainer)
    assert_array_equal(theta, twin.objective.network.theta)
    assert_array_equal(state["memory"]["velocity"], twin.state.memory["velocity"])
    assert state["rng"] == twin.state.rng.bit_generator.state
    assert state["epoch"] == 3


def test_an_interrupt_restores_the_best_parameters(monkeypatch):
    trainer = small_trainer()
    raise_in_epoch(trainer, 4, KeyboardInterrupt(), monkeypatch)
    validation = LossFrom(trainer, [2.0, 1.0, 3.0])
    result = trainer.run(10, (), validation)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert result.best_epoch == 2
    assert_array_equal(trainer.objective.network.theta, validation.seen[1])


def test_an_interrupt_of_the_validation_leaves_as_many_epochs_in_the_state_as_in_the_reports():
    trainer = small_trainer()

    class Interrupted(LossFrom):
        def evaluate(self, record):
            if record.epoch == 4:
                raise KeyboardInterrupt
            return super().evaluate(record)

    result = trainer.run(10, (), Interrupted(trainer, [3.0, 2.0, 1.0]))
    assert result.stop_reason is StopReason.INTERRUPTED
    assert result.best_epoch == 3
    assert trainer.state.epoch == len(result.records)


def test_an_interrupt_before_the_first_epoch_has_ended_leaves_no_trace(monkeypatch):
    trainer = small_trainer()
    before = everything_that_lives_on(trainer)
    raise_in_epoch(trainer, 1, KeyboardInterrupt(), monkeypatch)
    result = trainer.run(10)
    assert result.stop_reason is StopReason.INTERRUPTED
    assert not result.records
    assert_array_equal(trainer.objective.network.theta, before[0])
    assert_array_equal(trainer.state.memory["velocity"], 0)
    assert trainer.state.rng.bit_generator.state == before[1]["rng"]
    assert trainer.state.epoch == 0


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_epoch_that_fails_leaves_no_trace(options, monkeypatch):
    trainer, twin = small_trainer(**options), small_trainer(**options)
    raise_in_epoch(trainer, 3, MemoryError("no room"), monkeypatch)
    with pytest.raises(MemoryError, match="no room"):
        trainer.run(10)
    twin.run(2)
    assert_array_equal(trainer.objective.network.theta, twin.objective.network.theta)
    for name, vector in twin.state.memory.items():
        assert_array_equal(trainer.state.memory[name], vector)
    # Training continues as if nothing had happened.
    assert trainer.run_epoch().loss == twin.run_epoch().loss
    assert_array_equal(trainer.objective.network.theta, twin.objective.network.theta)


def test_an_adaptive_rate_is_divided_by_five_when_patience_runs_out_and_training_continues():
    state = make_state()
    trainer = small_trainer(eta=1e-5, state=state, schedule=Adaptive(1e-5, state))
    result = trainer.run(50, [Patience(2, tol=1000.0, schedule=trainer.schedule)])
    # At each rate: one epoch that counts and two that do not; 1e-5 / 5 is the last rate above 1e-6.
    rates = [record.learning_rate for record in result.records]
    assert_allclose(rates, [1e-5] * 3 + [2e-6] * 3, rtol=1e-15)
    assert result.stop_reason is StopReason.CONVERGED
