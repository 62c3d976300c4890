"""Bad input: each has an error that says what came and what is wanted, and changes nothing."""

import copy
import functools
import re
import warnings
from collections.abc import Mapping

import estimators
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._param_validation import Interval, InvalidParameterError

from skscratch import ScratchMLPClassifier
from skscratch.checks import short_repr
from skscratch.hyperparameters import CONSTRAINTS

mlp = functools.partial(estimators.mlp, hidden_layer_sizes=(5, 3), learning_rate="one_cycle", max_iter=3)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
Y = np.array(["ash", "beech", "cedar"])[np.digitize(X[:, 0], [-0.5, 0.5])]
TABLE = np.c_[X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0].astype(int)
NAMES = list("abcd")


def assert_deep_equal(a, b, where="estimator"):
    assert type(a) is type(b), where
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, where
        np.testing.assert_array_equal(a, b, err_msg=where)
    elif isinstance(a, Mapping):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_deep_equal(a[key], b[key], f"{where}[{key!r}]")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_deep_equal(one, other, f"{where}[{i}]")
    elif isinstance(a, float) and np.isnan(a):
        assert np.isnan(b), where
    elif hasattr(a, "__dict__") and not callable(a):
        assert_deep_equal(vars(a), vars(b), where)
    else:
        assert a == b, where


def with_one(array, value, at=3):
    """Return a copy in which one entry has this value."""
    array = np.array(array, float)
    array.flat[at] = value
    return array


def refuses(clf, call, message, error=ValueError):
    """Check that the call raises, says why, and leaves the estimator exactly as it was."""
    before, published = copy.deepcopy(vars(clf)), {name: id(value) for name, value in vars(clf).items()}
    with pytest.raises(error, match=message) as raised:
        call(clf)
    assert_deep_equal(vars(clf), before)
    # The very same arrays and lists are there still, not copies of them.
    assert {name: id(value) for name, value in vars(clf).items()} == published
    return raised.value


def new(**params):
    return mlp(**params)


def fitted(**params):
    return mlp(**params).fit(X, Y)


def begun(**params):
    return mlp(**params).partial_fit(X, Y, classes=np.unique(Y))


# Wrong parameter values and types

BAD_PARAMETERS = [
    ("hidden_layer_sizes", [0, -3, 2.5, "100", None, (5, 0), (5, -1), (5, 2.5), ("5",), [[5]], {"a": 5}]),
    ("activation", ["step", "RELU", None, 3, ("relu",), ("relu", "step"), ("relu", "relu", "relu"), ()]),
    ("solver", ["newton", "SGD", None, 1]),
    ("alpha", [-1e-9, "high", None, np.nan, (1, 2)]),
    ("batch_size", [0, -1, 2.5, "all", None]),
    ("learning_rate", ["fast", None, 0.1]),
    ("learning_rate_init", [0, -0.1, "high", None, np.nan]),
    ("power_t", [-1, "half", None]),
    ("max_iter", [0, -1, 2.5, "many", None, np.inf]),
    ("shuffle", ["yes", None, 2]),
    ("random_state", ["seed", -1, 0.5]),
    ("tol", [-1e-4, "small", None]),
    ("verbose", ["yes", -1, None]),
    ("warm_start", ["yes", None, 2]),
    ("momentum", [-0.1, 1, 1.5, "high", None]),
    ("nesterovs_momentum", ["yes", None, 2]),
    ("early_stopping", ["auto", None, 2]),
    ("validation_fraction", [0, 1, -0.1, 1.1, "tenth", None]),
    ("scoring", ["best", None, 3]),
    ("n_iter_no_change", [0, -1, 2.5, "never", None, -np.inf]),
    ("beta_1", [-0.1, 1, "high", None]),
    ("beta_2", [-0.1, 1, "high", None]),
    ("epsilon", [0, -1e-8, "small", None]),
    ("max_fun", [0, -1, 2.5, "many", None]),
    ("class_weight", ["equal", 3, (1, 2)]),
    ("dropout", [-0.1, 1, "half", None, (0.5,), (0.5, 1.0), (0.5, 0.5, 0.5)]),
    ("label_smoothing", [-0.1, 1, "some", None]),
    ("max_grad_norm", [0, -1, "one"]),
]
BAD_PARAMETERS = [(name, value) for name, values in BAD_PARAMETERS for value in values]


@pytest.mark.parametrize("state", [new, begun], ids=["new", "fitted"])
@pytest.mark.parametrize(("name", "value"), BAD_PARAMETERS, ids=str)
def test_a_wrong_parameter_is_an_error_that_names_it_and_its_value(name, value, state):
    clf = state().set_params(**{name: value})
    error = refuses(clf, lambda clf: clf.fit(X, Y), f"(?s){name}.*")
    assert str(value) in str(error) or repr(value) in str(error)


