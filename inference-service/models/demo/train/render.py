"""Renderer: scenes -> RGB pictures by distance fields with anti-aliasing, in numpy over whole batches.

60 to 100 microseconds per 48-pixel picture on one core. Coordinates run from -1 to 1 over the picture, x to
the right and y down; lengths in pixels are those of the 48-pixel picture, whatever `scale` is. One generator
draws everything, in a fixed order, so a seed means the same pictures everywhere up to the last bit of the
platform's sine and cosine.
"""

from dataclasses import dataclass

import numpy as np

from attributes import COLOUR_ANCHORS, COLOURS, SHAPES
from scenes import GROUP, PAIR, SINGLE
from shape_fields import FIELDS

IMAGE_SIZE, PATCH_SIZE = 48, 8
GRID = IMAGE_SIZE // PATCH_SIZE  # patches per side, as the vision tower cuts the picture
NO_SHAPE, NO_COLOUR, NO_TEXTURE = len(SHAPES), len(COLOURS), 4  # patch labels of the plain ground
IGNORED = -1  # patch label of a patch that an object only grazes

_SOLID, _STRIPED, _DOTTED, _CHECKERED = range(4)
_ANCHORS = np.array([COLOUR_ANCHORS[colour] for colour in COLOURS], np.float32)  # [12, 2, 3]
_NOISE_FIELDS = 64
_NOISE_MARGIN = 16
_noise = np.random.default_rng(5).normal(0, 3, (_NOISE_FIELDS,) + 2 * (IMAGE_SIZE + _NOISE_MARGIN,) + (3,))
_noise = np.clip(_noise, -12, 12).astype(np.float32)


@dataclass
class _Objects:
    """The M objects of a batch, each an entry of these arrays."""

    scene: np.ndarray  # [M] row of the scene it belongs to
    kind: np.ndarray  # [M] 0 or 1: column of the scene's arrays
    x: np.ndarray  # [M] centre, in pixels
    y: np.ndarray
    radius: np.ndarray  # [M] in pixels
    tilt: np.ndarray  # [M] radians
    layer: np.ndarray  # [M] 0 for the first object of its scene, 1 for the second, ...

    def __len__(self):
        return len(self.scene)


def render(rng, scenes, scale=1):
    """Draws N scenes as pictures of scale * 48 pixels.

    At scale 1, the pictures of training, edges are softer or harder at random and pixels are noisy; larger
    pictures, for showing, are clean. Returns (uint8 [N, size, size, 3], patch labels as in _patch_labels).
    """
    n, size = len(scenes), IMAGE_SIZE * scale
    sharpness = scale * (rng.uniform(0.6, 1.25, n) if scale == 1 else np.ones(n)).astype(np.float32)
    y, x = ((np.mgrid[0:size, 0:size] + 0.5) / scale).astype(np.float32)
    ground = _tones(rng, scenes.background)
    pictures = _draw_ground(rng, ground, x, y)
    objects = _place_objects(rng, scenes)
    shape = scenes.shape[objects.scene, objects.kind]
    colour = scenes.colour[objects.scene, objects.kind]
    texture = scenes.texture[objects.scene, objects.kind]
    coverage = _coverage(objects, shape, x, y, sharpness[objects.scene])
    first_tone, second_tone = _object_tones(rng, objects, colour, ground)

    for layer in range(objects.layer.max() + 1):
        for each_texture in (_SOLID, _STRIPED, _DOTTED, _CHECKERED):
            chosen = np.flatnonzero((objects.layer == layer) & (texture == each_texture))
            if not len(chosen):
                continue
            owner = objects.scene[chosen]
            paint = first_tone[chosen][:, None, None]
            if each_texture != _SOLID:
                share = _texture_share(rng, each_texture, len(chosen), x, y, sharpness[owner, None, None])[
                    ..., None
                ]
                paint = share * paint + (1 - share) * second_tone[chosen][:, None, None]
            pictures[owner] += coverage[chosen][..., None] * (paint - pictures[owner])
    _add_noise(rng, pictures, visible=scale == 1)
    labels = _patch_labels(objects, np.stack([shape, colour, texture], 1), coverage, n, scale)
    return np.clip(pictures + 0.5, 0, 255).astype(np.uint8), labels


