"""
====
Text
====

Text has more words than any table has columns. This page trains a network on a stream of text, with
``partial_fit`` and 262,144 hashed features, beside scikit-learn's linear classifier for streams. A batch
of 32 rows holds few of these features. So training skips all others until a batch holds them, or until the
call ends.

The text is on every machine that can run this page: the docstrings of NumPy, SciPy and scikit-learn. The
class is the package that a paragraph comes from.
"""

# %%
# Paragraphs of docstrings
# ------------------------
# The rows are the paragraphs of at least ten words in the docstrings of all public functions and classes.
# A paragraph that occurs twice counts once. Code and notes on versions are left out, since SciPy writes some
# of them anew in each session, with random numbers. The wrappers of BLAS and LAPACK are left out, too: their
# docstrings are generated, and all alike.

import importlib
import inspect
import pkgutil
import re
import warnings

import matplotlib.pyplot as plt
import numpy as np
import scipy
import sklearn
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedGroupKFold

from skscratch import ScratchMLPClassifier

LEFT_OUT = re.compile(r"_|(tests?|testing|conftest|setup|externals|distutils|f2py|blas|lapack)$")


def public_modules(module):
    """Yield a module and all public modules below it that can be imported."""
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not LEFT_OUT.match(info.name):
            try:
                below = importlib.import_module(f"{module.__name__}.{info.name}")
            except Exception:  # it needs a package that is not installed, or has moved
                continue
            yield from public_modules(below)


def public_objects(module, package):
    """Yield the name and the docstrings of each public function and class, with those of its methods."""
    for name, thing in sorted(vars(module).items()):
        home = getattr(thing, "__module__", None) or module.__name__
        if name.startswith("_") or not callable(thing) or home.split(".")[0] != package:
            continue
        members = sorted(vars(thing).items()) if inspect.isclass(thing) else []
        methods = [m for key, m in members if key[0] != "_" and (callable(m) or isinstance(m, property))]
        docs = [getattr(each, "__doc__", None) for each in [thing, *methods]]
        yield f"{home}.{name}", [inspect.cleandoc(doc) for doc in docs if isinstance(doc, str)]


def collect():
    """Return all paragraphs, each with its package and its function or class."""
    found = {}
    for package in [np, scipy, sklearn]:
        for module in public_modules(package):
            for name, docs in public_objects(module, package.__name__):
                for paragraph in re.split(r"\n\s*\n", "\n\n".join(docs)):
                    words = paragraph.split()
                    if len(words) >= 10 and ">>>" not in words and words[0] != "..":
                        found.setdefault(" ".join(words), (package.__name__, name))
    return sorted((text, *origin) for text, origin in found.items())


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # some modules are deprecated, and say so
    text, y, names = map(np.array, zip(*collect(), strict=True))

for package in np.unique(y):
    print(f"{np.sum(y == package):6,} paragraphs of {package}")

# %%
# Hashed features
# ---------------
# The packages' own names would give the answer away, so they are stop words. ``HashingVectorizer`` needs no
# vocabulary, and hence no pass over all rows before training. Its rows have length one and need no scaling.
# ``dtype=np.float32`` halves memory and time.
#
# Paragraphs of one function or class are alike. So all of them are either in the training set or in the
# test set. Functions of one family are alike, too; a split by module would test on topics that training
# has not seen.

GIVEAWAYS = ["numpy", "np", "scipy", "sp", "sklearn", "scikit", "learn"]
vectorizer = HashingVectorizer(n_features=2**18, alternate_sign=False, stop_words=GIVEAWAYS, dtype=np.float32)
X = vectorizer.transform(text)

folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
train, test = next(folds.split(X, y, groups=names))
in_batch = [np.unique(X[rows].indices).size for rows in np.random.default_rng(0).choice(train, (50, 32))]
print(f"{len(train):,} training rows, {len(test):,} test rows, {X.nnz / len(y):.0f} features in a row")
print(f"a batch of 32 rows holds {np.mean(in_batch):.0f} of {X.shape[1]:,} features")

# %%
# Train on a stream
# -----------------
# All models get the same chunks of 1,000 rows, in two passes over the training set. ``alpha="auto"`` would
# take each chunk for the whole data set, so the network's ``alpha`` is a number: 3 divided by the number of
# training rows. ``max_iter`` is the number of calls, so that the learning rate decays until the last one.
#
# The best ``alpha`` of ``SGDClassifier`` differs, since its learning rate depends on it. So there are two:
# the default, 1e-4, and 1e-5.

N_PASSES = 2
random = np.random.default_rng(0)
chunks = [
    rows
    for _ in range(N_PASSES)
    for rows in np.array_split(random.permutation(train), round(len(train) / 1000))
]
models = {
    "network, 16 units": ScratchMLPClassifier(
        16, alpha=3 / len(train), learning_rate="cosine", max_iter=len(chunks), random_state=0
    ),
    "SGDClassifier, alpha=1e-5": SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0),
    "SGDClassifier, alpha=1e-4": SGDClassifier(loss="log_loss", random_state=0),
}
accuracy = {name: [] for name in models}
for rows in chunks:
    for name, clf in models.items():
        clf.partial_fit(X[rows], y[rows], classes=np.unique(y))
        accuracy[name].append(clf.score(X[test], y[test]))
for name, curve in accuracy.items():
    half = len(curve) // N_PASSES
    print(f"{name:<28}{curve[half - 1]:.3f} after one pass, {curve[-1]:.3f} after two")

# %%
# Accuracy over rows seen
# -----------------------
# The network needs more rows at first. Then it catches up with the linear models. With the versions of the
# packages used here, it ends at 0.82, and the linear models at 0.81 (``alpha=1e-5``) and 0.79. The network's
# curve is unsteady while its learning rate is high, and settles as the rate decays. The linear model with the
# better ``alpha`` stays unsteady.
#
# Hidden units gain little here, so single words tell most of what there is to tell. Try a linear
# model first. A network is worth its time if combinations of words matter, or if other features join them.

rows_seen = np.cumsum([len(rows) for rows in chunks])
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for (name, curve), color, ls in zip(
    accuracy.items(), ["#0072B2", "#D55E00", "#E69F00"], ["-", "--", "-."], strict=True
):
    ax.plot(rows_seen, curve, color=color, ls=ls, lw=2, label=name)
ax.axvline(len(train), color="0.7", lw=1)
ax.text(len(train), 0.56, " second pass", color="0.4")
ax.set(xlabel="rows seen", ylabel="test accuracy", title="Which package does a paragraph come from?")
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.legend(loc="lower right")

plt.show()
