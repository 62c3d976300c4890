"""
==================
Imbalanced classes
==================

If one class is rare, a network that never predicts it still has a high accuracy.
``class_weight="balanced"`` multiplies the weight of each row so that all classes have the same total
weight. This page shows what that changes, what it does not change, and what it costs.

The user guide has more on weights and thresholds: :doc:`/user_guide/imbalanced_classes`.
"""

# %%
# One row in twenty
# -----------------
# The data are two clouds that overlap. About 5 % of the rows belong to the rare class.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.calibration import CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    balanced_accuracy_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)
from sklearn.model_selection import FixedThresholdClassifier

from skscratch import ScratchMLPClassifier

COMMON, RARE = "#0072B2", "#D55E00"
CLASS_NAMES = ["common", "rare"]


def draw_rows(n_samples, seed):
    """Draw rows of two classes, one of them rare."""
    random = np.random.default_rng(seed)
    y = (random.random(n_samples) < 0.05).astype(int)
    X = random.standard_normal((n_samples, 2))
    X[y == 1] = [1.8, 1.2] + 0.8 * X[y == 1]
    return X, y


X_train, y_train = draw_rows(4000, seed=0)
X_test, y_test = draw_rows(20_000, seed=1)
print(f"{y_train.sum()} of {len(y_train)} training rows belong to the rare class")

# %%
# With and without class weights
# ------------------------------
# The third model is the unweighted network with a lower decision threshold: it predicts "rare" if the
# probability exceeds the fraction of rare rows, instead of one half.

settings = {"max_iter": 50, "n_iter_no_change": np.inf, "random_state": 0}
plain = ScratchMLPClassifier(20, **settings).fit(X_train, y_train)
balanced = ScratchMLPClassifier(20, class_weight="balanced", **settings).fit(X_train, y_train)
lowered = FixedThresholdClassifier(
    FrozenEstimator(plain), threshold=y_train.mean(), response_method="predict_proba"
).fit(X_train, y_train)

networks = {
    "no class weights": plain,
    'class_weight="balanced"': balanced,
    "no weights, lower threshold": lowered,
}

line = "{:<28}{:>10}{:>10}{:>10}{:>20}"
print(line.format("", "accuracy", "recall", "precision", "balanced accuracy"))
for name, clf in networks.items():
    y_pred = clf.predict(X_test)
    figures = [
        np.mean(y_pred == y_test),
        recall_score(y_test, y_pred),
        precision_score(y_test, y_pred),
        balanced_accuracy_score(y_test, y_pred),
    ]
    print(line.format(name, *(f"{figure:.3f}" for figure in figures)))

# %%
# Decision regions
# ----------------
# The region of the rare class is much larger with class weights. With the lower threshold it is nearly
# the same as with class weights.

fig, axes = plt.subplots(2, 2, figsize=(7, 6), sharex=True, sharey=True, layout="constrained")
for ax, (name, clf) in zip(axes.flat, networks.items(), strict=False):
    regions = DecisionBoundaryDisplay.from_estimator(
        clf,
        X_train,
        response_method="predict",
        plot_method="pcolormesh",
        cmap=ListedColormap([COMMON, RARE]),
        alpha=0.25,
        ax=ax,
    )
    for label, color, marker, size in [(0, COMMON, ".", 6), (1, RARE, "+", 16)]:
        rows = X_train[y_train == label]
        ax.scatter(*rows.T, s=size, color=color, marker=marker, label=CLASS_NAMES[label])
    ax.set(xlabel="", ylabel="", title=name)
axes[0, 1].tick_params(labelbottom=True)
axes[1, 1].axis("off")
axes[1, 1].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", markerscale=2, title="class")
fig.supxlabel("first feature", size="medium")
fig.supylabel("second feature", size="medium")

# %%
# Confusion matrices
# ------------------
# The matrices show fractions of the rows of each class, on 20,000 test rows. With class weights, or
# with the lower threshold, about nine rare rows in ten are found. The cost looks small, but one common
# row in ten is more than all rare rows together: two predictions of "rare" in three are wrong.

fig, axes = plt.subplots(2, 2, figsize=(7, 6.5), layout="constrained")
axes[1, 1].axis("off")
for ax, (name, clf) in zip(axes.flat, networks.items(), strict=False):
    ConfusionMatrixDisplay.from_estimator(
        clf,
        X_test,
        y_test,
        normalize="true",
        display_labels=CLASS_NAMES,
        values_format=".3f",
        cmap="Blues",
        colorbar=False,
        ax=ax,
    )
    ax.set(xlabel="predicted", ylabel="true", title=name)

# %%
# Precision, recall and calibration
# ---------------------------------
# The first plot shows precision against recall over all thresholds. The curves nearly coincide: the two
# networks rank the rows in almost the same order. The second plot shows the fraction of rare rows among
# those with a certain predicted probability. The unweighted network is well calibrated. The weighted
# one predicts probabilities for a population in which both classes are equally frequent.
#
# So class weights move the decision boundary, as a threshold does. Use them if you need the labels of
# ``predict`` and both classes matter equally. Do not use them if you need the probabilities.

fig, axes = plt.subplots(2, 1, figsize=(7, 8), layout="constrained")
for name, clf, color, ls in [
    ("no class weights", plain, COMMON, "-"),
    ('class_weight="balanced"', balanced, "#E69F00", "--"),
]:
    precision, recall, _ = precision_recall_curve(y_test, clf.predict_proba(X_test)[:, 1])
    axes[0].plot(recall, precision, color=color, ls=ls, lw=2, label=name)
    CalibrationDisplay.from_estimator(
        clf, X_test, y_test, n_bins=10, name=name, ax=axes[1], color=color, ls=ls
    )
axes[0].set(xlabel="recall", ylabel="precision", title="Precision-recall")
axes[0].legend()
axes[1].set(xlabel="predicted probability", ylabel="fraction of rare rows", title="Calibration")
axes[1].legend(loc="upper left")

plt.show()