@pytest.mark.parametrize("name", sorted(mlp().get_params()))
def test_every_parameter_is_checked(name):
    assert name in {name for name, _ in BAD_PARAMETERS}
    error = refuses(new(**{name: ...}), lambda clf: clf.fit(X, Y), f"'{name}' parameter")
    assert isinstance(error, InvalidParameterError)


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", -1), ("hidden_layer_sizes", (5, 0)), ("solver", "newton")]
)
def test_partial_fit_checks_parameters_too(name, value):
    refuses(new(**{name: value}), lambda clf: clf.partial_fit(X, Y, classes=np.unique(Y)), name)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"ash": -1}, r"class_weight.*at least 0.*-1"),
        ({"ash": np.nan}, r"class_weight.*finite"),
        ({"ash": np.inf}, r"class_weight.*finite"),
        ({"oak": 2}, r"class_weight.*oak"),
        ({"ash": 0, "beech": 0, "cedar": 0}, r"class_weight.*weight"),
        ([{0: 1, 1: 2}], r"class_weight.*dict"),
    ],
)
def test_class_weights_that_make_no_sense_are_an_error(class_weight, message):
    refuses(
        fitted(class_weight=None).set_params(class_weight=class_weight), lambda clf: clf.fit(X, Y), message
    )


@pytest.mark.parametrize("class_weight", [{0: 1, 1: 2}, [{0: 1, 1: 2}], [{0: 1}, {0: 1}, {0: -1}]])
def test_class_weights_of_several_labels_must_be_one_dict_each(class_weight):
    refuses(new(class_weight=class_weight), lambda clf: clf.fit(X, TABLE), "class_weight")


def test_a_schedule_that_returns_no_rate_is_an_error():
    for returned in (-1.0, np.nan, np.inf):
        clf = new(learning_rate=lambda fraction, returned=returned: returned)
        refuses(clf, lambda clf: clf.fit(X, Y), r"learning_rate.*(returned|factor)")


# X

BAD_X = {
    "nan": (with_one(X, np.nan), r"X contains NaN"),
    "infinite": (with_one(X, np.inf), r"X contains infinity"),
    "one-dimensional": (X[:, 0], r"Expected 2D array, got 1D array"),
    "no rows": (X[:0], r"0 sample"),
    "no columns": (X[:, :0], r"0 feature"),
    "strings": (np.full((40, 4), "a"), r"must hold numbers"),
    "complex": (X + 1j, r"Complex data not supported"),
    "sparse with nan": (sp.csr_array(with_one(X, np.nan)), r"NaN"),
    "fewer rows than y": (X[:-1], r"inconsistent numbers of samples.*39.*40"),
}
KNOWN_X = {
    "fewer features": (X[:, :3], r"X has 3 features.*expecting 4 features"),
    "more features": (np.c_[X, X], r"X has 8 features.*expecting 4 features"),
    "fewer features, sparse": (sp.csr_array(X[:, :3]), r"X has 3 features.*expecting 4 features"),
}


@pytest.mark.parametrize("state", [new, fitted], ids=["new", "fitted"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("bad", "message"), BAD_X.values(), ids=BAD_X)
def test_bad_rows_are_an_error_in_training(bad, message, method, state):
    known = {"classes": np.unique(Y)} if method == "partial_fit" else {}
    refuses(state(), lambda clf: getattr(clf, method)(bad, Y, **known), message)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [pair for name, pair in (BAD_X | KNOWN_X).items() if name not in ("no columns", "fewer rows than y")],
)
def test_bad_rows_are_an_error_in_prediction(bad, message, method):
    refuses(fitted(), lambda clf: getattr(clf, method)(bad), message)


@pytest.mark.parametrize(("bad", "message"), KNOWN_X.values(), ids=KNOWN_X)
@pytest.mark.parametrize("state", [fitted, begun])
def test_another_number_of_features_is_an_error_in_later_training(bad, message, state):
    refuses(state(), lambda clf: clf.partial_fit(bad, Y), message)
    refuses(state(warm_start=True), lambda clf: clf.fit(bad, Y), message)


@pytest.mark.parametrize("columns", [list("abce"), list("bacd")], ids=["unknown", "other order"])
def test_other_feature_names_are_an_error(columns):
    clf = mlp(warm_start=True).fit(pd.DataFrame(X, columns=NAMES), Y)
    other = pd.DataFrame(X, columns=columns)
    message = r"(?s)feature names should match.*(- e|order)"
    for call in (
        lambda clf: clf.predict(other),
        lambda clf: clf.partial_fit(other, Y),
        lambda clf: clf.fit(other, Y),
    ):
        refuses(clf, call, message)


def test_other_feature_names_of_the_validation_rows_are_an_error():
    frame, other = pd.DataFrame(X, columns=NAMES), pd.DataFrame(X, columns=list("abce"))
    clf = mlp(early_stopping=True)
    refuses(clf, lambda clf: clf.fit(frame, Y, X_val=other, y_val=Y), r"feature names should match")


# y

