"""ONNX: importing this module lets skl2onnx convert ScratchMLPClassifier, alone or at the end of a Pipeline.

    import skscratch.onnx
    from skl2onnx import to_onnx

    model = to_onnx(mlp, X[:1], options={"zipmap": False})

If skl2onnx is imported before skscratch, then ``import skscratch`` imports this module, too.

The graph has the outputs of every classifier there, ``label`` and ``probabilities``, and computes in the
precision of its input, float32 or float64. It needs skl2onnx, and onnxruntime or another engine to run it.

Estimators that contain others, such as CalibratedClassifierCV and StackingClassifier, work on scores instead
of probabilities; skl2onnx asks for them by the option ``raw_scores``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from skl2onnx import update_registered_converter
    from skl2onnx.algebra import onnx_ops
    from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
except ImportError as error:
    raise ImportError("skscratch.onnx needs skl2onnx: pip install 'skscratch[onnx]'.") from error

from .activations import NEGATIVE_SLOPES
from .classifier import ScratchMLPClassifier, fitted_network
from .fitted import FittedNetwork
from .network import Layers, check_finite

Node = Any


class Op:
    """The operators of one version of ONNX; ``op.Add(a, b)`` is a node of the graph that adds two others."""

    def __init__(self, version: int, dtype: type) -> None:
        self._version, self._dtype = version, dtype

    def number(self, value: float) -> NDArray:
        """Return a number as operators take it."""
        return np.array([value], self._dtype)

    def __getattr__(self, name: str) -> Callable[..., Node]:
        return partial(getattr(onnx_ops, f"Onnx{name}"), op_version=self._version)


def _leaky(negative_slope: float) -> Callable[[Op, Node], Node]:
    """max(z, leak z); onnxruntime has the operator LeakyRelu in float32 only."""
    return lambda op, z: op.Max(z, op.Mul(z, op.number(negative_slope)))


def _gelu(op: Op, z: Node) -> Node:
    """z Phi(z) = z / 2 (1 + erf(z / sqrt 2)); the operator Gelu exists from version 20 on only."""
    half, one, root = (np.array([number], np.float32) for number in (0.5, 1, np.sqrt(0.5)))
    return op.Mul(op.Mul(z, half), op.Add(op.Erf(op.Mul(z, root)), one))


ACTIVATIONS: dict[str, Callable[[Op, Node], Node]] = {
    "identity": lambda op, z: z,
    "logistic": lambda op, z: op.Sigmoid(z),
    "tanh": lambda op, z: op.Tanh(z),
    "relu": lambda op, z: op.Relu(z),
    "elu": lambda op, z: op.Elu(z),
    "selu": lambda op, z: op.Selu(z),
    "gelu": _gelu,
    "silu": lambda op, z: op.Mul(z, op.Sigmoid(z)),
    "softplus": lambda op, z: op.Softplus(z),
    **{name: _leaky(negative_slope) for name, negative_slope in NEGATIVE_SLOPES.items()},
}
"""Every activation as ONNX computes it."""

SINGLE_ONLY = {"elu", "selu", "gelu", "softplus"}
"""Those that onnxruntime has in float32 only; a float64 graph passes through float32 there."""


LARGEST_INTEGER = 2**63 - 1


def calculate_shapes(operator: Any) -> None:
    """Set the shapes and types of the two outputs."""
    calculate_linear_classifier_output_shapes(operator)
    encoding = fitted_network(operator.raw_operator).encoding
    if encoding.kind == "multilabel":
        n_rows = operator.inputs[0].get_first_dimension()
        operator.outputs[0].set_type(Int64TensorType([n_rows, encoding.n_outputs]))


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the fitted network to the graph."""
    mlp, x = operator.raw_operator, operator.inputs[0]
    fitted = fitted_network(mlp)
    kind, classes = fitted.encoding.kind, fitted.encoding.classes
    label, probabilities = ([output] for output in operator.outputs)
    dtype = np.float64 if isinstance(x.type, DoubleTensorType) else np.float32
    op = Op(container.target_opset, dtype)
    Z = _logits(op, fitted, op.Cast(x, to=dtype), dtype)
    if kind == "binary":
        # Two classes have the logits -z and z, whose sigmoids are the two probabilities.
        Z = op.Concat(op.Neg(Z), Z, axis=1)
    P = op.Softmax(Z, axis=1) if kind == "multiclass" else op.Sigmoid(Z)
    if kind == "multilabel":
        predicted = op.Cast(op.Greater(P, op.number(0.5)), to=np.int64, output_names=label)
    else:
        only_numbers = scope.get_options(mlp, {"nocl": False})["nocl"]
        labels = np.arange(len(classes)) if only_numbers else _labels(classes)
        predicted = op.Gather(labels, op.ArgMax(P, axis=1, keepdims=0), output_names=label)
    raw = container.get_options(mlp, {"raw_scores": False})["raw_scores"]
    second = op.Identity(Z if raw else P, output_names=probabilities)
    predicted.add_to(scope, container)
    second.add_to(scope, container)


def _logits(op: Op, fitted: FittedNetwork, a: Node, dtype: type) -> Node:
    """z[l+1] = a[l] W[l] + b[l],   a[l] = phi(z[l]),   Z = z[L]; here examples stand in rows."""
    network = fitted.network
    with np.errstate(over="ignore"):
        layers = Layers(network.theta.astype(dtype), network.sizes)
    check_finite(layers)
    Ws, bs = layers.W, layers.b
    for W, b, name in zip(Ws[:-1], bs[:-1], fitted.activations, strict=True):
        z = op.Add(op.MatMul(a, W), b)
        if dtype is np.float64 and name in SINGLE_ONLY:
            a = op.Cast(ACTIVATIONS[name](op, op.Cast(z, to=np.float32)), to=dtype)
        else:
            a = ACTIVATIONS[name](op, z)
    return op.Add(op.MatMul(a, Ws[-1]), bs[-1])


def _labels(classes: NDArray) -> NDArray:
    """Return the classes as ONNX has them: whole numbers of 64 bits, or strings."""
    if isinstance(classes[0], str):
        return classes.astype(str)
    lowest, highest = -LARGEST_INTEGER - 1, LARGEST_INTEGER
    if not all(label % 1 == 0 and lowest <= label <= highest for label in classes.tolist()):
        raise ValueError(
            "The labels of an ONNX graph are strings or whole numbers up to 2**63 - 1, but classes_ holds "
            f"{classes} ({classes.dtype}). Train on such labels, or export with the option nocl=True: then "
            "the graph returns positions in classes_."
        )
    return classes.astype(np.int64)


update_registered_converter(
    ScratchMLPClassifier,
    "SkscratchMLPClassifier",
    calculate_shapes,
    convert,
    options={
        "zipmap": [True, False, "columns"],
        "output_class_labels": [False, True],
        "nocl": [True, False],
        "raw_scores": [True, False],
    },
)
