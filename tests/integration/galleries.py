"""Galleries of drawn pictures with known answers, made by the demo model's own generator."""

import json
import os
import pathlib
import subprocess

GENERATOR = "inference-service/models/demo/train/make_gallery.py"


class Gallery:
    """Pictures in `folder`; `questions` as the generator writes them."""

    def __init__(self, folder, count, seed):
        self.folder = pathlib.Path(folder)
        questions = self.folder.with_suffix(".questions.json")
        subprocess.run(["/usr/bin/python3", str(pathlib.Path(os.environ["DIPTYCH_SOURCE_DIR"]) / GENERATOR),
                        str(self.folder), "--count", str(count), "--seed", str(seed), "--queries", str(questions)],
                       check=True)
        self.questions = json.loads(questions.read_text())

    def pictures(self):
        return sorted(path.name for path in self.folder.glob("*.png"))

    def properties(self, picture):
        return json.loads((self.folder / picture).with_suffix(".json").read_text())
