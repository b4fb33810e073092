"""The gallery generator: repeatable files, and questions whose answers agree with the properties of the
pictures.

Needs numpy and Pillow. Exits with 77 where they are missing, which ctest shows as skipped.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy  # noqa: F401
    from PIL import Image
except ImportError as error:
    print('Skipped:', error, '(Debian: python3-numpy, python3-pil)')
    sys.exit(77)

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'make_gallery.py')


def make_gallery(folder, *arguments):
    """Returns ({file name: bytes}, questions)."""
    pictures, queries = os.path.join(folder, 'pictures'), os.path.join(folder, 'queries.json')
    command = [sys.executable, _PROGRAM, pictures, '--queries', queries, *arguments]
    subprocess.run(command, check=True, capture_output=True)
    files = {}
    for name in os.listdir(pictures):
        with open(os.path.join(pictures, name), 'rb') as file:
            files[name] = file.read()
    with open(queries) as file:
        return files, json.load(file)


class Gallery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            cls.files, cls.questions = make_gallery(folder, '--count', '150', '--seed', '3')
        cls.properties = {
            name: json.loads(data) for name, data in cls.files.items() if name.endswith('.json')
        }

    def of(self, picture):
        return self.properties[picture[: -len('.png')] + '.json']

    def test_every_picture_has_properties(self):
        pictures = [name for name in self.files if name.endswith('.png')]
        self.assertEqual(len(pictures), 150)
        self.assertEqual(len(self.properties), 150)
        for name in pictures:
            self.assertTrue(self.of(name)['caption'])

    def test_same_arguments_give_the_same_files(self):
        with tempfile.TemporaryDirectory() as folder:
            files, questions = make_gallery(folder, '--count', '150', '--seed', '3')
        self.assertEqual(files, self.files)
        self.assertEqual(questions, self.questions)

    def test_another_seed_gives_other_pictures(self):
        with tempfile.TemporaryDirectory() as folder:
            files, _ = make_gallery(folder, '--count', '20', '--seed', '4', '--heldout')
        common = [name for name in files if name.endswith('.png') and files[name] == self.files[name]]
        self.assertEqual(common, [])

    def test_pictures_have_the_size_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            make_gallery(folder, '--count', '2', '--scale', '1')
            with Image.open(os.path.join(folder, 'pictures', 'picture-0001.png')) as picture:
                self.assertEqual(picture.size, (48, 48))

    def test_captions_asked_are_unique(self):
        captions = [question['query'] for question in self.questions['captions']]
        self.assertGreater(len(captions), 130)
        self.assertEqual(len(set(captions)), len(captions))
        for question in self.questions['captions']:
            self.assertEqual(self.of(question['picture'])['caption'], question['query'])

    def test_answers_agree_with_the_properties(self):
        families = {}
        for question in self.questions['short_queries']:
            families.setdefault(question['family'], []).append(question)
        self.assertEqual(len(families), 5)
        for question in families['colour_shape']:
            _, colour, shape = question['query'].split()
            for picture in question['right']:
                objects = list(zip(self.of(picture)['colours'], self.of(picture)['shapes']))
                self.assertEqual(objects.count((colour, shape)), 1, question['query'])
        for question in families['texture_shape']:
            _, texture, shape = question['query'].split()
            expected = [
                name[: -len('.json')] + '.png'
                for name, each in sorted(self.properties.items())
                if (each.get('texture'), each.get('shape'), each['count']) == (texture, shape, 1)
            ]
            self.assertEqual(question['right'], expected, question['query'])

    def test_a_count_out_of_range_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, _PROGRAM, os.path.join(folder, 'x'), '--count', '0']
            done = subprocess.run(command, capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('must be from 1 to', done.stderr)


if __name__ == '__main__':
    unittest.main()
