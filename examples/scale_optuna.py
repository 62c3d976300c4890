"""Hyperparameter search with Optuna, with pruning.

OptunaSearchCV with ``enable_pruning=True`` trains each trial with ``partial_fit``, one epoch at a time on
every fold. It prunes a trial whose score is worse than the median of the earlier trials after the same
number of epochs. Here n calls of ``partial_fit`` are bit-for-bit identical to ``fit(max_iter=n)``, so a
trial's score is that of the model that ``fit`` returns.

The example needs ``pip install "skscratch[optuna]"``. Run it with ``python examples/scale_optuna.py``.
``docs/user_guide/distributed.rst`` says more.
"""

import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna_integration import OptunaSearchCV
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skscratch import ScratchMLPClassifier

SPACE = {
    "hidden_layer_sizes": IntDistribution(8, 256, log=True),
    "activation": CategoricalDistribution(["alrelu", "relu", "gelu"]),
    "learning_rate_init": FloatDistribution(1e-3, 1, log=True),
    "alpha": FloatDistribution(1e-6, 1e-1, log=True),
}


def make_search(n_trials=25, max_iter=20):
    """Return the search; the estimator's own max_iter is the length of its schedule."""
    mlp = ScratchMLPClassifier(max_iter=max_iter, random_state=0)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
    )
    return OptunaSearchCV(
        mlp, SPACE, cv=3, enable_pruning=True, max_iter=max_iter, n_trials=n_trials, study=study
    )


def main():
    """Search on digits, then test the best parameters on rows that the search has not seen."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Optuna warns that its class is experimental, and that the class uses a deprecated module of Optuna.
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", "`optuna.terminator`", FutureWarning)
    X, y = load_digits(return_X_y=True)
    # A Pipeline has no partial_fit, so the pixels, which are 0 to 16, are scaled here.
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)
    search = make_search().fit(X_train, y_train)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in search.trials_)
    print(f"{len(search.trials_)} trials, {pruned} of them pruned")
    print(f"accuracy in cross-validation: {search.best_score_:.3f}")
    for name, value in search.best_params_.items():
        print(f"  {name} = {value!r}")
    print(f"test accuracy: {search.score(X_test, y_test):.3f}")


if __name__ == "__main__":
    main()
