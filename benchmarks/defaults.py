"""Compare ScratchMLPClassifier() with other classifiers, all with default parameters, on tabular data sets.

    python benchmarks/defaults.py [--data FOLDER] [--sets NAME NAME] [--folds 5] [--repeats 1] [--raw]
                                  [--ours NAME:PARAM=VALUE,...] [--cache FILE] [--jobs 1]
                                  [--markdown FILE] [--figure FILE]

The data sets are scikit-learn's own and the .dat or .dat.gz files of FOLDER. Every model is fitted on
the same preprocessed rows of the same stratified folds, with the number of the fold as its seed.
Seconds are CPU time of `fit` alone, on one thread. Each data set counts once, whatever its size.
Differences are paired by data set: their uncertainty is that of the choice of data sets.

The default and early_stopping=True always run. To search for better defaults, add variants:

    --ours "wide:hidden_layer_sizes=(256,)" --ours "adam:solver=adam,max_iter=30"

With --raw, models get the raw table and prepare it themselves: make_tabular_pipeline(), gradient boosting
and, where pytabkit is installed, RealMLP-TD-S. The default on preprocessed rows runs beside them. Variants
are then of the pipeline:

    --raw --ours "16 knots:n_knots=16"

Results in the cache are not computed again, unless the sources of skscratch or the version of
scikit-learn have changed.
"""

import argparse
import ast
import hashlib
import json
import re
import time
import warnings
from collections import defaultdict
from pathlib import Path

import joblib
import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from tabular import load_sets, make_preprocessing, raw_table
from threadpoolctl import threadpool_limits

PEERS = {
    "MLPClassifier": MLPClassifier(),
    "MLPClassifier, early stopping": MLPClassifier(early_stopping=True),
    "MLPClassifier, sgd": MLPClassifier(solver="sgd"),
    "LogisticRegression": LogisticRegression(),
    "HistGradientBoosting": HistGradientBoostingClassifier(),
}
RAW = "raw table"  # ends the name of a model that prepares the columns itself
DETAILS = "<!-- details -->"  # the documentation shows what comes after it further down
N_BINS = 15  # of the top class's probability, for the calibration error
ABOUT_CODE = {"FutureWarning", "DeprecationWarning"}  # warnings that say nothing about the fit


# Models -------------------------------------------------------------------------------------------


def our_models(variants):
    """Return {name: estimator}: the default, early stopping, and variants like "name:param=value,..."."""
    from skscratch import ScratchMLPClassifier

    models = {
        "ScratchMLP": ScratchMLPClassifier(),
        "ScratchMLP, early stopping": ScratchMLPClassifier(early_stopping=True),
    }
    for variant in variants:
        name, _, parameters = variant.partition(":")
        models[name] = ScratchMLPClassifier(**parse_parameters(parameters))
    return models


def our_tables(variants):
    """Return {name: pipeline} for raw tables: the default, and variants like "name:param=value,..."."""
    from skscratch import make_tabular_pipeline

    models = {f"ScratchMLP, {RAW}": make_tabular_pipeline()}
    for variant in variants:
        name, _, parameters = variant.partition(":")
        models[f"{name}, {RAW}"] = make_tabular_pipeline(**parse_parameters(parameters))
    return models


def peers_on_tables():
    """Return {name: estimator}: the default on preprocessed rows, and others that take a raw table."""
    peers = {
        "ScratchMLP": our_models([])["ScratchMLP"],
        f"HistGradientBoosting, {RAW}": HistGradientBoostingClassifier(categorical_features="from_dtype"),
    }
    try:
        from pytabkit import RealMLP_TD_S_Classifier
    except ImportError:
        return peers
    return peers | {f"RealMLP-TD-S, {RAW}": RealMLP_TD_S_Classifier(device="cpu", n_threads=1)}


def parse_parameters(text):
    """Return {"a": 1, "b": "x"} for "a=1,b=x"; values are Python literals, or words without quotes."""
    call = ast.parse(f"f({text})", mode="eval").body
    return {
        pair.arg: pair.value.id if isinstance(pair.value, ast.Name) else ast.literal_eval(pair.value)
        for pair in call.keywords
    }


def spec_of(name, model):
    """Return the model as text, the same in every process: without the addresses of functions."""
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(model))
    return f"{RAW} {text}" if name.endswith(RAW) else text


