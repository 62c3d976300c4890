"""
==============
Early stopping
==============

A network that is trained for too long memorises its training set. Early stopping monitors a
validation set, which is not trained on. It decides three things: when to stop (the patience,
``n_iter_no_change``), what to monitor (``scoring``), and which weights to keep (here always those of
the best epoch). This page shows them one at a time.

The user guide has the rules: :doc:`/user_guide/early_stopping`.
"""

# %%
# A network that overfits
# -----------------------
# There are 600 training rows, a tenth of them with a random label, and 100 hidden units: enough to learn
# the wrong labels, too. The validation set is passed as ``X_val, y_val``. Without it,
# ``early_stopping=True`` holds out ``validation_fraction`` of the rows, and ends with a refit on all
# rows from the best epoch.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier

X, y = make_classification(
    n_samples=6000,
    n_features=20,
    n_informative=8,
    flip_y=0.1,
    random_state=0,
)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=600, random_state=0)
X_val, X_test, y_val, y_test = train_test_split(X_rest, y_rest, train_size=600, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_val, X_test = (scaler.transform(part) for part in [X_train, X_val, X_test])

MAX_ITER = 80


def train(seed=0, early_stopping=True, **parameters):
    """Train a network that is large for its data."""
    clf = ScratchMLPClassifier(
        100,
        activation="relu",
        alpha=0,
        batch_size=32,
        learning_rate_init=0.02,
        max_iter=MAX_ITER,
        early_stopping=early_stopping,
        random_state=seed,
        **parameters,
    )
    validation = {"X_val": X_val, "y_val": y_val} if early_stopping else {}
    return clf.fit(X_train, y_train, **validation)


# %%
# Patience
# --------
# Training stops after ``n_iter_no_change`` epochs in a row without improvement. Too little patience
# stops at the first bump in the curve. More patience costs epochs and nothing else: the weights that
# are kept are those of the best epoch, however long ago it was. Unlimited patience trains to the end,
# which gives the whole curves.

whole = train(n_iter_no_change=np.inf)
patient = {k: train(n_iter_no_change=k) for k in [2, 5, 20]}

epochs = range(1, MAX_ITER + 1)
fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
ax.plot(epochs, whole.loss_curve_, color="#0072B2", label="training loss")
ax.plot(epochs, whole.validation_loss_curve_, color="#D55E00", ls="--", label="validation loss")
for (k, clf), color, size in zip(
    patient.items(), ["#CC79A7", "#56B4E9", "#009E73"], [13, 18, 10], strict=True
):
    stop, best = clf.n_iter_, clf.best_iter_
    curve = clf.validation_loss_curve_
    label = f"patience {k}: stops at {stop}, keeps {best}"
    ax.plot(stop, curve[stop - 1], "s", ms=9, color=color, mec="black", label=label)
    ax.plot(best, curve[best - 1], "*", ms=size, color=color, mec="black")
ax.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
ax.set_title("Where patience stops (square) and which epoch it keeps (star)")
ax.legend()

# %%
# Scoring
# -------
# ``scoring="loss"``, the default, monitors the log loss, which measures the probabilities. You can use
# any scorer of scikit-learn instead, and the best epoch may be another one. The accuracy fluctuates by
# a few rows, so its maximum is partly luck. It also peaks later: after the lowest loss, the
# predictions hardly change, but the network becomes more confident, even where it is wrong.

by_accuracy = train(scoring="accuracy", n_iter_no_change=np.inf)

fig, axes = plt.subplots(2, 1, figsize=(7, 5.5), sharex=True, layout="constrained")
axes[0].plot(epochs, by_accuracy.validation_loss_curve_, color="#D55E00")
axes[0].set(ylabel="validation loss", ylim=(0.3, 0.6))
axes[1].plot(epochs, by_accuracy.validation_scores_, color="#D55E00")
axes[1].set(xlabel="epoch", ylabel="validation accuracy", ylim=(0.8, 0.95))
for ax in axes:
    for scoring, clf, color, ls in [
        ("loss", whole, "#0072B2", "--"),
        ("accuracy", by_accuracy, "#009E73", "-."),
    ]:
        label = f'scoring="{scoring}" keeps epoch {clf.best_iter_}'
        ax.axvline(clf.best_iter_, color=color, ls=ls, label=label)
axes[0].legend()
fig.suptitle("One training run, monitored by its loss and by its accuracy")

# %%
# Restoring
# ---------
# Ten networks with different initial weights are evaluated on test rows that neither training nor
# early stopping has used. The last weights give worse predictions than the best ones, and much worse
# probabilities. Whether the loss or the accuracy selects the best epoch makes little difference here.

settings = {
    f"last of {MAX_ITER} epochs": {"early_stopping": False, "n_iter_no_change": np.inf},
    'best by scoring="accuracy"': {"scoring": "accuracy"},
    'best by scoring="loss"': {},
}

fig, axes = plt.subplots(2, 1, figsize=(7, 4.5), sharey=True, layout="constrained")
for height, (name, parameters) in enumerate(settings.items()):
    runs = [train(seed, **parameters) for seed in range(10)]
    losses = [log_loss(y_test, clf.predict_proba(X_test)) for clf in runs]
    hits = [clf.score(X_test, y_test) for clf in runs]
    print(f"{name:<28} test loss {np.mean(losses):.3f}, test accuracy {np.mean(hits):.3f}")
    for ax, values in zip(axes, [losses, hits], strict=True):
        ax.plot(values, np.full(len(values), height), "o", color="#0072B2", alpha=0.4)
        ax.plot(np.mean(values), height, "|", color="black", ms=20, mew=2)
axes[0].set(xlabel="test loss (lower is better)", yticks=range(3), yticklabels=settings)
axes[0].set_ylim(-0.5, 2.5)
axes[1].set_xlabel("test accuracy (higher is better)")
fig.suptitle("Ten networks with different initial weights (dots) and their mean (bar)")

plt.show()
