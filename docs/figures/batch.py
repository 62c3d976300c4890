"""One layer with a batch, as ``network.py`` stores it: examples are columns, and a[l] ends with ones."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

FORWARD, BACKWARD, QUIET = "#0072B2", "#C2500A", "#5b6370"
BIAS, EXAMPLE, PAPER = "#f5c04a", "#bcdcf0", "#f3f5f8"
SYMBOL, SHAPE, WORD = 19, 16, 13
WIDTH, HEIGHT, CELL = 6.8, 7.3, 0.21

# Units of layer l, units of layer l + 1, examples; and the column that stands for one example.
HERE, THERE, EXAMPLES, COLUMN = 4, 3, 7, 2


def fill(i, j, shape, biases, example):
    """Return the colour of a cell: the example's, that of the biases and ones, or none."""
    if (biases == "below" and i == shape[0] - 1) or (biases == "right" and j == shape[1] - 1):
        return BIAS
    return EXAMPLE if {"row": i, "column": j}.get(example) == COLUMN else PAPER


def matrix(ax, x, y, shape, symbol, sizes, color, biases=None, example=None):
    """Draw a matrix centred at (x, y), its symbol above and its shape below.

    ``biases`` says where their row or column is ("below", "right"), ``example`` that one example is a "row"
    or a "column".
    """
    left, top = x - shape[1] * CELL / 2, y + shape[0] * CELL / 2
    for i, j in np.ndindex(shape):
        corner = left + j * CELL, top - (i + 1) * CELL
        color_of_cell = fill(i, j, shape, biases, example)
        ax.add_patch(Rectangle(corner, CELL, CELL, fc=color_of_cell, ec="#9aa2ae", lw=0.8))
        if color_of_cell == BIAS and symbol == "a^{[l]}":
            write(ax, corner[0] + CELL / 2, corner[1] + CELL / 2, "1", size=WORD)
    write(ax, x, top + 0.24, f"${symbol}$", color=color)
    write(ax, x, top - shape[0] * CELL - 0.24, f"${sizes}$", color=QUIET, size=SHAPE)


def write(ax, x, y, text, *, size=SYMBOL, color="black"):
    """Write centred text."""
    ax.text(x, y, text, size=size, color=color, ha="center", va="center")


def title(ax, y, text, color):
    """Write what a row of matrices shows."""
    ax.text(0.1, y, text, size=WORD, color=color, ha="left", va="center", weight="bold")


def draw_forward(ax, y):
    """M[l]^T a[l] = z[l+1]."""
    title(ax, y + 1.14, "Forward: the ones add the biases", FORWARD)
    matrix(ax, 0.85, y, (THERE, HERE + 1), r"M^{[l]\top}", r"n_{l+1} \times (n_l + 1)", "black", "right")
    write(ax, 1.85, y, r"$\cdot$")
    matrix(ax, 3.0, y, (HERE + 1, EXAMPLES), "a^{[l]}", r"(n_l + 1) \times n", FORWARD, "below", "column")
    write(ax, 4.1, y, "$=$")
    matrix(ax, 5.3, y, (THERE, EXAMPLES), "z^{[l+1]}", r"n_{l+1} \times n", FORWARD, None, "column")


def draw_gradient(ax, y):
    """dM[l] = a[l] delta[l+1]^T."""
    title(ax, y + 1.36, "Gradient: weights and biases in one product", BACKWARD)
    matrix(ax, 1.2, y, (HERE + 1, EXAMPLES), "a^{[l]}", r"(n_l + 1) \times n", FORWARD, "below", "column")
    write(ax, 2.4, y, r"$\cdot$")
    matrix(ax, 3.2, y, (EXAMPLES, THERE), r"\delta^{[l+1]\top}", r"n \times n_{l+1}", BACKWARD, None, "row")
    write(ax, 4.1, y, "$=$")
    shape = r"(n_l + 1) \times n_{l+1}"
    matrix(ax, 5.3, y, (HERE + 1, THERE), r"\partial J/\partial M^{[l]}", shape, BACKWARD, "below")


def draw_backward(ax, y):
    """delta[l] = (W[l] delta[l+1]) * phi'(z[l])."""
    title(ax, y + 1.04, "One layer back: biases take no part", BACKWARD)
    matrix(ax, 0.55, y, (HERE, THERE), "W^{[l]}", r"n_l \times n_{l+1}", "black")
    write(ax, 1.06, y, r"$\cdot$")
    matrix(ax, 1.97, y, (THERE, EXAMPLES), r"\delta^{[l+1]}", r"n_{l+1} \times n", BACKWARD, None, "column")
    write(ax, 2.95, y, r"$\odot$")
    matrix(
        ax, 3.93, y, (HERE, EXAMPLES), r"\varphi^{\prime}(z^{[l]})", r"n_l \times n", FORWARD, None, "column"
    )
    write(ax, 4.87, y, "$=$")
    matrix(ax, 5.8, y, (HERE, EXAMPLES), r"\delta^{[l]}", r"n_l \times n", BACKWARD, None, "column")


with plt.rc_context({"mathtext.fontset": "cm"}):
    fig, ax = plt.subplots(figsize=(WIDTH, HEIGHT))
    fig.subplots_adjust(0, 0, 1, 1)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    draw_forward(ax, 5.95)
    draw_gradient(ax, 3.3)
    draw_backward(ax, 0.78)
