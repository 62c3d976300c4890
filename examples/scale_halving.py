"""Hyperparameter search by successive halving, with epochs as the budget.

HalvingGridSearchCV can use any parameter as its budget. Here the budget is ``max_iter``, the number of
epochs. All candidates train for a few epochs, the best third of them for three times as many, and so on. The
learning rate schedule anneals within the given epochs, so each short training run is complete.

The example needs only scikit-learn. Run it with ``python examples/scale_halving.py``.
``docs/user_guide/hyperparameters.rst`` says which parameters to search.
"""

from sklearn.datasets import load_digits

# The search is experimental in scikit-learn; this import enables it.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier

GRID = {
    "scratchmlpclassifier__hidden_layer_sizes": [(16,), (64,), (64, 32)],
    "scratchmlpclassifier__learning_rate_init": [0.001, 0.01, 0.1],
    "scratchmlpclassifier__alpha": ["auto", 1e-2, 1e-1],
}


def make_search(grid=GRID, min_epochs=2, max_epochs=54, n_jobs=2):
    """Return the search over a pipeline."""
    mlp = ScratchMLPClassifier(random_state=0)
    return HalvingGridSearchCV(
        make_pipeline(StandardScaler(), mlp),
        grid,
        resource="scratchmlpclassifier__max_iter",
        min_resources=min_epochs,
        max_resources=max_epochs,
        factor=3,
        cv=3,
        random_state=0,
        n_jobs=n_jobs,
    )


def main():
    """Search on digits, then test the best pipeline on rows that the search has not seen."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    search = make_search().fit(X_train, y_train)
    for candidates, epochs in zip(search.n_candidates_, search.n_resources_, strict=True):
        print(f"{candidates:3d} candidates for {epochs:3d} epochs each")
    print(f"accuracy in cross-validation: {search.best_score_:.3f}")
    for name, value in search.best_params_.items():
        print(f"  {name} = {value!r}")
    print(f"test accuracy: {search.score(X_test, y_test):.3f}")


if __name__ == "__main__":
    main()
