"""The order of the gallery's examples, and the arguments that they are run with."""

import os
from pathlib import Path

# From the first steps to special subjects. The two published networks come last.
ORDER = [
    "quickstart.py",
    "plot_mixed_table.py",
    "plot_early_stopping.py",
    "plot_regularization.py",
    "plot_learning_rates.py",
    "plot_imbalanced.py",
    "plot_knots.py",
    "plot_text.py",
    "plot_callbacks.py",
    "plot_separable_clusters.py",
    "plot_mnist.py",
]


class ByLevel:
    """Sort key of the examples; an example that is not in the list fails the build."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        return ORDER.index(Path(filename).name)


def arguments(gallery_conf, script_vars):
    """Return the arguments of an example, so that it downloads nothing and saves no file."""
    name = Path(script_vars["src_file"]).name
    if name == "plot_mnist.py" and "SKSCRATCH_MNIST" not in os.environ:
        return ["--digits"]
    if name == "quickstart.py":
        return ["--output", ""]
    return []
