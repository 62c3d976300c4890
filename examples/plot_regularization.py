"""
============================================
Regularization: L2, dropout, label smoothing
============================================

A network that is large for its data bends its decision boundary around single rows, and is confident
right up to that boundary. Three parameters reduce this overfitting: ``alpha`` keeps the weights small,
``dropout`` drops units at random during training, and ``label_smoothing`` moves the targets away from
0 and 1. This page shows the effect of each on data with two features.

The user guide says which of them to try first, and how the default ``alpha="auto"`` works:
:doc:`/user_guide/regularization`.
"""

# %%
# The data and the network
# ------------------------
# The data are two half moons, so noisy that they overlap. There are 150 training rows, and two hidden
# layers of 64 units with over 4,000 weights. The best possible accuracy here is about 0.88.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss

from skscratch import ScratchMLPClassifier

X_train, y_train = make_moons(150, noise=0.35, random_state=0)
X_test, y_test = make_moons(10_000, noise=0.35, random_state=1)


def draw(parameter, values):
    """Train one network for each value; draw the probability of the violet squares."""
    fig, axes = plt.subplots(2, 2, figsize=(7, 6), sharex=True, sharey=True, layout="constrained")
    for ax, value in zip(axes.flat, values, strict=True):
        parameters = {"alpha": 0} | {parameter: value}
        clf = ScratchMLPClassifier(
            (64, 64),
            solver="adam",
            learning_rate_init=0.01,
            max_iter=300,
            n_iter_no_change=np.inf,
            random_state=0,
            **parameters,
        ).fit(X_train, y_train)
        regions = DecisionBoundaryDisplay.from_estimator(
            clf,
            X_train,
            response_method="predict_proba",
            levels=np.linspace(0, 1, 11),
            cmap="PuOr",
            alpha=0.7,
            eps=0.4,
            ax=ax,
        )
        for label, color, marker in [(0, "#7F3B08", "o"), (1, "#2D004B", "s")]:
            rows = X_train[y_train == label]
            ax.scatter(*rows.T, s=20, color=color, marker=marker, edgecolor="white", lw=0.6)
        loss, hits = log_loss(y_test, clf.predict_proba(X_test)), clf.score(X_test, y_test)
        ax.set(xlabel="", ylabel="")
        ax.set_title(f"{parameter}={value}\ntest loss {loss:.2f}, accuracy {hits:.3f}", size="medium")
    fig.supxlabel("first feature", size="medium")
    fig.supylabel("second feature", size="medium")
    fig.colorbar(regions.surface_, ax=axes, label="probability of the violet squares", shrink=0.8)


# %%
# Small weights: ``alpha``
# ------------------------
# The penalty keeps the weights small, and small weights cannot bend a boundary sharply. With a stronger
# penalty, the boundary becomes smoother, and the probabilities change more slowly across it. If the
# penalty is too strong, the boundary is a straight line.

# sphinx_gallery_thumbnail_number = 1
draw("alpha", [0, 0.001, 0.01, 0.1])

# %%
# Dropped units: ``dropout``
# --------------------------
# Each training step drops every hidden unit with this probability, so no unit can rely on another one.
# Boundaries drawn by single points disappear, and predictions become less certain where the classes
# overlap. Far from the data, the network stays confident.

draw("dropout", [0, 0.1, 0.3, 0.6])

# %%
# Smoothed labels: ``label_smoothing``
# ------------------------------------
# Smoothed targets are not 0 or 1, so the predicted probabilities stay away from 0 and 1, and the test
# loss falls. The boundary itself still bends around single rows, so the accuracy gains little.

draw("label_smoothing", [0, 0.05, 0.2, 0.5])

plt.show()
