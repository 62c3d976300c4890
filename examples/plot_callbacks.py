"""
=========
Callbacks
=========

Callbacks are objects that an estimator calls during training. They were introduced in scikit-learn
1.9, and :class:`~skscratch.ScratchMLPClassifier` takes them by ``set_callbacks``. A callback is called
before and after every epoch, can inspect the current network, and can stop training.

This page records scores with scikit-learn's own :class:`~sklearn.callback.ScoringMonitor`, in a single
fit and in a grid search. Then it draws how the decision boundary develops, and stops training at a
target accuracy. :class:`~sklearn.callback.ProgressBar` works in the same way; it needs the package
``rich``.

The user guide has the rules: :doc:`/user_guide/callbacks`.
"""

# %%
# The data are two half moons. With an older scikit-learn, the estimator has no callbacks and this
# script ends here.

import sys

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV

from skscratch import ScratchMLPClassifier

try:
    from sklearn.callback import ScoringMonitor
except ImportError:
    print(f"Callbacks need scikit-learn 1.9 or newer; this is {sklearn.__version__}.")
    sys.exit(0)

X, y = make_moons(400, noise=0.2, random_state=0)
X_test, y_test = make_moons(2000, noise=0.2, random_state=1)

settings = {
    "hidden_layer_sizes": (32, 32),
    "batch_size": 50,
    "learning_rate_init": 0.1,
    "max_iter": 60,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}

# %%
# Record scores
# -------------
# ``ScoringMonitor`` scores the network on the training data after every epoch, with any scorers of
# scikit-learn. Its log has one entry for each epoch and one for the whole fit. An entry is a dictionary:
# ``task_name`` says which of the two it is, ``task_id`` counts the epochs from zero, and each score has its
# own key.

monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
ScratchMLPClassifier(**settings).set_callbacks(monitor).fit(X, y)

log = monitor.get_logs().data
entries = [entry for entry in log if entry["task_name"] == "epoch"]
epochs = [entry["task_id"] + 1 for entry in entries]

print(f"{'epoch':>5}{'accuracy':>10}{'neg_log_loss':>14}")
for entry in entries[::10] + entries[-1:]:
    print(f"{entry['task_id'] + 1:>5}{entry['accuracy']:>10.3f}{entry['neg_log_loss']:>14.3f}")

fig, axes = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
for ax, score in zip(axes, ["accuracy", "neg_log_loss"], strict=True):
    ax.plot(epochs, [entry[score] for entry in entries], color="#0072B2")
    ax.set_ylabel(score)
axes[1].set_xlabel("epoch")
fig.suptitle("Scores on the training data")

# %%
# In a grid search
# ----------------
# A search passes a callback on to each of its fits. The path of an entry leads from the search to the
# epoch. Its third number counts the fits of the cross-validation: first the folds of the first
# candidate, then those of the second. The plot shows the mean over the folds for each candidate.

rates = [0.003, 0.03, 0.3]
n_folds = 4

monitor = ScoringMonitor(scoring="neg_log_loss")
clf = ScratchMLPClassifier(**settings).set_callbacks(monitor)
search = GridSearchCV(clf, {"learning_rate_init": rates}, cv=n_folds, scoring="neg_log_loss")
search.fit(X, y)

loss = np.zeros((len(rates), n_folds, settings["max_iter"]))
for entry in monitor.get_logs().data:
    path = entry["task_id_path"]
    if entry["task_name"] == "epoch" and len(path) == 4:  # the final fit has a shorter path
        candidate, fold = divmod(path[2], n_folds)
        loss[candidate, fold, path[3]] = -entry["neg_log_loss"]

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for rate, curve, color, ls in zip(
    rates, loss.mean(axis=1), ["#0072B2", "#E69F00", "#009E73"], ["-", "--", "-."], strict=True
):
    ax.plot(epochs, curve, color=color, ls=ls, label=f"learning_rate_init={rate}")
ax.set(xlabel="epoch", ylabel="training loss", title="Every fit of a grid search, by candidate")
ax.legend()

# %%
# Write a callback
# ----------------
# A callback is any object with the following four methods. A method requests what it needs by the
# names of its arguments: this one requests ``fitted_estimator``, a copy of the estimator that can
# predict. The copy is made only if a callback requests it.


class BorderKeeper:
    """Record the probabilities on a grid after some epochs."""

    def __init__(self, grid, epochs):
        self.grid = grid
        self.epochs = epochs
        self.pictures = {}

    def setup(self, estimator, context):
        """Forget the previous training run."""
        self.pictures = {}

    def on_fit_task_begin(self, estimator, context):
        """Do nothing: the network is evaluated at the end of the epoch."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Record the probabilities at the end of a chosen epoch."""
        epoch = context.task_id + 1
        if context.task_name == "epoch" and epoch in self.epochs:
            self.pictures[epoch] = fitted_estimator.predict_proba(self.grid)[:, 1]

    def teardown(self, estimator, context):
        """Do nothing: there is nothing to close."""


x0, x1 = np.meshgrid(np.linspace(-1.7, 2.7, 100), np.linspace(-1.4, 1.9, 100))
keeper = BorderKeeper(np.column_stack([x0.ravel(), x1.ravel()]), epochs=[1, 4, 12, 60])
ScratchMLPClassifier(**settings).set_callbacks(keeper).fit(X, y)

# sphinx_gallery_thumbnail_number = 3
fig, axes = plt.subplots(2, 2, figsize=(7, 5.5), sharex=True, sharey=True, layout="constrained")
for ax, (epoch, probability) in zip(axes.flat, keeper.pictures.items(), strict=True):
    filled = ax.contourf(
        x0, x1, probability.reshape(x0.shape), levels=np.linspace(0, 1, 11), cmap="PuOr", alpha=0.7
    )
    for label, color, marker in [(0, "#7F3B08", "o"), (1, "#2D004B", "s")]:
        ax.scatter(*X[y == label].T, s=12, color=color, marker=marker, edgecolor="white", lw=0.4)
    ax.set_title(f"after epoch {epoch}")
fig.supxlabel("first feature", size="medium")
fig.supylabel("second feature", size="medium")
fig.colorbar(filled, ax=axes, label="probability of the violet squares", shrink=0.8)

# %%
# Stop training
# -------------
# Training stops if a callback returns true. This one stops at a target accuracy on given rows.


class StopAtTarget:
    """Stop when the accuracy on given rows reaches a target."""

    def __init__(self, X, y, target):
        self.X = X
        self.y = y
        self.target = target
        self.scores = []

    def setup(self, estimator, context):
        """Forget the previous training run."""
        self.scores = []

    def on_fit_task_begin(self, estimator, context):
        """Do nothing: the network is evaluated at the end of the epoch."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Score the network; return whether to stop."""
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(self.X, self.y))
            return self.scores[-1] >= self.target

    def teardown(self, estimator, context):
        """Do nothing: there is nothing to close."""


stopper = StopAtTarget(X_test, y_test, target=0.96)
clf = ScratchMLPClassifier(**settings).set_callbacks(stopper).fit(X, y)
print(f"stopped after {clf.n_iter_} of {clf.max_iter} epochs, at accuracy {stopper.scores[-1]:.3f}")

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.plot(range(1, clf.n_iter_ + 1), stopper.scores, color="#0072B2", label="test accuracy")
ax.axhline(stopper.target, color="#D55E00", ls="--", label="target")
ax.set(xlabel="epoch", ylabel="accuracy", xlim=(0, clf.max_iter))
ax.set_title(f"Training stops in epoch {clf.n_iter_} of {clf.max_iter}")
ax.legend()

plt.show()
