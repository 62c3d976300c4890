"""Whatever is drawn: a fit either keeps every promise, or is refused in our words and changes nothing.

The ordinary run draws the same few hundred examples each time. With SKSCRATCH_FUZZ=10 in the environment a
test draws ten times as many, and others in each run.
"""

import copy
import os
import pickle
import re
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from drawn import (
    BAD_DATA,
    HOLDERS,
    IMPOSSIBLE,
    IN_PARTS,
    LABELS,
    SPARSE,
    TAME,
    TAME_VALUES,
    WILD,
    Recipe,
    build,
    one_of,
    parameters,
    recipes,
    wild_recipes,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sklearn.base import clone
from sklearn.utils.validation import _get_feature_names

import skscratch

TIMES = int(os.environ.get("SKSCRATCH_FUZZ", "0"))


def examples(n, **more):
    """Return the settings of a test that draws n examples in the ordinary run."""
    return settings(
        max_examples=n * max(TIMES, 1),
        derandomize=not TIMES,
        print_blob=bool(TIMES),
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow],
        **more,
    )


# ----------------------------------------------------------------------------------------------------------
# One call: what it returns, raises, warns of and changes

WORDS = tuple(str(Path(package.__file__).parent) for package in (skscratch, sklearn))
BARE = re.compile(
    r"not supported between|unhashable|float\(\) argument|0-d array|zip\(\) argument|could not convert"
    r"|object is not|has no attribute|only integer scalar|after \* must|read-only|broadcast|must be real"
)
TRAINS = ("fit", "partial_fit")


