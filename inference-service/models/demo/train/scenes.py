"""Scenes: batches of abstract pictures, how they are drawn at random, and which of them training never
sees."""

from dataclasses import dataclass, fields

import numpy as np

from attributes import COLOURS, SHAPES

SINGLE, GROUP, PAIR = 0, 1, 2  # values of Scenes.layout


@dataclass
class Scenes:
    """N scenes as arrays of int8. Column 0 of the [N, 2] arrays is the first kind of object, column 1 the
    second.

    layout        [N]     SINGLE: one object; GROUP: two to four equal objects; PAIR: two different objects
    background    [N]     colour of the ground
    side_by_side  [N]     pairs: 1 = first kind is left of the second, 0 = above it; -1 where it is no pair
    shape, colour [N, 2]  -1 where there is no second kind
    texture       [N, 2]  column 1 is 0 (solid) in pairs, -1 elsewhere
    size, position [N, 2] only single objects have them; -1 = any, and captions then do not mention them
    count         [N, 2]  number of objects of the kind; 0 = the kind is absent
    """

    layout: np.ndarray
    background: np.ndarray
    side_by_side: np.ndarray
    shape: np.ndarray
    colour: np.ndarray
    texture: np.ndarray
    size: np.ndarray
    position: np.ndarray
    count: np.ndarray

    def __len__(self):
        return len(self.layout)

    def map(self, function):
        """A new batch with `function` applied to each array."""
        return Scenes(**{field.name: function(getattr(self, field.name)) for field in fields(self)})

    def select(self, index):
        return self.map(lambda array: array[index])

    def copy(self):
        return self.map(np.copy)

    def assign(self, index, other):
        """Replaces the scenes at `index` by those of `other`."""
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(other, field.name)


def concatenate(first, second):
    arrays = {
        f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(first)
    }
    return Scenes(**arrays)


def interleave(first, second):
    """first[0], second[0], first[1], second[1], ..."""
    arrays = {}
    for field in fields(first):
        both = np.stack([getattr(first, field.name), getattr(second, field.name)], 1)
        arrays[field.name] = both.reshape((-1,) + both.shape[2:])
    return Scenes(**arrays)


def scene_key(scenes):
    """[N] int64: one number per combination of attributes; two scenes with the same key differ only in
    jitter.

    One base-16 digit per attribute. The hold-out of the shipped weights hangs on exactly this number.
    """
    key = scenes.layout.astype(np.int64)
    for digit in (
        scenes.background,
        scenes.side_by_side,
        scenes.shape[:, 0],
        scenes.shape[:, 1],
        scenes.colour[:, 0],
        scenes.colour[:, 1],
        scenes.texture[:, 0],
        scenes.size[:, 0],
        scenes.position[:, 0],
        scenes.count[:, 0],
        scenes.count[:, 1],
    ):
        key = key * 16 + (digit + 1)
    return key


def held_out(scenes):
    """[N] bool: the tenth of all attribute combinations that is never trained on (MurmurHash3's 64-bit
    finalizer)."""
    bits = scene_key(scenes).astype(np.uint64)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    bits = bits ^ (bits >> np.uint64(33))
    return bits % np.uint64(10) == 0


def _drawable(scenes):
    """[N] bool: no object has the ground's colour, and the two objects of a pair differ."""
    first_visible = scenes.colour[:, 0] != scenes.background
    second_visible = scenes.colour[:, 1] != scenes.background
    same_colour = scenes.colour[:, 0] == scenes.colour[:, 1]
    same_shape = scenes.shape[:, 0] == scenes.shape[:, 1]
    pair_ok = second_visible & ~(same_colour & same_shape)
    return first_visible & ((scenes.layout != PAIR) | pair_ok)


def _draw(rng, n, layout_shares, free):
    """n random scenes, drawable or not, held out or not. The order of the draws is part of every seed's
    meaning."""

    def draw(high, shape=n, low=0):
        return rng.integers(low, high, shape).astype(np.int8)

    def first_kind_only(values):
        return np.stack([values, np.full(n, -1)], 1).astype(np.int8)

    layout = rng.choice(3, n, p=layout_shares).astype(np.int8)
    is_pair, is_group, is_single = layout == PAIR, layout == GROUP, layout == SINGLE
    background = draw(len(COLOURS))
    side_by_side = np.where(is_pair, draw(2), -1).astype(np.int8)
    shape = draw(len(SHAPES), (n, 2))
    colour = draw(len(COLOURS), (n, 2))
    any_texture = rng.choice(4, n, p=[0.34, 0.22, 0.22, 0.22])
    texture = first_kind_only(np.where(is_single | (is_group & (rng.random(n) < 0.25)), any_texture, 0))
    texture[is_pair, 1] = 0
    placed = is_single & (rng.random(n) >= free)
    size = first_kind_only(np.where(placed, draw(3), -1))
    position = first_kind_only(np.where(placed, draw(9), -1))
    count = np.stack([np.where(is_group, draw(5, low=2), 1), is_pair], 1).astype(np.int8)
    shape[~is_pair, 1] = -1
    colour[~is_pair, 1] = -1
    return Scenes(layout, background, side_by_side, shape, colour, texture, size, position, count)


