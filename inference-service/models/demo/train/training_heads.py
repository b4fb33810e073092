"""Supervised heads and their labels. They make shapes learnable in minutes and are dropped at export."""

import numpy as np
import torch.nn.functional as F
from torch import nn

from attributes import COLOURS, POSITIONS, SHAPES, SIZES, TEXTURES
from mixed_precision import LOW, linear
from scenes import PAIR

NO_LABEL = -1
_TOTALS = 5  # classes of `total`: one to four objects, and a pair


def scene_labels(scenes):
    """Targets of the embedding heads: int64 [N] each, NO_LABEL where it does not apply.

    `objects` is float [N, shapes * colours]: 1 for each combination of shape and colour that the picture
    contains.
    """
    n, is_pair = len(scenes), scenes.layout == PAIR
    labels = dict(
        background=scenes.background,
        total=np.where(is_pair, 4, scenes.count[:, 0] - 1),
        shape=scenes.shape[:, 0],
        colour=scenes.colour[:, 0],
        second_shape=scenes.shape[:, 1],
        second_colour=scenes.colour[:, 1],
        texture=np.where(is_pair, NO_LABEL, scenes.texture[:, 0]),
        size=scenes.size[:, 0],
        position=scenes.position[:, 0],
        side_by_side=scenes.side_by_side,
    )
    labels = {name: label.astype(np.int64) for name, label in labels.items()}
    objects = np.zeros((n, len(SHAPES) * len(COLOURS)), np.float32)
    for kind in (0, 1):
        row = np.flatnonzero(scenes.count[:, kind] > 0)
        objects[row, scenes.shape[row, kind].astype(int) * len(COLOURS) + scenes.colour[row, kind]] = 1
    return dict(labels, objects=objects)


class TrainingHeads(nn.Module):
    """A dense head on the vision tower's patches, and one head that reads image and text embeddings alike."""

    def __init__(self, width, projection):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.patch_classes = (len(SHAPES) + 1, len(COLOURS) + 1, len(TEXTURES) + 1)  # + 1: the plain ground
        self.patch = nn.Linear(width, sum(self.patch_classes))
        self.classes = dict(
            background=len(COLOURS),
            total=_TOTALS,
            shape=len(SHAPES),
            colour=len(COLOURS),
            second_shape=len(SHAPES),
            second_colour=len(COLOURS),
            texture=len(TEXTURES),
            size=len(SIZES),
            position=len(POSITIONS),
            side_by_side=2,
            objects=len(SHAPES) * len(COLOURS),
        )
        self.out = nn.Linear(projection, sum(self.classes.values()))

    def embedding_loss(self, embeddings, labels):
        """embeddings: [N, projection], not normalised.  labels: as scene_labels, as tensors.  Returns a
        scalar."""
        outputs = F.linear(embeddings, self.out.weight, self.out.bias).split(list(self.classes.values()), 1)
        loss = 0.0
        for name, output in zip(self.classes, outputs):
            label = labels[name]
            if name == 'objects':
                loss = loss + F.binary_cross_entropy_with_logits(output, label) * 12
            elif (label >= 0).any():
                share = (label >= 0).float().mean()
                loss = loss + F.cross_entropy(output, label, ignore_index=NO_LABEL) * share
        return loss

    def patch_loss(self, patches, labels):
        """patches: [N, grid * grid, width].  labels: int8 [N, grid * grid, 3] of render.py.  Returns a
        scalar."""
        flat = self.norm(patches).reshape(-1, patches.shape[2]).to(LOW)
        outputs = linear(flat, self.patch, exact=False).float().split(self.patch_classes, 1)
        labels = labels.reshape(-1, 3).long()
        weights = (3.0, 1.0, 1.0)  # shapes are the hardest
        return sum(
            weight * F.cross_entropy(output, labels[:, i], ignore_index=NO_LABEL)
            for i, (weight, output) in enumerate(zip(weights, outputs))
        )
