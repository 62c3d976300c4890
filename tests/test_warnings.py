"""Warnings tell the truth: there is one where something was not done as asked, and none elsewhere.

Any warning that a test does not expect is an error in this suite.
"""

import functools
import re
import warnings

import estimators
import numpy as np
import pytest
import scipy.sparse as sp
from builders import (
    N_OUTPUTS,
    make_batches,
    make_network,
    make_rows,
    make_weights,
    make_X,
    make_y,
    textbook_Y,
)
from estimators import data
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from skscratch import ScratchMLPClassifier, lbfgs
from skscratch.activations import ACTIVATIONS
from skscratch.diagnosis import loss_of_guessing
from skscratch.floating_point import own_errstate

mlp = functools.partial(
    estimators.mlp, hidden_layer_sizes=(7,), activation="tanh", max_iter=8, tol=1e-9, n_iter_no_change=5
)


def number_after(name, line):
    return float(re.search(rf"{name}:? *=? *([\d.]+)", line)[1])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_max_iter_reached_before_patience_ran_out_warns_and_says_what_to_do(solver):
    X, y = data()
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=8.*Raise max_iter.*n_iter_no_change=np\.inf"
    ) as caught:
        mlp(solver=solver, learning_rate_init=0.001).fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize("max_iter", [1, 3, 5, 10, 12, 30])
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_the_warning_comes_however_few_epochs_there_are(learning_rate, max_iter):
    X, y = data()
    clf = mlp(learning_rate=learning_rate, n_iter_no_change="auto", max_iter=max_iter)
    with pytest.warns(ConvergenceWarning, match=rf"max_iter={max_iter} before .* no 10 epochs without"):
        clf.fit(X, y)


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_a_single_epoch_of_an_annealed_rate_does_not_warn(learning_rate):
    X, y = data()
    mlp(learning_rate=learning_rate, n_iter_no_change="auto", tol=1e-4, max_iter=1).fit(X, y)


@pytest.mark.parametrize(
    "params",
    [
        {"n_iter_no_change": np.inf},
        {"early_stopping": True},
        {"early_stopping": True, "scoring": "accuracy"},
        {"learning_rate": "cosine", "n_iter_no_change": "auto", "tol": 1e-4},
        {"learning_rate": "one_cycle", "n_iter_no_change": "auto", "tol": 1e-4},
        {"learning_rate_init": 1e-300, "max_iter": 50},
        {"batch_size": 10_000, "n_iter_no_change": np.inf},
    ],
    ids=[
        "fixed epochs",
        "best restored",
        "best score restored",
        "a rate that ends at zero",
        "one cycle",
        "converged",
        "a batch larger than X",
    ],
)
def test_training_that_did_what_was_asked_does_not_warn(params):
    X, y = data()
    assert mlp(**params).fit(X, y).n_iter_ > 1


def test_a_fit_that_converges_in_its_last_epoch_does_not_warn():
    X, y = data()
    clf = mlp(learning_rate_init=1e-300, n_iter_no_change=7, max_iter=8, shuffle=False).fit(X, y)
    assert clf.n_iter_ == 8


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_verbose_prints_one_line_per_epoch_and_silence_prints_nothing(method, capsys):
    X, y = data()
    for verbose in (0, 1):
        clf = mlp(verbose=verbose, n_iter_no_change=np.inf)
        if method == "fit":
            clf.fit(X, y)
        else:
            for _ in range(8):
                clf.partial_fit(X, y, classes=[0, 1, 2])
        out, err = capsys.readouterr()
        assert err == ""
        lines = out.splitlines()
        assert len(lines) == 8 * verbose
        for epoch, line in enumerate(lines, start=1):
            assert f" {epoch} " in line
            assert number_after("loss", line) == pytest.approx(clf.loss_curve_[epoch - 1], abs=1e-3)


def test_verbose_names_the_phases(capsys):
    X, y = data()
    clf = ScratchMLPClassifier(3, verbose=1, early_stopping=True, max_iter=16, random_state=0).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  loss")[0] for line in lines] == [
        *(f"Epoch {epoch:4d} (search)" for epoch in range(1, 13)),
        *(f"Epoch {epoch:4d} (refit)" for epoch in range(13, 17)),
    ]
    for line, loss in zip(lines, clf.loss_curve_ + clf.refit_loss_curve_, strict=True):
        assert number_after("loss", line) == pytest.approx(loss, abs=1e-6)
    assert number_after("learning rate", lines[12]) == 0.1


