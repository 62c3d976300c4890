"""scikit-learn's own checks of an estimator: none fails and only one is skipped."""

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from skscratch import ScratchMLPClassifier
from skscratch.activations import ACTIVATIONS

SKIPPED = {"check_array_api_input"}

# What these do otherwise than the default shows in five epochs.
VARIANTS = [
    *({"activation": name} for name in ACTIVATIONS),
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": 3},
    {"hidden_layer_sizes": (10, 5), "activation": ("tanh", "relu")},
    *({"learning_rate": name} for name in ("constant", "invscaling", "adaptive", "cosine")),
    {"class_weight": "balanced"},
    {"solver": "adam"},
    {"momentum": 0.0, "shuffle": False},
    {"label_smoothing": 0.1},
    {"max_grad_norm": None},
]
CONFIGURATIONS = [
    {},
    *(variant | {"max_iter": 5} for variant in VARIANTS),
    # The first fit converges, so a second one changes nothing, and no check needs an exception.
    {"warm_start": True, "learning_rate": "adaptive", "tol": 1e-2},
    {"warm_start": True, "solver": "lbfgs", "hidden_layer_sizes": ()},
    {"solver": "lbfgs"},
    {"solver": "lbfgs", "hidden_layer_sizes": ()},
    {"alpha": 0.01, "n_iter_no_change": np.inf, "max_iter": 50},
]

BY_ROW = "drawn for each row, so a row of weight k is not k copies bit for bit"
EQUIVALENCE = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)
FIT_TWICE = ("check_classifiers_multilabel_representation_invariance", "check_supervised_y_2d")
RESUMES = "fits twice and expects the same predictions; MLPClassifier(warm_start=True) fails it, too"
WITH_EXPECTED_FAILURES = [
    ({"dropout": 0.1, "max_iter": 5}, dict.fromkeys(EQUIVALENCE, f"masks are {BY_ROW}")),
    ({"early_stopping": True, "max_iter": 5}, dict.fromkeys(EQUIVALENCE, f"the validation part is {BY_ROW}")),
    ({"warm_start": True, "max_iter": 5}, dict.fromkeys(FIT_TWICE, RESUMES)),
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


@pytest.mark.parametrize(
    ("params", "expected"), WITH_EXPECTED_FAILURES, ids=[str(params) for params, _ in WITH_EXPECTED_FAILURES]
)
def test_no_check_fails_but_those_that_the_option_contradicts(params, expected):
    results = checked(params, expected_failed_checks=expected)
    assert results["failed"] == {}
    assert results["xfail"].keys() <= expected.keys()
    assert results["skipped"].keys() <= SKIPPED
