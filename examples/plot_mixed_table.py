"""
==========================================
A table with categories and missing values
==========================================

:func:`~skscratch.make_tabular_pipeline` returns a pipeline that takes a table as it is: numbers,
categories and missing values. This page trains it on a pandas frame, beside scikit-learn's
:class:`~sklearn.ensemble.HistGradientBoostingClassifier`, which takes such tables too. Then it checks the
probabilities of both, and shows which columns matter.

The user guide explains what becomes of each column: :doc:`/user_guide/tabular_data`. This page needs pandas.
"""

# %%
# The data
# --------
# There are 4,000 orders of a made-up shop, half of them for testing. An order is returned or kept. Since the
# table is made up, the true probability of a return is known:
#
# - dresses are returned more often than shoes, and shoes more often than books;
# - expensive orders are returned more often;
# - orders at night are returned more often, except in Italy;
# - customers who have not rated anything yet return more, so a missing rating matters;
# - the weight does not matter, and neither do its missing values.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skscratch import ScratchMLPClassifier, make_tabular_pipeline

rng = np.random.default_rng(0)
n = 4000
orders = pd.DataFrame(
    {
        "article": pd.Categorical(rng.choice(["book", "dress", "shoes"], n)),
        "country": pd.Categorical(rng.choice(["DE", "FR", "IT", None], n, p=[0.4, 0.3, 0.2, 0.1])),
        "price": rng.lognormal(3, 1, n).round(2),
        "hour": rng.integers(0, 24, n),
        "rating": np.where(rng.random(n) < 0.25, np.nan, rng.integers(1, 6, n)),
        "weight": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 1, n).round(1)),
    }
)
is_night = (orders["hour"] < 6) | (orders["hour"] > 21)
logit = (
    orders["article"].map({"book": -2.5, "dress": 0.5, "shoes": -0.5}).astype(float)
    + 0.8 * (np.log(orders["price"]) - 3)
    + 1.5 * (is_night & (orders["country"] != "IT"))
    + 1.0 * orders["rating"].isna()
)
probability = 1 / (1 + np.exp(-logit))
returned = rng.random(n) < probability

X_train, X_test, y_train, y_test, _, p_test = train_test_split(
    orders, returned, probability, test_size=0.5, random_state=0
)
print(X_train.head())

# %%
# Accuracy and log loss
# ---------------------
# The network and the first gradient boosting have their default parameters. On 2,000 rows, boosting with
# its defaults overfits, so there is a second one with a lower learning rate. The last line is the score of
# the true probabilities: no model can be expected to do better.
#
# One made-up table does not rank the models. In this one, most effects add up, which suits a network. Try
# both on your own data.

models = {
    "network": make_tabular_pipeline(ScratchMLPClassifier(random_state=0)),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
    "gradient boosting, rate 0.03": HistGradientBoostingClassifier(learning_rate=0.03, random_state=0),
}
p_returned = {}
for name, model in models.items():
    p_returned[name] = model.fit(X_train, y_train).predict_proba(X_test)[:, 1]
p_returned["true probability"] = p_test

print(f"{'':<30}{'accuracy':>10}{'log loss':>10}")
for name, p in p_returned.items():
    print(f"{name:<30}{accuracy_score(y_test, p > 0.5):>10.3f}{log_loss(y_test, p):>10.3f}")

# %%
# Calibration
# -----------
# Among the orders with a predicted probability of 0.7, seven in ten should be returned. A model whose curve
# is flatter than the diagonal is too confident: that is what overfitting does to probabilities.

styles = {
    "network": {"color": "#0072B2", "ls": "-", "marker": "o"},
    "gradient boosting": {"color": "#D55E00", "ls": "--", "marker": "s"},
    "gradient boosting, rate 0.03": {"color": "#E69F00", "ls": "-.", "marker": "^"},
}

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, style in styles.items():
    CalibrationDisplay.from_predictions(y_test, p_returned[name], n_bins=8, name=name, ax=ax, **style)
ax.set(xlabel="predicted probability", ylabel="fraction returned", title="Calibration")
ax.legend(loc="upper left")

# %%
# Which columns matter
# --------------------
# :func:`~sklearn.inspection.permutation_importance` shuffles one column of the test set at a time. The
# importance of a column is the increase of the log loss. The weight does not matter: its importance is close
# to zero in all three models.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for i, (name, style) in enumerate(styles.items()):
    importance = permutation_importance(
        models[name], X_test, y_test, scoring="neg_log_loss", n_repeats=5, random_state=0
    )
    place = np.arange(orders.shape[1]) + 0.2 * (i - 1)
    ax.errorbar(
        importance.importances_mean,
        place,
        xerr=importance.importances_std,
        label=name,
        **(style | {"ls": "none"}),
    )
ax.axvline(0, color="0.7", lw=1, zorder=0)
ax.set_yticks(range(orders.shape[1]), labels=orders.columns)
ax.invert_yaxis()
ax.set(xlabel="increase of the log loss", title="Permutation importance")
ax.legend(loc="lower right")

plt.show()