@pytest.mark.parametrize(
    ("params", "name"),
    [({}, "Epoch"), ({"early_stopping": True}, "Epoch"), ({"solver": "lbfgs"}, "Iteration")],
)
def test_verbose_names_no_phase_where_there_is_only_one(params, name, capsys):
    X, y = data()
    clf = ScratchMLPClassifier(3, verbose=1, max_iter=200, random_state=0, **params)
    validation = {"X_val": X, "y_val": y} if "early_stopping" in params else {}
    clf.set_params(alpha=0.1).fit(X, y, **validation)
    for epoch, line in enumerate(capsys.readouterr().out.splitlines(), start=1):
        assert line.startswith(f"{name} {epoch:4d}  loss")


def test_verbose_shows_the_validation_loss_and_the_score(capsys):
    X, y = data()
    clf = mlp(verbose=1, early_stopping=True, scoring="accuracy", n_iter_no_change=np.inf).fit(X, y)
    for epoch, line in enumerate(capsys.readouterr().out.splitlines()):
        assert number_after("loss", line) == pytest.approx(clf.loss_curve_[epoch], abs=1e-3)
        assert number_after("validation loss", line) == pytest.approx(
            clf.validation_loss_curve_[epoch], abs=1e-3
        )
        assert number_after("score", line) == pytest.approx(clf.validation_scores_[epoch], abs=1e-3)


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle", lambda fraction: 1 - fraction])
def test_a_new_cycle_of_the_rate_in_partial_fit_does_not_warn(learning_rate):
    X, y = data()
    clf = mlp(learning_rate=learning_rate, max_iter=3)
    for _ in range(7):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    assert clf.n_iter_ == 7


@pytest.mark.parametrize("params", [{}, {"solver": "adam"}, {"early_stopping": True}], ids=str)
def test_the_defaults_do_not_warn_on_well_behaved_rows(params):
    X, y = data()
    ScratchMLPClassifier(random_state=0, **params).fit(X, y)


@pytest.mark.parametrize(
    "params", [{"learning_rate": "constant"}, {"solver": "lbfgs", "tol": 1e-12}], ids=str
)
def test_the_warning_names_the_number_of_epochs_that_auto_came_to(params):
    X, y = data()
    with pytest.warns(ConvergenceWarning, match=r"max_iter=200"):
        ScratchMLPClassifier((7,), "tanh", alpha=1e-4, max_iter="auto", random_state=0, **params).fit(X, y)


def falling(fraction):
    return 1 - fraction


NEEDS_PATIENCE = "early_stopping=True, or learning_rate='constant' or 'invscaling' or 'adaptive'"


