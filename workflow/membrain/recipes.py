"""What decides how a network is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from .augmentation import Augmentation


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    network, width : str and int, see `network.build_network`
    box_shape, box_centre : (3,) of the boxes that the network sees, voxels along k, i, j
    epochs, batch_size : int
    learning_rate : float, the peak of the one-cycle schedule
    weight_decay : float
    loss : str, a key of `losses.LOSSES`; membership has its own
    normalisation : str, of each box, see `network.normalise_boxes`
    augmentation : Augmentation
    precision : {"auto", "fp32", "bf16"}
        ``auto``: bf16 where it is faster. On a processor boxes of less than 8 voxels along an axis
        train with float32 whatever this says.
    keep : {"last", "best"}
        Which epoch's weights are kept. The last is that of the lowest learning rate; the loss of a
        small validation part is too uncertain to choose by.
    patience : int
        Stop after this many epochs without a better validation loss; 0: never. Keeps the best.
    seed : int
    heads : tuple of str, what the network tells beside distances, see `heads`
    folds : tuple of int, n of Cn of each output, for the angle head
    target : {"distance", "membership"}
    cap : float, working voxel, largest label
    start : str, checksum of the weights that training begins with; empty: random ones
    freeze : int, first blocks that are not trained
    """

    network: str = "membrain"
    width: int = 32
    box_shape: tuple[int, ...] = (12, 12, 12)
    box_centre: tuple[float, ...] = (6, 6, 6)
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    loss: str = "smooth_l1"
    normalisation: str = "zscore"
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = "auto"
    keep: str = "last"
    patience: int = 0
    seed: int = 0
    heads: tuple[str, ...] = ()
    folds: tuple[int, ...] = ()
    target: str = "distance"
    cap: float = 7.0
    start: str = ""
    freeze: int = 0
