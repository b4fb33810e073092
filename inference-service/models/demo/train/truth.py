"""What a caption claims about a picture, and whether the claims hold.

Claims are a row of integers, one per member of `Claim`; UNSAID (-1) means not mentioned. A caption about two
objects has HAS_SECOND = 1 and describes its second object in SECOND_SHAPE and SECOND_COLOUR.
"""

from enum import IntEnum

import numpy as np

from scenes import PAIR

UNSAID = -1
PLURAL = 9  # NUMBER of "red circles": two or more
AND, LEFT_OF, ABOVE = 0, 1, 2  # values of RELATION
TRUE, FALSE, UNDECIDED = 1, 0, -1


class Claim(IntEnum):
    """Columns of a row of claims."""

    BACKGROUND = 0
    SHAPE = 1
    COLOUR = 2
    TEXTURE = 3
    SIZE = 4
    POSITION = 5
    NUMBER = 6  # 1 = exactly one, 2..4 = exactly so many, PLURAL
    HAS_SECOND = 7
    SECOND_SHAPE = 8
    SECOND_COLOUR = 9
    RELATION = 10  # AND, LEFT_OF, ABOVE
    IS_FULL = 11  # 1 = the caption names every attribute of its scene; no claim about the picture


def claims(is_full=0, **said):
    """A row of claims from names in lower case: claims(shape=3, number=1)."""
    row = [UNSAID] * len(Claim)
    row[Claim.IS_FULL] = is_full
    for name, value in said.items():
        row[Claim[name.upper()]] = value
    return row


def truth(claim_rows, scenes):
    """Decides for all pairs of T captions and N scenes at once.

    claim_rows: [T, 12] integers.  Returns int8 [T, N] of TRUE, FALSE or UNDECIDED. Undecided is what people
    would dispute (is "a circle" right where there are two?) or what the scene leaves open (the size of a free
    object); the training loss and precision@1 leave it out.
    """
    rows = np.asarray(claim_rows, np.int8)
    result = _truth_of_one_kind(rows, scenes)
    about_pairs = np.flatnonzero(rows[:, Claim.HAS_SECOND] == 1)
    if len(about_pairs):
        result[about_pairs] = _truth_of_pairs(rows[about_pairs], scenes)
    background = rows[:, Claim.BACKGROUND][:, None]
    result[(background >= 0) & (background != scenes.background[None])] = FALSE
    return result


def _truth_of_one_kind(rows, scenes):
    """[T, N], for captions that speak of one kind of object, whatever the ground."""

    def said(claim):
        return rows[:, claim][:, None]

    total, open_question = 0, False
    for kind in (0, 1):
        count = scenes.count[:, kind][None]
        matches = (count > 0) & np.ones((len(rows), 1), bool)
        for claim, values in (
            (Claim.SHAPE, scenes.shape),
            (Claim.COLOUR, scenes.colour),
            (Claim.TEXTURE, scenes.texture),
        ):
            matches &= (said(claim) < 0) | (said(claim) == values[:, kind][None])
        unknown = np.zeros(matches.shape, bool)
        for claim, values in ((Claim.SIZE, scenes.size), (Claim.POSITION, scenes.position)):
            value = values[:, kind][None]
            matches &= (said(claim) < 0) | (value < 0) | (said(claim) == value)
            unknown |= (said(claim) >= 0) & (value < 0)
        total = total + matches * count
        open_question = open_question | (matches & unknown)

    number = said(Claim.NUMBER)
    right_number = np.where(
        number == UNSAID, total >= 1, np.where(number == PLURAL, total >= 2, total == number)
    )
    result = right_number.astype(np.int8)
    result[open_question] = UNDECIDED
    several = total >= 2
    result[(number == 1) & several & (scenes.layout[None] == PAIR)] = (
        UNDECIDED  # "a circle" where there are two
    )
    one_kind = (said(Claim.SHAPE) >= 0) & (said(Claim.HAS_SECOND) < 0)
    result[(number == UNSAID) & several & one_kind] = UNDECIDED  # "red circle", several there
    of_the_object = [Claim.SHAPE, Claim.COLOUR, Claim.TEXTURE, Claim.SIZE, Claim.POSITION, Claim.NUMBER]
    result[(rows[:, of_the_object] < 0).all(1)] = TRUE  # speaks of the ground alone
    return result


def _truth_of_pairs(rows, scenes):
    """[T, N] bool, for captions that speak of two objects, whatever the ground."""

    def said(claim):
        return rows[:, claim][:, None]

    def describes(shape_claim, colour_claim, kind):
        shape_fits = (said(shape_claim) < 0) | (said(shape_claim) == scenes.shape[:, kind][None])
        colour_fits = (said(colour_claim) < 0) | (said(colour_claim) == scenes.colour[:, kind][None])
        return shape_fits & colour_fits

    in_order = describes(Claim.SHAPE, Claim.COLOUR, 0) & describes(Claim.SECOND_SHAPE, Claim.SECOND_COLOUR, 1)
    reversed_ = describes(Claim.SHAPE, Claim.COLOUR, 1) & describes(
        Claim.SECOND_SHAPE, Claim.SECOND_COLOUR, 0
    )
    relation, side_by_side = said(Claim.RELATION), scenes.side_by_side[None]
    holds = (
        ((relation == AND) & (in_order | reversed_))
        | ((relation == LEFT_OF) & (side_by_side == 1) & in_order)
        | ((relation == ABOVE) & (side_by_side == 0) & in_order)
    )
    return (scenes.layout[None] == PAIR) & holds
