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
from scipy.stats import rankdata
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
N_BINS = 15  # of the top class's probability, for the calibration error


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
        self.warned = table(lambda cell: np.mean([bool(r["warnings"]) for r in cell]))

    def column(self, array, model):
        return array[:, self.models.index(model)]


def paired(differences, n_bootstrap=10_000):
    """Return the mean over data sets, its standard error, and the bootstrap's 95 % interval."""
    n = len(differences)
    means = np.random.default_rng(0).choice(differences, (n_bootstrap, n)).mean(axis=1)
    error = differences.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return differences.mean(), error, np.percentile(means, [2.5, 97.5])


def wins(differences, tie):
    """Return "12-3": data sets won and lost; a difference below `tie` is neither."""
    return f"{(differences > tie).sum()}-{(differences < -tie).sum()}"


def summary(results):
    ranks_accuracy = rankdata(-results.accuracy.round(6), axis=1).mean(axis=0)
    ranks_loss = rankdata(results.log_loss, axis=1).mean(axis=0)
    header = (
        "model | accuracy | log loss | calibration error | fit, s "
        "| rank, accuracy | rank, log loss | fits that warn"
    )
    rows = []
    for j, name in enumerate(results.models):
        rows.append(
            [
                name,
                f"{results.accuracy[:, j].mean():.4f}",
                f"{results.log_loss[:, j].mean():.4f}",
                f"{results.calibration[:, j].mean():.4f}",
                f"{results.seconds[:, j].sum():.1f}",
                f"{ranks_accuracy[j]:.2f}",
                f"{ranks_loss[j]:.2f}",
                f"{results.warned[:, j].mean():.0%}",
            ]
        )
    return header.split(" | "), rows


def comparison(results, ours, peers):
    """Compare ours minus theirs: for accuracy positive is better, for log loss negative."""
    header = (
        "ours | against | accuracy, points | 95 % | won-lost | worst set "
        "| log loss | 95 % | in % | won-lost | their time / ours | median"
    )
    rows = []
    for name in ours:
        for peer in peers:
            gain = 100 * (results.column(results.accuracy, name) - results.column(results.accuracy, peer))
            theirs = results.column(results.log_loss, peer)
            change = results.column(results.log_loss, name) - theirs
            seconds, their_seconds = (results.column(results.seconds, m) for m in (name, peer))
            mean, error, (low, high) = paired(gain)
            mean_loss, error_loss, (low_loss, high_loss) = paired(change)
            worst = gain.argmin()
            rows.append(
                [
                    name,
                    peer,
                    f"{mean:+.2f} ± {error:.2f}",
                    f"{low:+.2f} .. {high:+.2f}",
                    wins(gain, 0.05),
                    f"{results.sets[worst]} {gain[worst]:+.1f}",
                    f"{mean_loss:+.4f} ± {error_loss:.4f}",
                    f"{low_loss:+.3f} .. {high_loss:+.3f}",
                    f"{100 * mean_loss / theirs.mean():+.1f}",
                    wins(-change, 0.0005),
                    f"{their_seconds.sum() / seconds.sum():.1f}",
                    f"{np.median(their_seconds / seconds):.1f}",
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


def draw(results, ours, peers, path):
    """Plot log loss against fit time (left), and the gain over the first peer on each data set (right)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = dict.fromkeys(results.models, "0.4") | dict(zip(ours, ("C3", "C1"), strict=False))
    places = dict(zip(ours, ((6, -4, "left", "top"), (-6, 4, "right", "bottom")), strict=False))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for name in [*ours, *peers]:
        seconds = results.column(results.seconds, name).sum()
        loss = results.column(results.log_loss, name).mean()
        accuracy = results.column(results.accuracy, name).mean()
        dx, dy, across, up = places.get(name, (0, 7, "center", "bottom"))
        left.plot(seconds, loss, "o", color=colours[name])
        left.annotate(
            f"{name}\naccuracy {accuracy:.3f}",
            (seconds, loss),
            xytext=(dx, dy),
            textcoords="offset points",
            ha=across,
            va=up,
            fontsize=8,
            color=colours[name],
        )
    left.set(
        title="Log loss and fit time (lower left is better)",
        xscale="log",
        xlabel=f"total CPU seconds of the fits on {len(results.sets)} data sets",
        ylabel="mean log loss",
    )
    left.margins(x=0.3, y=0.15)

    theirs = results.column(results.accuracy, peers[0])
    gains = {name: 100 * (results.column(results.accuracy, name) - theirs) for name in ours}
    order = np.argsort(gains[ours[0]])
    for name, gain in gains.items():
        right.plot(gain[order], np.arange(len(order)), "o", color=colours[name], label=name)
    right.axvline(0, color="0.5", linewidth=1)
    right.set_yticks(np.arange(len(order)), [results.sets[i] for i in order], fontsize=8)
    right.set(title=f"Accuracy minus that of {peers[0]}", xlabel="percentage points (right is better)")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=150)


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
    text = "\n\n".join(f"{c}\n\n{markdown(*t)}" for c, t in zip(captions, tables, strict=True))
    if options.markdown:
        Path(options.markdown).write_text(text + "\n")
    if options.figure:
        # Without variants, which would cover those that always run.
        draw(results, list(make_ours([])), list(peers), options.figure)
    print(text)


if __name__ == "__main__":
    main()
