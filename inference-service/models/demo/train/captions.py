"""Captions: English about a scene, with the claims they make.

Every function takes a random.Random and the row of one scene in its batch, and returns (caption, row of
claims).
"""

from attributes import (
    COLOURS,
    FUNCTION_WORDS,
    NUMBER_WORDS,
    POSITIONS,
    SHAPES,
    SIZES,
    SYNONYMS,
    TEXTURES,
    plural,
    with_article,
)
from scenes import GROUP, PAIR, SINGLE
from truth import ABOVE, AND, LEFT_OF, PLURAL, UNSAID, Claim, claims

_OPENINGS = ['', '', '', ''] + [
    opening + ' '
    for opening in (
        'a photo of',
        'a picture of',
        'an image of',
        'a drawing of',
        'photo of',
        'picture of',
        'image of',
        'show me',
        'find',
    )
]
_RARE_OPENINGS = [
    opening + ' '
    for opening in (
        'there is',
        'this is',
        'a picture with',
        'an image containing',
        'a photo showing',
        'pictures of',
        'images of',
        'photos of',
        'i want',
        'i am looking for',
        'search for',
        'a drawing with',
        'can you find',
        'give me',
        'a simple picture of',
        'a sketch of',
        'where is',
        'i see',
        'a painting of',
        'get',
        'the picture with',
        'an image with',
        'images with',
        'pictures with',
    )
]
_MEANINGLESS = (
    'my your our his her dog cat house favourite favorite nice beautiful lovely best new old all every any '
    'more most only just really very here now what which how many much has have had like likes love need '
    'would could should some one who when why because said made of for from by at we they he she was were '
    'be been do does did not hello hi ok thanks file files png jpg screenshot logo icon sticker card page '
    'book table street car tree people world time day year good great display example sample demo test '
    'query results result'
).split()
_ENDINGS = (' .', ' .', ' !', ' ?', ' ,', ' : )')
_LETTERS = 'etaoinshrdlcumwfgypbvkjqxz'
_KNOWN_WORDS = set(FUNCTION_WORDS) | set(COLOURS) | set(SHAPES) | set(TEXTURES) | set(SIZES)


# ------------------------------------------------------------------------------------- words and phrases
def _colour(rng, colour):
    return 'gray' if COLOURS[colour] == 'grey' and rng.random() < 0.3 else COLOURS[colour]


def _shape(rng, shape):
    return 'moon' if SHAPES[shape] == 'crescent' and rng.random() < 0.3 else SHAPES[shape]


def _number(rng, number):
    return str(number) if rng.random() < 0.12 else NUMBER_WORDS[number]


def _or_synonym(rng, word):
    return rng.choice(SYNONYMS[word]) if word in SYNONYMS and rng.random() < 0.2 else word


def _place(rng, position):
    words = POSITIONS[position]
    is_center, is_corner = position == 4, position in (0, 2, 6, 8)
    if rng.random() < 0.12:
        words = words.replace('top ', 'upper ').replace('bottom ', 'lower ')
    if is_center and rng.random() < 0.3:
        words = 'centre'
    if is_center and rng.random() < 0.2:
        words = 'middle'
    if is_corner and rng.random() < 0.5:
        words += ' corner'
    return ' in the ' + words


def _ground(rng, background):
    colour = _colour(rng, background)
    return f' on {with_article(colour)} background' if rng.random() < 0.8 else f' on {colour}'


# ---------------------------------------------------------------------------------------------- captions
def full_caption(rng, scenes, row):
    """Names every attribute of the scene."""
    said = claims(is_full=1, background=int(scenes.background[row]))
    layout = scenes.layout[row]
    if layout == SINGLE:
        words = _full_single(rng, scenes, row, said)
    elif layout == GROUP:
        words = _full_group(rng, scenes, row, said)
    else:
        words = _pair(rng, scenes, row, said, say_colour=1.0, say_shape=1.0, say_relation=True)
    return words + _ground(rng, said[Claim.BACKGROUND]), said


def _full_single(rng, scenes, row, said):
    for claim, values in (
        (Claim.SHAPE, scenes.shape),
        (Claim.COLOUR, scenes.colour),
        (Claim.TEXTURE, scenes.texture),
        (Claim.SIZE, scenes.size),
        (Claim.POSITION, scenes.position),
    ):
        said[claim] = int(values[row, 0])
    said[Claim.NUMBER] = 1
    texture = _or_synonym(rng, TEXTURES[said[Claim.TEXTURE]])
    words = f'{texture} {_colour(rng, said[Claim.COLOUR])} {_shape(rng, said[Claim.SHAPE])}'
    if said[Claim.SIZE] == UNSAID:
        return with_article(words)
    size = _or_synonym(rng, SIZES[said[Claim.SIZE]])
    return with_article(f'{size} {words}') + _place(rng, said[Claim.POSITION])


