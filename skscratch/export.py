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

from .activations import LEAKS
from .network import check_finite
from .settings import epochs_of_patience, initial_learning_rate, rows_per_batch

ACTIVATIONS_THERE = ("identity", "logistic", "tanh", "relu")
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
    classes, activation = _classes_there(fitted), _activation_there(fitted)
    coefs, intercepts = _layers_there(fitted)
    sizes = tuple(len(b) for b in intercepts[:-1])
    there = MLPClassifier(sizes, activation=activation, solver="sgd", random_state=0)
    # One step on a single row makes it a fitted estimator by its own rules, whatever its version keeps.
    row = np.zeros((1, fitted.n_features_in_), fitted._dtype)
    multilabel = fitted._kind == "multilabel"
    label = np.eye(1, len(classes), dtype=int) if multilabel else classes[:1]
    there.partial_fit(row, label, classes=classes)
    # What that step left behind goes: the velocity of its optimizer, and the parameters.
    vars(there).pop("_optimizer", None)
    there.coefs_, there.intercepts_ = coefs, intercepts
    for name in (*HISTORY, "feature_names_in_"):
        if hasattr(fitted, name):
            setattr(there, name, copy(getattr(fitted, name)))
    return there.set_params(**_parameters_there(fitted))


def _classes_there(fitted: Any) -> NDArray:
    classes = fitted._labels().classes
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


def _activation_there(fitted: Any) -> str:
    names = {"relu" if name in LEAKS else name for name in fitted._activations} or {"relu"}
    if len(names) > 1:
        raise ValueError(
            "to_sklearn: MLPClassifier has one activation for all hidden layers, but here they differ: "
            f"{fitted._activations}. (Only relu and the leaky ones, which are pairs of it, go together.)"
        )
    (name,) = names
    if name not in ACTIVATIONS_THERE:
        raise ValueError(
            f"to_sklearn: MLPClassifier has no activation {name!r}; it can express "
            f"{', '.join((*ACTIVATIONS_THERE, *LEAKS))}."
        )
    return name


def _layers_there(fitted: Any) -> tuple[list[NDArray], list[NDArray]]:
    """Return copies of the weights and biases, with two ReLUs for each leaky unit."""
    layers = fitted._network().layers
    check_finite(layers)
    coefs, intercepts = [W.copy() for W in layers.W], [b.copy() for b in layers.b]
    for l, name in enumerate(fitted._activations):
        if name in LEAKS:
            coefs[l] = np.hstack([coefs[l], -coefs[l]])
            intercepts[l] = np.hstack([intercepts[l], -intercepts[l]])
            coefs[l + 1] = np.vstack([coefs[l + 1], -LEAKS[name] * coefs[l + 1]])
    return coefs, intercepts


def _parameters_there(fitted: Any) -> dict[str, Any]:
    """Return the parameters for further training, as far as MLPClassifier has them."""
    here = fitted.get_params(deep=False)
    common = set(here) & set(MLPClassifier().get_params()) - set(OTHER_MEANING)
    there = {name: here[name] for name in common}
    there["n_iter_no_change"] = here["n_iter_no_change"]
    if here["n_iter_no_change"] == "auto":
        there["n_iter_no_change"] = epochs_of_patience("auto", "constant")
    n_rows = rows_per_step = fitted._n_rows
    if here["solver"] != "lbfgs":
        rows_per_step = min(n_rows, rows_per_batch(here["batch_size"], n_rows))
        there["batch_size"] = rows_per_step
        # Its "invscaling" counts rows, not epochs, and it has no further schedules.
        rate = there["learning_rate"] = "adaptive" if here["learning_rate"] == "adaptive" else "constant"
        there["learning_rate_init"] = initial_learning_rate(here["learning_rate_init"], here["solver"], rate)
    if here["max_iter"] != "auto":
        there["max_iter"] = here["max_iter"]
    # Its alpha is divided by the number of rows in a step.
    there["alpha"] = fitted.alpha_ * rows_per_step
    return there
