"""
==================================================
A network from scratch: three overlapping clusters
==================================================

A published blog post builds a network by hand in NumPy, and the same network in TensorFlow: two inputs,
five hidden ReLU units, three softmax outputs. It trains the network on three clouds of points in the
plane, in two ways:

- **full batch with L2**: each of 5,001 steps uses all training data, and the objective is the mean
  cross-entropy plus lambda / 2 times the sum of the squared weights, with lambda = 0.01;
- **minibatches in order**: each of 10,001 steps uses the next 100 rows, without L2.

Both are plain gradient descent with a learning rate of 0.01, without momentum. This page trains both
with :class:`~skscratch.ScratchMLPClassifier`, compares the results with the published ones, and shows
where the errors are.

The :doc:`/reading_guide` derives the gradient of such a network. The user guide shows how to read and
replace its weights: :doc:`/user_guide/inspection`.
"""

# %%
# The data
# --------
# There are 5,000 points from each of three normal distributions. The covariance of the last one is not
# valid (its eigenvalues are 0.75 and -0.75). NumPy samples from it nevertheless, and
# ``check_valid="ignore"`` suppresses the warning.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skscratch import ScratchMLPClassifier

random = np.random.RandomState(12)
clouds = [
    random.multivariate_normal(mean, covariance, 5000, check_valid="ignore")
    for mean, covariance in [
        ([0, 0], [[2, 0.75], [0.75, 2]]),
        ([1, 4], [[1, 0.75], [0.75, 1]]),
        ([2, 8], [[0, 0.75], [0.75, 0]]),
    ]
]
X = np.vstack(clouds).astype(np.float32)
y = np.repeat([0, 1, 2], 5000)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.1, random_state=12)

cluster_colors = ["#0072B2", "#E69F00", "#CC79A7"]

fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
for label, color in enumerate(cluster_colors):
    rows = y_train == label
    ax.scatter(*X_train[rows].T, s=3, color=color, alpha=0.4, label=f"cluster {label}")
ax.set(xlabel="first feature", ylabel="second feature", title="The training data")
legend = ax.legend(markerscale=4)
for handle in legend.legend_handles:
    handle.set_alpha(1)

# %%
# Initial weights
# ---------------
# The original draws every weight from N(0, 1) and sets the biases to zero. The estimator would draw
# smaller weights, which suit the activation. To use the original's, a first call of ``partial_fit`` creates
# the network. Then ``coefs_`` and ``intercepts_`` are replaced, and with ``warm_start=True`` the next
# ``fit`` continues from them.

starting_coefs = [random.standard_normal((2, 5)), random.standard_normal((5, 3))]
starting_intercepts = [np.zeros(5), np.zeros(3)]


def with_starting_weights(clf):
    """Create the network of a new estimator, with the initial weights of the original."""
    clf.partial_fit(X_train[:1], y_train[:1], classes=[0, 1, 2])
    clf.coefs_ = [W.copy() for W in starting_coefs]
    clf.intercepts_ = [b.copy() for b in starting_intercepts]
    return clf


# %%
# Full batch with L2
# ------------------
# ``alpha`` is the textbook's lambda, so 0.01 means the same in both. With unlimited patience, training
# takes exactly 5,001 steps. Each epoch is one step, and ``loss_curve_`` holds the objective before each
# step.

full_batch = with_starting_weights(
    ScratchMLPClassifier(
        5,
        activation="relu",
        alpha=0.01,
        batch_size=len(X_train),
        learning_rate="constant",
        learning_rate_init=0.01,
        momentum=0,
        nesterovs_momentum=False,
        max_grad_norm=None,
        shuffle=False,
        max_iter=5001,
        n_iter_no_change=np.inf,
        warm_start=True,
    )
)
full_batch.fit(X_train, y_train)
full_batch_losses = full_batch.loss_curve_[-5001], full_batch.loss_curve_[-1]