BAD_Y = {
    "continuous": (X[:, 0], r"[Uu]nknown label type.*continuous"),
    "several continuous columns": (X[:, :2], r"[Uu]nknown label type.*continuous"),
    "several classes in several columns": (
        np.c_[np.arange(40) % 3, np.arange(40) % 4],
        r"1d array.*\(40, 2\)|multioutput",
    ),
    "nan": (with_one(np.arange(40) % 2, np.nan), r"NaN"),
    "infinite": (with_one(np.arange(40) % 2, np.inf), r"infinity"),
    "none": (None, r"requires y to be passed"),
    "fewer than rows": (Y[:-1], r"inconsistent numbers of samples.*40.*39"),
    "three-dimensional": (np.zeros((40, 2, 2), int), r"dim|shape"),
}


@pytest.mark.parametrize("state", [new, fitted], ids=["new", "fitted"])
@pytest.mark.parametrize(("bad", "message"), BAD_Y.values(), ids=BAD_Y)
def test_bad_labels_are_an_error(bad, message, state):
    refuses(state(), lambda clf: clf.fit(X, bad), message)


@pytest.mark.parametrize(("bad", "message"), BAD_Y.values(), ids=BAD_Y)
def test_bad_labels_are_an_error_in_partial_fit(bad, message):
    clf = mlp().partial_fit(X, np.arange(40) % 2, classes=[0, 1])
    refuses(clf, lambda clf: clf.partial_fit(X, bad), f"{message}|not among the classes|one label per row")


def test_a_table_of_labels_that_holds_more_than_0_and_1_is_an_error():
    clf = mlp().fit(X, TABLE)
    refuses(clf, lambda clf: clf.partial_fit(X, TABLE * 2), r"0 and 1|multilabel|multioutput")


@pytest.mark.parametrize("n", [2, 4])
def test_another_number_of_labels_is_an_error(n):
    clf = mlp().fit(X, TABLE)
    other = np.tile(TABLE, 2)[:, :n]
    refuses(clf, lambda clf: clf.partial_fit(X, other), rf"{n} columns.*3 labels")


def test_a_table_of_labels_is_an_error_where_one_label_per_row_was_learned():
    refuses(fitted(), lambda clf: clf.partial_fit(X, TABLE), r"multilabel.*\(40, 3\).*one label per row")
    clf = mlp().fit(X, TABLE)
    refuses(clf, lambda clf: clf.partial_fit(X, Y), r"multilabel|column|table|2D")


# Weights

BAD_WEIGHTS = {
    "negative": (with_one(np.ones(40), -2.0), r"sample_weight.*negative.*-2"),
    "all zero": (np.zeros(40), r"sample_weight.*zero"),
    "nan": (with_one(np.ones(40), np.nan), r"sample_weight contains NaN"),
    "infinite": (with_one(np.ones(40), np.inf), r"sample_weight contains infinity"),
    "too few": (np.ones(39), r"sample_weight.*\(39,\).*\(40,\)"),
    "too many": (np.ones(41), r"sample_weight.*\(41,\).*\(40,\)"),
    "two columns": (np.ones((40, 2)), r"sample_weight.*\(40, 2\).*\(40,\)"),
    "strings": (np.full(40, "heavy"), r"could not convert|sample_weight"),
}


