"""ONNX: the graph that skl2onnx writes, run by onnxruntime."""

import importlib
import sys

import numpy as np
import pytest
from estimators import default_mlp as mlp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch.activations import ACTIVATIONS

pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from skl2onnx import to_onnx  # noqa: E402

import skscratch.onnx  # noqa: E402

KINDS = ("binary", "multiclass", "multilabel")
# Below and above 20, from where on GELU has an operator of its own.
OPSETS = (15, 21)


def make_data(kind, dtype=np.float32, n=150):
    X = np.random.default_rng(8).normal(size=(n, 4)).astype(dtype)
    y = {
        "binary": (X[:, 0] > 0).astype(int),
        "multiclass": np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5]),
        "multilabel": (X[:, :3] > 0).astype(int),
    }[kind]
    return X, y


def run(model, X, opset=OPSETS[-1], **options):
    """Return label and probabilities as onnxruntime computes them."""
    options = {"zipmap": False} | options
    graph = to_onnx(model, X[:1], options={id(model): options}, target_opset={"": opset, "ai.onnx.ml": 3})
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})


def assert_same(model, X, rtol=1e-5, **options):
    label, probabilities = run(model, X, **options)
    expected = model.predict_proba(X)
    assert_allclose(probabilities, expected, rtol=0, atol=rtol)
    assert probabilities.shape == expected.shape
    assert_array_equal(label, model.predict(X))


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_agree(activation, kind, opset):
    X, y = make_data(kind)
    assert_same(mlp(activation=activation).fit(X, y), X, opset=opset)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_float64_graph_gives_float64(activation):
    X, y = make_data("multiclass", np.float64)
    model = mlp(activation=activation).fit(X, y)
    assert_same(model, X, rtol=1e-6)
    assert run(model, X)[1].dtype == np.float64


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu", "alrelu"])
def test_a_graph_computes_in_float64_where_its_engine_can(activation):
    X, y = make_data("multiclass", np.float64)
    assert_same(mlp(activation=activation).fit(X, y), X, rtol=1e-13)


@pytest.mark.parametrize("sizes", [(), 9, (4, 4, 4)], ids=str)
def test_any_number_of_layers(sizes):
    X, y = make_data("multiclass")
    assert_same(mlp(hidden_layer_sizes=sizes).fit(X, y), X)


def test_each_layer_has_its_own_activation():
    X, y = make_data("binary")
    assert_same(mlp(activation=["silu", "elu"]).fit(X, y), X)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["ant", "bee", "caterpillar"]),
        np.array(["ant", "bee", "caterpillar"], dtype=object),
        np.array([-5, 3, 2**40]),
        np.array([1.0, 2.0, 4.0]),
    ],
    ids=["strings", "objects", "integers", "whole floats"],
)
def test_labels_of_any_name(names):
    X, y = make_data("multiclass")
    assert_same(mlp().fit(X, names[y]), X)


def test_booleans_become_numbers():
    X, y = make_data("binary")
    model = mlp().fit(X, y.astype(bool))
    label, _ = run(model, X)
    assert_array_equal(label, model.predict(X).astype(int))


def test_a_single_class():
    X, y = make_data("binary")
    assert_same(mlp().fit(X, np.full_like(y, 7)), X)


def test_whole_numbers_as_features():
    X, y = make_data("binary")
    X = np.round(X * 10).astype(np.int64)
    assert_same(mlp().fit(X, y), X)


def test_huge_scores_do_not_overflow():
    X, y = make_data("multiclass")
    model = mlp().fit(X, y)
    _, probabilities = run(model, X * 1000)
    assert_allclose(probabilities, model.predict_proba(X * 1000), atol=1e-5)
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_at_the_end_of_a_pipeline():
    X, y = make_data("multiclass")
    pipeline = make_pipeline(StandardScaler(), mlp()).fit(X * 100, y)
    label, probabilities = run(pipeline, X * 100)
    assert_allclose(probabilities, pipeline.predict_proba(X * 100), atol=1e-5)
    assert_array_equal(label, pipeline.predict(X * 100))


def test_the_options_of_every_classifier():
    X, y = make_data("multiclass")
    model = mlp().fit(X, np.array(["ant", "bee", "cat"])[y])
    _, dictionaries = run(model, X, zipmap=True)
    expected = dict(zip(model.classes_, model.predict_proba(X[:1])[0], strict=True))
    assert dictionaries[0] == pytest.approx(expected, abs=1e-5)
    _, *columns = run(model, X, zipmap="columns")
    assert_allclose(np.column_stack(columns), model.predict_proba(X), atol=1e-5)
    label, _ = run(model, X, nocl=True)
    assert_array_equal(model.classes_[label], model.predict(X))
    *_, names = run(model, X, output_class_labels=True)
    assert_array_equal(names, model.classes_)


def test_without_skl2onnx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    monkeypatch.delitem(sys.modules, "skscratch.onnx")
    with pytest.raises(ImportError, match=r"pip install 'skscratch\[onnx\]'"):
        importlib.import_module("skscratch.onnx")


def test_every_activation_has_its_converter():
    assert skscratch.onnx.ACTIVATIONS.keys() == ACTIVATIONS.keys()
