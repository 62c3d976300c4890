"""
==================
Handwritten digits
==================

MNIST holds 70,000 handwritten digits, each an image of 28 x 28 grey pixels. A well-known exercise is
to classify them with a network written from scratch. This page follows one such notebook: 784 inputs,
15 hidden ReLU units and 10 softmax outputs, trained on minibatches of 128 images. Then it trains a
wider network with the same few lines.

The notebook measures its progress on the training and the test set, and notes that a validation set
should be used. Here, ``early_stopping=True`` splits off a validation set, monitors the loss on it, and
keeps the weights of the best epoch.

As a script, this page downloads MNIST once with :func:`sklearn.datasets.fetch_openml`, or reads it
from a folder with the four original files::

    python plot_mnist.py
    python plot_mnist.py --data FOLDER     # or set the environment variable SKSCRATCH_MNIST
    python plot_mnist.py --digits          # the small digits that come with scikit-learn
"""

# %%
# Reading the data
# ----------------
# The original files have the IDX format. The first four bytes give the type of the numbers and the
# number of dimensions. The size of each dimension follows in four bytes, most significant first, and
# then the numbers.

import argparse
import gzip
import importlib.util
import math
import os
import sys
import zlib
from http.client import HTTPException
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split

from skscratch import FirstLayerDisplay, LossCurveDisplay, ScratchMLPClassifier

UNSIGNED_BYTES = 8


def read_idx(folder, name, n_dims):
    """Read one IDX file of unsigned bytes, uncompressed or compressed by gzip."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.is_file():
        path, content = plain, plain.read_bytes()
    elif packed.is_file():
        path, content = packed, unpack(packed)
    else:
        raise FileNotFoundError(f"{folder} holds neither {name} nor {name}.gz")

    header = 4 + 4 * n_dims
    if content[:4] != bytes([0, 0, UNSIGNED_BYTES, n_dims]) or len(content) < header:
        raise ValueError(f"{path} is no IDX file of unsigned bytes in {n_dims} dimension(s)")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=n_dims, offset=4))
    values = np.frombuffer(content, np.uint8, offset=header)
    if values.size != math.prod(shape):
        raise ValueError(f"{path} declares the shape {shape} but holds {values.size} values")
    return values.reshape(shape)


def unpack(path):
    """Return the content of a file compressed by gzip."""
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def read_mnist_folder(folder):
    """Read the four files of MNIST: training images and labels, test images and labels."""
    parts = []
    for part, n_images in [("train", 60_000), ("t10k", 10_000)]:
        images = read_idx(folder, f"{part}-images-idx3-ubyte", n_dims=3)
        labels = read_idx(folder, f"{part}-labels-idx1-ubyte", n_dims=1)
        if images.shape != (n_images, 28, 28) or labels.shape != (n_images,):
            raise ValueError(
                f"{folder}: {part} should hold {n_images:,} images of 28 x 28 and as many labels, "
                f"got shapes {images.shape} and {labels.shape}"
            )
        parts += [images.reshape(n_images, -1), labels]
    return parts


def download_mnist():
    """Download MNIST from OpenML, or take it from scikit-learn's cache."""
    parser = "auto" if importlib.util.find_spec("pandas") else "liac-arff"
    mnist = fetch_openml("mnist_784", version=1, as_frame=False, parser=parser)
    images, labels = mnist.data.astype(np.uint8), mnist.target.astype(np.uint8)
    return [images[:60_000], labels[:60_000], images[60_000:], labels[60_000:]]


def read_small_digits():
    """Take scikit-learn's 1,797 digits of 8 x 8, with their grey values stretched to 0..255."""
    images, labels = load_digits(return_X_y=True)
    images = (images * (255 / 16)).astype(np.uint8)
    images_train, images_test, labels_train, labels_test = train_test_split(
        images, labels, test_size=0.25, stratify=labels, random_state=0
    )
    return [images_train, labels_train, images_test, labels_test]


def load_data():
    """Load the digits that the command line or the environment selects."""
    parser = argparse.ArgumentParser(description="Train small networks on handwritten digits.")
    parser.add_argument("--data", metavar="FOLDER", help="folder with the four files of MNIST")
    parser.add_argument("--digits", action="store_true", help="use scikit-learn's small digits")
    options, ignored = parser.parse_known_args()
    if ignored:
        print("ignored arguments:", *ignored)

    folder = options.data or os.environ.get("SKSCRATCH_MNIST")
    if options.digits:
        return read_small_digits()
    if folder:
        try:
            return read_mnist_folder(Path(folder))
        except (OSError, ValueError) as error:
            sys.exit(f"MNIST could not be read: {error}")
    if os.environ.get("SKSCRATCH_GALLERY") == "1":
        # The gallery is built without the network.
        print("Built without MNIST: these are scikit-learn's small digits instead.")
        return read_small_digits()
    try:
        return download_mnist()
    except (OSError, HTTPException) as error:
        sys.exit(
            f"MNIST could not be downloaded ({error}).\n"
            "Give the folder with its four files by --data FOLDER, or use scikit-learn's small "
            "digits by --digits."
        )


