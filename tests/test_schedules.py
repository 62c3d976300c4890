"""Schedules: the rate and the momentum of every epoch, and what happens on a plateau."""

import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from builders import make_state, small_trainer
from numpy.testing import assert_allclose, assert_array_equal

from skscratch.checks import short_repr
from skscratch.schedules import Adaptive, Constant, Cosine, InverseScaling, OneCycle, UserSchedule


def factors(schedule, n_epochs):
    return [schedule.factor(epoch) for epoch in range(n_epochs)]


def test_constant_stays():
    assert factors(Constant(), 4) == [1, 1, 1, 1]


def test_invscaling_counts_epochs():
    # 1 / (t + 1)^power with t = 0, 1, 2, 3
    assert_allclose(factors(InverseScaling(0.5), 4), [1, 0.5**0.5, 3**-0.5, 0.5], rtol=1e-15)
    assert_allclose(factors(InverseScaling(1.0), 4), [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-15)


def test_invscaling_with_power_zero_is_constant():
    assert factors(InverseScaling(0.0), 5) == [1] * 5


@pytest.mark.parametrize("n", [13, 403])
def test_invscaling_does_not_depend_on_the_number_of_rows(n):
    trainer = small_trainer(n=n, eta=0.2, batch_size=4, schedule=InverseScaling(0.5))
    rates = [trainer.run_epoch().learning_rate for _ in range(4)]
    assert_allclose(rates, [0.2, 0.2 * 0.5**0.5, 0.2 * 3**-0.5, 0.1], rtol=1e-15)


# Adaptive


def test_adaptive_divides_by_five_on_every_plateau():
    schedule = Adaptive(1.0, make_state())
    rates = []
    for _ in range(4):
        rates.append(schedule.factor(0))
        assert schedule.on_plateau()
    assert_allclose(rates, [1, 1 / 5, 1 / 25, 1 / 125], rtol=1e-15)


def test_adaptive_does_not_move_by_itself():
    assert factors(Adaptive(1.0, make_state()), 5) == [1] * 5


def test_adaptive_ends_before_the_rate_falls_below_its_smallest():
    schedule, n = Adaptive(0.1, make_state()), 0
    while schedule.on_plateau():
        n += 1
    # 0.1 / 5^7 = 1.28e-6 is the last one above 1e-6.
    assert n == 7
    assert_allclose(0.1 * schedule.factor(0), 1.28e-6, rtol=1e-12)
    # It stays at its end.
    assert not schedule.on_plateau()
    assert_allclose(0.1 * schedule.factor(0), 1.28e-6, rtol=1e-12)


def test_adaptive_resumes_at_the_current_rate_when_it_is_made_anew_from_the_state():
    state = make_state()
    Adaptive(1.0, state).on_plateau()
    assert_allclose(Adaptive(1.0, state).factor(0), 0.2, rtol=1e-15)


@pytest.mark.parametrize(
    "schedule", [Constant(), InverseScaling(0.5), Cosine(10), OneCycle(10)], ids=lambda s: type(s).__name__
)
def test_only_adaptive_continues_when_patience_runs_out(schedule):
    assert not schedule.on_plateau()


# Cosine


def test_cosine_by_hand():
    # (1 + cos(pi t / 6)) / 2 for t = 0..5: cos = 1, sqrt(3)/2, 1/2, 0, -1/2, -sqrt(3)/2
    root = 3**0.5 / 2
    expected = [1, (1 + root) / 2, 0.75, 0.5, 0.25, (1 - root) / 2]
    assert_allclose(factors(Cosine(6), 6), expected, rtol=1e-14)


def test_cosine_decays_to_about_zero_in_the_last_epoch():
    assert Cosine(100).factor(99) < 3e-4


def test_cosine_falls_all_the_way():
    assert (np.diff(factors(Cosine(37), 37)) < 0).all()


# One cycle


def test_one_cycle_by_hand():
    # Of ten epochs three warm up, from 1/25 along half a cosine, and seven cool down along another.
    # t = 0: 1/25;  t = 1, 2: 1/25 + 24/25 (1 - cos(pi/3)) / 2 = 0.28, and with cos(2 pi/3) = 0.76
    # t = 3: 1
    values = factors(OneCycle(10), 10)
    assert_allclose(values[:4], [0.04, 0.28, 0.76, 1.0], rtol=1e-13)
    assert_allclose(values[4:], [(1 + np.cos(np.pi * k / 7)) / 2 for k in range(1, 7)], rtol=1e-13)


def test_one_cycle_rises_to_the_full_rate_and_falls_to_about_zero():
    values = np.array(factors(OneCycle(100), 100))
    assert values.argmax() == 30
    assert values.max() == 1
    assert (np.diff(values[:31]) > 0).all()
    assert (np.diff(values[30:]) < 0).all()
    assert values[-1] < 1e-3


def test_one_cycle_moves_the_momentum_the_other_way():
    schedule = OneCycle(100)
    rates = np.array(factors(schedule, 100))
    momenta = np.array([schedule.momentum(epoch, 0.9) for epoch in range(100)])
    assert_array_equal(np.argsort(momenta), np.argsort(-rates))


def test_one_cycle_moves_a_momentum_of_nine_tenths_between_95_and_85_hundredths():
    schedule, last = OneCycle(10**6), 10**6 - 1
    # 1 - 0.1 (1/2 + factor): factor 1 at f = 0.3, about (pi / 700000)^2 / 4 = 5e-12 at the end, 1/25 at f = 0
    momenta = [schedule.momentum(t, 0.9) for t in (300_000, last, 0)]
    assert_allclose(momenta, [0.85, 0.95, 0.946], rtol=1e-11)


@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.3, 0.5, 0.99])
def test_one_cycle_keeps_the_momentum_within_zero_and_one(momentum):
    schedule = OneCycle(50)
    momenta = [schedule.momentum(epoch, momentum) for epoch in range(60)]
    assert min(momenta) >= 0
    assert max(momenta) < 1