@pytest.mark.parametrize("state", [new, fitted], ids=["new", "fitted"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("bad", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_are_an_error(bad, message, method, state):
    known = {"classes": np.unique(Y)} if method == "partial_fit" else {}
    refuses(state(), lambda clf: getattr(clf, method)(X, Y, sample_weight=bad, **known), message)


@pytest.mark.parametrize(("bad", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_of_validation_rows_are_an_error(bad, message):
    message = message.replace("sample_weight", "sample_weight_val")
    refuses(
        new(early_stopping=True),
        lambda clf: clf.fit(X, Y, X_val=X, y_val=Y, sample_weight_val=bad),
        message,
    )


# partial_fit and its classes


def test_the_first_call_of_partial_fit_needs_classes():
    error = refuses(new(), lambda clf: clf.partial_fit(X, Y), r"classes must be passed on the first call")
    assert "partial_fit" in str(error)


@pytest.mark.parametrize("known", [{"classes": ["ash", "beech"]}, {}], ids=["first", "later"])
def test_labels_that_are_not_among_the_classes_are_an_error_that_names_them(known):
    clf = new() if known else mlp().partial_fit(X[Y != "cedar"], Y[Y != "cedar"], classes=["ash", "beech"])
    error = refuses(
        clf, lambda clf: clf.partial_fit(X, Y, **known), r"cedar.*(Expected|expected).*ash.*beech"
    )
    assert "classes" in str(error)


@pytest.mark.parametrize(
    "classes",
    [["ash", "beech"], ["ash", "beech", "cedar", "oak"], [0, 1, 2], ["ash", "beech", "oak"]],
    ids=str,
)
@pytest.mark.parametrize("state", [begun, fitted])
def test_other_classes_in_a_later_call_are_an_error(classes, state):
    refuses(
        state(),
        lambda clf: clf.partial_fit(X, Y, classes=classes),
        r"partial_fit.*same.*classes|classes.*same",
    )


def test_numbers_are_no_strings():
    refuses(new(), lambda clf: clf.partial_fit(X, np.arange(40) % 2, classes=["0", "1"]), "classes")


# Validation rows


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": X}, r"y_val is missing"),
        ({"y_val": Y}, r"X_val is missing"),
        ({"sample_weight_val": np.ones(40)}, r"X_val is missing"),
        ({"X_val": X[:, :3], "y_val": Y}, r"3 features.*expecting 4"),
        ({"X_val": with_one(X, np.nan), "y_val": Y}, r"NaN"),
        ({"X_val": X[:-1], "y_val": Y}, r"X_val has 39 rows, but y_val has 40"),
        ({"X_val": X, "y_val": np.where(Y == "ash", "oak", Y)}, r"y_val.*oak"),
        ({"X_val": X, "y_val": X[:, 0]}, r"continuous|y_val"),
        ({"X_val": X, "y_val": TABLE}, r"y_val.*multilabel"),
        ({"X_val": X[:0], "y_val": Y[:0]}, r"^X_val: .*0 sample"),
        ({"X_val": X[0], "y_val": Y[:1]}, r"^X_val: Expected 2D array"),
        ({"X_val": X, "y_val": []}, r"^y_val: .*0 sample"),
        ({"X_val": X, "y_val": 3}, r"^y_val: .*1 dimension"),
        ({"X_val": X, "y_val": np.zeros((40, 1, 1))}, r"^y_val: .*dim 3"),
        ({"X_val": X, "y_val": np.zeros(40, complex)}, r"^y_val: Complex data not supported"),
        ({"X_val": X[:2], "y_val": [[1], [1, 2]]}, r"^y_val: .*inhomogeneous"),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("state", [new, fitted], ids=["new", "fitted"])
def test_bad_validation_rows_are_an_error(given, message, state, early_stopping):
    clf = state().set_params(early_stopping=early_stopping)
    refuses(clf, lambda clf: clf.fit(X, Y, **given), message)


@pytest.mark.parametrize("state", [new, fitted], ids=["new", "fitted"])
def test_a_validation_split_without_two_rows_of_a_class_is_an_error(state):
    clf, (_, rows) = state().set_params(early_stopping=True), np.unique(Y, return_index=True)
    refuses(clf, lambda clf: clf.fit(X[rows], Y[rows]), r"2 rows of the same class.*early_stopping=False")


def test_one_row_cannot_be_split():
    refuses(new(early_stopping=True), lambda clf: clf.fit(X[:1], Y[:1]), r"early_stopping|validation")
    refuses(new(early_stopping=True), lambda clf: clf.fit(X[:1], TABLE[:1]), r"early_stopping|validation")


def test_a_scorer_that_does_not_fit_the_target_raises_and_changes_nothing():
    clf = fitted().set_params(early_stopping=True, scoring="f1")
    refuses(clf, lambda clf: clf.fit(X, Y), r"multiclass|pos_label")


# Continuing with another architecture


@pytest.mark.parametrize("sizes", [(5,), (3, 5), (5, 3, 2), (), 5], ids=str)
def test_continuing_with_another_architecture_is_an_error(sizes):
    wanted = r"hidden_layer_sizes is .*\(5, 3\)"
    refuses(
        fitted(warm_start=True).set_params(hidden_layer_sizes=sizes, activation="tanh"),
        lambda clf: clf.fit(X, Y),
        wanted,
    )
    refuses(begun().set_params(hidden_layer_sizes=sizes), lambda clf: clf.partial_fit(X, Y), wanted)


def test_a_warm_start_with_other_classes_is_an_error():
    refuses(fitted(warm_start=True), lambda clf: clf.fit(X, np.arange(40) % 3), r"warm_start.*ash.*\[0 1 2\]")


# Huge features


@pytest.mark.parametrize("state", [new, fitted, begun], ids=["new", "fitted", "begun"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_features_too_huge_for_any_loss_are_an_error_that_says_what_to_do(method, state):
    known = {"classes": np.unique(Y)} if method == "partial_fit" else {}
    clf = state(activation="relu")
    error = refuses(clf, lambda clf: getattr(clf, method)(np.abs(X) * 5e307, Y, **known), "finite")
    assert "Scale the features" in str(error)


# Predicting before fitting


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function", "score"]
)
def test_predicting_before_fitting_is_an_error(method):
    call = (lambda clf: clf.score(X, Y)) if method == "score" else lambda clf: getattr(clf, method)(X)
    refuses(new(), call, r"not fitted yet.*'fit'", NotFittedError)


# Parameters that the solver cannot use


@pytest.mark.parametrize(
    "change", [{"early_stopping": True}, {"dropout": 0.5}, {"max_grad_norm": 1.0}], ids=str
)
def test_what_lbfgs_must_not_ignore_is_an_error(change):
    clf = ScratchMLPClassifier((3,), solver="lbfgs", **change)
    refuses(clf, lambda clf: clf.fit(X, Y), rf"lbfgs.*{next(iter(change))}")


def test_lbfgs_accepts_auto_where_it_is_not_the_default():
    class Limited(ScratchMLPClassifier):
        def __init__(self, *, solver="sgd", max_grad_norm=0.5):
            super().__init__(3, solver=solver, max_grad_norm=max_grad_norm)

    assert Limited(solver="lbfgs", max_grad_norm="auto").fit(X, Y).max_grad_norm_ is None
    with pytest.raises(ValueError, match=r"max_grad_norm=2\.0.* set max_grad_norm=None"):
        Limited(solver="lbfgs", max_grad_norm=2.0).fit(X, Y)


@pytest.mark.parametrize(
    ("solver", "change"),
    [
        ("sgd", {"beta_1": 0.8}),
        ("sgd", {"beta_2": 0.99}),
        ("sgd", {"epsilon": 1e-6}),
        ("sgd", {"max_fun": 10}),
        ("adam", {"momentum": 0.5}),
        ("adam", {"nesterovs_momentum": False}),
        ("adam", {"max_fun": 10}),
        ("lbfgs", {"batch_size": 10}),
        ("lbfgs", {"learning_rate": "cosine"}),
        ("lbfgs", {"learning_rate_init": 0.1}),
        ("lbfgs", {"power_t": 0.3}),
        ("lbfgs", {"shuffle": False}),
        ("lbfgs", {"momentum": 0.5}),
        ("lbfgs", {"n_iter_no_change": 3}),
    ],
    ids=str,
)
def test_what_a_solver_cannot_use_is_never_silently_ignored(solver, change):
    clf = ScratchMLPClassifier((3,), solver=solver, max_iter=2, tol=1e6, random_state=0, **change)
    name = next(iter(change))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, Y)
    caught = [w for w in caught if name in str(w.message)]
    assert len(caught) == 1
    assert solver in str(caught[0].message)
    assert caught[0].filename == __file__


# After the error


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_model_trains_on_after_a_failed_call_as_if_nothing_had_happened(solver):
    clf = mlp(solver=solver).partial_fit(X, Y, classes=np.unique(Y))
    undisturbed = copy.deepcopy(clf)
    for bad, _ in list(BAD_X.values()):
        with pytest.raises(ValueError):  # noqa: PT011 - the messages are checked above
            clf.partial_fit(bad, Y)
    for bad, _ in BAD_WEIGHTS.values():
        with pytest.raises(ValueError):  # noqa: PT011
            clf.partial_fit(X, Y, sample_weight=bad)
    assert_deep_equal(vars(clf.partial_fit(X, Y)), vars(undisturbed.partial_fit(X, Y)))


def test_a_failed_refit_leaves_predictions_as_they_were():
    clf = fitted()
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(with_one(X[:, :2], np.nan), np.arange(40) % 2)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.n_features_in_ == 4
    assert clf.classes_.tolist() == ["ash", "beech", "cedar"]


# Class weights


def test_class_weights_that_leave_no_validation_row_are_an_error():
    weights = {"ash": 0, "beech": 1, "cedar": 1}
    ash = Y == "ash"
    refuses(
        new(early_stopping=True, class_weight=weights),
        lambda clf: clf.fit(X, Y, X_val=X[ash], y_val=Y[ash]),
        "every validation row",
    )


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_list_of_class_weights_holds_dicts_only(method):
    table = np.c_[Y == "ash", Y != "cedar"].astype(int)
    known = {"classes": [0, 1]} if method == "partial_fit" else {}
    clf = new(class_weight=["balanced", "balanced"])
    refuses(clf, lambda clf: getattr(clf, method)(X, table, **known), "must be a dict.*balanced")


def test_a_warm_start_with_another_activation_is_an_error():
    clf = fitted(warm_start=True).set_params(activation="softplus")
    refuses(clf, lambda clf: clf.fit(X, Y), "activation is .*softplus")


def test_no_dropout_anywhere_is_nothing_that_lbfgs_must_refuse():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new(solver="lbfgs", dropout=[0.0, 0.0]).fit(X, Y)
    refuses(new(solver="lbfgs", dropout=np.array([0.0, 0.1])), lambda clf: clf.fit(X, Y), "dropout")


# Data frames, several calls in a row, and estimators that were edited by hand


def test_columns_of_categories_count_as_the_numbers_in_them():
    X, y = load_iris(return_X_y=True, as_frame=True)
    as_text = X.assign(grade=(X.iloc[:, 0] > 5).map({True: "1", False: "2"}).astype("category"))
    as_numbers = as_text.assign(grade=as_text["grade"].astype(float))
    clf = ScratchMLPClassifier(4, max_iter=2, random_state=0)
    one, other = (copy.copy(clf).fit(frame, y) for frame in (as_text, as_numbers))
    np.testing.assert_array_equal(one.predict_proba(as_text), other.predict_proba(as_numbers))
    with pytest.raises(ValueError, match="must hold numbers, but .*low"):
        one.fit(X.assign(grade=(X.iloc[:, 0] > 5).map({True: "low", False: "high"}).astype("category")), y)


def test_dates_are_refused_by_name():
    X = np.arange("2020-01-01", "2020-01-21", dtype="datetime64[D]").reshape(-1, 1)
    with pytest.raises(ValueError, match=r"dates or durations \(datetime64"):
        ScratchMLPClassifier(4).fit(X, np.arange(20) % 2)


@pytest.mark.parametrize(
    "invalid",
    [
        {"alpha": -1},
        {"momentum": 5},
        {"solver": "foo"},
        {"batch_size": 0},
        {"max_grad_norm": -1},
        {"max_iter": 2.7},
    ],
    ids=str,
)
def test_parameters_that_were_made_invalid_between_two_parts_are_refused(invalid):
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(4, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(InvalidParameterError, match=next(iter(invalid))):
        clf.set_params(**invalid).partial_fit(X, y)


def test_many_classes_in_a_small_part_are_no_sign_of_regression():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60)
    # Any warning is an error here.
    ScratchMLPClassifier(4).partial_fit(X, y, classes=range(100))


@pytest.mark.parametrize("classes", [3, {0, 1, 2}, [[0, 1, 2]]], ids=str)
def test_classes_that_are_no_sequence_are_refused_by_name(classes):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="classes must be a sequence"):
        ScratchMLPClassifier(4).partial_fit(X, y, classes=classes)


def test_weights_whose_sum_overflows_are_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="sum of sample_weight may overflow"):
        ScratchMLPClassifier(4).fit(X, y, sample_weight=np.full(150, 1e307))


def test_a_new_fit_does_not_mind_what_became_of_the_old_weights():
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(4, max_iter=2, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    clf.coefs_ = [np.zeros((1, 1))]
    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), before)


def test_weights_of_ones_own_that_are_not_finite_are_named():
    X, y = load_iris(return_X_y=True)
    clf = ScratchMLPClassifier(4, max_iter=2, random_state=0).fit(X, y)
    clf.coefs_[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"coefs_\[0\] holds values that are not finite"):
        clf.predict(X)


def test_a_subclass_may_have_fewer_parameters():
    class Narrow(ScratchMLPClassifier):
        def __init__(self, units=4, random_state=None):
            super().__init__(units, random_state=random_state)
            self.units = units

    X, y = load_iris(return_X_y=True)
    assert Narrow(random_state=0).fit(X, y).score(X, y) > 0.8


# Labels that are missing, infinite or of two sorts


def with_odd_label(odd, kind):
    y = Y.astype(object)
    y[3] = odd
    return {"array": y, "list": list(y), "frame": pd.Series(y, dtype=object)}[kind]


@pytest.mark.parametrize("kind", ["array", "list", "frame"])
@pytest.mark.parametrize("odd", [None, pd.NA, np.nan, pd.NaT, 3, b"oak"], ids=repr)
def test_a_label_that_is_missing_or_no_string_among_strings_is_an_error_that_names_its_array(odd, kind):
    y, message = with_odd_label(odd, kind), f"holds {odd!r} among (its labels|strings)"
    refuses(new(), lambda clf: clf.fit(X, y), f"^y {message}")
    refuses(begun(), lambda clf: clf.partial_fit(X, y), f"^y {message}")
    refuses(new(early_stopping=True), lambda clf: clf.fit(X, Y, X_val=X, y_val=y), f"^y_val {message}")
    refuses(new(), lambda clf: clf.partial_fit(X, Y, classes=y[:4]), f"^classes {message}")


@pytest.mark.parametrize("dtype", ["string", "boolean", "Int64", "Float64"])
def test_a_missing_label_of_a_nullable_column_is_an_error_that_names_its_array(dtype):
    complete = pd.Series(Y == "ash").astype("string" if dtype == "string" else int).astype(dtype)
    known = np.unique(complete)
    y = complete.copy()
    y[3] = pd.NA
    refuses(new(), lambda clf: clf.fit(X, y), r"\by\b.*(NA|NaN)")
    refuses(new(), lambda clf: clf.partial_fit(X, y, classes=known), r"\by\b.*(NA|NaN)")
    clf = new(early_stopping=True)
    refuses(clf, lambda clf: clf.fit(X, complete, X_val=X, y_val=y), r"\by_val\b.*(NA|NaN)")
    assert new().fit(X, complete).classes_.tolist() == known.tolist()


def test_dates_are_labels_but_a_missing_date_is_none():
    y = np.array(["2024-01-01", "2025-01-01"], "datetime64[D]")[(X[:, 0] > 0).astype(int)]
    assert new(max_iter=100).fit(X, y).score(X, y) > 0.9
    y[3] = "NaT"
    refuses(new(), lambda clf: clf.fit(X, y), "y contains NaT")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": with_one(X, np.nan), "y_val": Y}, "^Input X_val contains NaN"),
        ({"X_val": X, "y_val": with_one(np.arange(40) % 2, np.nan)}, "^Input y_val contains NaN"),
        ({"X_val": X, "y_val": with_one(np.arange(40) % 2, np.inf)}, "^Input y_val contains infinity"),
        ({"X_val": X, "y_val": X[:, 0]}, "^y_val: Unknown label type: continuous"),
    ],
)
def test_bad_validation_rows_are_called_by_their_own_names(given, message):
    refuses(new(early_stopping=True), lambda clf: clf.fit(X, Y, **given), message)


