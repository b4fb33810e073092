"""The figures of the model card, from embeddings alone: whoever makes them, torch or the service, is measured
alike.

`embed_texts` is everywhere a function: list of n strings -> float [n, d]; `images` is float [N, d], one row
per scene; both of length 1.
"""

import random

import numpy as np

from captions import full_caption
from queries import short_queries, zero_shot_tasks
from scenes import GROUP, PAIR, SINGLE
from truth import TRUE, truth

_LAYOUT_NAMES = {SINGLE: 'single', GROUP: 'count', PAIR: 'pair'}


def _rounded(values):
    return round(float(np.mean(values)), 4)


def full_captions(scenes, seed=3):
    """One full caption per scene, in order."""
    rng = random.Random(seed)
    return [full_caption(rng, scenes, row)[0] for row in range(len(scenes))]


def recall(embed_texts, scenes, images):
    """How often a picture's own full caption finds it first (t2i_r1) or among five, and the reverse
    (i2t_r1)."""
    similarity = embed_texts(full_captions(scenes)) @ images.T
    own = similarity.diagonal()
    better_images = (similarity > own[:, None]).sum(1)
    better_captions = (similarity > own[None]).sum(0)
    result = dict(
        n=len(scenes),
        t2i_r1=_rounded(better_images < 1),
        t2i_r5=_rounded(better_images < 5),
        i2t_r1=_rounded(better_captions < 1),
    )
    for layout, name in _LAYOUT_NAMES.items():
        if (scenes.layout == layout).any():
            result['t2i_r1_' + name] = _rounded(better_images[scenes.layout == layout] < 1)
    return result


def short_query_precision(embed_texts, scenes, images, wording=lambda text: text):
    """Per family of short queries: precision@1 (p1) and R-precision (rprec), strictly (undecided counts as
    wrong).

    Queries without a true picture in the gallery are left out. `wording` rewrites each query.
    """
    result = {}
    for family, queries in short_queries().items():
        right = truth([said for _, said in queries], scenes) == TRUE
        asked = np.flatnonzero(right.any(1))
        similarity = embed_texts([wording(queries[i][0]) for i in asked]) @ images.T
        first_right, found, total = [], 0, 0
        for i, row in zip(asked, similarity):
            count = right[i].sum()
            best = np.argsort(-row)[:count]
            first_right.append(right[i, best[0]])
            found += right[i, best].sum()
            total += count
        result[family] = dict(n=len(asked), p1=_rounded(first_right), rprec=round(float(found / total), 4))
    return result


def zero_shot(embed_texts, scenes, images):
    """Accuracy of classification by prompts, per task of queries.zero_shot_tasks."""
    result = {}
    for task in zero_shot_tasks(scenes):
        nearest = (images[task.rows] @ embed_texts(task.prompts).T).argmax(1)
        result[task.name] = _rounded(nearest == task.answers)
    return result