@pytest.mark.parametrize(
    ("params", "needed"),
    [
        ({"n_iter_no_change": 10}, NEEDS_PATIENCE),
        ({"n_iter_no_change": 10, "max_iter": 1000}, NEEDS_PATIENCE),
        ({"tol": 1e-3}, NEEDS_PATIENCE),
        ({"tol": 1e-3, "learning_rate": "cosine"}, NEEDS_PATIENCE),
        ({"tol": 1e-3, "learning_rate": falling}, NEEDS_PATIENCE),
        ({"tol": 1e-3, "early_stopping": True}, "n_iter_no_change is a number"),
        ({"scoring": "accuracy"}, "early_stopping=True, or with X_val in fit"),
        ({"scoring": "accuracy", "learning_rate": "constant"}, "early_stopping=True, or with X_val in fit"),
        ({"validation_fraction": 0.2}, "early_stopping=True"),
        ({"power_t": 0.3}, "learning_rate='invscaling'"),
        ({"power_t": 0.3, "learning_rate": "constant"}, "learning_rate='invscaling'"),
        ({"power_t": 0.3, "solver": "adam", "early_stopping": True}, "learning_rate='invscaling'"),
        ({"momentum": 0.5, "solver": "adam"}, "not used by solver='adam'"),
    ],
    ids=lambda value: str(list(value.items())[0]) if isinstance(value, dict) else "",
)
def test_a_parameter_without_effect_warns_and_says_what_would_give_it_one(params, needed):
    X, y = data()
    name, value = next(iter(params.items()))
    given = {"max_iter": 12, "random_state": 0} | params
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf = ScratchMLPClassifier(3, **given).fit(X, y)
    caught = [w for w in caught if w.category is UserWarning]
    assert len(caught) == 1
    assert f"without effect: {name}={value!r} (" in str(caught[0].message)
    assert needed in str(caught[0].message)
    assert caught[0].filename == __file__
    # It tells the truth.
    del given[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimators.assert_same_bits(clf, ScratchMLPClassifier(3, **given).fit(X, y))


def test_all_parameters_without_effect_are_in_one_warning():
    X, y = data()
    clf = ScratchMLPClassifier(3, max_iter=2, power_t=0.3, tol=1e-3, n_iter_no_change=5, beta_1=0.8)
    with pytest.warns(UserWarning, match="Parameters without effect") as caught:
        clf.fit(X, y)
    assert len(caught) == 1
    for name in ("power_t=0.3", "n_iter_no_change=5, tol=0.001 (", "beta_1=0.8"):
        assert name in str(caught[0].message)


@pytest.mark.parametrize(
    "params",
    [
        {"n_iter_no_change": np.inf},
        {"n_iter_no_change": np.inf, "tol": 1e-3},
        {"n_iter_no_change": 5, "tol": 1e-3, "early_stopping": True},
        {"n_iter_no_change": 5, "tol": 10.0, "learning_rate": "constant"},
        {"scoring": "accuracy", "validation_fraction": 0.2, "early_stopping": True},
        {"power_t": 0.3, "learning_rate": "invscaling", "n_iter_no_change": np.inf},
        {"learning_rate": "one_cycle", "tol": 1e-4, "power_t": 0.5, "n_iter_no_change": "auto"},
    ],
    ids=str,
)
def test_a_parameter_with_effect_does_not_warn(params):
    X, y = data()
    ScratchMLPClassifier(3, max_iter=12, random_state=0, **params).fit(X, y)


def test_with_a_validation_set_scoring_has_an_effect():
    X, y = data()
    clf = ScratchMLPClassifier(3, max_iter=2, scoring="accuracy").fit(X, y, X_val=X, y_val=y)
    assert clf.validation_scores_[-1] == clf.score(X, y)


def test_what_concerns_fit_does_not_warn_in_partial_fit():
    X, y = data()
    clf = ScratchMLPClassifier(3, tol=1e-3, n_iter_no_change=5, scoring="accuracy", validation_fraction=0.2)
    clf.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.warns(UserWarning, match=r"without effect: power_t=0.3 \("):
        clf.set_params(power_t=0.3).partial_fit(X, y)


def test_a_list_for_the_default_tuple_is_no_other_value():
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mlp(hidden_layer_sizes=[7], n_iter_no_change=np.inf).fit(X, y)
        mlp(hidden_layer_sizes=np.array([7]), n_iter_no_change=np.inf).fit(X, y)
        mlp(hidden_layer_sizes=np.int64(7), n_iter_no_change=np.inf).fit(X, y)
        mlp(activation=np.array(["tanh"]), n_iter_no_change=np.inf).fit(X, y)


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [(np.float32, "features, pass X as float64, or raise tol"), (np.float64, "features, or raise tol")],
)
def test_lbfgs_whose_line_search_finds_nothing_lower_says_so(monkeypatch, dtype, advice):
    # SciPy's status 2. What leads there depends on the processor.
    minimize = lbfgs.minimize

    def give_up(*arguments, **options):
        result = minimize(*arguments, **options)
        result.success, result.status = False, 2
        return result

    monkeypatch.setattr(lbfgs, "minimize", give_up)
    X, y = data()
    clf = ScratchMLPClassifier((7,), solver="lbfgs", alpha=0.01, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=f"its line search found no lower value. Scale the {advice}.$"
    ):
        clf.fit(X.astype(dtype), y)


