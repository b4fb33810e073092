"""A few steps of training, an interruption, and an export; needs torch (Debian: python3-torch).

Exits with 77 where torch, numpy or Pillow is missing, which ctest shows as skipped.
"""

import os
import sys
import tempfile
import unittest

try:
    import numpy as np
    import torch
    from PIL import Image  # noqa: F401
except ImportError as error:
    print('Skipped:', error, '(Debian: python3-torch, python3-numpy, python3-pil)')
    sys.exit(77)

from batches import BatchProcess, batches
from evaluate import embed_images, embed_texts
from model_directory import join_in_proj, load_model, read_safetensors, split_in_proj, write_safetensors
from queries import golden_scenes
from trainer import Trainer
from world_test import _DEMO, golden_cases

_STEPS = 20  # passes a block of batches (16), so that resuming crosses one
_STOP = 7
_BATCH = 16


def plan(step):
    return step / _STEPS


def train(trainer, last_step):
    """Trains up to `last_step`; returns the losses of each step."""
    supply = batches(1, trainer.steps, _BATCH, 2, plan)
    return [trainer.step(next(supply), plan(trainer.steps)) for _ in range(trainer.steps, last_step)]


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)  # the order of a sum depends on the number of threads

    def test_a_resumed_training_has_the_losses_of_an_uninterrupted_one(self):
        uninterrupted = Trainer()
        expected = train(uninterrupted, _STEPS)
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = os.path.join(folder, 'state.pt')
            first = Trainer()
            losses = train(first, _STOP)
            first.save(checkpoint)
            second = Trainer(seed=2)  # another start, which loading must replace altogether
            second.load(checkpoint)
            losses += train(second, _STEPS)
        self.assertEqual(losses, expected)
        for resumed, mean in zip(second.mean_model().parameters(), uninterrupted.mean_model().parameters()):
            self.assertTrue(torch.equal(resumed, mean))

    def test_training_learns(self):
        losses = train(Trainer(), _STEPS)

        def patch_loss(part):
            return sum(each['patches'] for each in part) / len(part)

        self.assertLess(patch_loss(losses[-5:]), 0.9 * patch_loss(losses[:5]))

    def test_the_batch_process_makes_the_same_batches(self):
        supply = BatchProcess(1, 3, _BATCH, 2, _STEPS)
        try:
            made = supply.next()
        finally:
            supply.close()
        expected = next(batches(1, 3, _BATCH, 2, plan))
        np.testing.assert_array_equal(made.pictures, expected.pictures)
        np.testing.assert_array_equal(made.short_ids, expected.short_ids)
        np.testing.assert_array_equal(made.truth, expected.truth)


class ModelDirectory(unittest.TestCase):
    def test_weights_survive_export(self):
        state = Trainer().model.state_dict()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'model.safetensors')
            write_safetensors(path, split_in_proj(state))
            read = join_in_proj(read_safetensors(path))
        self.assertEqual(set(read), set(state))
        for name, value in state.items():
            self.assertTrue(torch.equal(read[name], value.half().float()), name)

    def test_the_shipped_weights_give_the_golden_embeddings(self):
        model = load_model(os.path.join(_DEMO, 'model'))
        _, pictures, captions = golden_scenes()
        for name, made in (
            ('image_embed', embed_images(model, pictures)),
            ('text_embed', embed_texts(model, captions)),
        ):
            golden = np.array([case[name] for case in golden_cases()])
            cosine = (made * golden).sum(1) / np.linalg.norm(golden, axis=1)
            self.assertGreater(cosine.min(), 0.99999, name)


if __name__ == '__main__':
    unittest.main()