def sample(rng, n, layout_shares=(0.45, 0.25, 0.30), heldout=False, free=0.25):
    """n drawable scenes, all from the training part or (heldout=True) all from the held-out part.

    rng: numpy Generator.  layout_shares: probabilities of SINGLE, GROUP, PAIR.
    free: this part of the single objects has any size and place.
    """
    scenes = None
    while scenes is None or len(scenes) < n:
        drawn = _draw(rng, n * (14 if heldout else 2), layout_shares, free)
        drawn = drawn.select(np.flatnonzero(_drawable(drawn) & (held_out(drawn) == heldout)))
        scenes = drawn if scenes is None else concatenate(scenes, drawn)
    return scenes.select(slice(0, n))


def distinct_heldout(rng, n, layout_shares=(0.42, 0.26, 0.32), free=0.0):
    """n held-out scenes no two of which have the same attributes: the galleries of the evaluation."""
    scenes = sample(rng, 2 * n, layout_shares, heldout=True, free=free)
    _, first_seen = np.unique(scene_key(scenes), return_index=True)
    return scenes.select(np.sort(first_seen)[:n])


def twins(rng, scenes):
    """For every scene one that differs in a single attribute: the hard negatives of a training batch.

    A scene for which six tries find no drawable twin in the training part is its own twin.
    """
    result = scenes.copy()
    missing = np.arange(len(scenes))
    for _ in range(6):
        if not len(missing):
            break
        changed = scenes.select(missing)
        _change_one_attribute(rng, changed)
        good = _drawable(changed) & ~held_out(changed)
        result.assign(missing[good], changed.select(good))
        missing = missing[~good]
    return result


def _change_one_attribute(rng, scenes):
    """Changes each scene in place. `choice` in [0, 1) decides what: shape, colour, ground, then what the
    layout has."""
    n = len(scenes)
    choice = rng.random(n)
    is_single, is_group, is_pair = scenes.layout == SINGLE, scenes.layout == GROUP, scenes.layout == PAIR
    kind = np.where(is_pair, rng.integers(0, 2, n), 0)  # which object of a pair changes

    def other_value(values, modulus):
        """A random value other than the present one."""
        return (values + rng.integers(1, modulus, len(values))) % modulus

    exchange = is_pair & (rng.random(n) < 0.35)  # the two objects exchange their colours
    choice[exchange] = 2.0
    scenes.colour[exchange] = scenes.colour[exchange][:, ::-1]

    row = np.flatnonzero(choice < 0.40)
    scenes.shape[row, kind[row]] = other_value(scenes.shape[row, kind[row]], len(SHAPES))
    row = np.flatnonzero((choice >= 0.40) & (choice < 0.55))
    scenes.colour[row, kind[row]] = rng.integers(0, len(COLOURS), len(row))
    row = np.flatnonzero((choice >= 0.55) & (choice < 0.62))
    scenes.background[row] = rng.integers(0, len(COLOURS), len(row))

    rest = choice >= 0.62
    placed = scenes.size[:, 0] >= 0
    row = np.flatnonzero(rest & is_single & ((choice < 0.80) | ~placed))
    scenes.texture[row, 0] = other_value(scenes.texture[row, 0], 4)
    row = np.flatnonzero(rest & is_single & placed & (choice >= 0.80) & (choice < 0.90))
    scenes.size[row, 0] = other_value(scenes.size[row, 0], 3)
    row = np.flatnonzero(rest & is_single & placed & (choice >= 0.90))
    scenes.position[row, 0] = other_value(scenes.position[row, 0], 9)
    row = np.flatnonzero(rest & is_group)
    scenes.count[row, 0] = 2 + other_value(scenes.count[row, 0] - 2, 3)
    row = np.flatnonzero(rest & is_pair & (choice < 0.85))  # the two objects exchange their places
    scenes.shape[row] = scenes.shape[row][:, ::-1]
    scenes.colour[row] = scenes.colour[row][:, ::-1]
    row = np.flatnonzero(rest & is_pair & (choice >= 0.85) & ~exchange)
    scenes.side_by_side[row] = 1 - scenes.side_by_side[row]
