"""Training batches: rendered scenes with their twins, captions, the truth of each caption for each picture.

Batch number i of a seed is always the same, so an interrupted training resumes where it was. Batches come in
blocks: one block renders BATCHES_RENDERED batches of pictures and uses each picture `passes` times, each time
with new captions and other neighbours.
"""

import multiprocessing
import os
import queue
import random
from dataclasses import dataclass

import numpy as np

import scenes as scenes_module
import tokenizer
from captions import as_request, full_caption, mixed_caption, short_caption
from render import render
from scenes import PAIR
from training_heads import scene_labels
from truth import Claim, truth

BATCHES_RENDERED = 8
# (until this part of the planned length, shares of single objects, groups, pairs)
CURRICULUM = ((0.04, (0.85, 0.15, 0.0)), (0.10, (0.55, 0.25, 0.20)), (float('inf'), (0.38, 0.24, 0.38)))


@dataclass
class Batch:
    """B pictures, B full captions (row i describes picture i) and at least B short ones.

    Twins are neighbours: pictures 2 i and 2 i + 1. Short captions beyond the first B are mixed ones, mostly
    false.
    """

    pictures: np.ndarray  # uint8 [B, 48, 48, 3]
    patch_labels: np.ndarray  # int8 [B, patches, 3]
    full_ids: np.ndarray  # int64 [B, length]
    short_ids: np.ndarray  # int64 [>= B, length]
    truth: np.ndarray  # int8 [captions, B]: full captions first
    labels: dict  # training_heads.scene_labels
    texture_said: np.ndarray  # int64 [B]: texture that the full caption names, -1 where it names none


def batches(seed, first, batch_size, passes, progress):
    """Yields batch number `first`, the next, and so on without end.

    progress(number of a batch) -> planned part of the training done by then, 0..1, which chooses the
    curriculum.
    """
    per_block = BATCHES_RENDERED * passes
    for block in range(first // per_block, 1 << 62):
        shares = next(shares for until, shares in CURRICULUM if progress(block * per_block) < until)
        skipped = max(0, first - block * per_block)
        yield from _block(seed, block, batch_size, passes, shares, skipped)


def _block(seed, block, batch_size, passes, layout_shares, skipped):
    rng = np.random.default_rng([seed, block])
    n = BATCHES_RENDERED * batch_size
    originals = scenes_module.sample(rng, n // 2, layout_shares)
    drawn = scenes_module.interleave(originals, scenes_module.twins(rng, originals))
    pictures, patch_labels = render(rng, drawn)
    for pass_number in range(passes):
        couples = rng.permutation(n // 2)
        order = np.stack([2 * couples, 2 * couples + 1], 1).reshape(-1)
        for i in range(BATCHES_RENDERED):
            if pass_number * BATCHES_RENDERED + i < skipped:
                continue
            chosen = order[i * batch_size : (i + 1) * batch_size]
            words = random.Random(f'{seed} {block} {pass_number} {i}')
            yield _describe(words, drawn.select(chosen), pictures[chosen], patch_labels[chosen])


def _describe(rng, scenes, pictures, patch_labels):
    """Writes the captions of one batch."""
    n = len(scenes)
    full = [full_caption(rng, scenes, row) for row in range(n)]
    short = [short_caption(rng, scenes, row) for row in range(n)]
    pairs = np.flatnonzero(scenes.layout == PAIR).tolist()
    short += [mixed_caption(rng, scenes, row) for row in rng.sample(pairs, min(n // 4, len(pairs)))]
    full_ids = [tokenizer.encode(as_request(rng, words, True)) for words, _ in full]
    short_ids = [tokenizer.encode(as_request(rng, words, False)) for words, _ in short]
    said = [said for _, said in full + short]
    texture_said = np.array([said[Claim.TEXTURE] for _, said in full])
    return Batch(
        pictures,
        patch_labels,
        tokenizer.pad(full_ids),
        tokenizer.pad(short_ids),
        truth(said, scenes),
        scene_labels(scenes),
        texture_said,
    )


class BatchProcess:
    """Makes batches in a process of its own, a few ahead of the trainer. One thread uses it; close() ends it.

    total_steps: planned length in steps, or 0 where the plan is by the clock: then set_progress() tells how
    far the training is, and the batches around a change of the curriculum depend on the machine's speed.
    """

    _AHEAD = 6

    def __init__(self, seed, first, batch_size, passes, total_steps):
        self._progress = multiprocessing.Value('d', 0.0)
        self._queue = multiprocessing.Queue(self._AHEAD)
        self._process = multiprocessing.Process(
            target=self._run, args=(seed, first, batch_size, passes, total_steps), daemon=True
        )
        self._started = False

    def set_progress(self, part):
        self._progress.value = part

    def next(self):
        if not self._started:
            self._process.start()
            self._started = True
        while True:
            try:
                return self._queue.get(timeout=5)
            except queue.Empty:
                if not self._process.is_alive():
                    raise RuntimeError(
                        'the process that makes batches has died; its error is printed above'
                    ) from None

    def close(self):
        if self._started:
            self._process.terminate()
            self._process.join()

    def _run(self, seed, first, batch_size, passes, total_steps):
        trainer = os.getppid()

        def progress(number):
            return number / total_steps if total_steps else self._progress.value

        for batch in batches(seed, first, batch_size, passes, progress):
            while True:
                try:
                    self._queue.put(batch, timeout=5)
                    break
                except queue.Full:
                    if os.getppid() != trainer:
                        os._exit(0)  # the trainer is gone; nobody will ever read the queue
