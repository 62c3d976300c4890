"""Distributed grid search with Dask.

GridSearchCV trains its candidates through joblib, and joblib can send them to a Dask cluster. The search
needs only one additional ``with`` statement. Here the cluster is two worker processes on this machine. To use
the machines of an existing cluster, pass the address of its scheduler to ``Client(...)``.

The example needs ``pip install "skscratch[dask]"``. Run it with ``python examples/scale_dask.py``.
``docs/user_guide/distributed.rst`` shows the same in a few lines.
"""

import joblib
from dask.distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier

GRID = {
    "scratchmlpclassifier__hidden_layer_sizes": [(32,), (100,), (64, 32)],
    "scratchmlpclassifier__alpha": ["auto", 1e-2, 1e-1],
}


def make_search(grid=GRID, max_iter=30, **options):
    """Return the search; it trains each candidate for max_iter epochs."""
    mlp = ScratchMLPClassifier(max_iter=max_iter, random_state=0)
    return GridSearchCV(make_pipeline(StandardScaler(), mlp), grid, cv=3, **options)


def search_on_cluster(search, X, y, n_workers=2):
    """Fit the search on a cluster of worker processes with one thread each."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        return search.fit(X, y)


def main():
    """Search on digits and print the results."""
    X, y = load_digits(return_X_y=True)
    search = search_on_cluster(make_search(), X, y)
    print(f"accuracy in cross-validation: {search.best_score_:.3f}")
    for name, value in search.best_params_.items():
        print(f"  {name} = {value!r}")


# The worker processes import this file. Only the main process must run the search.
if __name__ == "__main__":
    main()
