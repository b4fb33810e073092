"""Draws a gallery of pictures to search in:

    python3 make_gallery.py OUT --count 200 --seed 1 [--heldout] [--queries questions.json]

Writes OUT/picture-0000.png and so on, each with a file of properties beside it, OUT/picture-0000.json. With
--queries also a file of questions with their right answers. The same arguments give the same files. Needs
numpy and Pillow.

Properties of a picture, a flat JSON object:
  caption     a sentence that names everything in it
  layout      "single", "group" (two to four equal objects) or "pair" (two different objects)
  background  colour of the ground
  count       number of objects
  shapes      list of the shapes in it           colours   list of the colours of its objects
  shape, colour, texture                         where all objects are equal: single and group
  size, position                                 single

Questions:
  captions       [{query, picture}]: a caption that is true of this picture alone
  short_queries  [{family, query, right, undecided}]: pictures of which the query is true; undecided are those
  where people would disagree ("a circle" where there are two), neither right nor wrong zero_shot      [{task,
  prompts, answers}]: answers maps a picture to the prompt that is right for it
"""

import argparse
import json
import os
import random

import numpy as np
from PIL import Image

from attributes import COLOURS, POSITIONS, SHAPES, SIZES, TEXTURES
from captions import full_caption
from queries import short_queries, zero_shot_tasks
from render import IMAGE_SIZE, render
from scenes import GROUP, PAIR, SINGLE, Scenes, concatenate, distinct_heldout, sample, scene_key
from truth import TRUE, UNDECIDED, truth

LARGEST_GALLERY = 100_000
_AT_ONCE = 100  # pictures in memory at a time
_LAYOUTS = {SINGLE: 'single', GROUP: 'group', PAIR: 'pair'}
# Always in a gallery, so that demonstrations can ask for them: (layout, background, side by side, first kind,
# second kind); a kind is (count, texture, colour, shape).
_SHOWN_FIRST = [
    (GROUP, 'purple', None, (2, 'solid', 'blue', 'square'), None),
    (SINGLE, 'white', None, (1, 'solid', 'red', 'circle'), None),
    (SINGLE, 'blue', None, (1, 'striped', 'yellow', 'star'), None),
    (GROUP, 'white', None, (3, 'solid', 'green', 'triangle'), None),
    (GROUP, 'black', None, (2, 'solid', 'pink', 'heart'), None),
    (PAIR, 'yellow', 1, (1, 'solid', 'red', 'circle'), (1, 'solid', 'blue', 'star')),
]


def _shown_first():
    """The scenes of _SHOWN_FIRST; single objects are large and in the middle."""
    columns = {name: [] for name in Scenes.__dataclass_fields__}
    for layout, background, side_by_side, first, second in _SHOWN_FIRST:
        kinds = (first, second or (0, None, None, None))
        single = layout == SINGLE
        columns['layout'].append(layout)
        columns['background'].append(COLOURS.index(background))
        columns['side_by_side'].append(-1 if side_by_side is None else side_by_side)
        columns['size'].append([SIZES.index('large') if single else -1, -1])
        columns['position'].append([POSITIONS.index('center') if single else -1, -1])
        columns['count'].append([kind[0] for kind in kinds])
        for name, place, values in (('texture', 1, TEXTURES), ('colour', 2, COLOURS), ('shape', 3, SHAPES)):
            columns[name].append([-1 if kind[place] is None else values.index(kind[place]) for kind in kinds])
    return Scenes(**{name: np.array(values, np.int8) for name, values in columns.items()})


def gallery_scenes(rng, count, heldout=False):
    """`count` scenes no two of which have the same attributes; single objects have a named size and place.

    heldout: only combinations that training never saw; else the first ones are those of _SHOWN_FIRST.
    """
    if heldout:
        return distinct_heldout(rng, count, free=0.0)
    scenes = concatenate(_shown_first(), sample(rng, 2 * count, (0.42, 0.26, 0.32), free=0.0))
    _, first_seen = np.unique(scene_key(scenes), return_index=True)
    return scenes.select(np.sort(first_seen)[:count])


