"""The examples: the order of the gallery, and the files and messages of the one on MNIST."""

import gzip
import importlib.util
import re
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[1]


def load(path):
    """Import a file by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mnist_data():
    return load(ROOT / "examples" / "mnist_data.py")


@pytest.fixture
def ask(mnist_data, monkeypatch):
    """Return load_mnist with the given command line."""
    monkeypatch.delenv("SKSCRATCH_MNIST", raising=False)

    def load_with(*arguments):
        monkeypatch.setattr(sys, "argv", ["plot_mnist.py", *arguments])
        return mnist_data.load_mnist()

    return load_with


def idx(array):
    """Return an array of bytes in the IDX format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_the_gallery_lists_every_example_with_plots():
    examples = [path.name for path in (ROOT / "examples").glob("plot_*.py")]
    assert sorted(load(ROOT / "docs" / "gallery.py").ORDER) == sorted([*examples, "quickstart.py"])


def test_every_page_of_the_gallery_links_to_a_guide():
    for name in load(ROOT / "docs" / "gallery.py").ORDER:
        source = (ROOT / "examples" / name).read_text(encoding="utf-8")
        pages = re.findall(r":doc:`/(user_guide/\w+)`", source.split('"""')[1])
        assert pages, name
        assert all((ROOT / "docs" / f"{page}.rst").is_file() for page in pages), name


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_read_plain_or_compressed(mnist_data, tmp_path, packed):
    name = "images.gz" if packed else "images"
    (tmp_path / name).write_bytes(gzip.compress(idx(IMAGES)) if packed else idx(IMAGES))
    np.testing.assert_array_equal(mnist_data.read_idx(tmp_path, "images", n_dims=3), IMAGES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images", idx(IMAGES)[:-1], r"declares the shape \(2, 3, 4\) but holds 23 values"),
        ("images", idx(IMAGES.ravel()), r"no IDX file of unsigned bytes in 3 dimension"),
        ("images", b"", r"no IDX file of unsigned bytes"),
        ("images.gz", gzip.compress(idx(IMAGES))[:-9], r"images.gz is damaged"),
        ("images.gz", idx(IMAGES), r"images.gz is damaged"),
    ],
    ids=["short", "wrong dimensions", "empty", "cut off", "not compressed"],
)
def test_a_file_that_is_damaged_is_named(mnist_data, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        mnist_data.read_idx(tmp_path, "images", n_dims=3)


def test_a_folder_is_read_or_the_script_ends_with_what_is_missing(ask, tmp_path):
    with pytest.raises(SystemExit, match="holds neither train-images-idx3-ubyte nor train-images"):
        ask("--data", str(tmp_path))
    for part, n in [("train", 60_000), ("t10k", 10_000)]:
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.broadcast_to(labels[:, np.newaxis, np.newaxis], (n, 28, 28))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    X_train, y_train, X_test, y_test = ask("--data", str(tmp_path))
    assert (X_train.shape, X_test.shape) == ((60_000, 784), (10_000, 784))
    np.testing.assert_array_equal(X_train[:, 783], y_train)
    np.testing.assert_array_equal(X_test[:, 0], y_test)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels[:-1]))
    with pytest.raises(SystemExit, match=r"t10k should hold 10,000 images of 28 x 28 and as many labels"):
        ask("--data", str(tmp_path))


def test_the_small_digits_on_request(ask):
    X_train, y_train, X_test, y_test = ask("--digits")
    assert (X_train.shape, X_test.shape) == ((1347, 64), (450, 64))
    assert (X_train.min(), X_train.max()) == (0, 255)
    np.testing.assert_array_equal(np.sort(np.concatenate([y_train, y_test])), np.sort(load_digits().target))


@pytest.mark.parametrize("error", [URLError("no network"), ValueError("md5 checksum does not match")])
def test_if_the_download_fails_the_script_says_what_to_do(ask, mnist_data, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(mnist_data, "fetch_openml", fail)
    with pytest.raises(SystemExit, match=r"(network|checksum)(.|\n)*--data FOLDER, or use .* by --digits"):
        ask()