def test_one_cycle_leaves_a_momentum_of_zero_at_zero():
    assert [OneCycle(10).momentum(epoch, 0.0) for epoch in range(10)] == [0] * 10


@pytest.mark.parametrize(
    "schedule",
    [Constant(), InverseScaling(0.5), Adaptive(1.0, make_state()), Cosine(10)],
    ids=lambda s: type(s).__name__,
)
def test_the_other_schedules_leave_the_momentum_alone(schedule):
    assert [schedule.momentum(epoch, 0.9) for epoch in range(10)] == [0.9] * 10


# Annealing: the rate decays over a fixed number of epochs


@pytest.mark.parametrize(
    ("schedule", "anneals"),
    [
        (Constant(), False),
        (InverseScaling(0.5), False),
        (Adaptive(1.0, make_state()), False),
        (Cosine(10), True),
        (OneCycle(10), True),
        (UserSchedule(10, lambda f: 1 - f), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_schedule_says_whether_it_anneals(schedule, anneals):
    assert schedule.anneals is anneals


def test_a_function_of_the_share_of_epochs_is_a_schedule():
    assert factors(UserSchedule(4, lambda f: 1 - f), 4) == [1, 0.75, 0.5, 0.25]


ANNEALED = [Cosine, OneCycle, lambda max_iter, start=0: UserSchedule(max_iter, lambda f: 2 - f, start)]
every_annealed_schedule = pytest.mark.parametrize(
    "make_schedule", ANNEALED, ids=["Cosine", "OneCycle", "Annealed"]
)


@every_annealed_schedule
def test_a_new_cycle_begins_where_one_is_over(make_schedule):
    schedule = make_schedule(5)
    assert factors(schedule, 20) == factors(schedule, 5) * 4
    assert [schedule.momentum(t, 0.9) for t in range(10)] == [schedule.momentum(t, 0.9) for t in range(5)] * 2
    assert len(set(factors(schedule, 5))) == 5


@every_annealed_schedule
def test_a_cycle_counts_from_its_start(make_schedule):
    late = make_schedule(5, start=7)
    assert [late.factor(7 + t) for t in range(10)] == factors(make_schedule(5), 5) * 2
    assert [late.fraction(7 + t) for t in range(6)] == [0, 1 / 5, 2 / 5, 3 / 5, 4 / 5, 0]


def test_a_function_is_given_shares_below_one_alone():
    given = []
    factors(UserSchedule(3, lambda f: given.append(f) or 1.0), 7)
    assert set(given) == {0, 1 / 3, 2 / 3}


@pytest.mark.parametrize("schedule", [Cosine(1), OneCycle(1)], ids=lambda s: type(s).__name__)
def test_a_single_epoch_is_trained_at_a_rate_above_zero(schedule):
    assert schedule.factor(0) > 0


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf, -np.inf])
def test_a_function_that_returns_no_usable_factor_is_an_error_that_says_so(bad):
    schedule = UserSchedule(4, lambda f: bad if f == 0.5 else 1.0)
    assert schedule.factor(1) == 1
    with pytest.raises(
        ValueError, match=rf"learning_rate\(0.5\) returned {bad}.* finite factor of at least 0"
    ):
        schedule.factor(2)


# What the trainer makes of them


@pytest.mark.parametrize(
    "schedule",
    [Constant(), InverseScaling(0.5), Cosine(6), OneCycle(6), UserSchedule(6, lambda f: 1 - f / 2)],
    ids=lambda s: type(s).__name__,
)
def test_the_optimizer_gets_the_rate_and_the_momentum_of_every_epoch(schedule, monkeypatch):
    trainer = small_trainer(eta=0.2, momentum=0.8, schedule=schedule)
    seen, begin_epoch = [], trainer.optimizer.begin_epoch

    def note(schedule, epoch):
        eta = begin_epoch(schedule, epoch)
        seen.append((eta, trainer.optimizer.mu.item()))
        return eta

    monkeypatch.setattr(trainer.optimizer, "begin_epoch", note)
    result = trainer.run(6)
    assert seen == [(0.2 * schedule.factor(t), schedule.momentum(t, 0.8)) for t in range(6)]
    assert [record.learning_rate for record in result.records] == [eta for eta, _ in seen]


def test_a_schedule_resumes_where_the_state_left_off():
    state = make_state()
    first = small_trainer(state=state, schedule=Cosine(6))
    rates = [first.run_epoch().learning_rate for _ in range(2)]
    second = small_trainer(state=state, schedule=Cosine(6))
    rates += [second.run_epoch().learning_rate for _ in range(4)]
    assert_allclose(rates, 0.1 * np.array(factors(Cosine(6), 6)), rtol=1e-15)


def test_a_new_cycle_of_the_schedule_begins_at_the_full_rate():
    state = make_state()
    small_trainer(state=state, schedule=Cosine(6)).run(4)
    state.cycle_start = state.epoch
    record = small_trainer(state=state, schedule=Cosine(6, state.cycle_start)).run_epoch()
    assert record.learning_rate == 0.1
    assert record.epoch == 5


# Numbers at the end of what a float can hold


@pytest.mark.parametrize("power", [500.0, 1000, 1e300, np.float64(500)])
def test_invscaling_with_a_large_power_falls_to_zero(power):
    # 2^-500 = 3e-151 and 2^-1000 = 9e-302 are floats still, 13^-500 = 1e-557 and 2^-1e300 are none.
    values = factors(InverseScaling(power), 13)
    assert values[0] == 1
    assert values[1] == 2.0 ** -float(power)
    assert values[12] == 0
    assert all(type(value) is float for value in values)


@pytest.mark.parametrize("power", [0.1, 0.3, 0.5, 1, 1.5, 2])
def test_invscaling_is_the_plain_formula_bit_for_bit(power):
    assert factors(InverseScaling(power), 500) == [1 / (epoch + 1) ** power for epoch in range(500)]


@pytest.mark.parametrize(
    "good", [0.5, 1, np.float32(0.5), np.array(0.5), Fraction(1, 2), Decimal("0.5"), True]
)
def test_a_function_may_return_any_kind_of_number(good):
    factor = UserSchedule(4, lambda f: good).factor(0)
    assert factor == float(good)
    assert type(factor) is float


@pytest.mark.parametrize(
    "bad", [10**400, -(10**400), 10**5000, None, "0.5", {}, np.ones(1), [0.5], 1j], ids=short_repr
)
def test_a_function_that_returns_no_number_is_an_error_that_shows_it(bad):
    with pytest.raises(
        ValueError, match=rf"learning_rate\(0\) returned {re.escape(short_repr(bad))}; .* finite"
    ):
        UserSchedule(4, lambda f: bad).factor(0)
