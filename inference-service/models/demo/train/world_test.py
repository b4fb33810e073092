"""The demonstration world stays as the shipped weights learned it: hold-out, captions, pictures, tokenizer,
truth.

Needs numpy and Pillow. Exits with 77 where they are missing, which ctest shows as skipped.
"""

import hashlib
import json
import os
import random
import sys
import tempfile
import unittest

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    print('Skipped:', error, '(Debian: python3-numpy, python3-pil)')
    sys.exit(77)

import captions
import tokenizer
from queries import golden_scenes
from scenes import PAIR, SINGLE, Scenes, held_out, sample, scene_key, twins
from tokenizer_files import write_tokenizer_files
from truth import ABOVE, FALSE, LEFT_OF, TRUE, UNDECIDED, claims, truth

_DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
    return digest.hexdigest()


def scene_bytes(scenes):
    return b''.join(getattr(scenes, name).tobytes() for name in Scenes.__dataclass_fields__)


def golden_cases():
    with open(os.path.join(_DEMO, 'golden', 'golden.json')) as file:
        return json.load(file)['cases']


def one_scene(layout, shapes, colours, count, background=9, side_by_side=-1, texture=0):
    def pair(first, second=-1):
        return np.array([[first, second]], np.int8)

    return Scenes(
        np.array([layout], np.int8),
        np.array([background], np.int8),
        np.array([side_by_side], np.int8),
        pair(*shapes),
        pair(*colours),
        pair(texture, 0 if layout == PAIR else -1),
        pair(-1),
        pair(-1),
        pair(*count),
    )


class SeedsMeanTheSameScenes(unittest.TestCase):
    def test_training_scenes_and_their_twins(self):
        rng = np.random.default_rng(11)
        scenes = sample(rng, 2000)
        self.assertEqual(
            sha256(scene_bytes(scenes)), '77cc5a408bd0b9b2e0cce3671692b4d4b00b3ea73da1e9dfd7c72861c3e907ce'
        )
        self.assertEqual(
            sha256(scene_bytes(twins(rng, scenes))),
            '5c16c7fc9bbacec6c84f7419aabeff6e276c9cdd7ecf5f640fdd16f3c3e4d349',
        )

    def test_held_out_split(self):
        scenes = sample(np.random.default_rng(12), 2000, heldout=True)
        self.assertTrue(held_out(scenes).all())
        self.assertEqual(
            sha256(scene_key(scenes).tobytes()),
            'ecea9f324d6914b15f91d4eca937ad8c8100aad855058a1e88e496899971cacb',
        )

    def test_training_never_draws_a_held_out_scene(self):
        rng = np.random.default_rng(13)
        scenes = sample(rng, 3000)
        self.assertFalse(held_out(scenes).any())
        self.assertFalse(held_out(twins(rng, scenes)).any())

    def test_captions(self):
        scenes, rng = sample(np.random.default_rng(14), 1000), random.Random(14)
        lines = []
        for row in range(len(scenes)):
            for make in (captions.full_caption, captions.short_caption):
                words, said = make(rng, scenes, row)
                lines.append(f'{captions.as_request(rng, words, make is captions.full_caption)} {said}\n')
        self.assertEqual(sha256(*lines), 'db5998f63ab3cf22981d94ffb8f2275965494edd375e8bb987012c1820696999')


class GoldenCases(unittest.TestCase):
    """Pictures are compared by value: the last bit of sine and cosine differs between processors."""

    def test_pictures_are_drawn_again(self):
        _, pictures, _ = golden_scenes()
        for case, picture in zip(golden_cases(), pictures):
            expected = np.asarray(Image.open(os.path.join(_DEMO, 'golden', case['image']))).astype(int)
            difference = np.abs(expected - picture)
            self.assertLessEqual(difference.max(), 1, case['image'])
            self.assertLess((difference > 0).mean(), 0.001, case['image'])

    def test_captions_and_ids_are_made_again(self):
        _, _, made = golden_scenes()
        cases = golden_cases()
        self.assertEqual([case['caption'] for case in cases], made)
        self.assertEqual([case['input_ids'] for case in cases], [tokenizer.encode(words) for words in made])


class TokenizerFiles(unittest.TestCase):
    def test_are_byte_identical_to_the_shipped_ones(self):
        with tempfile.TemporaryDirectory() as folder:
            write_tokenizer_files(folder)
            for name in ('vocab.json', 'merges.txt', 'tokenizer.json', 'tokenizer_config.json'):
                with open(os.path.join(folder, name), 'rb') as made:
                    with open(os.path.join(_DEMO, 'model', name), 'rb') as shipped:
                        self.assertEqual(made.read(), shipped.read(), name)

    def test_long_captions_keep_their_end_token(self):
        ids = tokenizer.encode('star ' * 100)
        self.assertEqual(len(ids), tokenizer.CONTEXT_LENGTH)
        self.assertEqual(ids[-1], tokenizer.END_ID)


class Truth(unittest.TestCase):
    def verdict(self, scene, **said):
        return truth([claims(**said)], scene)[0, 0]

    def test_single_object(self):
        red_circle = one_scene(SINGLE, (0,), (0,), (1, 0))
        self.assertEqual(self.verdict(red_circle, shape=0, colour=0, number=1), TRUE)
        self.assertEqual(self.verdict(red_circle, shape=0, colour=1, number=1), FALSE)
        self.assertEqual(self.verdict(red_circle, shape=0, number=2), FALSE)
        self.assertEqual(self.verdict(red_circle, shape=0, background=8), FALSE)
        self.assertEqual(self.verdict(red_circle, shape=0, size=1), UNDECIDED)

    def test_pair(self):
        red_circle_above_blue_star = one_scene(PAIR, (0, 3), (0, 2), (1, 1), side_by_side=0)
        said = dict(shape=0, second_shape=3, has_second=1)
        self.assertEqual(self.verdict(red_circle_above_blue_star, relation=ABOVE, **said), TRUE)
        self.assertEqual(self.verdict(red_circle_above_blue_star, relation=LEFT_OF, **said), FALSE)
        self.assertEqual(self.verdict(red_circle_above_blue_star, shape=3, colour=0, number=1), FALSE)

    def test_a_full_caption_is_true_of_its_own_scene(self):
        scenes, rng = sample(np.random.default_rng(15), 500), random.Random(15)
        rows = [captions.full_caption(rng, scenes, row)[1] for row in range(len(scenes))]
        self.assertTrue((truth(rows, scenes).diagonal() == TRUE).all())


if __name__ == '__main__':
    unittest.main()
