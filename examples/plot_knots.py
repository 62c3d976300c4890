"""
===========================================
Piecewise linear encoding of jagged effects
===========================================

Some effects of a number are not smooth: a discount begins at 100, a tax rises in steps, machines fail in
certain hours. On one scaled column, a network needs many hidden units to learn such an effect, and many
epochs. :class:`~skscratch.PiecewiseLinearEncoder` adds the positions between knots, so that the effect is a
weighted sum of columns. :func:`~skscratch.make_tabular_pipeline` uses it for all numbers of a table.

The user guide explains the encoding: :doc:`/user_guide/tabular_data`.
"""

# %%
# The data
# --------
# There are 2,000 rows of three columns. Only the first one matters: with it, the probability of the second
# class jumps up and down.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscratch import PiecewiseLinearEncoder, ScratchMLPClassifier, make_tabular_pipeline

rng = np.random.default_rng(0)
X = rng.uniform(0, 24, size=(2000, 3))


def probability(hour):
    """Return the true probability of the second class."""
    return np.select([hour < 5, hour < 8, hour < 12, hour < 14, hour < 20], [0.1, 0.85, 0.3, 0.7, 0.15], 0.9)


y = rng.random(2000) < probability(X[:, 0])
X_test = rng.uniform(0, 24, size=(5000, 3))
y_test = rng.random(5000) < probability(X_test[:, 0])

# %%
# Three pipelines
# ---------------
# They differ in the columns that the same network gets: the scaled ones alone, or positions between 8 or 16
# knots in addition.

models = {
    "scaled columns": make_pipeline(StandardScaler(), ScratchMLPClassifier(random_state=0)),
    "8 knots": make_tabular_pipeline(ScratchMLPClassifier(random_state=0), n_knots=8),
    "16 knots": make_tabular_pipeline(ScratchMLPClassifier(random_state=0), n_knots=16),
}
print(f"{'':<16}{'accuracy':>10}{'log loss':>10}")
for name, model in models.items():
    model.fit(X, y)
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name:<16}{model.score(X_test, y_test):>10.3f}{loss:>10.3f}")
best = np.maximum(probability(X_test[:, 0]), 1 - probability(X_test[:, 0])).mean()
print(f"{'best possible':<16}{best:>10.3f}")

# %%
# Predicted probabilities
# -----------------------
# The plots show the predicted probability along the first column, with the two others at their means. The
# vertical lines are the knots.

grid = np.c_[np.linspace(0, 24, 600), np.full((600, 2), 12)]
fig, axes = plt.subplots(3, 1, figsize=(7, 8), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ax.plot(grid[:, 0], probability(grid[:, 0]), color="0.5", linestyle="--", label="true")
    ax.plot(grid[:, 0], model.predict_proba(grid)[:, 1], color="#D55E00", label="predicted")
    ax.set(title=name, xticks=range(0, 25, 4), ylim=(0, 1))
for ax, n_knots in zip(axes[1:], (8, 16), strict=True):
    for knot in PiecewiseLinearEncoder(n_knots=n_knots).fit(X[:, :1]).knots_[0]:
        ax.axvline(knot, color="0.85", linewidth=1, zorder=0)
axes[1].set_ylabel("probability of the second class")
axes[2].set_xlabel("first column")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()