@pytest.mark.parametrize("dtype", [float, object])
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (np.nan, "Input classes contains NaN"),
        (np.inf, "Input classes contains infinity"),
        (2.5, "^classes: Unknown label type: continuous"),
    ],
)
def test_classes_are_whole_numbers(extra, message, dtype):
    classes, y = np.array([0, 1, extra], dtype), np.arange(40) % 2
    refuses(new(), lambda clf: clf.partial_fit(X, y, classes=classes), message)
    refuses(new(), lambda clf: clf.partial_fit(X, TABLE, classes=classes), message)


@pytest.mark.parametrize("odd", ["a", None, pd.NA], ids=repr)
def test_classes_are_of_one_sort(odd):
    y = np.arange(40) % 2
    for classes in ([0, 1, odd], np.array([0, 1, odd], object)):
        call = lambda clf, classes=classes: clf.partial_fit(X, y, classes=classes)  # noqa: E731
        refuses(new(), call, "^classes holds .* among (its labels|strings)")


def test_classes_may_be_numbers_in_an_array_of_objects():
    clf = new().partial_fit(X, np.arange(40) % 2, classes=np.array([1, 0], object))
    assert clf.predict(X).dtype == np.arange(2).dtype


def test_classes_that_an_ensemble_has_numbered_are_said_to_be_numbers():
    bagging = BaggingClassifier(new(class_weight={"ash": 2}), n_estimators=1, bootstrap=False)
    with pytest.raises(ValueError, match=r"class_weight names \['ash'\].*BaggingClassifier.* from 0"):
        bagging.fit(X, Y)
    with pytest.raises(ValueError, match=r"class_weight names \['ahs'\]") as raised:
        new(class_weight={"ahs": 2}).fit(X, Y)
    assert "Bagging" not in str(raised.value)


