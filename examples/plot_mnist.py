"""
=====
MNIST
=====

MNIST holds 70,000 handwritten digits, each an image of 28 x 28 grey pixels. A well-known exercise is to
classify them with a network written from scratch. This page follows a published notebook that does so in
NumPy: 784 inputs, 15 hidden ReLU units and 10 softmax outputs, trained for up to 700 epochs on
minibatches of 128 images. Then this page trains a wider network with the same few lines.

With MNIST, the two networks reach a test accuracy of 0.954 and 0.980 in 20 epochs. The pictures and
numbers below are those of MNIST if the printed line says 28 x 28 pixels. If it says 8 x 8 pixels, they
are those of scikit-learn's small digits, with which this page can be built offline.

As a script, it downloads MNIST once with :func:`sklearn.datasets.fetch_openml`, or reads it from a
folder with the four original files::

    python examples/plot_mnist.py
    python examples/plot_mnist.py --data FOLDER    # or set the environment variable SKSCRATCH_MNIST
    python examples/plot_mnist.py --digits         # the small digits that come with scikit-learn

The user guide explains the curves and the early stopping (:doc:`/user_guide/early_stopping`), and how to look
inside a network (:doc:`/user_guide/inspection`).
"""

# %%
# The data
# --------
# :download:`mnist_data.py`, beside this script, downloads or reads the files.

import matplotlib.pyplot as plt
import numpy as np
from mnist_data import load_mnist

from skscratch import FirstLayerDisplay, LossCurveDisplay, ScratchMLPClassifier

images_train, y_train, images_test, y_test = load_mnist()
X_train, X_test = (np.divide(images, 255, dtype=np.float32) for images in [images_train, images_test])

n_pixels = X_train.shape[1]
side = int(n_pixels**0.5)
print(f"{len(X_train):,} training and {len(X_test):,} test images of {side} x {side} pixels")

# %%
# Fifteen hidden units
# --------------------
# Like the notebook, this trains on shuffled minibatches of 128. The notebook applies a learning rate of
# 0.001 to the sum over a minibatch, which is 0.128 on the mean; here it is 0.1. The momentum is 0.9
# instead of 0.001. There is a small L2 penalty, which the notebook sets to 0. The initial weights are
# smaller than the notebook's, which are drawn from N(0, 1).
#
# The notebook monitors the losses on the training and the test set, and notes that a validation set
# should be used. Here, ``early_stopping=True`` holds out a validation set and keeps the weights of the
# epoch with the lowest loss on it. If that loss has not improved for two epochs,
# ``learning_rate="adaptive"`` divides the rate by 5.

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
    print(f"{layers(clf)}: {clf.n_iter_} epochs, the best is epoch {clf.best_iter_}")
    print(f"training accuracy: {clf.score(X_train, y_train):.4f}")
    print(f"test accuracy:     {clf.score(X_test, y_test):.4f}")


report(narrow)

# %%
# The notebook's training loss on MNIST was 1.163 after the first epoch, 0.453 after 10 epochs and 0.241
# after 100. This network's was 0.386 in the first epoch, 0.199 in the tenth and 0.140 in the twentieth,
# penalty included. The run on this page:

for epoch in [1, 10, 20]:
    if epoch <= narrow.n_iter_:
        print(f"epoch {epoch:>2}: training loss {narrow.loss_curve_[epoch - 1]:.3f}")

# %%
# A hundred hidden units
# ----------------------
# This network has the same settings, with a wider layer.

wide = ScratchMLPClassifier(100, **settings).fit(X_train, y_train)
report(wide)

# %%
# Loss curves
# -----------
# The training loss includes the L2 penalty, and it is averaged over the epoch while the network
# improves. The validation loss is the cross-entropy of the network after the epoch, without penalty. So
# the training loss may lie above it. A sudden drop of both follows a division of the rate.

fig, axes = plt.subplots(2, 1, figsize=(7, 7), sharex=True, sharey=True, layout="constrained")
for ax, clf in zip(axes, [narrow, wide], strict=True):
    LossCurveDisplay.from_estimator(clf, ax=ax)
    ax.set_title(f"{layers(clf)}: test accuracy {clf.score(X_test, y_test):.4f}")
axes[0].set_xlabel("")

# %%
# Weights of the fifteen units
# ----------------------------
# Each hidden unit weighs the pixels of an image. Bright pixels increase its input where its weights are
# red, and decrease it where they are blue. A blank unit is dead: an early step made the input of its
# ReLU negative for every image, so its gradient is zero and it cannot recover.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
FirstLayerDisplay.from_estimator(narrow, image_shape=(side, side), n_columns=5, ax=ax)

# %%
# Misclassified digits
# --------------------
# These are test images that the wider network misclassifies with the highest probability.

probability = wide.predict_proba(X_test)
answer = wide.classes_[probability.argmax(axis=1)]
wrong = np.flatnonzero(answer != y_test)
surest = wrong[np.argsort(-probability[wrong].max(axis=1), kind="stable")][:9]

# sphinx_gallery_thumbnail_number = 3
fig, axes = plt.subplots(3, 3, figsize=(7, 7.5), layout="constrained")
for ax in axes.flat:
    ax.axis("off")
for ax, row in zip(axes.flat, surest, strict=False):
    ax.imshow(images_test[row].reshape(side, side), cmap="gray_r")
    ax.set_title(
        f"true {y_test[row]}, predicted {answer[row]}\n(probability {probability[row].max():.3f})", size=10
    )
fig.suptitle(f"{len(surest)} of {len(wrong)} misclassified test images, of {len(y_test):,}")

plt.show()
