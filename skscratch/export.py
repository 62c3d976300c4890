"""Export: the fitted network as scikit-learn's own MLPClassifier.

That class has four activations. A leaky unit with the slope s below zero becomes two ReLUs:

    phi(z) = max(z, 0) - s max(-z, 0),   so   W[l] -> [W[l], -W[l]],   W[l+1] -> [W[l+1]; -s W[l+1]]
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from .activations import NEGATIVE_SLOPES
from .fitted import FittedNetwork
from .settings import epochs_of_patience, initial_learning_rate, rows_per_batch

SKLEARN_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
OTHER_MEANING = (
    "activation",
    "alpha",
    "batch_size",
    "hidden_layer_sizes",
    "learning_rate",
    "learning_rate_init",
    "max_iter",
    "n_iter_no_change",
)
HISTORY = (
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
)


def to_sklearn(
    fitted: FittedNetwork, params: Mapping[str, Any], attributes: Mapping[str, Any], n_rows: int
) -> MLPClassifier:
    """Return an MLPClassifier that predicts what a fitted ScratchMLPClassifier predicts.

    Parameters
    ----------
    fitted : FittedNetwork
    params : dict
        The parameters of the ScratchMLPClassifier.
    attributes : dict
        Its attributes.
    n_rows : int
        Number of rows it was trained on.

    Returns
    -------
    MLPClassifier

    Raises
    ------
    ValueError
        If MLPClassifier cannot express the network.
    """
    classes, activation = _sklearn_classes(fitted), _sklearn_activation(fitted)
    coefs, intercepts = _sklearn_layers(fitted)
    sizes = tuple(len(b) for b in intercepts[:-1])
    mlp = MLPClassifier(sizes, activation=activation, solver="sgd", random_state=0)
    # One step on a single row makes it a fitted estimator by its own rules, whatever its version keeps.
    row = np.zeros((1, len(coefs[0])), coefs[0].dtype)
    multilabel = fitted.encoding.kind == "multilabel"
    label = np.eye(1, len(classes), dtype=int) if multilabel else classes[:1]
    mlp.partial_fit(row, label, classes=classes)
    # Remove what that step left behind: the velocity of its optimizer, and the parameters.
    vars(mlp).pop("_optimizer", None)
    mlp.coefs_, mlp.intercepts_ = coefs, intercepts
    for name in (*HISTORY, "feature_names_in_"):
        if name in attributes:
            setattr(mlp, name, copy(attributes[name]))
    return mlp.set_params(**_sklearn_parameters(params, attributes["alpha_"], n_rows))


def _sklearn_classes(fitted: FittedNetwork) -> NDArray:
    classes = fitted.encoding.classes
    if len(classes) == 1:
        raise ValueError(
            "to_sklearn: MLPClassifier always has two or more classes, but this classifier was fitted with "
            f"one only: {classes}."
        )
    if (classes != np.sort(classes)).any():
        raise ValueError(
            f"to_sklearn: MLPClassifier has its classes in sorted order, but classes_ is {classes}. Restore "
            "that order before the export."
        )
    return classes


def _sklearn_activation(fitted: FittedNetwork) -> str:
    names = {"relu" if name in NEGATIVE_SLOPES else name for name in fitted.activations} or {"relu"}
    if len(names) > 1:
        raise ValueError(
            "to_sklearn: MLPClassifier has one activation for all hidden layers, but here they differ: "
            f"{fitted.activations}. Only relu and the leaky ones, which become pairs of it, can be mixed."
        )
    (name,) = names
    if name not in SKLEARN_ACTIVATIONS:
        raise ValueError(
            f"to_sklearn: MLPClassifier has no activation {name!r}; it can express "
            f"{', '.join((*SKLEARN_ACTIVATIONS, *NEGATIVE_SLOPES))}."
        )
    return name


def _sklearn_layers(fitted: FittedNetwork) -> tuple[list[NDArray], list[NDArray]]:
    """Return copies of the weights and biases, with two ReLUs for each leaky unit."""
    layers = fitted.finite_layers()
    coefs, intercepts = [W.copy() for W in layers.W], [b.copy() for b in layers.b]
    for l, name in enumerate(fitted.activations):
        if name in NEGATIVE_SLOPES:
            coefs[l] = np.hstack([coefs[l], -coefs[l]])
            intercepts[l] = np.hstack([intercepts[l], -intercepts[l]])
            coefs[l + 1] = np.vstack([coefs[l + 1], -NEGATIVE_SLOPES[name] * coefs[l + 1]])
    return coefs, intercepts


def _sklearn_parameters(params: Mapping[str, Any], alpha: float, n_rows: int) -> dict[str, Any]:
    """Return the parameters for further training, as far as MLPClassifier has them."""
    common = set(params) & set(MLPClassifier().get_params()) - set(OTHER_MEANING)
    theirs = {name: params[name] for name in common}
    theirs["n_iter_no_change"] = params["n_iter_no_change"]
    if params["n_iter_no_change"] == "auto":
        theirs["n_iter_no_change"] = epochs_of_patience("auto", "constant")
    rows_per_step = n_rows
    if params["solver"] != "lbfgs":
        rows_per_step = rows_per_batch(params["batch_size"], n_rows)
        theirs["batch_size"] = rows_per_step
        # Its "invscaling" counts rows, not epochs, and it has no other schedules.
        rate = theirs["learning_rate"] = "adaptive" if params["learning_rate"] == "adaptive" else "constant"
        eta_0 = initial_learning_rate(params["learning_rate_init"], params["solver"], rate)
        theirs["learning_rate_init"] = eta_0
    if params["max_iter"] != "auto":
        theirs["max_iter"] = params["max_iter"]
    # It divides its alpha by the number of rows in a step.
    theirs["alpha"] = alpha * rows_per_step
    return theirs
