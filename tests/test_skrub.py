"""skrub: tables with dates and free text, which make_tabular_pipeline refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

skrub = pytest.importorskip("skrub", reason="skrub is not installed")


def make_orders(n=300):
    """Return orders with a date and a note, and whether they came back; only these two tell."""
    rng = np.random.default_rng(0)
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D")
    colours = rng.choice(["red", "blue", "green"], n)
    notes = [f"parcel {i} with a {colour} ribbon" for i, colour in enumerate(colours)]
    came_back = (dates.month > 6) & (colours == "red")
    orders = pd.DataFrame({"date": dates, "note": notes, "price": rng.lognormal(3, 1, n)})
    return orders, np.where(came_back, "returned", "kept")


def test_the_example_of_the_user_guide():
    orders, came_back = make_orders()

    # What the user guide shows begins here.
    from skrub import tabular_pipeline

    from skscratch import ScratchMLPClassifier

    model = tabular_pipeline(ScratchMLPClassifier(random_state=0))
    model.fit(orders, came_back)
    # What the user guide shows ends here.

    assert model.score(orders, came_back) > 0.95
    assert cross_val_score(model, orders, came_back).mean() > 0.9 > np.mean(came_back == "kept")