# NumPy's own error state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_users_error_state_changes_nothing(activation, solver, dtype):
    X, y = data()
    X, params = (X * 100).astype(dtype), {"tol": 1e6}
    if solver != "lbfgs":
        params = {"early_stopping": True, "batch_size": 16, "learning_rate_init": 0.001}

    def results():
        clf = ScratchMLPClassifier(7, activation, solver=solver, max_iter=20, random_state=5, **params)
        clf.fit(X, y)
        methods = [clf.predict, clf.predict_proba, clf.predict_log_proba, clf.decision_function]
        methods.append(clf.hidden_activations)
        if solver != "lbfgs":
            clf.set_params(max_grad_norm=1e-30).partial_fit(X, y)
        return [*clf.coefs_, *(method(X) for method in methods)]

    expected = results()
    with np.errstate(all="raise"):
        state = np.geterr()
        got = results()
        assert np.geterr() == state
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_overflow_ends_as_it_does_in_any_error_state():
    X, y = data()
    huge = np.full((1, 4), 1.7e308)
    with np.errstate(all="raise"):
        with pytest.warns(ConvergenceWarning, match="diverged"):
            clf = mlp(learning_rate_init=1e200, activation="identity").fit(X, y)
        clf.coefs_[0] *= 1e3
        assert np.isfinite(clf.decision_function(huge)).all()


def test_weights_near_the_largest_number_leak_no_warning():
    X, y = data()
    mlp().partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.full(len(y), 1e300))


def test_a_division_by_zero_is_not_hidden():
    @own_errstate
    def divide(by):
        return np.ones(1) / by

    for state in ("ignore", "raise"):
        with np.errstate(all=state), pytest.warns(RuntimeWarning, match="divide by zero"):
            divide(np.zeros(1))


# Training that ends hardly better than guessing

FAR_OFF = [
    ({"alpha": 1}, "alpha=1 is far too strong for 1347 rows: alpha='auto' starts at 0.0022"),
    ({"alpha": 0.1}, "alpha=0.1 is far too strong"),
    ({"alpha": 1, "solver": "lbfgs"}, "alpha=1 is far too strong"),
    ({"alpha": 1, "early_stopping": True}, "alpha=1 is far too strong"),
    ({"learning_rate_init": 1e-4}, "learning_rate_init=0.0001 is far too low .* usual is 0.2"),
    ({"learning_rate_init": 1e-3}, "learning_rate_init=0.001 is far too low .* usual is 0.2"),
    ({"learning_rate_init": 1e-5, "solver": "adam"}, "learning_rate_init=1e-05 is far too low .* is 0.01"),
]


@pytest.mark.parametrize(
    ("params", "reason"), FAR_OFF, ids=lambda value: str(value) * isinstance(value, dict)
)
def test_parameters_with_which_nothing_is_learned_are_named(params, reason):
    X, y = load_digits(return_X_y=True)
    clf = ScratchMLPClassifier(random_state=0, **params)
    with pytest.warns(ConvergenceWarning, match=f"hardly better than guessing.* 2.3. {reason}") as caught:
        clf.fit(X[:1347] / 16, y[:1347])
    assert len(caught) == 1
    assert clf.score(X[1347:] / 16, y[1347:]) < 0.85


@pytest.mark.parametrize("params", [{"alpha": 0.01}, {"alpha": 0.05}, {"learning_rate_init": 0.01}], ids=str)
def test_parameters_with_which_something_is_learned_are_not_named(params):
    X, y = load_digits(return_X_y=True)
    ScratchMLPClassifier(random_state=0, **params).fit(X[:1347] / 16, y[:1347])


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize(
    "params",
    [{}, {"solver": "adam"}, {"alpha": 0.01}, {"learning_rate_init": 0.05}, {"early_stopping": True}],
)
def test_noise_that_cannot_be_learned_is_not_the_fault_of_a_parameter(params, share):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 5)), rng.random(1000) < share
    ScratchMLPClassifier(8, random_state=0, **params).fit(X, y)