# Numbers that no float can hold

TOO_LARGE = [10**400, -(10**400), 10**5000]
too_large = pytest.mark.parametrize("number", TOO_LARGE, ids=["10^400", "-10^400", "10^5000"])
NUMERIC = [name for name, parts in CONSTRAINTS.items() if any(isinstance(part, Interval) for part in parts)]


def trains(method, **params):
    known = {"classes": np.unique(Y)} if method == "partial_fit" else {}
    return lambda clf: getattr(clf, method)(X, Y, **known, **params)


@too_large
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", NUMERIC)
def test_a_parameter_that_no_float_can_hold_is_an_error_that_names_it(name, method, number):
    clf = mlp(learning_rate="invscaling").set_params(**{name: number})
    error = refuses(clf, trains(method), f"'{name}' parameter.*fits into a float")
    assert isinstance(error, InvalidParameterError)
    if method == "partial_fit":
        refuses(
            begun().set_params(**{name: number}), trains(method), f"'{name}' parameter.*fits into a float"
        )


@too_large
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_number_that_no_float_can_hold_is_an_error_in_a_sequence_too(method, number):
    for params in (
        {"hidden_layer_sizes": (5, number)},
        {"dropout": [0.0, number]},
        {"class_weight": {"ash": number}},
    ):
        refuses(mlp(**params), trains(method), next(iter(params)))


