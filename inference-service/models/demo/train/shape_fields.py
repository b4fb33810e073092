"""The shapes as distance-like fields: negative inside, positive outside, about 1 at one radius from the
edge."""

import math

import numpy as np
from numpy import abs, hypot, maximum, minimum


def circle(x, y):
    return hypot(x, y) - 0.95


def square(x, y):
    return maximum(abs(x), abs(y)) - 0.82


def diamond(x, y):
    return (abs(x) * 1.3 + abs(y) - 1.08) * 0.61


def triangle(x, y):
    return maximum(abs(x) * 0.866 - (y + 0.05) * 0.5, y + 0.05) - 0.60


def ring(x, y):
    return abs(hypot(x, y) - 0.72) - 0.26


def cross(x, y):
    upright = maximum(abs(x) - 0.27, abs(y) - 1)
    level = maximum(abs(y) - 0.27, abs(x) - 1)
    return minimum(upright, level)


def crescent(x, y):
    return maximum(hypot(x + 0.05, y) - 0.98, 0.80 - hypot(x - 0.42, y))


def arrow(x, y):
    """Points to the right."""
    shaft = maximum(abs(y) - 0.24, maximum(-x - 1.0, x - 0.1))
    head = maximum((x * 0.66 + abs(y) * 0.75) - 0.70, -x + 0.02)
    return minimum(shaft, head)


def heart(x, y):
    x, y = x * 1.12, -y * 1.12 + 0.12
    lobe = hypot(abs(x) - 0.5, y - 0.32) - 0.56
    tip = maximum(abs(x) * 0.78 - y * 0.62 - 0.62, y - 0.34)
    return minimum(lobe, tip) / 1.12


def star(x, y):
    """Five points: the angle is folded into one tenth of the turn, where the edge is a straight line."""
    sector = 2 * math.pi / 5
    radius, angle = hypot(x, y), np.arctan2(x, -y)
    angle = abs((angle + sector / 2) % sector - sector / 2)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    point, inner = 1.12, 0.44
    inner_along, inner_across = inner * math.cos(sector / 2), inner * math.sin(sector / 2)
    normal_along, normal_across = inner_across, point - inner_along
    length = math.hypot(normal_along, normal_across)
    return ((along - point) * normal_along + across * normal_across) / length


FIELDS = dict(
    circle=circle,
    square=square,
    triangle=triangle,
    star=star,
    diamond=diamond,
    ring=ring,
    cross=cross,
    heart=heart,
    crescent=crescent,
    arrow=arrow,
)
