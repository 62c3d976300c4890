"""
==============
Early stopping
==============

A network that is trained for too long learns its training rows by heart. Early stopping watches
rows that are not trained on, and answers three questions: when to stop (``n_iter_no_change``, the
patience), by what to judge (``scoring``), and which weights to keep (here always those of the best
epoch). This page takes them one at a time.
"""

# %%
# A network that overfits
# -----------------------
# 600 training rows, a tenth of them with a random label, and 100 hidden units: enough to learn the
# wrong labels too. The validation rows are passed as ``X_val, y_val``. Without them,
# ``early_stopping=True`` splits the share ``validation_fraction`` off the training rows by itself,
# and in the end goes on from the best epoch with all rows.

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
# Training stops when ``n_iter_no_change`` epochs in a row have brought no improvement. Too little
# patience falls for the first bump in the curve; more of it costs epochs and nothing else. The
# weights that are kept are those of the best epoch seen, however long ago that was. Infinite
# patience trains to the end, which gives the whole curves.

whole = train(n_iter_no_change=np.inf)
patient = {k: train(n_iter_no_change=k) for k in [2, 5, 20]}

epochs = range(1, MAX_ITER + 1)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
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
# ``scoring="loss"``, the default, judges the probabilities. Any scorer of scikit-learn can take its
# place. The two need not agree. The accuracy goes up and down by a few rows, so that its highest
# point is partly luck. And it turns later: past the lowest loss the network gives much the same
# answers, only ever more sure of itself, in its errors too.

by_accuracy = train(scoring="accuracy", n_iter_no_change=np.inf)

fig, axes = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
axes[0].plot(epochs, by_accuracy.validation_loss_curve_, color="#D55E00")
axes[0].set_ylabel("validation loss")
axes[1].plot(epochs, by_accuracy.validation_scores_, color="#D55E00")
axes[1].set(xlabel="epoch", ylabel="validation accuracy")
for ax in axes:
    for scoring, clf, color, ls in [
        ("loss", whole, "#0072B2", "--"),
        ("accuracy", by_accuracy, "#009E73", "-."),
    ]:
        label = f'scoring="{scoring}" keeps epoch {clf.best_iter_}'
        ax.axvline(clf.best_iter_, color=color, ls=ls, label=label)
axes[0].legend()
fig.suptitle("One training run, judged by its loss and by its accuracy")

# %%
# Restoring
# ---------
# Ten random starts, judged on test rows that neither training nor stopping has seen. The last
# weights give worse answers than the best ones, and much worse probabilities. Whether the loss or
# the accuracy had chosen the best ones makes little difference here.

settings = {
    f"last of {MAX_ITER} epochs": {"early_stopping": False, "n_iter_no_change": np.inf},
    'best by scoring="accuracy"': {"scoring": "accuracy"},
    'best by scoring="loss"': {},
}

fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
for height, (name, parameters) in enumerate(settings.items()):
    runs = [train(seed, **parameters) for seed in range(10)]
    losses = [log_loss(y_test, clf.predict_proba(X_test)) for clf in runs]
    hits = [clf.score(X_test, y_test) for clf in runs]
    print(f"{name:<28} test loss {np.mean(losses):.3f}, test accuracy {np.mean(hits):.1%}")
    for ax, values in zip(axes, [losses, hits], strict=True):
        ax.plot(values, np.full(len(values), height), "o", color="#0072B2", alpha=0.4)
        ax.plot(np.mean(values), height, "|", color="black", ms=20, mew=2)
axes[0].set(xlabel="test loss (lower is better)", yticks=range(3), yticklabels=settings)
axes[0].set_ylim(-0.5, 2.5)
axes[1].set_xlabel("test accuracy (higher is better)")
fig.suptitle("Ten random starts (dots) and their mean (bar)")

plt.show()