@too_large
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_weights_and_rows_that_no_float_can_hold_are_an_error_by_name(method, number):
    weights, rows = [1] * 39 + [number], X.astype(object)
    rows[3, 1] = number
    for heavy in (weights, np.array(weights, object), number):
        refuses(
            new(),
            trains(method, sample_weight=heavy),
            "^sample_weight holds a number that is too large for a float",
        )
    known = {"classes": np.unique(Y)} if method == "partial_fit" else {}
    refuses(
        new(),
        lambda clf: getattr(clf, method)(rows, Y, **known),
        "^X holds a number that is too large for a float",
    )
    refuses(fitted(), lambda clf: clf.predict(rows), "^X holds a number that is too large for a float")
    for name, given in {
        "X_val": {"X_val": rows, "y_val": Y},
        "sample_weight_val": {"X_val": X, "y_val": Y, "sample_weight_val": weights},
    }.items():
        call = lambda clf, given=given: clf.fit(X, Y, **given)  # noqa: E731
        refuses(new(early_stopping=True), call, f"^{name} holds a number that is too large for a float")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_penalty_beyond_float32_makes_training_diverge_without_a_word_from_numpy(method):
    clf = mlp(alpha=1e300)
    known = {"classes": np.unique(Y)} if method == "partial_fit" else {}
    # Any other warning is an error here.
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 1"):
        getattr(clf, method)(X.astype(np.float32), Y, **known)