def _full_group(rng, scenes, row, said):
    said[Claim.SHAPE], said[Claim.COLOUR] = int(scenes.shape[row, 0]), int(scenes.colour[row, 0])
    said[Claim.NUMBER] = int(scenes.count[row, 0])
    texture, texture_words = int(scenes.texture[row, 0]), ''
    if texture or rng.random() < 0.3:
        said[Claim.TEXTURE] = texture
        texture_words = _or_synonym(rng, TEXTURES[texture]) + ' '
    number = _number(rng, said[Claim.NUMBER])
    colour = _colour(rng, said[Claim.COLOUR])
    return f'{number} {texture_words}{colour} {plural(_shape(rng, said[Claim.SHAPE]))}'


def _pair(rng, scenes, row, said, say_colour, say_shape, say_relation):
    """Words for the two objects of a pair. say_colour, say_shape: probabilities that an object's is named."""
    said[Claim.HAS_SECOND] = 1
    objects = []
    order = (0, 1) if say_relation or rng.random() < 0.5 else (1, 0)
    columns = ((Claim.SHAPE, Claim.COLOUR), (Claim.SECOND_SHAPE, Claim.SECOND_COLOUR))
    for kind, (shape_claim, colour_claim) in zip(order, columns):
        shape, colour = int(scenes.shape[row, kind]), int(scenes.colour[row, kind])
        shape_said, colour_said = rng.random() < say_shape, rng.random() < say_colour
        said[shape_claim] = shape if shape_said or not colour_said else UNSAID
        said[colour_claim] = colour if colour_said else UNSAID
        words = _colour(rng, colour) + ' ' if colour_said else ''
        named = said[shape_claim] != UNSAID
        words += _shape(rng, shape) if named else rng.choice(('shape', 'object'))
        objects.append(with_article(words))
    first, second = objects
    if not say_relation:
        said[Claim.RELATION] = AND
        if rng.random() < 0.7:
            return f'{first} and {second}'
        return f'{first} with {second}' if rng.random() < 0.4 else f'{first} next to {second}'
    if scenes.side_by_side[row] == 1:
        said[Claim.RELATION] = LEFT_OF
        forward, backward = 'to the left of', 'to the right of'
        if rng.random() < 0.4:
            forward, backward = rng.choice(((forward, backward), ('left of', 'right of')))
    else:
        said[Claim.RELATION] = ABOVE
        forward, backward = 'above', rng.choice(('below', 'below', 'under'))
    return f'{first} {forward} {second}' if rng.random() < 0.5 else f'{second} {backward} {first}'


def short_caption(rng, scenes, row):
    """Names a random part of the attributes, in varied phrasing."""
    said = claims(is_full=0)
    background = int(scenes.background[row])
    if rng.random() < 0.03:
        return _ground_alone(rng, background, said), said
    is_pair = scenes.layout[row] == PAIR
    if is_pair and rng.random() < 0.55:
        relation = rng.random() < 0.6
        words = _pair(rng, scenes, row, said, say_colour=0.75, say_shape=0.85, say_relation=relation)
        say_ground = 0.15
    else:
        words = _short_one_kind(rng, scenes, row, said)
        say_ground = 0.25
    if rng.random() < say_ground:
        said[Claim.BACKGROUND] = background
        words += _ground(rng, background)
    return words, said


def _ground_alone(rng, background, said):
    said[Claim.BACKGROUND] = background
    colour = _colour(rng, background)
    ground = f'{with_article(colour)} background'
    return rng.choice((ground, f'on {ground}', f'something on {ground}', f'anything on {colour}'))