def properties(scenes, row, caption):
    """What the file beside a picture says."""
    layout = scenes.layout[row]
    kinds = (0, 1) if layout == PAIR else (0,)
    shapes = [SHAPES[scenes.shape[row, kind]] for kind in kinds]
    colours = [COLOURS[scenes.colour[row, kind]] for kind in kinds]
    result = dict(
        caption=caption,
        layout=_LAYOUTS[layout],
        background=COLOURS[scenes.background[row]],
        count=int(scenes.count[row].sum()),
        shapes=shapes,
        colours=colours,
    )
    if layout != PAIR:
        result.update(shape=shapes[0], colour=colours[0], texture=TEXTURES[scenes.texture[row, 0]])
    if layout == SINGLE:
        result.update(size=SIZES[scenes.size[row, 0]], position=POSITIONS[scenes.position[row, 0]])
    return result


def questions(scenes, names, described):
    """What --queries writes. described: (caption, claims) of each scene."""
    verdicts = truth([said for _, said in described], scenes)
    alone = ((verdicts == TRUE) | (verdicts == UNDECIDED)).sum(1) == 1

    def named(rows):
        return [names[row] for row in np.flatnonzero(rows)]

    short = []
    for family, asked in short_queries().items():
        verdicts = truth([said for _, said in asked], scenes)
        for (query, _), verdict in zip(asked, verdicts):
            if (verdict == TRUE).any():
                right, undecided = named(verdict == TRUE), named(verdict == UNDECIDED)
                short.append(dict(family=family, query=query, right=right, undecided=undecided))
    tasks = []
    for task in zero_shot_tasks(scenes):
        answers = {names[row]: task.prompts[answer] for row, answer in zip(task.rows, task.answers)}
        tasks.append(dict(task=task.name, prompts=task.prompts, answers=answers))
    captions = [dict(query=described[row][0], picture=names[row]) for row in np.flatnonzero(alone)]
    return dict(captions=captions, short_queries=short, zero_shot=tasks)


def write_gallery(path, count, seed, heldout=False, scale=5, queries=None):
    """Writes the files. Raises OSError where they cannot be written."""
    rng = np.random.default_rng(seed)
    scenes = gallery_scenes(rng, count, heldout)
    words = random.Random(seed)
    described = [full_caption(words, scenes, row) for row in range(count)]
    names = [f'picture-{row:04d}.png' for row in range(count)]
    os.makedirs(path, exist_ok=True)
    for start in range(0, count, _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, count))
        pictures, _ = render(rng, scenes.select(np.array(rows)), scale)
        for row, picture in zip(rows, pictures):
            Image.fromarray(picture).save(os.path.join(path, names[row]))
            with open(os.path.join(path, names[row][: -len('.png')] + '.json'), 'w') as file:
                json.dump(properties(scenes, row, described[row][0]), file, indent=1)
                file.write('\n')
    if queries:
        with open(queries, 'w') as file:
            json.dump(questions(scenes, names, described), file, indent=1)
            file.write('\n')


def _number_between(low, high):
    def parse(text):
        number = int(text)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f'must be from {low} to {high}, not {number}')
        return number

    return parse


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('out', help='folder for the pictures; made if it is missing')
    add('--count', type=_number_between(1, LARGEST_GALLERY), default=200)
    add('--seed', type=int, default=1)
    add('--heldout', action='store_true', help='only combinations that the training of the model never saw')
    add(
        '--scale',
        type=_number_between(1, 20),
        default=5,
        help=f'pictures have SCALE x {IMAGE_SIZE} pixels a side',
    )
    add('--queries', help='file for the questions; keep it out of the folder of pictures')
    arguments = parser.parse_args()
    write_gallery(**{('path' if name == 'out' else name): value for name, value in vars(arguments).items()})


if __name__ == '__main__':
    main()