# What is no number, no name or no sequence

NO_NUMBER = {
    "none": None,
    "text": "0.5",
    "mapping": {},
    "array": np.ones(3),
    "array of one": np.ones(1),
    "complex": 1j,
    "huge": 10**400,
    "nan": np.nan,
}
no_number = pytest.mark.parametrize("bad", NO_NUMBER.values(), ids=NO_NUMBER)


@no_number
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_schedule_that_returns_no_number_is_an_error_that_shows_it(bad, method):
    message = rf"learning_rate\(0\) returned {re.escape(short_repr(bad))}; .*finite factor"
    refuses(mlp(learning_rate=lambda fraction: bad), trains(method), message)


@no_number
def test_a_scorer_that_returns_no_number_is_an_error_that_shows_it(bad):
    clf = mlp(early_stopping=True, scoring=lambda estimator, X, y: bad)
    refuses(clf, trains("fit"), rf"scoring\) returned {re.escape(short_repr(bad))} .*must be a finite number")


@no_number
def test_a_class_weight_that_is_no_number_is_an_error_that_shows_it(bad):
    clf = mlp(class_weight={"ash": bad})
    refuses(clf, trains("fit"), rf"class_weight must hold finite weights.*{re.escape(short_repr(bad))}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_layer_sizes", np.array(5)),
        ("hidden_layer_sizes", {5, 3}),
        ("hidden_layer_sizes", {5: 1, 3: 1}),
        ("hidden_layer_sizes", (5, 10**30)),
        ("dropout", np.array(0.5)),
        ("dropout", {0.5, 0.2}),
        ("activation", np.array("relu")),
        ("activation", {"relu": 1, "tanh": 2}),
        ("activation", [["relu"], ["relu"]]),
        ("activation", np.array([["relu"], ["tanh"]])),
        ("activation", [{}, {}]),
    ],
    ids=str,
)
def test_what_is_no_sequence_of_the_right_entries_is_an_error_that_names_the_parameter(name, value):
    error = refuses(mlp(**{name: value}), trains("fit"), f"^{name} must be")
    assert f"got {short_repr(value)}." in str(error)


@pytest.mark.parametrize("layer", ["a", None, 0.0, [0], np.array([0, 1]), {}, 10**5000], ids=short_repr)
def test_a_layer_that_is_no_whole_number_is_an_error_that_says_so(layer):
    refuses(fitted(), lambda clf: clf.hidden_activations(X, layer=layer), "^layer=.*2 hidden layer")


@pytest.mark.parametrize(
    ("scoring", "hint"),
    [
        ("acc", "Did you mean 'accuracy' or 'balanced_accuracy'"),
        ("f1macro", "Did you mean 'f1_macro'"),
        ("neg_logloss", "Did you mean 'neg_log_loss'"),
        ("xyzzy", "instead.$"),
    ],
)
def test_an_unknown_scorer_is_an_error_that_names_similar_ones(scoring, hint):
    error = refuses(mlp(scoring=scoring), trains("fit"), f"'scoring' parameter.*Got '{scoring}'.*{hint}")
    assert isinstance(error, InvalidParameterError)
    assert len(str(error)) < 300


def test_the_names_to_choose_from_are_listed_in_one_order_in_every_process():
    refuses(mlp(activation="step"), trains("fit"), "'alrelu', 'elu', 'gelu', .* 'softplus', 'tanh'")
    refuses(mlp(solver="newton"), trains("fit"), "'sgd', 'adam', 'lbfgs'")
    refuses(mlp(learning_rate="fast"), trains("fit"), "'one_cycle', 'cosine', 'constant', 'invscaling'")


# Values that are not finite, where scikit-learn does not look for them


@pytest.mark.parametrize("form", [np.array, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_values_that_are_not_finite_are_called_so_under_assume_finite(value, name, form):
    bad = form(with_one(X, value))
    clf = fitted(activation="relu")
    calls = [clf.predict, clf.predict_proba, clf.predict_log_proba, clf.decision_function]
    calls += [clf.hidden_activations, lambda bad: clf.fit(bad, Y), lambda bad: clf.partial_fit(bad, Y)]
    with config_context(assume_finite=True):
        for call in calls:
            refuses(clf, lambda clf, call=call: call(bad), f"^X contains {name}. Replace such")


def test_infinity_beside_categories_is_an_error_that_says_so():
    table = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(list("1234") * 10)})
    clf = mlp().fit(table, Y)
    table.loc[3, "a"] = np.inf
    refuses(clf, lambda clf: clf.predict(table), "X contains infinity")
    refuses(clf, lambda clf: clf.fit(table, Y), "X contains infinity")
