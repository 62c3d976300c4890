"""scikit-learn's own checks of an estimator: none fails and only one is skipped."""

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from skscratch import ScratchMLPClassifier

SKIPPED = {"check_array_api_input"}

ACTIVATIONS = [
    *("identity", "logistic", "tanh", "relu"),
    *("leaky_relu", "alrelu", "elu", "selu", "gelu", "silu", "softplus"),
]

CONFIGURATIONS = [
    {},
    *({"activation": name} for name in ACTIVATIONS),
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": 3},
    {"hidden_layer_sizes": (10, 5), "activation": ("tanh", "relu")},
    *({"learning_rate": name} for name in ("constant", "invscaling", "adaptive", "cosine")),
    {"class_weight": "balanced"},
    # Two checks fit twice and expect the same predictions, so the first fit has to come to rest. At the
    # default schedule it does not, and MLPClassifier(warm_start=True) fails like this, too.
    {"warm_start": True, "learning_rate": "adaptive", "tol": 1e-2},
    {"warm_start": True, "solver": "lbfgs", "hidden_layer_sizes": ()},
    {"solver": "adam"},
    {"solver": "lbfgs"},
    {"solver": "lbfgs", "hidden_layer_sizes": ()},
    {"momentum": 0.0, "shuffle": False},
    {"alpha": 0.01, "n_iter_no_change": np.inf, "max_iter": 50},
    {"label_smoothing": 0.1},
    {"max_grad_norm": None},
]

BY_ROW = "drawn for each row, so a row of weight k is not k copies bit for bit"
EQUIVALENCE = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)
WITH_EXPECTED_FAILURES = [
    ({"dropout": 0.1}, dict.fromkeys(EQUIVALENCE, f"masks are {BY_ROW}")),
    ({"early_stopping": True}, dict.fromkeys(EQUIVALENCE, f"the validation part is {BY_ROW}")),
]


def checked(params, **options):
    """Return the results of all checks, by status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(ScratchMLPClassifier(**params), on_fail=None, on_skip=None, **options)
    assert len(results) > 60
    by_status = {"passed": {}, "failed": {}, "xfail": {}, "skipped": {}}
    for result in results:
        by_status[result["status"]][result["check_name"]] = result["exception"]
    return by_status


@pytest.mark.parametrize("params", CONFIGURATIONS, ids=str)
def test_every_check_passes_and_only_one_is_skipped(params):
    results = checked(params)
    assert results["failed"] == {}
    assert results["xfail"] == {}
    assert results["skipped"].keys() <= SKIPPED


@pytest.mark.parametrize(("params", "expected"), WITH_EXPECTED_FAILURES, ids=str)
def test_what_is_drawn_for_each_row_fails_the_checks_of_equivalence_alone(params, expected):
    results = checked(params, expected_failed_checks=expected)
    assert results["failed"] == {}
    assert results["xfail"].keys() <= expected.keys()
    assert results["skipped"].keys() <= SKIPPED


def test_every_activation_is_checked():
    checked_here = set()
    for name in ACTIVATIONS:
        ScratchMLPClassifier((2,), name, max_iter=1, n_iter_no_change=np.inf).fit([[0.0], [1.0]], [0, 1])
        checked_here.add(name)
    with pytest.raises(ValueError, match="activation") as error:
        ScratchMLPClassifier((2,), ("none",)).fit([[0.0], [1.0]], [0, 1])
    offered = str(error.value).split("[", 1)[1].split("]", 1)[0]
    assert {name.strip(" '") for name in offered.split(",")} == checked_here