def version_of(model):
    """Return what a cached result depends on besides parameters: our sources, or scikit-learn's version."""
    module = type(model[-1] if isinstance(model, Pipeline) else model).__module__
    if not module.startswith("skscratch."):
        return f"scikit-learn {sklearn.__version__}"
    import skscratch

    digest = hashlib.sha256()
    for path in sorted(Path(skscratch.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return f"skscratch {digest.hexdigest()[:12]}"


# Measuring ----------------------------------------------------------------------------------------


def run(sets, models, folds, repeats, cache_file=None, jobs=1):
    """Return one record for each data set, split and model, from the cache if it is there."""
    keys = {name: (spec_of(name, model), version_of(model)) for name, model in models.items()}
    cache = read_cache(cache_file)
    tasks, records = [], []
    for set_name, (X, y) in sets.items():
        for split in range(folds * repeats):
            missing = {}
            for name, key in keys.items():
                found = cache.get((set_name, folds, split, *key))
                if found:
                    records.append({**found, "model": name})
                else:
                    missing[name] = models[name]
            if missing:
                tasks.append((set_name, X, y, folds, split, missing))
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    for measured in parallel(joblib.delayed(measure)(*task) for task in tasks):
        for record in measured:
            record["spec"], record["version"] = keys[record["model"]]
        append_cache(cache_file, measured)
        records += measured
    return records


def measure(set_name, X, y, folds, split, models):
    """Fit and evaluate models on one split of one data set."""
    splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=split // folds + 1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with fewer members than folds
        train, test = list(splitter.split(X, y))[split]
    table, preprocessing = raw_table(X), make_preprocessing()
    raw = table.iloc[train], table.iloc[test]
    prepared = preprocessing.fit_transform(X.iloc[train]), preprocessing.transform(X.iloc[test])
    place = {"set": set_name, "folds": folds, "split": split, "rows": len(test)}
    records = []
    for name, model in models.items():
        X_train, X_test = raw if name.endswith(RAW) else prepared
        records.append({**place, "model": name, **evaluate(model, split, X_train, y[train], X_test, y[test])})
    return records


def evaluate(model, seed, X_train, y_train, X_test, y_test):
    model = clone(model)
    seeds = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    model.set_params(**dict.fromkeys(seeds, seed))
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        model.fit(X_train, y_train)
        seconds = time.process_time() - start
        proba = model.predict_proba(X_test)
    labels = np.union1d(y_train, y_test)  # a rare class may be missing from the training rows
    aligned = np.zeros((len(y_test), len(labels)), proba.dtype)
    aligned[:, np.searchsorted(labels, model.classes_)] = proba
    right = labels[aligned.argmax(axis=1)] == y_test
    return {
        "accuracy": float(right.mean()),
        "log_loss": float(log_loss(y_test, aligned, labels=labels)),
        "gaps": calibration_gaps(aligned.max(axis=1), right),
        "seconds": seconds,
        "warnings": sorted({warning.category.__name__ for warning in caught}),
    }


def calibration_gaps(confidence, right):
    """Return, for each bin of confidence, the sum of (confidence - is correct) over its rows."""
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return np.bincount(bins, weights=confidence - right, minlength=N_BINS).tolist()


def read_cache(path):
    if path is None or not Path(path).exists():
        return {}
    records = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return {(r["set"], r["folds"], r["split"], r["spec"], r["version"]): r for r in records}


def append_cache(path, records):
    if path is not None:
        with Path(path).open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)


# Summary ------------------------------------------------------------------------------------------


class Results:
    """Arrays of shape (data sets, models): means over the splits, and the seconds of one repeat."""

    def __init__(self, records, set_names, model_names, repeats):
        self.sets, self.models = list(set_names), list(model_names)
        cells = defaultdict(list)
        for record in records:
            cells[record["set"], record["model"]].append(record)

        def table(value):
            return np.array([[value(cells[s, m]) for m in self.models] for s in self.sets])

        self.accuracy = table(lambda cell: np.mean([r["accuracy"] for r in cell]))
        self.log_loss = table(lambda cell: np.mean([r["log_loss"] for r in cell]))
        self.calibration = table(
            lambda cell: (
                np.abs(np.sum([r["gaps"] for r in cell], axis=0)).sum() / sum(r["rows"] for r in cell)
            )
        )
        self.seconds = table(lambda cell: sum(r["seconds"] for r in cell) / repeats)
        self.warned = table(lambda cell: np.mean([bool(set(r["warnings"]) - ABOUT_CODE) for r in cell]))

    def column(self, array, model):
        return array[:, self.models.index(model)]


def standard_error(differences):
    """Return the standard error of the mean over data sets."""
    return differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else np.nan


def wins(differences, tie):
    """Return "12-3": data sets won and lost; a difference below `tie` is neither."""
    return f"{(differences > tie).sum()}-{(differences < -tie).sum()}"


def summary(results):
    header = "model | accuracy | log loss | calibration error | seconds | fits that warn"
    rows = []
    for j, name in enumerate(results.models):
        rows.append(
            [
                name,
                f"{results.accuracy[:, j].mean():.4f}",
                f"{results.log_loss[:, j].mean():.4f}",
                f"{results.calibration[:, j].mean():.4f}",
                f"{results.seconds[:, j].sum():.1f}",
                f"{results.warned[:, j].mean():.0%}",
            ]
        )
    return header.split(" | "), rows


def comparison(results, ours, peers):
    """Compare ours minus theirs: for accuracy positive is better, for log loss negative."""
    header = (
        "ours | against | accuracy, points | won-lost | worst set | log loss | won-lost | their time / ours"
    )
    rows = []
    for name in ours:
        for peer in peers:
            gain = 100 * (results.column(results.accuracy, name) - results.column(results.accuracy, peer))
            theirs = results.column(results.log_loss, peer)
            change = results.column(results.log_loss, name) - theirs
            seconds, their_seconds = (results.column(results.seconds, m) for m in (name, peer))
            worst = gain.argmin()
            rows.append(
                [
                    name,
                    peer,
                    f"{gain.mean():+.2f} ± {standard_error(gain):.2f}",
                    wins(gain, 0.05),
                    f"{results.sets[worst]} {gain[worst]:+.1f}",
                    f"{change.mean():+.4f} ± {standard_error(change):.4f} "
                    f"({change.mean() / theirs.mean():+.1%})",
                    wins(-change, 0.0005),
                    f"{their_seconds.sum() / seconds.sum():.1f}",
                ]
            )
    return header.split(" | "), rows


def each_set(results):
    header = ["set"] + results.models
    rows = [
        [name] + [f"{a:.3f} / {loss:.3f}" for a, loss in zip(accuracies, losses, strict=True)]
        for name, accuracies, losses in zip(results.sets, results.accuracy, results.log_loss, strict=True)
    ]
    return header, rows


def markdown(header, rows):
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


COLOURS = ("#0b559f", "#e08a00")  # of our models; all others are grey
MARKERS = ("o", "D")


def draw(results, ours, peers, path):
    """Plot log loss against fit time (top), and the gain over the first peer on each data set (bottom)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    height = 4.5 + 0.22 * len(results.sets)
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(7, height), height_ratios=(4, height - 4), layout="constrained"
    )
    draw_loss_and_time(results, ours, peers, top)
    draw_gains(results, ours, peers[0], bottom)
    figure.savefig(path, dpi=150)


def draw_loss_and_time(results, ours, peers, ax):
    from matplotlib.ticker import LogLocator, NullFormatter

    styles = dict(zip(ours, zip(COLOURS, MARKERS, strict=True), strict=False))
    for name in [*ours, *peers]:
        colour, marker = styles.get(name, ("0.35", "s"))
        seconds = results.column(results.seconds, name).sum()
        loss = results.column(results.log_loss, name).mean()
        accuracy = results.column(results.accuracy, name).mean()
        ax.plot(seconds, loss, marker, color=colour)
        below = name == ours[0]
        ax.annotate(
            f"{name}\naccuracy {accuracy:.3f}",
            (seconds, loss),
            xytext=(0, -7 if below else 7),
            textcoords="offset points",
            ha="center",
            va="top" if below else "bottom",
            color=colour,
            fontsize=9,
        )
    ax.set(
        title="Log loss and fit time (lower left is better)",
        xscale="log",
        xlabel=f"CPU seconds to fit all folds of {len(results.sets)} data sets",
        ylabel="mean log loss",
    )
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.3, y=0.25)


def draw_gains(results, ours, peer, ax):
    theirs = results.column(results.accuracy, peer)
    gains = {name: 100 * (results.column(results.accuracy, name) - theirs) for name in ours}
    order = np.argsort(gains[ours[0]])
    for (name, gain), colour, marker in zip(gains.items(), COLOURS, MARKERS, strict=False):
        ax.plot(gain[order], np.arange(len(order)), marker, color=colour, label=name)
    ax.axvline(0, color="0.5", linewidth=1)
    ax.grid(axis="y", color="0.9")
    ax.set_yticks(np.arange(len(order)), [results.sets[i] for i in order])
    ax.set(title=f"Accuracy minus that of {peer}", xlabel="percentage points (right is better)")
    ax.legend()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="FOLDER", help="more data sets: .dat or .dat.gz files")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ours", action="append", default=[], metavar="NAME:PARAM=VALUE,...")
    parser.add_argument("--raw", action="store_true", help="compare models that take a raw table")
    parser.add_argument("--cache", metavar="FILE", help="file of results, one JSON record per line")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--figure", metavar="FILE")
    options = parser.parse_args()

    sets = load_sets(options.data, options.sets)
    make_ours, peers = (our_tables, peers_on_tables()) if options.raw else (our_models, PEERS)
    ours = make_ours(options.ours)
    models = {**ours, **peers}
    records = run(sets, models, options.folds, options.repeats, options.cache, options.jobs)
    results = Results(records, sets, models, options.repeats)

    repeats = "1 repeat" if options.repeats == 1 else f"{options.repeats} repeats"
    title = f"{len(sets)} data sets, {options.folds} folds, {repeats}"
    tables = [summary(results), comparison(results, list(ours), list(peers)), each_set(results)]
    captions = [title, "Ours minus theirs, paired by data set", "Accuracy / log loss of each data set"]
    parts = [f"{c}\n\n{markdown(*t)}" for c, t in zip(captions, tables, strict=True)]
    text = "\n\n".join([parts[0], DETAILS, *parts[1:]])
    if options.markdown:
        Path(options.markdown).write_text(text + "\n")
    if options.figure:
        # Without variants, which would cover those that always run.
        draw(results, list(make_ours([])), list(peers), options.figure)
    print(text)


if __name__ == "__main__":
    main()
