"""Classify handwritten digits: scale, tune, test, and plot the training curves.

GridSearchCV tunes a pipeline of StandardScaler and ScratchMLPClassifier on scikit-learn's digits (1,797
images of 8 x 8 pixels). The best pipeline is tested on images that the search has not seen. Then it is
trained again with early stopping, which splits off a validation set, and a plot shows the training and
the validation loss.

Run it with ``python examples/quickstart.py``. It takes well under a minute.
"""

import argparse

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import classification_report, confusion_matrix
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier


def tune(X, y):
    """Search sizes and penalties by cross-validation; the best pipeline is refitted on all rows."""
    pipeline = Pipeline([("scale", StandardScaler()), ("mlp", ScratchMLPClassifier(random_state=0))])
    grid = {
        "mlp__hidden_layer_sizes": [(32,), (100,)],
        "mlp__alpha": ["auto", 1e-4, 1e-2],
    }
    return GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)


def plot_loss_curves(mlp, path):
    """Plot the loss per epoch on the training and the validation set."""
    # A Figure instead of pyplot also works on machines without a display.
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    ax = figure.subplots()
    epochs = range(1, len(mlp.loss_curve_) + 1)
    ax.plot(epochs, mlp.loss_curve_, label="training: log loss + L2 penalty")
    ax.plot(epochs, mlp.validation_loss_curve_, label="validation: log loss")
    ax.axvline(mlp.best_iter_, color="grey", linestyle=":", label=f"best epoch: {mlp.best_iter_}")
    ax.set(xlabel="epoch", ylabel="loss", yscale="log", title="Digits: loss per epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend()
    figure.savefig(path, dpi=150)


def main():
    """Tune, test, train with early stopping, plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        default="loss_curves.png",
        metavar="FILE",
        help="file to write the plot to (default: %(default)s)",
    )
    args = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

    search = tune(X_train, y_train)
    y_pred = search.predict(X_test)
    print(f"test accuracy: {search.score(X_test, y_test):.3f}")
    print(f"accuracy in cross-validation: {search.best_score_:.3f}")
    print("best parameters:")
    for name, value in search.best_params_.items():
        print(f"  {name} = {value!r}")
    print("\nclassification report:")
    print(classification_report(y_test, y_pred))
    print("confusion matrix (rows: true digit, columns: predicted digit):")
    print(confusion_matrix(y_test, y_pred))

    early = clone(search.best_estimator_).set_params(mlp__early_stopping=True)
    early.fit(X_train, y_train)
    mlp = early["mlp"]
    print(f"\nwith early stopping: {mlp.n_iter_} epochs, the best is epoch {mlp.best_iter_};")
    print(f"then a refit on all training rows for {len(mlp.refit_loss_curve_)} epochs;")
    print(f"test accuracy: {early.score(X_test, y_test):.3f}")
    plot_loss_curves(mlp, args.output)
    print(f"loss curves: {args.output}")


if __name__ == "__main__":
    main()
