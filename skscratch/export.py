"""Export: the fitted network as scikit-learn's own MLPClassifier.

That class knows four activations. The leaky ones can be said in ReLUs, two for each unit:

    phi(z) = max(z, 0) - leak max(-z, 0),   so   W[l] -> [W[l], -W[l]],   W[l+1] -> [W[l+1]; -leak W[l+1]]
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from .activations import NEGATIVE_SLOPES
from .network import check_finite
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


def to_sklearn(fitted: Any) -> MLPClassifier:
    """Return an MLPClassifier that predicts what a fitted ScratchMLPClassifier predicts.

    Parameters
    ----------
    fitted : ScratchMLPClassifier

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
    row = np.zeros((1, fitted.n_features_in_), fitted._dtype)
    multilabel = fitted._kind == "multilabel"
    label = np.eye(1, len(classes), dtype=int) if multilabel else classes[:1]
    mlp.partial_fit(row, label, classes=classes)
    # What that step left behind goes: the velocity of its optimizer, and the parameters.
    vars(mlp).pop("_optimizer", None)
    mlp.coefs_, mlp.intercepts_ = coefs, intercepts
    for name in (*HISTORY, "feature_names_in_"):
        if hasattr(fitted, name):
            setattr(mlp, name, copy(getattr(fitted, name)))
    return mlp.set_params(**_sklearn_parameters(fitted))


def _sklearn_classes(fitted: Any) -> NDArray:
    classes = fitted._encoding().classes
    if len(classes) == 1:
        raise ValueError(
            "to_sklearn: MLPClassifier always tells two or more classes apart, but this classifier was "
            f"fitted with one only: {classes}."
        )
    if (classes != np.sort(classes)).any():
        raise ValueError(
            f"to_sklearn: MLPClassifier has its classes in sorted order, but classes_ is {classes}. Give "
            "them that order back before the export."
        )
    return classes


def _sklearn_activation(fitted: Any) -> str:
    names = {"relu" if name in NEGATIVE_SLOPES else name for name in fitted._activations} or {"relu"}
    if len(names) > 1:
        raise ValueError(
            "to_sklearn: MLPClassifier has one activation for all hidden layers, but here they differ: "
            f"{fitted._activations}. (Only relu and the leaky ones, which are pairs of it, go together.)"
        )
    (name,) = names
    if name not in SKLEARN_ACTIVATIONS:
        raise ValueError(
            f"to_sklearn: MLPClassifier has no activation {name!r}; it can express "
            f"{', '.join((*SKLEARN_ACTIVATIONS, *NEGATIVE_SLOPES))}."
        )
    return name


def _sklearn_layers(fitted: Any) -> tuple[list[NDArray], list[NDArray]]:
    """Return copies of the weights and biases, with two ReLUs for each leaky unit."""
    layers = fitted._network().layers
    check_finite(layers)
    coefs, intercepts = [W.copy() for W in layers.W], [b.copy() for b in layers.b]
    for l, name in enumerate(fitted._activations):
        if name in NEGATIVE_SLOPES:
            coefs[l] = np.hstack([coefs[l], -coefs[l]])
            intercepts[l] = np.hstack([intercepts[l], -intercepts[l]])
            coefs[l + 1] = np.vstack([coefs[l + 1], -NEGATIVE_SLOPES[name] * coefs[l + 1]])
    return coefs, intercepts


def _sklearn_parameters(fitted: Any) -> dict[str, Any]:
    """Return the parameters for further training, as far as MLPClassifier has them."""
    ours = fitted.get_params(deep=False)
    common = set(ours) & set(MLPClassifier().get_params()) - set(OTHER_MEANING)
    mlp = {name: ours[name] for name in common}
    mlp["n_iter_no_change"] = ours["n_iter_no_change"]
    if ours["n_iter_no_change"] == "auto":
        mlp["n_iter_no_change"] = epochs_of_patience("auto", "constant")
    n_rows = rows_per_step = fitted._n_rows
    if ours["solver"] != "lbfgs":
        rows_per_step = min(n_rows, rows_per_batch(ours["batch_size"], n_rows))
        mlp["batch_size"] = rows_per_step
        # Its "invscaling" counts rows, not epochs, and it has no further schedules.
        rate = mlp["learning_rate"] = "adaptive" if ours["learning_rate"] == "adaptive" else "constant"
        mlp["learning_rate_init"] = initial_learning_rate(ours["learning_rate_init"], ours["solver"], rate)
    if ours["max_iter"] != "auto":
        mlp["max_iter"] = ours["max_iter"]
    # Its alpha is divided by the number of rows in a step.
    mlp["alpha"] = fitted.alpha_ * rows_per_step
    return mlp
