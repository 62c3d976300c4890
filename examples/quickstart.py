"""
===========
Quick start
===========

This page tunes a network on handwritten digits, tests it, and plots its training curves. As a script,
it takes well under a minute, and it saves the plot as ``loss_curves.png``::

    python examples/quickstart.py

The user guide explains the parameters to tune (:doc:`/user_guide/hyperparameters`) and early stopping
(:doc:`/user_guide/early_stopping`).
"""

# %%
# The data
# --------
# scikit-learn's digits are 1,797 images of 8 x 8 pixels. A quarter of them is the test set.

# sphinx_gallery_start_ignore
import argparse

# sphinx_gallery_end_ignore
import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import classification_report, confusion_matrix
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import LossCurveDisplay, ScratchMLPClassifier

# sphinx_gallery_start_ignore
parser = argparse.ArgumentParser(description="Tune a network on handwritten digits, test it, and plot.")
parser.add_argument(
    "--output",
    default="loss_curves.png",
    metavar="FILE",
    help='file to save the plot to (default: %(default)s); "" saves none',
)
options = parser.parse_args()
# sphinx_gallery_end_ignore

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

# %%
# Tune
# ----
# A neural network needs scaled features. In a pipeline, the scaler is fitted anew in every fold of the
# cross-validation, on the training rows only. The grid search tries three sizes of the network and two
# learning rates, and compares their log losses. Then it fits the best pipeline on all training rows.

pipeline = Pipeline([("scale", StandardScaler()), ("mlp", ScratchMLPClassifier(random_state=0))])
grid = {
    "mlp__hidden_layer_sizes": [(10,), (100,), (100, 100)],
    "mlp__learning_rate_init": [0.02, 0.2],
}
search = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=3, n_jobs=2).fit(X_train, y_train)

sizes = search.cv_results_["param_mlp__hidden_layer_sizes"]
rates = search.cv_results_["param_mlp__learning_rate_init"]
losses = -search.cv_results_["mean_test_score"]
print(f"{'hidden_layer_sizes':<20}{'learning_rate_init':>18}{'log loss':>10}")
for size, rate, loss in zip(sizes, rates, losses, strict=True):
    print(f"{size!s:<20}{rate:>18}{loss:>10.3f}")
print("best parameters:")
for name, value in search.best_params_.items():
    print(f"  {name} = {value!r}")

# %%
# Test
# ----
# The test set has not been used for the search.

y_pred = search.predict(X_test)
print(f"test accuracy: {search.best_estimator_.score(X_test, y_test):.3f}")
print(classification_report(y_test, y_pred))

# %%
# In the confusion matrix, each row is a true digit, and each column a predicted digit.

print("confusion matrix (rows: true digit, columns: predicted digit):")
print(confusion_matrix(y_test, y_pred))

# %%
# Plot the training curves
# ------------------------
# With ``early_stopping=True``, the network holds out a validation set and records the loss on it after
# every epoch. It finds the best epoch, and continues from there on all training rows for a few epochs:
# the refit.
#
# The training loss includes the L2 penalty. Its strength, ``alpha="auto"``, is selected anew after two
# thirds of the epochs, so the training loss jumps there: the thin vertical line marks the place.

early = clone(search.best_estimator_).set_params(mlp__early_stopping=True).fit(X_train, y_train)
mlp = early["mlp"]
print(f"{mlp.n_iter_} epochs with a validation set; the best is epoch {mlp.best_iter_}")
print(f"{len(mlp.refit_loss_curve_)} epochs of the refit on all training rows")
print(f"test accuracy: {early.score(X_test, y_test):.3f}")

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
LossCurveDisplay.from_estimator(early, ax=ax)
ax.set(yscale="log", title="Digits: loss of each epoch")
# sphinx_gallery_start_ignore
if options.output:
    fig.savefig(options.output, dpi=150)
    print(f"loss curves: {options.output}")
# sphinx_gallery_end_ignore