def _tones(rng, colours):
    """[n, 3] float: each colour somewhere between its two anchors, plus noise."""
    n = len(colours)
    share = rng.random((n, 1), np.float32)
    between = _ANCHORS[colours, 0] * share + _ANCHORS[colours, 1] * (1 - share)
    return np.clip(between + rng.normal(0, 5, (n, 3)).astype(np.float32), 0, 255)


def _draw_ground(rng, ground, x, y):
    """[N, size, size, 3] float32: the ground's tone, on half of the pictures with a faint slope of
    brightness."""
    n = len(ground)
    pictures = np.empty((n,) + x.shape + (3,), np.float32)
    pictures[:] = ground[:, None, None]
    slope_x, slope_y = rng.normal(0, 4, (2, n, 1, 1)).astype(np.float32) * (rng.random((n, 1, 1)) < 0.5)
    half = IMAGE_SIZE / 2
    pictures += (slope_x * (x / half - 1) + slope_y * (y / half - 1)).astype(np.float32)[..., None]
    return pictures


def _place_objects(rng, scenes):
    """Decides where the objects lie, by layout; every place, radius and tilt is jittered."""
    parts = []  # (scene, kind, x, y, radius), in units of half a picture

    def jitter(n, most):
        return rng.uniform(-most, most, n)

    is_single, has_size = scenes.layout == SINGLE, scenes.size[:, 0] >= 0
    row = np.flatnonzero(is_single & ~has_size)  # any size, any place
    free = len(row)
    if len(row):
        radius = rng.uniform(0.28, 0.72, len(row))
        limit = np.maximum(0.98 - radius, 0.05)
        parts.append((row, row * 0, rng.uniform(-limit, limit), rng.uniform(-limit, limit), radius))

    row = np.flatnonzero(is_single & has_size)  # named size and place
    if len(row):
        radius = np.array([0.31, 0.43, 0.59])[scenes.size[row, 0]] * rng.uniform(0.94, 1.06, len(row))
        limit = np.minimum(0.54, 1.0 - radius)
        position = scenes.position[row, 0]
        x = (position % 3 - 1) * limit + jitter(len(row), 0.05)
        y = (position // 3 - 1) * limit + jitter(len(row), 0.05)
        parts.append((row, row * 0, x, y, radius))

    row = np.flatnonzero(scenes.layout == GROUP)  # in different cells of a 3 x 3 grid
    if len(row):
        cells = rng.random((len(row), 9)).argsort(1)[:, :4]
        count = scenes.count[row, 0]
        cell = np.concatenate([some[:number] for some, number in zip(cells, count)])
        radius = rng.uniform(0.27, 0.30, len(cell))
        x = (cell % 3 - 1) * 0.67 + jitter(len(cell), 0.02)
        y = (cell // 3 - 1) * 0.67 + jitter(len(cell), 0.02)
        parts.append((np.repeat(row, count), np.zeros(len(cell), int), x, y, radius))

    row = np.flatnonzero(scenes.layout == PAIR)  # opposite each other
    for kind in (0, 1) if len(row) else ():
        offset = (kind * 2 - 1) * 0.48
        beside = scenes.side_by_side[row] == 1
        radius = rng.uniform(0.34, 0.41, len(row))
        x = np.where(beside, offset, 0) + jitter(len(row), 0.06)
        y = np.where(beside, 0, offset) + jitter(len(row), 0.06)
        parts.append((row, np.full(len(row), kind), x, y, radius))

    scene, kind, x, y, radius = map(np.concatenate, zip(*parts))
    half = IMAGE_SIZE / 2
    tilt = rng.uniform(-0.13, 0.13, len(scene)).astype(np.float32)
    tilt[:free] *= 2
    return _Objects(
        scene,
        kind,
        ((x + 1) * half).astype(np.float32),
        ((y + 1) * half).astype(np.float32),
        (radius * half).astype(np.float32),
        tilt,
        _layers(scene),
    )


def _layers(scene):
    """[M]: how many objects of the same scene come before each object."""
    order = np.argsort(scene, kind='stable')
    starts = np.concatenate([[True], scene[order][1:] != scene[order][:-1]])
    place = np.arange(len(scene))
    layer = np.zeros(len(scene), int)
    layer[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    return layer


def _coverage(objects, shape, x, y, sharpness):
    """[M, size, size] float32 in 0..1: how much of each pixel each object covers."""
    coverage = np.empty((len(objects),) + x.shape, np.float32)
    for index, name in enumerate(SHAPES):
        same_shape = np.flatnonzero(shape == index)
        for chosen in np.array_split(
            same_shape, max(1, len(same_shape) // 64)
        ):  # 64 at a time stay in the cache
            if not len(chosen):
                continue
            wide = (chosen, None, None)
            radius = objects.radius[wide]
            right, down = (x - objects.x[wide]) / radius, (y - objects.y[wide]) / radius
            cosine, sine = np.cos(objects.tilt[wide]), np.sin(objects.tilt[wide])
            distance = FIELDS[name](cosine * right + sine * down, cosine * down - sine * right)
            coverage[chosen] = np.clip(0.5 - distance * radius * sharpness[wide], 0, 1)
    return coverage


def _object_tones(rng, objects, colour, ground):
    """Two [M, 3]: each object's own tone, and the lighter or darker one that its texture is drawn with."""
    tone = _tones(rng, colour)
    first_of_kind = np.full((len(ground), 2), -1)  # equal objects of one scene share their tone
    first_of_kind[objects.scene[::-1], objects.kind[::-1]] = np.arange(len(objects))[::-1]
    tone = tone[first_of_kind[objects.scene, objects.kind]]

    behind = ground[objects.scene]
    light, dark = tone + (255 - tone) * 0.72, tone * 0.32

    def contrast(other):
        return np.minimum(np.abs(other - tone).sum(1), np.abs(other - behind).sum(1))

    return tone, np.where((contrast(light) > contrast(dark))[:, None], light, dark)


def _wave(position, period, sharpness):
    """Anti-aliased square wave in 0..1; position and period in pixels."""
    return np.clip(0.5 + (np.abs((position / period) % 1 - 0.5) * period - period / 4) * sharpness, 0, 1)


def _texture_share(rng, texture, n, x, y, sharpness):
    """[n, size, size] in 0..1: how much of each pixel has the object's own tone. Phase and period are
    random."""
    phase = rng.uniform(0, 8, (2, n, 1, 1)).astype(np.float32)
    period = rng.uniform(5.6, 7.0, (n, 1, 1)).astype(np.float32)
    x, y = x + phase[0], y + phase[1]
    if texture == _STRIPED:
        return _wave((x + y) * np.float32(0.7071), period, sharpness)
    if texture == _DOTTED:
        period = period * np.float32(0.95)
        from_dot = np.hypot((x / period % 1 - 0.5) * period, (y / period % 1 - 0.5) * period)
        return np.clip(0.5 + (from_dot - period * np.float32(0.30)) * sharpness, 0, 1)
    period = period * np.float32(1.35)
    columns, rows = _wave(x, period, sharpness), _wave(y, period, sharpness)
    return columns * rows + (1 - columns) * (1 - rows)


def _add_noise(rng, pictures, visible):
    """Adds a random cut of a random noise field to each picture; draws from `rng` even where it is not
    visible."""
    n = len(pictures)
    cut = rng.integers(0, _NOISE_MARGIN, (n, 2))
    field = rng.integers(0, _NOISE_FIELDS, n)
    strength = rng.uniform(0, 1.3, n).astype(np.float32)
    for i in range(n if visible else 0):
        top, left = cut[i]
        pictures[i] += strength[i] * _noise[field[i], top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]


def _patch_labels(objects, attributes, coverage, n, scale):
    """int8 [N, GRID * GRID, 3]: shape, colour and texture of the object that covers most of each patch.

    attributes: [M, 3]. The plain ground has NO_SHAPE, NO_COLOUR, NO_TEXTURE; grazed patches have IGNORED.
    Only the training's dense head reads these.
    """
    side = PATCH_SIZE * scale
    covered = (
        coverage.reshape(len(objects), GRID, side, GRID, side).mean((2, 4)).reshape(len(objects), GRID * GRID)
    )
    labels = np.empty((n, GRID * GRID, 3), np.int8)
    labels[:] = (NO_SHAPE, NO_COLOUR, NO_TEXTURE)
    most = np.full((n, GRID * GRID), 0.02, np.float32)
    for layer in range(objects.layer.max() + 1):
        chosen = np.flatnonzero(objects.layer == layer)
        owner = objects.scene[chosen]
        more = covered[chosen] > most[owner]
        labels[owner] = np.where(more[..., None], attributes[chosen][:, None], labels[owner])
        most[owner] = np.maximum(most[owner], covered[chosen])
    labels[(most > 0.02) & (most < 0.2)] = IGNORED
    return labels
