"""
=======================
Learning rate schedules
=======================

The learning rate sets the length of a step. No single length is best for the whole of training. Long
steps make fast progress at first. Only short steps converge at the end, because each step follows the
gradient of a few rows instead of all. ``learning_rate`` names the schedule, and
``learning_rate_init`` sets its scale. This page shows the schedules and the losses that they reach.

The user guide says which schedule to choose: :doc:`/user_guide/hyperparameters`.
"""

# %%
# The schedules
# -------------
# - ``"constant"`` keeps the rate;
# - ``"invscaling"`` divides it by the square root of the number of the epoch (``power_t=0.5``);
# - ``"adaptive"`` divides it by 5 whenever the loss has not improved for ``n_iter_no_change`` epochs;
# - ``"cosine"`` decays along half a cosine, to about zero at ``max_iter``;
# - ``"one_cycle"`` warms up first and then decays to about zero, while the momentum moves inversely;
# - a function returns the factor for the fraction of epochs that are done. The one below halves the
#   rate four times.
#
# The last three take exactly ``max_iter`` epochs: patience with the training loss does not stop them
# early. For the others, patience is unlimited here, except for ``"adaptive"``, which depends on it. Every
# run takes 40 epochs. The warning that training has not converged is switched off.

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
    """Return the factor of the rate when this fraction of the epochs is done."""
    return 0.5 ** int(5 * fraction)


# "constant" is wide and pale, because other lines cover it.
schedules = {
    "constant": ("constant", {"color": "#0072B2", "lw": 6, "alpha": 0.35}),
    "invscaling": ("invscaling", {"color": "#56B4E9", "ls": "--", "marker": "s"}),
    "adaptive": ("adaptive", {"color": "#009E73", "ls": "-.", "marker": "^"}),
    "cosine": ("cosine", {"color": "#E69F00", "marker": "o"}),
    "one_cycle": ("one_cycle", {"color": "#D55E00", "ls": "--", "marker": "D"}),
    "halve_four_times": (halve_four_times, {"color": "#CC79A7", "ls": ":", "lw": 2.5, "marker": "v"}),
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
# ``learning_rate_curve_`` and ``loss_curve_`` hold the rate and the loss of each epoch. At a constant
# rate of 0.1, the loss soon reaches a plateau and fluctuates. Whenever the rate decays, the loss falls
# as well.

fig, axes = plt.subplots(2, 1, figsize=(7, 8), sharex=True, layout="constrained")
for name, (schedule, style) in schedules.items():
    clf = train(schedule, learning_rate_init=0.1)
    epochs = range(1, clf.n_iter_ + 1)
    axes[0].plot(epochs, clf.learning_rate_curve_, **style, markevery=5, label=name)
    axes[1].plot(epochs, clf.loss_curve_, **style, markevery=5)
axes[0].set(ylabel="learning rate", title="Learning rate of each epoch")
axes[1].set(xlabel="epoch", ylabel="training loss", ylim=(0.35, 1))
axes[1].set_title("Training loss of each epoch")
fig.legend(loc="outside lower center", ncols=3)

# %%
# Test losses
# -----------
# The table shows the test loss after 40 epochs, as the mean of three runs with different initial
# weights, for four values of ``learning_rate_init``. Over the four rates, the best result of every
# other schedule is lower than the best one of "constant". A rate of 0.3 is too high for "constant", but
# the best one for all other schedules. No schedule helps if the initial rate is too low.

rates = [0.01, 0.03, 0.1, 0.3]
test_loss = {}
for name, (schedule, _) in schedules.items():
    test_loss[name] = []
    for rate in rates:
        runs = [train(schedule, rate, seed) for seed in range(3)]
        losses = [log_loss(y_test, clf.predict_proba(X_test)) for clf in runs]
        test_loss[name].append(np.mean(losses))

line = "{:<18}" + "{:>8}" * len(rates)
print(line.format("learning_rate_init", *rates))
for name, losses in test_loss.items():
    print(line.format(name, *(f"{loss:.3f}" for loss in losses)))

# sphinx_gallery_thumbnail_number = 2
fig, ax = plt.subplots(figsize=(7, 5.5), layout="constrained")
for name, (_, style) in schedules.items():
    ax.plot(rates, test_loss[name], **style, label=name)
ax.set(xscale="log", xlabel="learning_rate_init", ylabel="test loss", ylim=(0.5, 0.8))
ax.set_xticks(rates, labels=rates)
ax.minorticks_off()
ax.set_title("Test loss after 40 epochs")
fig.legend(loc="outside lower center", ncols=3)

plt.show()
