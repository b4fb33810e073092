"""The vocabulary of the demonstration world: what a drawn scene can consist of, and the words for it.

An attribute value is everywhere its index in one of these lists; the lists' order is part of the shipped
weights' hold-out (scenes.held_out), so values are appended, never reordered.
"""

# Two anchors per colour; a rendered colour is drawn between them, plus noise.
COLOUR_ANCHORS = {
    'red': ((255, 0, 0), (205, 30, 35)),
    'green': ((0, 225, 0), (20, 130, 45)),
    'blue': ((0, 0, 255), (35, 75, 215)),
    'yellow': ((255, 255, 0), (240, 215, 40)),
    'orange': ((255, 165, 0), (245, 130, 20)),
    'purple': ((128, 0, 128), (140, 45, 190)),
    'pink': ((255, 185, 205), (250, 135, 185)),
    'cyan': ((0, 255, 255), (50, 200, 220)),
    'brown': ((139, 69, 19), (110, 70, 35)),
    'white': ((255, 255, 255), (240, 240, 240)),
    'black': ((0, 0, 0), (28, 28, 28)),
    'grey': ((128, 128, 128), (150, 150, 150)),
}
COLOURS = list(COLOUR_ANCHORS)
SHAPES = ['circle', 'square', 'triangle', 'star', 'diamond', 'ring', 'cross', 'heart', 'crescent', 'arrow']
TEXTURES = ['solid', 'striped', 'dotted', 'checkered']
SIZES = ['small', 'medium', 'large']
POSITIONS = [
    'top left',
    'top',
    'top right',
    'left',
    'center',
    'right',
    'bottom left',
    'bottom',
    'bottom right',
]
NUMBER_WORDS = {1: 'one', 2: 'two', 3: 'three', 4: 'four'}

# What is said instead now and then.
SYNONYMS = {
    'small': ('tiny', 'little'),
    'large': ('big', 'huge'),
    'solid': ('plain',),
    'striped': ('stripy',),
    'dotted': ('spotted',),
    'checkered': ('checked',),
}

# Words of the captions beside the attributes; each becomes one token (tokenizer.py).
FUNCTION_WORDS = (
    'a an the one two three four some on in of to and with next left right above below under top bottom '
    'center centre middle corner background picture photo image drawing show me find something anything '
    'shape shapes object objects thing things moon moons gray color colour there is are it this containing '
    'showing pictures images photos i want am looking for search can you give simple sketch where see '
    'painting get please tiny little big huge plain stripy spotted checked upper lower stripes dots that'
).split()


def plural(noun):
    return noun + ('es' if noun.endswith('s') else 's')


def with_article(words):
    return ('an ' if words[0] in 'aeiou' else 'a ') + words
