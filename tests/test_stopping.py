"""Stopping: exact patience, best parameters, checkpoints and divergence."""

import math

import numpy as np
import pytest
from builders import make_state
from numpy.testing import assert_array_equal

from skscratch.schedules import Adaptive
from skscratch.stopping import BestCheckpoint, Checkpoint, Patience, diverged


def epochs_until_stop(patience, values):
    """Return after how many values patience runs out; None if it does not."""
    for n, value in enumerate(values, start=1):
        if patience.runs_out(value):
            return n
    return None


@pytest.mark.parametrize("k", [1, 2, 5])
def test_patience_runs_out_after_exactly_k_epochs_without_improvement(k):
    assert epochs_until_stop(Patience(k, tol=0.0), [1.0] * 20) == 1 + k


def test_the_first_epoch_always_counts_as_an_improvement():
    assert not Patience(1, tol=1e9).runs_out(1.0)


def test_an_improvement_gives_the_whole_patience_back():
    # Improvements in epochs 1, 3 and 6; then three epochs without one.
    values = [5.0, 5.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    assert epochs_until_stop(Patience(3, tol=0.0), values) == 9


def test_an_improvement_of_exactly_tol_does_not_count():
    # In quarters, so that the differences are exact.
    assert epochs_until_stop(Patience(2, tol=0.25), [1.0, 0.75, 0.75]) == 3


def test_an_improvement_of_a_little_more_than_tol_counts():
    assert epochs_until_stop(Patience(2, tol=0.25), [1.0, 0.75 - 2**-20, 0.75, 0.75]) == 4


def test_with_tol_zero_the_smallest_improvement_counts_and_no_change_does_not():
    patience = Patience(1, tol=0.0)
    assert not patience.runs_out(1.0)
    assert not patience.runs_out(np.nextafter(1.0, 0))
    assert patience.runs_out(np.nextafter(1.0, 0))


def test_steps_too_small_to_count_add_up_until_they_do():
    # Each step is half of tol: every third value is more than tol below the last one that counted.
    values = [10.0 - 0.5 * i for i in range(40)]
    assert epochs_until_stop(Patience(3, tol=1.0), values) is None


def test_improvement_is_measured_from_the_last_value_that_counted_not_from_the_best():
    # 0.9 is better than 1.0 but does not count; 0.75 is more than 0.2 below 1.0 and less than 0.2 below 0.9.
    assert epochs_until_stop(Patience(2, tol=0.2), [1.0, 0.9, 0.75, 0.75, 0.75]) == 5


def test_worse_values_do_not_move_the_mark():
    assert epochs_until_stop(Patience(3, tol=0.0), [1.0, 9.0, 8.0, 7.0]) == 4


def test_unlimited_patience_never_runs_out():
    assert epochs_until_stop(Patience(math.inf, tol=0.0), [1.0] * 1000) is None


def test_values_below_zero_improve_downwards_too():
    # Negated scores: -0.5 is better than -0.4.
    assert epochs_until_stop(Patience(2, tol=0.01), [-0.4, -0.5, -0.5, -0.5]) == 4


def test_nan_is_no_improvement():
    assert epochs_until_stop(Patience(2, tol=0.0), [1.0, np.nan, np.nan]) == 3


def test_a_restart_forgets_the_mark_and_the_count():
    patience = Patience(2, tol=0.0)
    assert epochs_until_stop(patience, [1.0, 1.0, 1.0]) == 3
    patience.restart()
    # 5.0 is worse than all before, but the first after the restart.
    assert epochs_until_stop(patience, [5.0, 5.0, 5.0]) == 3


def test_one_lucky_epoch_does_not_ruin_training_at_lower_rates():
    # As in training with the adaptive rate: after a lucky epoch no value at this rate is an improvement.
    # Patience restarts at the next rate, which stays for as long as its own epochs improve.
    state = make_state()
    schedule, patience = Adaptive(0.5, state), Patience(2, tol=0.0)
    values = [3.0, 0.1, 2.9, 2.8] + [2.5 - 0.1 * i for i in range(10)]
    divisions = []
    for value in values:
        if patience.runs_out(value):
            assert schedule.on_plateau()
            patience.restart()
        divisions.append(state.n_reductions)
    assert divisions == [0, 0, 0, 1] + [1] * 10


# The best parameters


def test_best_keeps_the_parameters_of_the_lowest_value():
    theta = np.array([1.0, 1.0])
    best = BestCheckpoint()
    for epoch, value in enumerate([3.0, 1.0, 2.0], start=1):
        theta[:] = epoch
        best.offer(value, theta, epoch)
    assert (best.value, best.epoch) == (1.0, 2)
    best.restore(theta)
    assert_array_equal(theta, 2)


def test_best_holds_a_copy_and_hands_out_a_copy():
    theta = np.zeros(2)
    best = BestCheckpoint()
    best.offer(1.0, theta, 1)
    theta[:] = 7
    best.restore(theta)
    assert_array_equal(theta, 0)
    theta[:] = 9
    best.restore(theta)
    assert_array_equal(theta, 0)


def test_the_first_of_equal_values_is_the_best():
    theta = np.zeros(1)
    best = BestCheckpoint()
    for epoch in (1, 2):
        theta[:] = epoch
        best.offer(1.0, theta, epoch)
    assert best.epoch == 1


def test_best_ignores_nan():
    best = BestCheckpoint()
    for epoch, value in enumerate([np.nan, 2.0, np.nan], start=1):
        best.offer(value, np.ones(1), epoch)
    assert (best.value, best.epoch) == (2.0, 2)


def test_best_restores_nothing_where_nothing_was_offered():
    theta = np.zeros(1)
    best = BestCheckpoint()
    theta[:] = 3
    best.restore(theta)
    assert_array_equal(theta, 3)


# Divergence and the way back


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_divergence(bad):
    assert diverged(bad, np.zeros(3), lambda: 1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_parameter_that_is_not_finite_is_divergence(bad):
    assert diverged(1.0, np.array([0.0, bad, 0.0]), lambda: 1.0)


def test_large_but_finite_numbers_are_no_divergence():
    assert not diverged(1e300, np.array([1e300, -1e300]), lambda: 1e300)


def test_a_checkpoint_restores_parameters_and_state_in_place():
    theta, velocity = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    state = make_state()
    state.memory, state.epoch = {"velocity": velocity, "t": 5}, 7
    checkpoint = Checkpoint(theta, state)
    checkpoint.save("seven epochs")
    theta[:], velocity[:], state.memory["t"], state.epoch = np.nan, np.nan, 99, 8
    assert checkpoint.restore() == "seven epochs"
    assert_array_equal(theta, [1, 2])
    assert state.memory["velocity"] is velocity
    assert_array_equal(velocity, [3, 4])
    assert (state.memory["t"], state.epoch) == (5, 7)


def test_a_checkpoint_can_be_restored_again_and_again():
    theta, state = np.array([1.0]), make_state()
    state.memory = {"velocity": np.array([2.0])}
    checkpoint = Checkpoint(theta, state)
    checkpoint.save()
    for _ in range(2):
        theta[:] = state.memory["velocity"][:] = 9
        checkpoint.restore()
        assert (theta[0], state.memory["velocity"][0]) == (1, 2)


def test_after_a_complete_epoch_there_is_nothing_to_restore():
    theta, state = np.array([1.0]), make_state()
    checkpoint = Checkpoint(theta, state)
    checkpoint.save("before")
    theta[:] = 2
    checkpoint.discard()
    assert checkpoint.restore() is None
    assert theta == 2
    checkpoint.save("after")
    theta[:] = 3
    assert checkpoint.restore() == "after"
    assert theta == 2


def test_what_was_copied_from_an_original_is_copied_from_the_second_epoch_on_only():
    original, state = np.array([1.0]), make_state()
    original.flags.writeable = False
    theta = original.copy()
    checkpoint = Checkpoint(theta, state, [(theta, original)])
    checkpoint.save()
    assert checkpoint._copies[0] is original
    theta[:] = 2
    checkpoint.restore()
    assert theta == 1
    for value in (3, 4):
        theta[:] = value
        checkpoint.save()
        theta[:] = np.nan
        checkpoint.restore()
        assert theta == value
    assert original == 1
