"""What the evaluation asks: galleries of held-out scenes, short queries with their claims, zero-shot
prompts."""

import random
from dataclasses import dataclass

import numpy as np

from attributes import COLOURS, NUMBER_WORDS, POSITIONS, SHAPES, SIZES, TEXTURES, plural, with_article
from captions import full_caption, short_caption
from render import render
from scenes import GROUP, PAIR, SINGLE, distinct_heldout
from truth import AND, claims

_HELD_OUT_SHARES = (0.42, 0.26, 0.32)  # of single objects, groups and pairs in a gallery


def held_out_gallery(n, seed, layout_shares=_HELD_OUT_SHARES, free=0.0):
    """n scenes whose combinations of attributes training never saw, no two alike, and their pictures [n, 48,
    48, 3]."""
    rng = np.random.default_rng(seed)
    scenes = distinct_heldout(rng, n, layout_shares, free)
    return scenes, render(rng, scenes)[0]


def golden_scenes():
    """(scenes, pictures, captions) of the golden cases: four of each layout; full and short captions in
    turn."""
    scenes, pictures = held_out_gallery(300, 99)
    chosen = np.concatenate([np.flatnonzero(scenes.layout == layout)[:4] for layout in (SINGLE, GROUP, PAIR)])
    scenes, pictures = scenes.select(chosen), pictures[chosen]
    rng = random.Random(7)
    captions = [
        (short_caption if row % 2 else full_caption)(rng, scenes, row)[0] for row in range(len(scenes))
    ]
    return scenes, pictures, captions


def short_queries():
    """Families of short queries: {family: [(text, row of claims)]}, in the order of SHAPES, then of the other
    value."""
    families = dict(colour_shape=[], count_shape=[], texture_shape=[], colour_shape_ground=[], pair=[])
    for shape, shape_name in enumerate(SHAPES):
        for colour, colour_name in enumerate(COLOURS):
            words, said = with_article(f'{colour_name} {shape_name}'), dict(
                shape=shape, colour=colour, number=1
            )
            families['colour_shape'].append((words, claims(**said)))
            for ground, ground_name in enumerate(COLOURS):
                if ground != colour:
                    longer = f'{words} on {with_article(ground_name)} background'
                    families['colour_shape_ground'].append((longer, claims(background=ground, **said)))
        for number in (2, 3, 4):
            words = f'{NUMBER_WORDS[number]} {plural(shape_name)}'
            families['count_shape'].append((words, claims(shape=shape, number=number)))
        for texture, texture_name in enumerate(TEXTURES):
            if texture_name != 'solid':
                words = with_article(f'{texture_name} {shape_name}')
                families['texture_shape'].append((words, claims(shape=shape, texture=texture, number=1)))
        for second, second_name in enumerate(SHAPES):
            if second != shape:
                words = f'{with_article(shape_name)} and {with_article(second_name)}'
                said = claims(shape=shape, second_shape=second, has_second=1, relation=AND)
                families['pair'].append((words, said))
    return families


@dataclass
class ZeroShotTask:
    """Classification by prompts: which of `prompts` is nearest to each of the pictures `rows`."""

    name: str
    prompts: list
    rows: np.ndarray  # [n] pictures that the question applies to
    answers: np.ndarray  # [n] right prompt of each of them


def zero_shot_tasks(scenes):
    """The tasks that apply to some picture: shape, colour, texture, count, background, position, size."""
    single = np.flatnonzero(scenes.layout == SINGLE)
    placed = single[scenes.size[single, 0] >= 0]
    one_kind = np.flatnonzero(scenes.layout != PAIR)
    everything = np.arange(len(scenes))
    tasks = [
        ZeroShotTask('shape', [with_article(shape) for shape in SHAPES], single, scenes.shape[single, 0]),
        ZeroShotTask(
            'colour', [with_article(f'{c} shape') for c in COLOURS], single, scenes.colour[single, 0]
        ),
        ZeroShotTask(
            'texture', [with_article(f'{t} shape') for t in TEXTURES], single, scenes.texture[single, 0]
        ),
        ZeroShotTask(
            'count',
            ['one shape', 'two shapes', 'three shapes', 'four shapes'],
            one_kind,
            scenes.count[one_kind, 0] - 1,
        ),
        ZeroShotTask(
            'background', [f'{with_article(c)} background' for c in COLOURS], everything, scenes.background
        ),
        ZeroShotTask(
            'position', [f'a shape in the {p}' for p in POSITIONS], placed, scenes.position[placed, 0]
        ),
        ZeroShotTask('size', [with_article(f'{s} shape') for s in SIZES], placed, scenes.size[placed, 0]),
    ]
    return [task for task in tasks if len(task.rows)]
