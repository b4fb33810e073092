"""A picture for people: twelve short queries with the five pictures each finds first."""

import numpy as np
from PIL import Image, ImageDraw

from attributes import COLOURS, POSITIONS, SHAPES, SIZES, TEXTURES
from evaluate import embed_images, embed_texts
from queries import held_out_gallery
from render import IMAGE_SIZE
from truth import ABOVE, FALSE, LEFT_OF, TRUE, UNDECIDED, claims, truth

_SHOWN = 5
_BORDERS = {TRUE: (0, 170, 0), FALSE: (220, 0, 0), UNDECIDED: (130, 130, 130)}
_QUERIES = [
    ('a red circle', dict(shape='circle', colour='red', number=1)),
    ('two hearts', dict(shape='heart', number=2)),
    ('a striped star', dict(shape='star', texture='striped', number=1)),
    (
        'a blue square on a yellow background',
        dict(shape='square', colour='blue', background='yellow', number=1),
    ),
    ('three green triangles', dict(shape='triangle', colour='green', number=3)),
    ('something purple', dict(colour='purple')),
    ('a dotted ring', dict(shape='ring', texture='dotted', number=1)),
    ('a large arrow', dict(shape='arrow', size='large', number=1)),
    ('a star above a circle', dict(shape='star', second_shape='circle', has_second=1, relation=ABOVE)),
    (
        'a heart to the left of a diamond',
        dict(shape='heart', second_shape='diamond', has_second=1, relation=LEFT_OF),
    ),
    ('a crescent in the top right corner', dict(shape='crescent', position='top right', number=1)),
    ('four shapes on a white background', dict(number=4, background='white')),
]
_VALUES = dict(
    shape=SHAPES,
    second_shape=SHAPES,
    colour=COLOURS,
    background=COLOURS,
    texture=TEXTURES,
    size=SIZES,
    position=POSITIONS,
)


def _claims_by_word(said):
    return claims(
        **{name: _VALUES[name].index(value) if name in _VALUES else value for name, value in said.items()}
    )


def write(model, path, n=4000, seed=4700):
    """Asks a gallery of n held-out pictures. Green border: true, red: false, grey: undecided."""
    scenes, pictures = held_out_gallery(n, seed)
    similarity = embed_texts(model, [text for text, _ in _QUERIES]) @ embed_images(model, pictures).T
    verdicts = truth([_claims_by_word(said) for _, said in _QUERIES], scenes)
    side, gap, caption_height = 2 * IMAGE_SIZE, 10, 22
    column_width, row_height = _SHOWN * (side + gap) + 2 * gap, side + caption_height + 12
    sheet = Image.new('RGB', (2 * column_width, len(_QUERIES) // 2 * row_height), (235, 235, 235))
    pen = ImageDraw.Draw(sheet)
    for query, (text, _) in enumerate(_QUERIES):
        left, top = query % 2 * column_width + gap, query // 2 * row_height
        right = int((verdicts[query] == TRUE).sum())
        pen.text((left, top + 6), f'{text}   ({right} true of {n})', (0, 0, 0))
        for place, i in enumerate(np.argsort(-similarity[query])[:_SHOWN]):
            x, y = left + place * (side + gap), top + caption_height
            pen.rectangle((x - 3, y - 3, x + side + 2, y + side + 2), _BORDERS[int(verdicts[query, i])])
            sheet.paste(Image.fromarray(pictures[i]).resize((side, side), Image.NEAREST), (x, y))
    sheet.save(path)