# %%
# Minibatches in order
# --------------------
# 13,500 training rows are 135 batches of 100, so 74 epochs are 9,990 steps. ``partial_fit`` on the first
# 1,100 rows takes the remaining eleven. The last step has a call of its own, so that ``loss_`` is the loss
# of that minibatch, which is the number that the original prints.

minibatch = with_starting_weights(
    ScratchMLPClassifier(
        5,
        activation="relu",
        alpha=0,
        batch_size=100,
        learning_rate="constant",
        learning_rate_init=0.01,
        momentum=0,
        nesterovs_momentum=False,
        max_grad_norm=None,
        shuffle=False,
        max_iter=74,
        n_iter_no_change=np.inf,
        warm_start=True,
    )
)
first_loss = log_loss(y_train[:100], minibatch.predict_proba(X_train[:100]))
minibatch.fit(X_train, y_train)
minibatch.partial_fit(X_train[:1000], y_train[:1000])
minibatch.partial_fit(X_train[1000:1100], y_train[1000:1100])
minibatch_losses = first_loss, minibatch.loss_

# %%
# Published and reached results
# -----------------------------
# The loss at step 0 depends on the random initial weights, which are not published.

networks = {"full batch with L2": full_batch, "minibatches in order": minibatch}
accuracy = {name: clf.score(X_test, y_test) for name, clf in networks.items()}

line = "{:<22}{:<12}{:>14}{:>14}{:>16}"
print(line.format("", "", "loss, step 0", "loss, end", "test accuracy"))
for name, published, reached in [
    ("full batch with L2", (2.97, 0.2274, 0.964), full_batch_losses),
    ("minibatches in order", (10.42, 0.1036, 0.9627), minibatch_losses),
]:
    for source, (start, end, hits) in [
        ("published", published),
        ("reached", (*reached, accuracy[name])),
    ]:
        print(line.format(name, source, f"{start:.2f}", f"{end:.4f}", f"{hits:.4f}"))

# %%
# Errors
# ------
# The errors lie where the clusters overlap. No classifier can avoid all of them.

fig, axes = plt.subplots(2, 1, figsize=(7, 8), sharex=True, sharey=True, layout="constrained")
for ax, (name, clf) in zip(axes, networks.items(), strict=True):
    hit = clf.predict(X_test) == y_test
    ax.scatter(*X_test[hit].T, s=6, color="#56B4E9", alpha=0.6, label=f"{hit.sum():,} correct")
    ax.scatter(*X_test[~hit].T, s=18, color="#D55E00", marker="x", label=f"{(~hit).sum()} errors")
    ax.set(ylabel="second feature", title=f"{name}: accuracy {accuracy[name]:.4f}")
    ax.legend()
axes[1].set_xlabel("first feature")
fig.suptitle("The test set")

# %%
# Decision regions
# ----------------
# Five ReLU units can bend the boundaries only a few times. The points are the test set, in the colours of
# their true clusters.

# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplots(2, 1, figsize=(7, 8), sharex=True, sharey=True, layout="constrained")
for ax, (name, clf) in zip(axes, networks.items(), strict=True):
    regions = DecisionBoundaryDisplay.from_estimator(
        clf,
        X,
        response_method="predict",
        plot_method="pcolormesh",
        grid_resolution=300,
        alpha=0.3,
        ax=ax,
    )
    regions.surface_.set_cmap(ListedColormap(cluster_colors))
    for label, (color, marker) in enumerate(zip(cluster_colors, ["o", "s", "^"], strict=True)):
        rows = X_test[y_test == label]
        ax.scatter(*rows.T, s=6, color=color, marker=marker, label=f"cluster {label}")
    ax.set(xlabel="", ylabel="second feature", title=name)
axes[1].set_xlabel("first feature")
axes[0].legend(markerscale=3)
fig.suptitle("Predicted cluster everywhere in the plane")

plt.show()