def test_guessing_knows_the_shares_of_the_classes():
    """With one row in fifty, a loss of 0.1 looks low, but is that of guessing."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1000, 5)), np.arange(1000) % 50 == 0
    with pytest.warns(ConvergenceWarning, match="gives 0.098.*alpha=1 is far too strong for 1000 rows"):
        ScratchMLPClassifier(8, alpha=1, random_state=0).fit(X, y)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_loss_of_guessing_is_the_lowest_of_a_constant(kind, smoothing):
    X, y, weights = make_X(50, 2), make_y(kind, 50), make_weights(50)
    network = make_network((2, N_OUTPUTS[kind]), ())
    rows = make_rows(X, y, kind, weights, smoothing=smoothing)
    Y = textbook_Y(y, kind, smoothing)
    constant = np.average(Y, axis=0, weights=weights)
    expected = -(Y * np.log(constant)).sum(axis=1)
    if kind != "multiclass":
        expected -= ((1 - Y) * np.log(1 - constant)).sum(axis=1)
    got = loss_of_guessing(make_batches(rows, 8, kind, network))
    assert got == pytest.approx(np.average(expected, weights=weights), rel=1e-12)


# Validation rows that were not transformed

SCALERS = [StandardScaler, MinMaxScaler, RobustScaler, PowerTransformer]


def split_of(load):
    X, y = load(return_X_y=True)
    return train_test_split(X, y, stratify=y, random_state=0)


@pytest.mark.parametrize("form", [np.array, sp.csr_array, np.float32], ids=["float64", "sparse", "float32"])
@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_validation_rows_that_passed_by_the_scaler_are_noticed(load, scaler, form):
    A, B, a, b = split_of(load)
    clf, A = ScratchMLPClassifier(3, max_iter=1, early_stopping=True), form(scaler().fit_transform(A))
    with pytest.warns(UserWarning, match=r"X_val lies far from X: .* transform_input=\['X_val'\]") as caught:
        clf.fit(A, a, X_val=form(B), y_val=b)
    assert caught[0].filename == __file__


def test_a_pipeline_given_validation_rows_by_the_prefix_of_a_step_warns():
    A, B, a, b = split_of(load_wine)
    pipeline = make_pipeline(StandardScaler(), ScratchMLPClassifier(early_stopping=True, random_state=0))
    with pytest.warns(UserWarning, match="X_val lies far from X"):
        pipeline.fit(A, a, scratchmlpclassifier__X_val=B, scratchmlpclassifier__y_val=b)
    with config_context(enable_metadata_routing=True):
        clf = ScratchMLPClassifier(early_stopping=True, random_state=0).set_fit_request(
            X_val=True, y_val=True
        )
        pipeline = make_pipeline(StandardScaler(), clf, transform_input=["X_val"])
        assert pipeline.fit(A, a, X_val=B, y_val=b).score(B, b) > 0.9


@pytest.mark.parametrize(
    "drift",
    [
        lambda Z: Z,
        lambda Z: Z + 3,
        lambda Z: Z - 3,
        lambda Z: 3 * Z,
        lambda Z: Z + 20 * (np.arange(Z.shape[1]) == 0),
        lambda Z: np.where(np.arange(Z.shape[1]) == 1, 1e6, Z),
        lambda Z: 1e9 * Z[:4],
    ],
    ids=[
        "none",
        "+ 3 sd",
        "- 3 sd",
        "3 times as wide",
        "one feature + 20 sd",
        "one feature broken",
        "few rows",
    ],
)
@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
def test_drift_is_not_taken_for_a_missing_transformation(load, drift):
    A, B, a, b = split_of(load)
    scaler = StandardScaler().fit(A)
    Z = drift(scaler.transform(B))
    ScratchMLPClassifier(3, max_iter=1).fit(scaler.transform(A), a, X_val=Z, y_val=b[: len(Z)])


def test_heavy_tails_constant_and_rare_features_do_not_count_as_far():
    rng = np.random.default_rng(0)

    def rows(n, share):
        wild = [rng.standard_cauchy((n, 5)), np.exp(3 * rng.normal(size=(n, 5)))]
        return np.hstack([*wild, rng.random((n, 5)) < share, np.full((n, 5), share)])

    X, X_val = rows(300, 0.03), rows(90, 0.9)
    y = np.arange(300) % 2
    ScratchMLPClassifier(3, max_iter=1).fit(X, y, X_val=X_val, y_val=y[:90])
