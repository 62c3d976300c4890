"""Load MNIST for plot_mnist.py: from a folder, from OpenML, or scikit-learn's small digits instead.

The original files have the IDX format. The first four bytes give the type of the numbers and the number of
dimensions. The size of each dimension follows in four bytes, most significant first, and then the numbers.
"""

import argparse
import gzip
import importlib.util
import math
import os
import sys
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_openml, load_digits
from sklearn.model_selection import train_test_split

UNSIGNED_BYTES = 8


def load_mnist():
    """Load the digits that the command line or the environment selects.

    Returns the images and the labels of the training set, and those of the test set. The images are rows of
    grey values from 0 to 255.
    """
    parser = argparse.ArgumentParser(description="Train small networks on MNIST.")
    parser.add_argument("--data", metavar="FOLDER", help="folder with the four files of MNIST")
    parser.add_argument("--digits", action="store_true", help="use scikit-learn's small digits")
    # A notebook passes arguments of its own.
    options, ignored = parser.parse_known_args()
    if ignored:
        print("ignored arguments:", *ignored)

    folder = options.data or os.environ.get("SKSCRATCH_MNIST")
    if options.digits:
        print("These are scikit-learn's small digits, not MNIST.")
        return read_small_digits()
    if folder:
        try:
            return read_mnist_folder(Path(folder))
        except (OSError, ValueError) as error:
            sys.exit(f"MNIST could not be read: {error}")
    try:
        return download_mnist()
    except (OSError, HTTPException, ValueError) as error:  # a ValueError if a file is damaged
        sys.exit(
            f"MNIST could not be downloaded ({error}).\n"
            "Give the folder with its four files by --data FOLDER, or use scikit-learn's small "
            "digits by --digits."
        )


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