def _short_one_kind(rng, scenes, row, said):
    """Words for one kind of object: of a pair, for either of the two. The order of the draws matters."""
    layout = scenes.layout[row]
    kind = int(rng.random() < 0.5) if layout == PAIR else 0
    shape, colour = int(scenes.shape[row, kind]), int(scenes.colour[row, kind])
    colour_said, shape_said = rng.random() < 0.6, rng.random() < 0.8
    adjectives, afterwards = [], ''
    placed = layout == SINGLE and scenes.position[row, 0] >= 0
    if placed and rng.random() < 0.2:
        said[Claim.SIZE] = int(scenes.size[row, 0])
        adjectives.append(_or_synonym(rng, SIZES[said[Claim.SIZE]]))
    if (layout == SINGLE and rng.random() < 0.35) or (layout == GROUP and rng.random() < 0.2):
        texture = said[Claim.TEXTURE] = int(scenes.texture[row, 0])
        if texture in (1, 2) and rng.random() < 0.12:
            afterwards = (' with stripes', ' with dots')[texture - 1]
        else:
            adjectives.append(_or_synonym(rng, TEXTURES[texture]))
    if colour_said:
        said[Claim.COLOUR] = colour
        adjectives.append(_colour(rng, colour))
    if shape_said or not adjectives:
        said[Claim.SHAPE] = shape
    if layout == GROUP:
        words = _several(rng, adjectives, int(scenes.count[row, 0]), said) + afterwards
    else:
        words = _one(rng, adjectives, afterwards, said)
    if placed and rng.random() < 0.2:
        said[Claim.POSITION] = int(scenes.position[row, 0])
        words += _place(rng, said[Claim.POSITION])
    return words


def _several(rng, adjectives, count, said):
    """'two red circles', 'red circles', 'some red circles', 'something red'."""
    manner = rng.random()
    shape_said = said[Claim.SHAPE] != UNSAID
    noun = (
        plural(_shape(rng, said[Claim.SHAPE])) if shape_said else rng.choice(('shapes', 'objects', 'things'))
    )
    if manner < 0.65:
        said[Claim.NUMBER] = count
        adjectives = [_number(rng, count)] + adjectives
    elif manner < 0.9:
        said[Claim.NUMBER] = PLURAL
        adjectives = (['some'] if manner < 0.72 else []) + adjectives
    elif not shape_said:
        adjectives, noun = ['something'] + adjectives, ''
    else:
        said[Claim.NUMBER] = PLURAL
    return ' '.join(adjectives + [noun]).strip()


def _one(rng, adjectives, afterwards, said):
    """'a red circle', 'one red circle', 'red circle', 'something red'."""
    manner = rng.random()
    shape_said = said[Claim.SHAPE] != UNSAID
    if not shape_said and manner < 0.25:
        return ('something ' if manner < 0.18 else 'anything ') + ' '.join(adjectives) + afterwards
    noun = _shape(rng, said[Claim.SHAPE]) if shape_said else rng.choice(('shape', 'object', 'thing'))
    words = ' '.join(adjectives + [noun]) + afterwards
    if manner < 0.80:
        said[Claim.NUMBER] = 1
        return with_article(words)
    if manner < 0.88:
        said[Claim.NUMBER] = 1
        return f'{_number(rng, 1)} {words}'
    return words


def mixed_caption(rng, scenes, row):
    """A short caption with the colour of one object of a pair and the shape of the other: usually false."""
    kind = int(rng.random() < 0.5)
    colour, shape = int(scenes.colour[row, kind]), int(scenes.shape[row, 1 - kind])
    said = claims(is_full=0, colour=colour, shape=shape, number=1)
    words = with_article(f'{_colour(rng, colour)} {_shape(rng, shape)}')
    if rng.random() < 0.4:
        said[Claim.BACKGROUND] = int(scenes.background[row])
        words += _ground(rng, said[Claim.BACKGROUND])
    return words, said


def as_request(rng, caption, is_full):
    """Wraps a caption in a way of asking, now and then with words and signs that mean nothing to the
    model."""
    openings = _OPENINGS if is_full or rng.random() < 0.7 else _RARE_OPENINGS
    caption = rng.choice(openings) + caption
    if rng.random() < 0.02:
        caption += ' please'
    if rng.random() < (0.04 if is_full else 0.14):
        caption = _with_meaningless_words(rng, caption)
    if rng.random() < 0.08:
        caption += rng.choice(_ENDINGS)
    return caption


def _with_meaningless_words(rng, caption):
    words = caption.split()
    at = rng.choice((0, len(words), rng.randrange(len(words) + 1)))
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rng.random() < 0.6:
            word = rng.choice(_MEANINGLESS)
        else:
            word = ''.join(rng.choice(_LETTERS) for _ in range(rng.randint(2, 6)))
        if word not in _KNOWN_WORDS:
            words.insert(at, word)
    return ' '.join(words)