images_train, y_train, images_test, y_test = load_data()
X_train = np.divide(images_train, 255, dtype=np.float32)
X_test = np.divide(images_test, 255, dtype=np.float32)
n_pixels = X_train.shape[1]
side = int(n_pixels**0.5)
print(f"{len(X_train):,} training and {len(X_test):,} test images of {side} x {side} pixels")

# %%
# Fifteen hidden units
# --------------------
# Like the notebook, this trains on shuffled minibatches of 128. The notebook applies a learning rate of
# 0.001 to the sum over a minibatch, which is 0.128 on the mean; here it is 0.1. Three more things
# differ. The momentum is 0.9 instead of 0.001, there is a small L2 penalty, and the validation loss is
# monitored: if it has not improved for two epochs, ``learning_rate="adaptive"`` divides the rate by 5.

settings = {
    "activation": "relu",
    "alpha": 2e-4,
    "batch_size": 128,
    "learning_rate": "adaptive",
    "learning_rate_init": 0.1,
    "max_iter": 20,
    "momentum": 0.9,
    "max_grad_norm": None,
    "early_stopping": True,
    "n_iter_no_change": 2,
    "random_state": 0,
}

narrow = ScratchMLPClassifier(15, **settings).fit(X_train, y_train)


def layers(clf):
    """Name a network by the sizes of its layers."""
    return f"{n_pixels}-{clf.hidden_layer_sizes}-10"


def report(clf):
    """Print what a trained network reaches."""
    print(
        f"{layers(clf)}: {clf.n_iter_} epochs, "
        f"the best is epoch {clf.best_iter_}\n"
        f"accuracy {clf.score(X_train, y_train):.4f} on the training set, "
        f"{clf.score(X_test, y_test):.4f} on the test set"
    )


report(narrow)

# %%
# The notebook has published its training loss on MNIST, for up to 280 epochs.

published = {1: 1.163, 10: 0.453, 20: None, 100: 0.241, 200: 0.184, 280: 0.160}
line = "{:>6}{:>12}{:>12}"
print(line.format("epoch", "published", "reached"))
for epoch, loss in published.items():
    reached = narrow.loss_curve_[epoch - 1] if epoch <= narrow.n_iter_ else None
    print(line.format(epoch, *("" if x is None else f"{x:.3f}" for x in [loss, reached])))

# %%
# A hundred hidden units
# ----------------------
# The same settings, with a wider layer.

wide = ScratchMLPClassifier(100, **settings).fit(X_train, y_train)
report(wide)

# %%
# Loss curves
# -----------
# Each late drop follows a division of the rate. The validation loss is the cross-entropy of the network
# after the epoch. The training loss includes the L2 penalty, and it is averaged over the epoch while the
# network improves. So it may lie above the validation loss.

fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, clf in zip(axes, [narrow, wide], strict=True):
    LossCurveDisplay.from_estimator(clf, ax=ax)
    ax.set_title(f"{layers(clf)}: test accuracy {clf.score(X_test, y_test):.4f}")

# %%
# Weights of the fifteen units
# ----------------------------
# Each hidden unit weighs the pixels of an image. Bright pixels increase its input where its weights are
# red, and decrease it where they are blue. A blank unit is dead: an early step made the input of its
# ReLU negative for every image, so its gradient is zero and it cannot recover.

fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
FirstLayerDisplay.from_estimator(narrow, image_shape=(side, side), n_columns=5, ax=ax)

# %%
# Misclassified digits
# --------------------
# These are test images that the wider network misclassifies with the highest probability.

probability = wide.predict_proba(X_test)
answer = wide.classes_[probability.argmax(axis=1)]
wrong = np.flatnonzero(answer != y_test)
surest = wrong[np.argsort(-probability[wrong].max(axis=1), kind="stable")][:10]

fig, axes = plt.subplots(2, 5, figsize=(8, 4), layout="constrained")
for ax in axes.flat:
    ax.axis("off")
for ax, row in zip(axes.flat, surest, strict=False):
    ax.imshow(images_test[row].reshape(side, side), cmap="gray_r")
    sureness = probability[row].max()
    ax.set_title(f"{y_test[row]}, predicted {answer[row]}\n(probability {sureness:.3f})", size=9)
fig.suptitle(f"Ten of {len(wrong)} misclassified test images, of {len(y_test):,}")

plt.show()
