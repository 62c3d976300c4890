"""A fitted network as the exports read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .network import Layers, Network, check_finite
from .targets import ClassEncoding


@dataclass(frozen=True)
class FittedNetwork:
    """A network, the names of its activations, and the encoding of its outputs."""

    network: Network
    activations: Sequence[str]
    encoding: ClassEncoding

    def finite_layers(self) -> Layers:
        """Return the weights and biases; those that are not finite are an error."""
        check_finite(self.network.layers)
        return self.network.layers
