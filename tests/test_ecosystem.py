"""The classifier among scikit-learn's other tools, and on data frames."""

import functools

import estimators
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from estimators import parameters
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils.validation import check_is_fitted

from skscratch import ScratchMLPClassifier

mlp = functools.partial(
    estimators.mlp,
    hidden_layer_sizes=8,
    batch_size=20,
    learning_rate="cosine",
    learning_rate_init=0.1,
    max_iter=30,
)

X, CODES = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
NAMES = np.array(["setosa", "versicolor", "virginica"])
Y = NAMES[CODES]
FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)


# Model selection


def test_cross_val_score():
    scores = cross_val_score(mlp(), X, Y, cv=FOLDS, scoring="accuracy")
    assert scores.shape == (5,)
    assert scores.mean() > 0.92


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_cross_val_predict(method):
    predicted = cross_val_predict(mlp(), X, Y, cv=FOLDS, method=method)
    labels = predicted if method == "predict" else NAMES[predicted.argmax(axis=1)]
    assert accuracy_score(Y, labels) > 0.92


@pytest.mark.parametrize(
    "scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro", "top_k_accuracy", "matthews_corrcoef"]
)
def test_every_kind_of_scorer(scoring):
    scores = cross_val_score(mlp(), X, Y, cv=FOLDS, scoring=scoring, error_score="raise")
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(n_jobs):
    pipeline = make_pipeline(StandardScaler(), mlp())
    grid = {
        "scratchmlpclassifier__hidden_layer_sizes": [(), 4, (8, 4)],
        "scratchmlpclassifier__activation": ["tanh", "relu"],
    }
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, Y)
    assert search.best_score_ > 0.92
    # Processes must not change a result: the bits are those of this very process.
    best = clone(pipeline).set_params(**search.best_params_).fit(X, Y)
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))


