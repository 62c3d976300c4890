"""skops: models that are loaded without running whatever code a file brings along."""

import numpy as np
import pandas as pd
import pytest
from estimators import default_mlp as mlp
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import make_tabular_pipeline

skops_io = pytest.importorskip("skops.io", reason="skops is not installed")

TRUSTED = ["skscratch.classifier.ScratchMLPClassifier"]
MODELS = {
    "sgd": {},
    "adam": {"solver": "adam", "learning_rate": "adaptive"},
    "lbfgs": {"solver": "lbfgs", "alpha": 0.1, "n_iter_no_change": "auto", "max_iter": 500},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "lists": {
        "activation": ["gelu", "tanh"],
        "dropout": [0.1, 0.2],
        "class_weight": {"a": 1, "b": 2, "c": 3},
    },
    "generator": {"random_state": np.random.RandomState(3)},
}


def make_data(labels="strings"):
    X = np.random.default_rng(1).normal(size=(150, 4)).astype(np.float32)
    if labels == "multilabel":
        return X, (X[:, :3] > 0).astype(int)
    if labels == "binary":
        return X, (X[:, 0] > 0).astype(int)
    return X, np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]


@pytest.mark.parametrize("params", MODELS.values(), ids=MODELS)
def test_a_model_comes_back_whole_with_one_class_trusted(params, tmp_path):
    X, y = make_data()
    model = mlp(**params).fit(X, y)
    skops_io.dump(model, tmp_path / "model.skops")
    assert skops_io.get_untrusted_types(file=tmp_path / "model.skops") == TRUSTED
    loaded = skops_io.load(tmp_path / "model.skops", trusted=TRUSTED)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.predict(X), model.predict(X))
    if model.solver != "lbfgs":
        # The states of the optimizer and of the random generator are kept: training continues identically.
        for each in (model, loaded):
            each.partial_fit(X, y)
        for ours, theirs in zip(model.coefs_, loaded.coefs_, strict=True):
            assert_array_equal(theirs, ours)


@pytest.mark.parametrize("labels", ["binary", "multilabel"])
def test_other_kinds_of_targets(labels):
    X, y = make_data(labels)
    model = mlp().fit(X, y)
    loaded = skops_io.loads(skops_io.dumps(model), trusted=TRUSTED)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_an_unfitted_model():
    data = skops_io.dumps(mlp())
    assert skops_io.loads(data, trusted=TRUSTED).get_params() == mlp().get_params()


def test_in_a_pipeline():
    X, y = make_data()
    model = make_pipeline(StandardScaler(), mlp()).fit(X, y)
    loaded = skops_io.loads(skops_io.dumps(model), trusted=TRUSTED)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_tabular_pipeline():
    X, y = make_data()
    frame = (
        pd.DataFrame(X).assign(sign=np.where(X[:, 1] > 0, "plus", "minus")).set_axis(list("abcde"), axis=1)
    )
    model = make_tabular_pipeline(mlp()).fit(frame, y)
    names = ("category_columns", "number_columns", "to_floats", "to_strings")
    trusted = ["skscratch.piecewise_linear.PiecewiseLinearEncoder"]
    trusted = sorted([*TRUSTED, *trusted, *(f"skscratch.tabular.{name}" for name in names)])
    data = skops_io.dumps(model)
    assert skops_io.get_untrusted_types(data=data) == trusted
    loaded = skops_io.loads(data, trusted=trusted)
    assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))


def test_nothing_is_loaded_without_trust():
    with pytest.raises(TypeError, match="Untrusted types"):
        skops_io.loads(skops_io.dumps(mlp()))
