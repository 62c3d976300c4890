"""
=======================
Learning-rate schedules
=======================

The learning rate is the length of a step. No single length is right from the first step to the
last: long steps cover ground early, and only short ones settle, because each step follows the
gradient of a few rows and not of all. ``learning_rate`` names how the rate moves and
``learning_rate_init`` sets its scale. This page draws the schedules and what they reach.
"""

# %%
# The schedules
# -------------
# - ``"constant"`` keeps the rate;
# - ``"invscaling"`` divides it by the square root of the number of the epoch (``power_t=0.5``);
# - ``"adaptive"`` divides it by 5 each time the loss has not improved for ``n_iter_no_change``
#   epochs;
# - ``"cosine"`` follows half a wave down, to about zero at ``max_iter``;
# - ``"one_cycle"`` warms up first, and moves the momentum the other way;
# - a function gives the factor for the share of the epochs that is done. The one below halves the
#   rate four times.
#
# The last three are planned over ``max_iter`` epochs, and patience with the training loss does not
# cut them short. For the others it is switched off here, except for ``"adaptive"``, which works by
# it. So every run ends after 40 epochs, and the warning that it could have gone on is switched off
# as well.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skscratch import ScratchMLPClassifier

warnings.filterwarnings("ignore", category=ConvergenceWarning)


def halve_four_times(fraction):
    """Return the factor of the rate when this share of the epochs is done."""
    return 0.5 ** int(5 * fraction)


schedules = {
    "constant": ("constant", "#0072B2", "-"),
    "invscaling": ("invscaling", "#56B4E9", "--"),
    "adaptive": ("adaptive", "#009E73", "-."),
    "cosine": ("cosine", "#E69F00", "-"),
    "one_cycle": ("one_cycle", "#D55E00", "--"),
    "halve_four_times": (halve_four_times, "#CC79A7", ":"),
}

X, y = make_classification(
    n_samples=6000, n_features=20, n_informative=10, n_classes=4, flip_y=0.05, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)


def train(schedule, learning_rate_init, seed=0):
    """Train one network for 40 epochs."""
    return ScratchMLPClassifier(
        100,
        alpha=0.002,
        batch_size=32,
        learning_rate=schedule,
        learning_rate_init=learning_rate_init,
        n_iter_no_change=3 if schedule == "adaptive" else np.inf,
        max_iter=40,
        random_state=seed,
    ).fit(X_train, y_train)


# %%
# Rates and losses
# ----------------
# ``learning_rate_curve_`` and ``loss_curve_`` keep the rate and the loss of each epoch. At a
# constant rate of 0.1 the loss soon stops falling and jumps about. Wherever the rate comes down,
# the loss comes down with it.

fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for name, (schedule, color, ls) in schedules.items():
    clf = train(schedule, learning_rate_init=0.1)
    epochs = range(1, clf.n_iter_ + 1)
    style = {"color": color, "ls": ls, "lw": 2, "label": name}
    axes[0].plot(epochs, clf.learning_rate_curve_, **style)
    axes[1].plot(epochs, clf.loss_curve_, **style)
axes[0].set(xlabel="epoch", ylabel="learning rate", title="The rate of each epoch")
axes[1].set(xlabel="epoch", ylabel="training loss", title="The loss that it leads to")
axes[1].legend()

# %%
# What they reach
# ---------------
# The test loss after 40 epochs, as the mean of three random starts, for four values of
# ``learning_rate_init``. Every schedule reaches a lower loss than any constant rate, and forgives a
# start that is too fast, as the constant rate of 0.3 does not. None helps a start that is too slow.

rates = [0.01, 0.03, 0.1, 0.3]
test_loss = {}
for name, (schedule, _, _) in schedules.items():
    test_loss[name] = []
    for rate in rates:
        runs = [train(schedule, rate, seed) for seed in range(3)]
        losses = [log_loss(y_test, clf.predict_proba(X_test)) for clf in runs]
        test_loss[name].append(np.mean(losses))

line = "{:<18}" + "{:>8}" * len(rates)
print(line.format("learning_rate_init", *rates))
for name, losses in test_loss.items():
    print(line.format(name, *(f"{loss:.3f}" for loss in losses)))

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, (_, color, ls) in schedules.items():
    ax.plot(rates, test_loss[name], "o", color=color, ls=ls, lw=2, label=name)
ax.set(xscale="log", xlabel="learning_rate_init", ylabel="test loss", ylim=(0.5, 0.8))
ax.set_xticks(rates, labels=rates)
ax.minorticks_off()
ax.set_title("The test loss after 40 epochs")
ax.legend()

plt.show()
