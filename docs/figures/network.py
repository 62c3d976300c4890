"""A network of three layers with its symbols; below it, what the two passes compute and the shapes."""

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, Wedge

FORWARD, BACKWARD, QUIET = "#0072B2", "#C2500A", "#5b6370"
SYMBOL, SMALL_SYMBOL, WORD = 19, 16, 13
WIDTH, HEIGHT = 6.8, 7.4

# Where things are, in inches: the layers, each with its number of units, and the rows of the passes.
LAYERS = {0: (0.5, 3), 1: (2.75, 4), 2: (5.1, 3)}
MIDDLE, SPACING, RADIUS = 5.25, 0.66, 0.27
A_0, Z_1, A_1, Z_2, P, J = 0.6, 2.25, 3.25, 4.6, 5.72, 6.5
FORWARD_ROW, BACKWARD_ROW, GRADIENT_ROW = 2.6, 1.3, 0.3


def units(layer):
    """Return the centres of a layer's units."""
    x, n = LAYERS[layer]
    return [(x, MIDDLE + SPACING * ((n - 1) / 2 - i)) for i in range(n)]


def write(ax, x, y, text, color="black", size=SYMBOL):
    """Write centred text on white."""
    box = {"fc": "white", "ec": "none", "pad": 1.5}
    ax.text(x, y, text, size=size, color=color, ha="center", va="center", bbox=box, zorder=3)


def arrow(ax, start, end, color):
    """Draw an arrow from one point to another."""
    style = {"arrowstyle": "-|>", "color": color, "lw": 1.8, "mutation_scale": 15, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=style)


def draw_unit(ax, layer, i, x, y):
    """Draw one unit: what it receives on its left, and what it passes on on its right."""
    ax.add_patch(Circle((x, y), RADIUS, fc="white", ec=FORWARD, lw=1.8, zorder=2))
    if layer == 0:
        ax.text(x, y, f"$x_{i}$", size=16, ha="center", va="center")
        return
    ax.add_patch(Wedge((x, y), RADIUS, -90, 90, fc="#dcebf5", ec=FORWARD, lw=1.2, zorder=2))
    ax.text(x - 0.5 * RADIUS, y, "$z$", size=16, ha="center", va="center")
    ax.text(x + 0.47 * RADIUS, y, "$a$" if layer == 1 else "$p$", size=16, ha="center", va="center")


def draw_network(ax):
    """Draw the layers as columns of circles, and a line for each weight."""
    for layer in (0, 1):
        for start in units(layer):
            for end in units(layer + 1):
                ax.plot(*zip(start, end, strict=True), color="#c3c8d0", lw=1, zorder=1)
        x = (LAYERS[layer][0] + LAYERS[layer + 1][0]) / 2
        write(ax, x, MIDDLE, f"$W^{{[{layer}]}}$\n$b^{{[{layer}]}}$")
        shapes = f"$W$: $n_{layer} \\times n_{layer + 1}$\n$b$: $n_{layer + 1}$"
        write(ax, x, 3.62, shapes, QUIET, SMALL_SYMBOL)
    for layer, name in enumerate(["input", "hidden", "output"]):
        for i, (x, y) in enumerate(units(layer), start=1):
            draw_unit(ax, layer, i, x, y)
        write(ax, LAYERS[layer][0], HEIGHT - 0.4, f"layer {layer}\n{name}", size=WORD)
        write(ax, LAYERS[layer][0], 3.77, f"$n_{layer} = {LAYERS[layer][1]}$", QUIET, SMALL_SYMBOL)
        write(ax, LAYERS[layer][0], 3.5, "units", QUIET, WORD)


def draw_forward_pass(ax):
    """Draw what is computed, from left to right, with the shapes below."""
    nodes = {
        A_0: ("a^{[0]}{=}X", "0"),
        Z_1: ("z^{[1]}", "1"),
        A_1: ("a^{[1]}", "1"),
        Z_2: ("z^{[2]}", "2"),
        P: ("P", "2"),
    }
    for x, (symbol, layer) in nodes.items():
        write(ax, x, FORWARD_ROW, f"${symbol}$", FORWARD)
        write(ax, x, FORWARD_ROW - 0.38, f"$n \\times n_{layer}$", QUIET, SMALL_SYMBOL)
    write(ax, J, FORWARD_ROW, "$J$", FORWARD)
    places = [*nodes, J]
    steps = ["$W^{[0]},\\, b^{[0]}$", r"$\varphi$", "$W^{[1]},\\, b^{[1]}$", "softmax", "$Y$"]
    for start, end, step in zip(places[:-1], places[1:], steps, strict=True):
        gap = 0.56 if start == A_0 else 0.28
        arrow(ax, (start + gap, FORWARD_ROW), (end - 0.26, FORWARD_ROW), FORWARD)
        size = WORD if step == "softmax" else 16
        write(ax, (start + gap + end - 0.26) / 2, FORWARD_ROW + 0.3, step, size=size)
    write(ax, A_0 - 0.1, FORWARD_ROW + 0.34, "forward", FORWARD, WORD)


def draw_backward_pass(ax):
    """Draw the derivatives, from right to left."""
    write(ax, A_0, BACKWARD_ROW, "backward", BACKWARD, WORD)
    ax.plot([J, J], [FORWARD_ROW - 0.25, BACKWARD_ROW], color=BACKWARD, lw=1.8)
    arrow(ax, (J, BACKWARD_ROW), (Z_2 + 0.3, BACKWARD_ROW), BACKWARD)
    write(ax, (Z_2 + J) / 2, BACKWARD_ROW + 0.28, "$P - Y$", size=16)
    arrow(ax, (Z_2 - 0.3, BACKWARD_ROW), (Z_1 + 0.3, BACKWARD_ROW), BACKWARD)
    write(ax, (Z_1 + Z_2) / 2, BACKWARD_ROW + 0.28, r"$W^{[1]\top},\, \varphi^{\prime}$", size=16)
    for layer, x in [(1, Z_1), (2, Z_2)]:
        write(ax, x, BACKWARD_ROW, f"$\\delta^{{[{layer}]}}$", BACKWARD)
        end = x - 0.55
        arrow(ax, (x - 0.14, BACKWARD_ROW - 0.26), (end, GRADIENT_ROW + 0.3), BACKWARD)
        l = layer - 1
        write(ax, x - 0.62, BACKWARD_ROW - 0.38, f"$a^{{[{l}]}}$", size=16)
        gradients = rf"$\partial J/\partial W^{{[{l}]}},\ \partial J/\partial b^{{[{l}]}}$"
        write(ax, x - 1.0, GRADIENT_ROW, gradients, BACKWARD, 17)


with plt.rc_context({"mathtext.fontset": "cm"}):
    fig, ax = plt.subplots(figsize=(WIDTH, HEIGHT))
    fig.subplots_adjust(0, 0, 1, 1)
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    ax.axis("off")
    draw_network(ax)
    draw_forward_pass(ax)
    draw_backward_pass(ax)