def numbers_in(thing):
    """Return the content of data or of attributes, down to the last byte, as something to compare."""
    if isinstance(thing, np.ndarray):
        content = thing.tolist() if thing.dtype == object else thing.tobytes()
        return thing.dtype.str, thing.shape, content
    if sp.issparse(thing):
        places = ["row", "col"] if thing.format == "coo" else ["indices", "indptr"]
        arrays = [thing.data, *(getattr(thing, name) for name in places)]
        return type(thing), thing.shape, numbers_in(arrays)
    if isinstance(thing, pd.DataFrame | pd.Series | pl.DataFrame | pl.Series):
        return type(thing), list(getattr(thing, "columns", [])), numbers_in(thing.to_numpy())
    if isinstance(thing, dict):
        return {name: numbers_in(value) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [numbers_in(value) for value in thing]
    return repr(thing)


@dataclass
class Outcome:
    """What came of a call: a value or an error, and the warnings on the way."""

    value: Any
    error: Exception | None
    warned: list[str]

    def heard(self, words):
        return any(words in message for message in self.warned)


def attempt(clf, method, **arguments):
    """Call a method; whatever comes of it, nothing may be written to, and every word must be a true one."""
    data_before, clf_before = numbers_in(arguments), numbers_in(vars(clf))
    error_state = np.geterr()
    value = error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = getattr(clf, method)(**arguments)
        except (ValueError, TypeError) as raised:
            error = raised
    assert numbers_in(arguments) == data_before, "the call wrote to its arguments"
    assert np.geterr() == error_state
    for warning in caught:
        # NumPy's own are RuntimeWarnings; ConvergenceWarning is a UserWarning.
        assert issubclass(warning.category, UserWarning), str(warning)
    if error is not None:
        check_words(error)
    if error is not None or method not in TRAINS:
        assert numbers_in(vars(clf)) == clf_before, "the call changed the estimator"
    return Outcome(value, error, [str(warning.message) for warning in caught])


def check_words(error):
    """An error has a message, and was raised by a `raise` of ours or of scikit-learn's."""
    origin = traceback.extract_tb(error.__traceback__)[-1]
    ours = origin.filename.startswith(WORDS) and origin.line.startswith("raise")
    if not (ours and str(error) and not BARE.search(str(error))):
        raise AssertionError(f"{type(error).__name__} of somebody else: {error}") from error


def succeed(clf, method, **arguments):
    """Call a method that has no reason to fail, and return its value."""
    outcome = attempt(clf, method, **arguments)
    if outcome.error is not None:
        raise AssertionError(f"{method} failed: {outcome.error}") from outcome.error
    return outcome.value


# ----------------------------------------------------------------------------------------------------------
# What must hold of an estimator


def fitted(clf):
    """Return the content of everything that training left, public or not."""
    return numbers_in({name: value for name, value in vars(clf).items() if name not in clf.get_params()})


def predictions(clf, X):
    return {method: succeed(clf, method, X=X) for method in ("predict", "predict_proba", "predict_log_proba")}


def check_predictions(clf, recipe):
    """Check everything that can be predicted for the rows of a recipe."""
    n, dtype = recipe.n_rows, clf.coefs_[0].dtype
    precision = np.finfo(dtype).eps
    y, P, log_P = predictions(clf, recipe.X).values()
    assert P.shape == log_P.shape == (n, len(clf.classes_))
    assert P.dtype == log_P.dtype == dtype
    assert np.isfinite(log_P).all()
    assert (P >= 0).all()
    assert (P <= 1).all()
    np.testing.assert_allclose(P, np.exp(log_P), rtol=1e3 * precision, atol=np.finfo(dtype).tiny)
    scores = succeed(clf, "decision_function", X=recipe.X)
    assert scores.shape == ((n,) if clf.n_outputs_ == 1 else (n, clf.n_outputs_))
    assert scores.dtype == dtype
    assert np.isfinite(scores).all()
    if recipe.multilabel:
        np.testing.assert_array_equal(y, P > 0.5)
    else:
        np.testing.assert_allclose(P.sum(axis=1), 1, rtol=10 * precision)
        assert y.dtype == clf.classes_.dtype
        np.testing.assert_array_equal(y, clf.classes_[P.argmax(axis=1)])
    for layer in range(clf.n_layers_ - 2):
        A = succeed(clf, "hidden_activations", X=recipe.X, layer=layer)
        assert A.shape == (n, len(clf.intercepts_[layer]))
        assert A.dtype == dtype
        assert np.isfinite(A).all()


def validation_rows(clf, recipe):
    """Return other rows as the validation set of fit, if it stops early."""
    other = recipe.but(seed=recipe.seed + 1)
    return {"X_val": other.X, "y_val": other.y} if clf.early_stopping is True else {}


def trained(params, recipe, *, validated=False):
    """Return a new estimator after one call of fit, and what came of that."""
    clf = build(params, recipe)
    return clf, attempt(clf, "fit", **recipe.arguments, **(validation_rows(clf, recipe) if validated else {}))


def same_outcome(one, other):
    """Compare two trainings, each an estimator and an outcome: the same bits, or the same words."""
    (clf, outcome), (clf_2, outcome_2) = one, other
    assert str(outcome.error) == str(outcome_2.error)
    assert outcome.warned == outcome_2.warned
    assert fitted(clf) == fitted(clf_2)


any_parameters = parameters(TAME, WILD)


@examples(400)
@given(recipe=wild_recipes(), params=any_parameters, validated=st.booleans())
def test_a_fit_is_refused_or_predicts(recipe, params, validated):
    clf, outcome = trained(params, recipe, validated=validated)
    if outcome.error is None:
        assert {array.dtype.name for array in (*clf.coefs_, *clf.intercepts_)} == {recipe.computed_in}
        refused = attempt(clf, "predict", X=recipe.X).error
        if refused and leaves_rows_out(recipe, params):
            # Nothing says that the network can take rows on which it was not trained.
            assert "are not finite" in str(refused)
        else:
            check_predictions(clf, recipe)


def leaves_rows_out(recipe, params):
    """Return whether some rows weigh nothing, or next to nothing."""
    class_weight = params.get("class_weight")
    unequal = recipe.weights in ("zeros among them", "one row of 1e300", "one row only")
    return unequal or (isinstance(class_weight, tuple) and 0 in class_weight)


@examples(150)
@given(recipe=wild_recipes(), params=any_parameters)
def test_the_same_seed_gives_the_same_bits(recipe, params):
    same_outcome(trained(params, recipe), trained(params, recipe))


@examples(100)
@given(recipe=wild_recipes(), params=any_parameters)
def test_numpys_error_state_makes_no_difference(recipe, params):
    plain = trained(params, recipe)
    with np.errstate(all="raise"):
        strict = trained(params, recipe)
        if strict[1].error is None:
            predictions(strict[0], recipe.X)
    same_outcome(plain, strict)


@examples(100)
@given(recipe=recipes(), params=any_parameters)
def test_a_pickle_predicts_and_trains_on_like_the_original(recipe, params):
    clf, outcome = trained(params, recipe)
    if outcome.error is None:
        loaded = pickle.loads(pickle.dumps(clf))
        assert numbers_in(predictions(loaded, recipe.X)) == numbers_in(predictions(clf, recipe.X))
        again, again_loaded = (attempt(each, "fit", **recipe.arguments) for each in (clf, loaded))
        if not isinstance(clf.random_state, np.random.RandomState):  # the original's is shared with nobody
            same_outcome((clf, again), (loaded, again_loaded))


@examples(150)
@given(recipe=recipes(layouts=SPARSE, values=[*TAME_VALUES, "pixels"]), params=parameters(TAME))
def test_sparse_rows_count_like_dense_ones(recipe, params):
    dense = recipe.X.toarray()
    clf, outcome = trained(params, recipe)
    if outcome.error is None:
        tolerance = 1e4 * np.finfo(clf.coefs_[0].dtype).eps
        scores = succeed(clf, "decision_function", X=recipe.X)
        np.testing.assert_allclose(
            scores,
            succeed(clf, "decision_function", X=dense),
            rtol=tolerance,
            atol=tolerance * (1 + abs(scores).max()),
        )


@examples(60)
@given(recipe=recipes(layouts=SPARSE, dtypes=["float64", "bool"]), params=parameters(TAME, most=4))
def test_sparse_rows_train_like_dense_ones(recipe, params):
    sparse, outcome = trained(params, recipe)
    dense = build(params, recipe)
    outcome_2 = attempt(dense, "fit", **recipe.arguments | {"X": recipe.X.toarray()})
    assert str(outcome.error) == str(outcome_2.error)
    if outcome.error is None:
        tolerance = {"float64": 1e-6, "bool": 1e-2}[recipe.dtype]
        np.testing.assert_allclose(sparse.loss_curve_, dense.loss_curve_, rtol=tolerance)
        np.testing.assert_allclose(
            predictions(sparse, recipe.X)["predict_proba"],
            predictions(dense, recipe.X)["predict_proba"],
            atol=tolerance,
        )


@examples(150)
@given(
    recipe=recipes(labels=[*LABELS]),
    names=one_of(LABELS),
    holder=one_of(HOLDERS),
    params=parameters(TAME),
)
def test_the_names_of_the_classes_make_no_difference(recipe, names, holder, params):
    renamed = recipe.but(labels=names, holder=holder)
    if len(renamed.classes) == len(recipe.classes):
        (one, outcome), (other, outcome_2) = trained(params, recipe), trained(params, renamed)
        assert (outcome.error is None) == (outcome_2.error is None)
        if outcome.error is None:
            P, renamed_P = one.predict_proba(recipe.X), other.predict_proba(recipe.X)
            np.testing.assert_array_equal(P, renamed_P)
            np.testing.assert_array_equal(other.classes_, renamed.classes)


@examples(150)
@given(recipe=recipes(), params=parameters(IN_PARTS))
def test_n_parts_are_one_fit(recipe, params):
    whole, outcome = trained({"n_iter_no_change": np.inf} | params, recipe)
    assert outcome.error is None
    parts = build(params, recipe)
    for _ in range(parts.max_iter):
        succeed(parts, "partial_fit", **recipe.arguments, classes=recipe.classes)
    if not outcome.heard("diverged in epoch"):  # where fit ends
        for name in (
            "coefs_",
            "intercepts_",
            "alpha_",
            "n_iter_",
            "t_",
            "loss_curve_",
            "learning_rate_curve_",
        ):
            assert numbers_in(getattr(whole, name)) == numbers_in(getattr(parts, name)), name


REFUSED = [(name, value) for name, values in IMPOSSIBLE.items() for value in values]


@pytest.mark.parametrize("method", TRAINS)
@pytest.mark.parametrize(
    ("name", "value"), REFUSED, ids=lambda given: getattr(given, "__name__", repr(given)[:20])
)
def test_an_impossible_parameter_is_refused_by_its_name(name, value, method):
    recipe = Recipe()
    clf = build({name: value}, recipe)
    more = {"classes": recipe.classes} if method == "partial_fit" else {}
    outcome = attempt(clf, method, **recipe.arguments, **more)
    assert outcome.error is not None
    assert name in str(outcome.error)


@pytest.mark.parametrize("method", TRAINS)
@pytest.mark.parametrize("bad", BAD_DATA, ids=lambda bad: " = ".join(*bad.items()))
def test_impossible_data_are_refused(bad, method):
    for seed in range(3):  # what is said may depend on which label comes first
        recipe = Recipe(n_classes=3, seed=seed).but(**bad)
        more = {"classes": recipe.classes} if method == "partial_fit" else {}
        assert attempt(build({}, recipe), method, **recipe.arguments, **more).error is not None


# ----------------------------------------------------------------------------------------------------------
# Many calls on one estimator

ORDINARY = {
    "solver": ["sgd", "adam", "lbfgs"],
    "hidden_layer_sizes": [(), 3, (3, 2)],
    "activation": ["alrelu", "tanh"],
    "learning_rate": ["one_cycle", "constant", "adaptive"],
    "max_iter": [1, 4, 13],
    "alpha": ["auto", 0.01],
    "early_stopping": [False, True],
    "scoring": ["loss", "accuracy"],
    "class_weight": [None, "balanced"],
}
# Old versions of scikit-learn do not read the names of new versions of polars.
NAMED_BY = {"pandas": pd.DataFrame({"a": [0]}), "polars": pl.DataFrame({"a": [0]})}
FRAMES = tuple(name for name, frame in NAMED_BY.items() if _get_feature_names(frame) is not None)
ordinary_recipes = st.builds(
    Recipe,
    n_columns=one_of([2, 3]),
    n_classes=one_of([2, 3]),
    dtype=one_of(["float32", "float64"]),
    layout=one_of(["C", "CSR, unsorted", *FRAMES]),
    labels=one_of(["0, 1, 2", "strings", "table"]),
    weights=one_of(["none", "whole numbers"]),
    seed=one_of([0, 1]),
)


def architecture(clf):
    """Return what must stay the same where training resumes: hidden layers and their activations."""
    sizes = np.atleast_1d(clf.hidden_layer_sizes).astype(int).tolist()
    return sizes, clf.activation if sizes else None


class Life(RuleBasedStateMachine):
    """Any sequence of calls: which of them succeed is known beforehand, and so is what the curves hold."""

    def __init__(self):
        super().__init__()
        self.clf = build({}, Recipe())
        self.recipe = None  # what the current network was first trained on
        self.architecture = None  # what the current network was built as

    @property
    def is_fitted(self):
        return self.recipe is not None

    def can_resume(self, recipe, *, with_fewer_classes=False):
        """Return whether training can resume with the current network and rows of this recipe."""
        first = self.recipe
        classes, trained = set(recipe.classes.tolist()), set(first.classes.tolist())
        fewer = with_fewer_classes and not first.multilabel
        return (
            recipe.n_columns == first.n_columns
            and recipe.multilabel == first.multilabel
            and (classes <= trained if fewer else classes == trained)
            and architecture(self.clf) == self.architecture
        )

    def perhaps_alike(self, recipe, alike):
        """Return the recipe, or one like it whose rows fit the current network."""
        if not (alike and self.is_fitted):
            return recipe
        first = self.recipe
        return recipe.but(n_columns=first.n_columns, n_classes=first.n_classes, labels=first.labels)

    def call(self, method, *, succeeds, **arguments):
        outcome = attempt(self.clf, method, **arguments)
        assert (outcome.error is None) == succeeds, str(outcome.error)
        return outcome

    def counts(self):
        """Return the entries of the curves, and the epochs and rows that were trained on."""
        clf = self.clf
        if not self.is_fitted:
            return 0, 0, 0, 0
        return len(clf.loss_curve_), len(clf.learning_rate_curve_), clf.n_iter_, clf.t_

    def begins_with(self, recipe):
        self.recipe, self.architecture = recipe, architecture(self.clf)

    @initialize(recipe=ordinary_recipes)
    def fit_for_the_first_time(self, recipe):
        self.call("fit", **recipe.arguments, succeeds=True)
        self.begins_with(recipe)
        self.check()

    @rule(name=one_of(ORDINARY), data=st.data())
    def set_a_parameter(self, name, data):
        self.clf.set_params(**{name: data.draw(one_of(ORDINARY[name]))})

    @rule(recipe=ordinary_recipes, alike=st.booleans(), warm_start=st.booleans())
    def fit(self, recipe, alike, warm_start):
        clf, recipe = self.clf.set_params(warm_start=warm_start), self.perhaps_alike(recipe, alike)
        warm = self.is_fitted and warm_start
        possible = not (clf.solver == "lbfgs" and clf.early_stopping)
        n_losses, n_rates, *_ = self.counts() if warm else (0, 0)
        succeeds = possible and (not warm or self.can_resume(recipe))
        outcome = self.call("fit", **recipe.arguments, succeeds=succeeds)
        if not succeeds:
            return
        if not warm:
            self.begins_with(recipe)
        assert not outcome.heard("diverged in epoch")
        assert len(clf.loss_curve_) == n_losses + clf.n_iter_
        assert len(clf.learning_rate_curve_) == n_rates + (0 if clf.solver == "lbfgs" else clf.n_iter_)
        assert clf.n_iter_ <= clf.max_iter
        assert len(clf.refit_loss_curve_ or []) <= clf.max_iter // 4
        if clf.early_stopping:
            assert len(clf.validation_loss_curve_) == len(clf.validation_scores_) == len(clf.loss_curve_)
            assert clf.validation_scores_[clf.best_iter_ - 1] == clf.best_validation_score_
            assert clf.best_loss_ is None
        else:
            assert clf.validation_loss_curve_ is clf.validation_scores_ is clf.best_iter_ is None
            assert clf.refit_loss_curve_ is None
            assert clf.best_loss_ == min(clf.loss_curve_, default=clf.loss_)
        self.check()

    @rule(recipe=ordinary_recipes, alike=st.booleans(), names_classes=st.booleans())
    def partial_fit(self, recipe, alike, names_classes):
        clf, recipe = self.clf, self.perhaps_alike(recipe, alike)
        if clf.solver == "lbfgs" or clf.class_weight == "balanced":
            assert not hasattr(clf, "partial_fit")
            return
        before = self.counts()
        if self.is_fitted:
            succeeds = self.can_resume(recipe, with_fewer_classes=not names_classes)
        else:
            succeeds = names_classes
        classes = recipe.classes if names_classes else None
        outcome = self.call("partial_fit", **recipe.arguments, classes=classes, succeeds=succeeds)
        if not succeeds:
            return
        if not self.is_fitted:
            self.begins_with(recipe)
        assert not outcome.heard("diverged in epoch")
        assert np.subtract(self.counts(), before).tolist() == [1, 1, 1, recipe.n_rows]
        self.check()

    def check(self):
        """Check what holds after every training."""
        clf, first = self.clf, self.recipe
        assert clf.n_features_in_ == first.n_columns
        assert clf.classes_.tolist() == first.classes.tolist()
        assert hasattr(clf, "feature_names_in_") == (first.layout in FRAMES)
        assert clf.coefs_[0].dtype == first.dtype
        assert clf.loss_ == clf.loss_curve_[-1] if clf.loss_curve_ else np.isfinite(clf.loss_)
        check_predictions(clf, first)

    @precondition(lambda self: self.is_fitted)
    @rule(make=one_of([copy.copy, copy.deepcopy, lambda clf: pickle.loads(pickle.dumps(clf))]))
    def continue_with_a_copy(self, make):
        before = fitted(self.clf), numbers_in(predictions(self.clf, self.recipe.X))
        self.clf = make(self.clf)
        assert (fitted(self.clf), numbers_in(predictions(self.clf, self.recipe.X))) == before

    @precondition(lambda self: self.is_fitted)
    @rule()
    def continue_with_a_clone(self):
        self.clf = clone(self.clf)
        self.recipe = None

    @precondition(lambda self: self.is_fitted)
    @rule()
    def replace_the_weights_by_copies(self):
        before = numbers_in(predictions(self.clf, self.recipe.X))
        self.clf.coefs_ = [W.copy() for W in self.clf.coefs_]
        assert numbers_in(predictions(self.clf, self.recipe.X)) == before

    # Calls that fail

    # No solver but SGD and Adam calls a learning rate.
    @rule(parameter=one_of(pair for pair in REFUSED if not callable(pair[1])), method=one_of(TRAINS))
    def train_with_an_impossible_parameter(self, parameter, method):
        name, value = parameter
        valid = getattr(self.clf, name)
        self.clf.set_params(**{name: value})
        if hasattr(self.clf, method):
            recipe = self.recipe or Recipe()
            more = {"classes": recipe.classes} if method == "partial_fit" else {}
            self.call(method, **recipe.arguments, **more, succeeds=False)
        self.clf.set_params(**{name: valid})

    @precondition(lambda self: not self.is_fitted)
    @rule(method=one_of(["predict", "predict_proba", "hidden_activations", "decision_function"]))
    def predict_before_training(self, method):
        self.call(method, X=Recipe().X, succeeds=False)

    @precondition(lambda self: self.is_fitted)
    @rule(
        changes=one_of([{"n_columns": 4}, {"values": "NaN"}]),
        method=one_of(
            ["predict", "predict_proba", "predict_log_proba", "decision_function", "hidden_activations"]
        ),
    )
    def predict_from_bad_rows(self, changes, method):
        self.call(method, X=self.recipe.but(**changes).X, succeeds=False)

    @precondition(lambda self: self.is_fitted)
    @rule(layout=one_of(["C", *FRAMES]))
    def predict_with_and_without_names(self, layout):
        first = self.recipe
        outcome = self.call("predict", X=first.but(layout=layout).X, succeeds=True)
        assert outcome.heard("feature names") == ((layout in FRAMES) != (first.layout in FRAMES))

    @precondition(lambda self: self.is_fitted and self.recipe.layout in FRAMES)
    @rule(layout=one_of(FRAMES))
    def predict_with_names_in_another_order(self, layout):
        X = self.recipe.but(layout=layout).X
        self.call("predict", X=X[X.columns[::-1]], succeeds=False)

    @rule(changes=one_of([{"values": "NaN"}, {"weights": "negative"}, {"weights": "too few"}]))
    def fit_bad_rows(self, changes):
        self.call("fit", **(self.recipe or Recipe()).but(**changes).arguments, succeeds=False)

    @precondition(
        lambda self: self.is_fitted and not self.recipe.multilabel and hasattr(self.clf, "partial_fit")
    )
    @rule()
    def train_on_with_unseen_labels(self):
        self.call("partial_fit", **self.recipe.but(n_classes=4).arguments, succeeds=False)


TestLife = Life.TestCase
TestLife.settings = examples(60, stateful_step_count=30)