SEARCHED = {
    "hidden_layer_sizes": [(), (3,), (4, 3)],
    "activation": ["identity", "logistic", "tanh", "relu"],
    "solver": ["sgd", "adam"],
    "alpha": ["auto", 0, 0.1],
    "batch_size": ["auto", 7, 1000],
    "learning_rate": ["constant", "invscaling", "adaptive", "cosine", "one_cycle"],
    "learning_rate_init": ["auto", 0.05],
    "power_t": [0, 0.5],
    "max_iter": [1, 20],
    "shuffle": [True, False],
    "random_state": [1, 2],
    "tol": [0, 1e-2],
    "verbose": [0],
    "warm_start": [True, False],
    "momentum": [0, 0.9],
    "nesterovs_momentum": [True, False],
    "early_stopping": [True, False],
    "validation_fraction": [0.1, 0.5],
    "scoring": ["loss", "accuracy"],
    "n_iter_no_change": [3, np.inf],
    "beta_1": [0.9],
    "beta_2": [0.999],
    "epsilon": [1e-8],
    "max_fun": [15000],
    "class_weight": [None, "balanced", {"setosa": 2}],
    "dropout": [0, 0.2],
    "label_smoothing": [0, 0.1],
    "max_grad_norm": [None, 1.0],
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Parameters without effect:UserWarning")
@pytest.mark.parametrize("name", sorted(mlp().get_params()))
def test_every_parameter_can_be_searched_over(name):
    default = ScratchMLPClassifier(max_iter=5, random_state=0, n_iter_no_change=np.inf)
    search = GridSearchCV(default, {name: SEARCHED[name]}, cv=2, error_score="raise").fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    values = [repr(value) for value in SEARCHED[name]]
    assert repr(search.best_params_[name]) in values


def test_randomized_search():
    search = RandomizedSearchCV(
        mlp(), {"alpha": [0.001, 0.1], "batch_size": [10, 50]}, n_iter=3, cv=3, random_state=0
    ).fit(X, Y)
    assert search.best_score_ > 0.92


def test_learning_curve():
    sizes, train, test = learning_curve(mlp(), X, Y, cv=FOLDS, train_sizes=[0.3, 0.6, 1.0])
    assert train.shape == test.shape == (3, 5)
    assert sizes[-1] == 120
    assert test[-1].mean() > 0.92


def test_learning_curve_by_partial_fit():
    _, _, test = learning_curve(
        mlp(),
        X,
        Y,
        cv=FOLDS,
        train_sizes=[0.5, 1.0],
        exploit_incremental_learning=True,
        shuffle=True,
        random_state=0,
    )
    assert np.isfinite(test).all()


def test_validation_curve():
    train, test = validation_curve(
        mlp(), X, Y, param_name="alpha", param_range=[1e-4, 0.4], cv=FOLDS, scoring="neg_log_loss"
    )
    assert train.shape == test.shape == (2, 5)
    assert test[0].mean() > test[1].mean()


def test_permutation_importance():
    clf = mlp().fit(X, Y)
    found = permutation_importance(clf, X, Y, n_repeats=5, random_state=0)
    assert found.importances_mean.shape == (4,)
    assert found.importances_mean[2:].sum() > found.importances_mean[:2].sum()


def test_partial_dependence():
    found = partial_dependence(mlp().fit(X, Y), X, features=[2], kind="average")
    assert found["average"].shape[0] == 3


def test_tuned_threshold():
    tuned = TunedThresholdClassifierCV(mlp(), cv=3, random_state=0).fit(X, CODES == 1)
    assert tuned.score(X, CODES == 1) > 0.85


# Ensembles


def test_voting():
    for voting in ("hard", "soft"):
        vote = VotingClassifier(
            [("a", mlp()), ("b", mlp(random_state=1)), ("c", LogisticRegression())], voting=voting
        ).fit(X, Y)
        assert vote.score(X, Y) > 0.92


def test_adaboost_passes_weights_on():
    boosted = AdaBoostClassifier(mlp(max_iter=5), n_estimators=5, random_state=0).fit(X, Y)
    assert len(boosted.estimators_) == 5
    assert boosted.score(X, Y) > 0.92
    assert not np.array_equal(parameters(boosted.estimators_[0]), parameters(boosted.estimators_[1]))


def test_adaboost_of_the_default_learns():
    boosted = AdaBoostClassifier(ScratchMLPClassifier(), n_estimators=3, random_state=0).fit(X, Y)
    assert boosted.score(X, Y) > 0.92


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("ensemble", [True, False])
def test_calibration(method, ensemble):
    calibrated = CalibratedClassifierCV(mlp(), method=method, cv=3, ensemble=ensemble).fit(X, Y)
    P = calibrated.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    assert calibrated.score(X, Y) > 0.92


def test_calibration_of_a_frozen_model():
    clf = mlp().fit(X[::2], Y[::2])
    before = parameters(clf)
    calibrated = CalibratedClassifierCV(FrozenEstimator(clf)).fit(X[1::2], Y[1::2])
    assert calibrated.score(X, Y) > 0.9
    np.testing.assert_array_equal(parameters(clf), before)


def test_one_vs_rest():
    ovr = OneVsRestClassifier(mlp()).fit(X, Y)
    assert ovr.score(X, Y) > 0.92
    assert len(ovr.estimators_) == 3
    assert ovr.decision_function(X).shape == (150, 3)


def test_one_vs_rest_by_partial_fit():
    ovr = OneVsRestClassifier(mlp())
    for _ in range(20):
        ovr.partial_fit(X, Y, classes=NAMES)
    assert ovr.score(X, Y) > 0.9


def test_one_vs_one():
    assert OneVsOneClassifier(mlp()).fit(X, Y).score(X, Y) > 0.92


def test_bagging():
    bag = BaggingClassifier(mlp(), n_estimators=4, max_samples=0.7, random_state=0).fit(X, Y)
    assert bag.score(X, Y) > 0.92


def test_stacking():
    stack = StackingClassifier([("mlp", mlp()), ("linear", LogisticRegression())], cv=3).fit(X, Y)
    assert stack.score(X, Y) > 0.92


def test_several_outputs():
    X, Y = make_multilabel_classification(n_samples=60, n_classes=3, random_state=0)
    X = StandardScaler().fit_transform(X)
    assert MultiOutputClassifier(mlp()).fit(X, Y).predict(X).shape == (60, 3)
    assert ClassifierChain(mlp()).fit(X, Y).predict_proba(X).shape == (60, 3)


def test_self_training():
    partly = np.where(np.arange(150) % 3 == 0, CODES, -1)
    assert SelfTrainingClassifier(mlp(), threshold=0.8).fit(X, partly).score(X, CODES) > 0.85


# Pipelines and metadata routing


@pytest.fixture
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def raw(X):
    """Return the rows on a scale that no network likes, so that an X_val that was not scaled shows."""
    return X * [100, 1, 10, 1000] + 500


@pytest.mark.usefixtures("_routing")
def test_a_pipeline_transforms_the_validation_rows():
    train, val = np.arange(0, 150, 2), np.arange(1, 150, 2)
    clf = mlp(early_stopping=True).set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
    w = np.random.default_rng(0).uniform(0.5, 2, size=75)
    pipeline = Pipeline([("scale", StandardScaler()), ("mlp", clf)], transform_input=["X_val"])
    pipeline.fit(raw(X[train]), Y[train], X_val=raw(X[val]), y_val=Y[val], sample_weight_val=w)

    scaler = StandardScaler().fit(raw(X[train]))
    by_hand = mlp(early_stopping=True).fit(
        scaler.transform(raw(X[train])),
        Y[train],
        X_val=scaler.transform(raw(X[val])),
        y_val=Y[val],
        sample_weight_val=w,
    )
    np.testing.assert_array_equal(parameters(pipeline[-1]), parameters(by_hand))
    assert pipeline[-1].validation_loss_curve_ == by_hand.validation_loss_curve_


@pytest.mark.usefixtures("_routing")
def test_cross_validation_routes_weights_to_fit_and_score():
    w = np.random.default_rng(0).uniform(0, 3, size=150)
    clf = mlp().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    cv = KFold(3, shuffle=True, random_state=0)
    routed = cross_validate(clf, X, Y, cv=cv, params={"sample_weight": w}, return_estimator=True)
    for (train, test), fitted, score in zip(
        cv.split(X), routed["estimator"], routed["test_score"], strict=True
    ):
        by_hand = mlp().fit(X[train], Y[train], sample_weight=w[train])
        np.testing.assert_array_equal(parameters(fitted), parameters(by_hand))
        assert score == by_hand.score(X[test], Y[test], sample_weight=w[test])


@pytest.mark.usefixtures("_routing")
def test_a_grid_search_routes_validation_rows():
    clf = mlp(early_stopping=True).set_fit_request(X_val=True, y_val=True)
    pipeline = Pipeline([("scale", StandardScaler()), ("mlp", clf)], transform_input=["X_val"])
    search = GridSearchCV(pipeline, {"mlp__alpha": [0.001, 0.1]}, cv=3, error_score="raise")
    search.fit(raw(X[:120]), Y[:120], X_val=raw(X[120:]), y_val=Y[120:])
    assert len(search.best_estimator_[-1].validation_loss_curve_) == 30


@pytest.mark.usefixtures("_routing")
def test_partial_fit_routes_classes_and_weights():
    ovr = OneVsRestClassifier(mlp().set_partial_fit_request(sample_weight=True))
    ovr.partial_fit(X, Y, classes=NAMES, sample_weight=np.ones(150))
    assert len(ovr.estimators_) == 3


def test_a_pipeline_passes_weights_without_routing():
    w = np.random.default_rng(0).uniform(0, 3, size=150)
    pipeline = make_pipeline(StandardScaler(), mlp())
    pipeline.fit(X, Y, scratchmlpclassifier__sample_weight=w)
    by_hand = mlp().fit(StandardScaler().fit_transform(X), Y, sample_weight=w)
    np.testing.assert_array_equal(parameters(pipeline[-1]), parameters(by_hand))


# Data frames


def names_seen(estimator):
    """Return the names of the features; scikit-learn 1.6 sees none in the newest polars frames."""
    return list(getattr(estimator, "feature_names_in_", []))


def test_the_names_of_columns_are_seen():
    assert names_seen(mlp().fit(frame_of("pandas"), Y)) == ["c0", "c1", "c2", "c3"]


def frame_of(library, X=X):
    columns = [f"c{i}" for i in range(X.shape[1])]
    if library == "pandas":
        return pd.DataFrame(X, columns=columns, index=np.arange(len(X))[::-1] + 7)
    return pl.DataFrame(dict(zip(columns, X.T, strict=True)))


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"early_stopping": True, "scoring": "accuracy"}]
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_bring_feature_names_and_train_like_arrays(library, params):
    frame = frame_of(library)
    labels = pd.Series(Y, index=frame.index) if library == "pandas" else pl.Series(Y)
    clf = mlp(**params).fit(frame, labels)
    assert names_seen(clf) == names_seen(StandardScaler().fit(frame))
    np.testing.assert_array_equal(parameters(clf), parameters(mlp(**params).fit(X, Y)))
    np.testing.assert_array_equal(clf.predict_proba(frame), mlp(**params).fit(X, Y).predict_proba(X))
    clf.partial_fit(frame, labels)
    assert clf.score(frame, labels) > 0.9


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_validated_on_and_weighted(library):
    frame, w = frame_of(library), np.linspace(0.1, 2, 150)
    weights = pd.Series(w, index=frame.index) if library == "pandas" else pl.Series(w)
    clf = mlp(early_stopping=True, scoring="accuracy")
    clf.fit(frame, Y, weights, X_val=frame, y_val=Y, sample_weight_val=weights)
    by_hand = mlp(early_stopping=True, scoring="accuracy").fit(X, Y, w, X_val=X, y_val=Y, sample_weight_val=w)
    np.testing.assert_array_equal(parameters(clf), parameters(by_hand))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_cross_validated(library):
    scores = cross_val_score(make_pipeline(StandardScaler(), mlp()), frame_of(library), Y, cv=FOLDS)
    np.testing.assert_array_equal(
        scores, cross_val_score(make_pipeline(StandardScaler(), mlp()), X, Y, cv=FOLDS)
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_flow_through_a_pipeline_that_puts_out_frames(library):
    pipeline = make_pipeline(StandardScaler(), mlp()).set_output(transform=library)
    pipeline.fit(frame_of(library), Y)
    assert names_seen(pipeline[-1]) == names_seen(StandardScaler().fit(frame_of(library)))
    assert pipeline.score(frame_of(library), Y) > 0.9


def test_rows_without_names_warn_where_names_were_learned():
    clf = mlp().fit(frame_of("pandas"), Y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        clf.predict(X)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_multilabel_targets_may_be_frames(library):
    table = np.c_[CODES == 0, CODES > 1].astype(int)
    clf = mlp().fit(frame_of(library), frame_of(library, table))
    np.testing.assert_array_equal(parameters(clf), parameters(mlp().fit(X, table)))


# Manners


def test_it_is_a_classifier_that_can_be_cloned_and_shown():
    clf = mlp(alpha=0.25)
    assert is_classifier(clf)
    assert clone(clf.fit(X, Y)).get_params() == clf.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(clf))
    check_is_fitted(clf)
    assert repr(clf).startswith("ScratchMLPClassifier(")
    assert "ScratchMLPClassifier" in clf._repr_html_()


def test_parameters_beyond_the_first_two_are_keyword_only():
    clf = ScratchMLPClassifier((3,), "tanh")
    assert clf.hidden_layer_sizes == (3,)
    assert clf.activation == "tanh"
    with pytest.raises(TypeError):
        ScratchMLPClassifier((3,), "tanh", "sgd")


def test_fitting_sets_attributes_and_no_parameter():
    clf = mlp(early_stopping=True)
    before = clf.get_params()
    assert clf.fit(X, Y) is clf
    assert clf.get_params() == before
    assert clf.n_layers_ == 3
    assert clf.n_outputs_ == 3
    assert [W.shape for W in clf.coefs_] == [(4, 8), (8, 3)]
    assert [b.shape for b in clf.intercepts_] == [(8,), (3,)]
