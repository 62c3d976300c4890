"""ONNX: the graph that skl2onnx writes, run by onnxruntime."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from estimators import default_mlp as mlp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_raw_scores_are_those_of_the_decision_function(kind, dtype):
    X, y = make_data(kind, dtype)
    model = mlp().fit(X, y)
    label, scores = run(model, X, raw_scores=True)
    expected = model.decision_function(X)
    if kind == "binary":
        # As LogisticRegression has them there: a column for each class.
        expected = np.column_stack([-expected, expected])
    assert scores.dtype == dtype
    assert_allclose(scores, expected, rtol=0, atol=1e-5)
    assert_array_equal(label, model.predict(X))


def stacking(clf, method):
    return StackingClassifier([("a", clf), ("b", LogisticRegression())], cv=3, stack_method=method)


def voting(clf, kind):
    others = [("b", LogisticRegression()), ("c", LogisticRegression(C=0.01))]
    return VotingClassifier([("a", clf), *others], voting=kind, flatten_transform=False)


# skl2onnx looks up the nearest of isotonic regression's thresholds, with no interpolation: that is exact for
# the rows that the calibration was fitted on.
ALL_ROWS = [(np.arange(150), np.arange(150))]
OF_ONE_COLUMN = {
    "sigmoid calibration": lambda clf: CalibratedClassifierCV(clf, cv=3),
    "sigmoid calibration, one network": lambda clf: CalibratedClassifierCV(clf, cv=3, ensemble=False),
    "isotonic calibration": lambda clf: CalibratedClassifierCV(clf, method="isotonic", cv=ALL_ROWS),
    "stacking": lambda clf: stacking(clf, "auto"),
    "stacking of probabilities": lambda clf: stacking(clf, "predict_proba"),
    "on top of a stack": lambda clf: StackingClassifier([("a", LogisticRegression())], clf, cv=3),
    "soft voting": lambda clf: voting(clf, "soft"),
    "hard voting": lambda clf: voting(clf, "hard"),
    "bagging": lambda clf: BaggingClassifier(clf, 3, random_state=0),
    "bagging of features": lambda clf: BaggingClassifier(clf, 3, max_features=3, random_state=0),
    "bagging of calibrated ones": lambda clf: BaggingClassifier(
        CalibratedClassifierCV(clf, cv=3), 2, random_state=0
    ),
    "one against the rest": OneVsRestClassifier,
    "calibrated ones against the rest": lambda clf: OneVsRestClassifier(CalibratedClassifierCV(clf, cv=3)),
    "one against one": OneVsOneClassifier,
    "search": lambda clf: GridSearchCV(clf, {"random_state": [0, 1]}, cv=3),
    "calibration in a pipeline": lambda clf: make_pipeline(
        StandardScaler(), CalibratedClassifierCV(clf, cv=3)
    ),
}
# With two classes, skl2onnx stacks two columns where scikit-learn stacks one.
OF_SEVERAL_CLASSES = {"stacking of scores": lambda clf: stacking(clf, "decision_function")}
OF_SEVERAL_COLUMNS = {
    "one for each label": OneVsRestClassifier,
    "calibrated ones for each label": lambda clf: OneVsRestClassifier(CalibratedClassifierCV(clf, cv=3)),
    "one for each output": MultiOutputClassifier,
}
COMPOSITES = [
    *[("binary", name, around) for name, around in OF_ONE_COLUMN.items()],
    *[("multiclass", name, around) for name, around in (OF_ONE_COLUMN | OF_SEVERAL_CLASSES).items()],
    *[("multilabel", name, around) for name, around in OF_SEVERAL_COLUMNS.items()],
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "around"), [pytest.param(k, a, id=f"{k}-{n}") for k, n, a in COMPOSITES])
def test_inside_another_estimator(kind, around, dtype):
    """LogisticRegression is the yardstick: where it fails, the fault is not in this package."""
    X, y = make_data(kind, dtype)
    for classifier in (LogisticRegression(), mlp()):
        model = around(classifier).fit(X, y)
        label, probabilities = run(model, X)
        assert_array_equal(np.reshape(label, y.shape), model.predict(X))
        if hasattr(model, "predict_proba"):
            expected = np.asarray(model.predict_proba(X))
            assert_allclose(np.asarray(probabilities), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("around", [BaggingClassifier, OneVsRestClassifier])
def test_raw_scores_of_another_estimator(around, kind):
    X, y = make_data(kind)
    for classifier in (LogisticRegression(), mlp()):
        model = around(classifier).fit(X, y)
        expected = model.decision_function(X)
        _, scores = run(model, X, raw_scores=True)
        assert_allclose(scores if kind == "multiclass" else scores[:, 1], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        np.array([1, 2, 2**63], dtype=np.uint64),
        np.array([1.0, 1.5, 2.0]),
        np.array([0.0, 1.0, 1e300]),
        np.array([0.0, 1.0, np.nan]),
    ],
    ids=str,
)
def test_labels_that_onnx_does_not_have_are_refused(names):
    X, y = make_data("multiclass")
    model = mlp().fit(X, y)
    model.classes_ = names
    with pytest.raises(ValueError, match=r"strings or whole numbers up to 2\*\*63 - 1.*nocl=True"):
        run(model, X)
    label, _ = run(model, X, nocl=True)
    assert_array_equal(model.classes_[label], model.predict(X))


@pytest.mark.parametrize(
    "names", [np.array([1, 2, 2**63 - 1], np.uint64), np.array([-(2**63), 0, 2**63 - 1])]
)
def test_the_largest_labels_stay_exact(names):
    X, y = make_data("multiclass")
    model = mlp().fit(X, names[y])
    label, _ = run(model, X)
    assert label.tolist() == model.predict(X).tolist()


def test_weights_of_ones_own_are_taken_as_predict_takes_them():
    X, y = make_data("multiclass")
    model = mlp(activation="relu").fit(X, y)
    model.coefs_ = [(10 * W).astype(int).tolist() for W in model.coefs_]
    assert_same(model, X)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((6, 7)), r"coefs_\[1\] has shape \(6, 7\).*needs \(7, 6\)"),
        (np.full((7, 6), np.nan), r"coefs_\[1\] holds values that are not finite"),
        (np.full((7, 6), "1"), r"coefs_\[1\] must be an array of real numbers"),
    ],
    ids=["shape", "nan", "strings"],
)
def test_weights_that_predict_refuses_are_not_exported(value, message):
    X, y = make_data("multiclass")
    model = mlp().fit(X, y)
    model.coefs_[1] = value
    for use in (model.predict, lambda X: run(model, X)):
        with pytest.raises(ValueError, match=message):
            use(X)


def test_weights_beyond_the_precision_of_the_graph_are_refused():
    X, y = make_data("binary", np.float64)
    model = mlp(activation="relu").fit(X, y)
    model.coefs_[1][:] = 1e200
    with pytest.raises(ValueError, match=r"coefs_\[1\] holds values that are not finite in float32"):
        run(model, X.astype(np.float32))


CONVERT = """
import numpy as np
X, y = np.eye(4, dtype=np.float32), [0, 1, 0, 1]
model = skscratch.ScratchMLPClassifier(3, max_iter=2).partial_fit(X, y, classes=[0, 1])
skl2onnx.to_onnx(model, X)
"""


@pytest.mark.parametrize(
    ("imports", "succeeds"),
    [
        ("import skl2onnx, skscratch", True),
        ("import skscratch, skl2onnx, skscratch.onnx", True),
        ("import skscratch, skl2onnx", False),
    ],
)
def test_after_skl2onnx_no_second_import_is_needed(imports, succeeds):
    done = subprocess.run([sys.executable, "-c", imports + CONVERT], capture_output=True, text=True)
    assert (done.returncode == 0) == succeeds, done.stderr
    if not succeeds:
        # The docs name this error, so that it can be found.
        words = "MissingShapeCalculator: Unable to find a shape calculator for type"
        assert f"{words} '<class 'skscratch.classifier.ScratchMLPClassifier'>'" in done.stderr


def test_without_skl2onnx_the_package_does_not_import_it():
    script = "import sys, skscratch; assert 'skl2onnx' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
