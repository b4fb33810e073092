"""The whole system: both services as processes, driven through the command line.

A folder of 200 pictures is imported and searched by text, by picture and within filters; the storage service is killed
in the middle of an import and started again; the inference service goes away and comes back; broken input is refused
and changes nothing.
"""

import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

from galleries import Gallery
from services import Services, binary

COLLECTION = "gallery"
PICTURES = 200


def ids(answer):
    return [result["id"] for result in answer["results"]]


def png(width, height, rows):
    """A greyscale PNG whose header may lie about what follows."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class WholeSystemTest(unittest.TestCase):
    """One pair of services and one gallery for all tests; each test uses a collection of its own to write."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.gallery = Gallery(pathlib.Path(cls.directory.name) / "pictures", PICTURES, seed=20)
        cls.services = Services(cls.directory.name)
        cls.services.__enter__()
        cls.addClassCleanup(cls.services.__exit__)
        cls.services.cli("import", cls.gallery.folder, "--collection", COLLECTION)

    def search(self, *query, collection=COLLECTION):
        return self.services.cli("search", "--collection", collection, *query)

    def count(self, collection=COLLECTION):
        return self.services.cli("count", "--collection", collection)["count"]

    def refuses(self, *arguments, code, words=()):
        """Runs a command that must fail with this code, and whose message must have these words."""
        done = self.services.run("--json", *arguments)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        error = json.loads(done.stderr)["error"]
        self.assertEqual(error["code"], code, error)
        for word in words:
            self.assertIn(word, json.dumps(error), error)
        return error

    def assert_right_answers(self):
        asked = self.gallery.questions["captions"][:40]
        right = sum(ids(self.search("--text", question["query"], "--top-k", "1")) == [question["picture"]]
                    for question in asked)
        self.assertGreaterEqual(right, 39, "captions that found their picture, of 40")

    def test_everything_is_imported_with_its_properties(self):
        self.assertEqual(self.count(), PICTURES)
        picture = self.gallery.pictures()[0]
        found = self.services.cli("get", "--collection", COLLECTION, picture)["objects"][0]
        for name, value in self.gallery.properties(picture).items():
            self.assertEqual(found["properties"][name], value)
        self.assertEqual(found["properties"]["image"]["$image"]["size_bytes"],
                         (self.gallery.folder / picture).stat().st_size)

    def test_sentences_find_pictures(self):
        self.assert_right_answers()

    def test_short_sentences_find_pictures_of_which_they_are_true(self):
        asked = self.gallery.questions["short_queries"][:60]
        right = 0
        for question in asked:
            undecided = set(question["undecided"])
            decided = [name for name in ids(self.search("--text", question["query"])) if name not in undecided]
            right += bool(decided) and decided[0] in question["right"]
        self.assertGreaterEqual(right, 0.95 * len(asked))

    def test_a_picture_finds_itself_and_an_object_its_likes(self):
        for picture in self.gallery.pictures()[:10]:
            answer = self.search("--image", self.gallery.folder / picture, "--top-k", "1")
            self.assertEqual(ids(answer), [picture])
            self.assertAlmostEqual(answer["results"][0]["distance"], 0, places=4)
            self.assertAlmostEqual(answer["results"][0]["certainty"], 1, places=4)
            likes = self.search("--id", picture, "--top-k", "3")
            self.assertEqual(len(ids(likes)), 3)
            self.assertNotIn(picture, ids(likes))

    def test_filters_let_through_what_they_should(self):
        cases = {
            "colour == 'red'": lambda p: p.get("colour") == "red",
            "count >= 2 AND background != 'blue'": lambda p: p["count"] >= 2 and p["background"] != "blue",
            "colours CONTAINS 'green' OR shape == 'star'":
                lambda p: "green" in p["colours"] or p.get("shape") == "star",
        }
        for expression, predicate in cases.items():
            expected = {name for name in self.gallery.pictures() if predicate(self.gallery.properties(name))}
            found = ids(self.search("--text", "a star", "--filter", expression, "--top-k", "200"))
            self.assertEqual(set(found), expected, expression)
            counted = self.services.cli("count", "--collection", COLLECTION, "--filter", expression)["count"]
            self.assertEqual(counted, len(expected), expression)

    def test_kill_in_the_middle_of_an_import_loses_nothing_acknowledged(self):
        collection = "killed"
        importing = self.services.popen("import", self.gallery.folder, "--collection", collection, "--batch", "4",
                                        "--max-in-flight", "2")
        self.await_acknowledged(importing, collection, 20)
        self.services.kill_storage()
        importing.send_signal(signal.SIGINT)
        importing.wait(timeout=300)
        importing.stdout.close()
        acknowledged = self.acknowledged_ids(collection)
        self.assertGreaterEqual(len(acknowledged), 20)
        if len(acknowledged) == PICTURES:
            print("the import was over before the kill: this machine was busy with other things")

        self.services.start_storage()
        got = self.services.cli("get", "--collection", collection, *acknowledged)
        self.assertEqual([found["id"] for found in got["objects"]], acknowledged)
        for picture in acknowledged[:25]:
            answer = self.search("--image", self.gallery.folder / picture, "--top-k", "1", collection=collection)
            self.assertEqual(ids(answer), [picture])
            for name, value in self.gallery.properties(picture).items():
                self.assertEqual(answer["results"][0]["properties"][name], value)
        # The first collection answers as before, and the import goes on where it stopped.
        self.assert_right_answers()
        self.services.cli("import", self.gallery.folder, "--collection", collection)
        self.assertEqual(self.count(collection), PICTURES)

    def acknowledged_ids(self, collection):
        """What the import's journal says was acknowledged."""
        for path in (pathlib.Path(self.directory.name) / "state" / "diptych" / "imports").glob("*"):
            lines = path.read_text().split("\n")
            if lines[0] and json.loads(lines[0]).get("collection") == collection:
                # Behind the last line break lies a torn line, or nothing.
                return [json.loads(line)["id"] for line in lines[1:-1]]
        return []

    def await_acknowledged(self, importing, collection, count):
        while importing.poll() is None and len(self.acknowledged_ids(collection)) < count:
            time.sleep(0.005)
        if importing.poll() not in (None, 0):
            self.fail(f"the import failed: {importing.stdout.read()}\n{self.services.log_tail()}")

    def test_a_restart_serves_the_same_answers(self):
        query = ("--text", "two hearts", "--top-k", "20")
        before = self.search(*query)
        self.assertEqual(self.services.stop("storage-server"), 0)
        self.services.start_storage()
        self.assertEqual(self.search(*query), before)

    def test_without_inference_vectors_are_still_searched(self):
        picture = self.gallery.pictures()[3]
        before = self.search("--id", picture)
        self.assertEqual(self.services.stop("inference-server"), 0)
        try:
            self.assertEqual(self.search("--id", picture), before)
            self.refuses("search", "--collection", COLLECTION, "--text", "a star", code="UNAVAILABLE",
                       words=[self.services.inference, "searches by vector"])
            self.assertEqual(self.count(), PICTURES)
        finally:
            self.services.start_inference()
        # Storage dials again within two seconds; until then a client tries again, as UNAVAILABLE tells it to.
        deadline = time.monotonic() + 200
        while self.services.run("search", "--collection", COLLECTION, "--text", "a star").returncode != 0:
            self.assertLess(time.monotonic(), deadline, self.services.log_tail())
        self.assert_right_answers()

    def test_broken_files_are_skipped_and_named(self):
        folder = pathlib.Path(self.directory.name) / "broken"
        (folder / "deeper").mkdir(parents=True)
        good = self.gallery.folder / self.gallery.pictures()[0]
        (folder / "deeper" / "good.png").write_bytes(good.read_bytes())
        (folder / "note.txt").write_text("two blue squares")
        broken = {
            "truncated.png": good.read_bytes()[:-200],
            "empty.png": b"",
            "no-picture.jpg": b"this is text",
            "bomb.png": png(60_000, 60_000, b""),
            "lying.png": png(64, 64, b"\x00" * 10),
            "film.gif": b"GIF89a" + struct.pack("<HH", 4, 4) + b"\x00" * 20,
            "latin1.txt": "caf\xe9".encode("latin-1"),
        }
        for name, content in broken.items():
            (folder / name).write_bytes(content)
        done = self.services.run("--json", "import", folder, "--collection", "broken")
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual({entry["file"] for entry in answer["skipped"]}, set(broken))
        listed = self.services.cli("list", "--collection", "broken")
        self.assertEqual({found["id"] for found in listed["objects"]}, {"deeper/good.png", "note.txt"})

    def test_bad_requests_are_refused_and_change_nothing(self):
        before = self.services.cli("stats", COLLECTION)
        search = ("search", "--collection", COLLECTION)
        self.refuses(*search, "--vector", "[1, 2, 3]", code="INVALID_ARGUMENT", words=["3", "256"])
        self.refuses(*search, "--text", "a star", "--top-k", "20000", code="INVALID_ARGUMENT", words=["10000"])
        self.refuses(*search, "--text", "a star", "--filter", "price <", code="INVALID_ARGUMENT", words=["column"])
        self.refuses(*search, "--text", "a star", "--vector-space", "other", code="INVALID_ARGUMENT",
                   words=["other", "default"])
        self.refuses("search", "--collection", "nowhere", "--text", "a star", code="NOT_FOUND", words=["nowhere"])
        self.refuses("collection", "create", "no/slash", code="INVALID_ARGUMENT", words=["no/slash"])
        self.refuses("collection", "create", COLLECTION, code="ALREADY_EXISTS", words=[COLLECTION])
        bomb = pathlib.Path(self.directory.name) / "bomb.png"
        bomb.write_bytes(png(60_000, 60_000, b""))
        self.refuses(*search, "--image", bomb, code="INVALID_ARGUMENT", words=["near_image.image", "60000"])
        self.assertEqual(self.services.cli("stats", COLLECTION), before)

    def test_a_second_process_on_the_same_data_is_refused(self):
        done = subprocess.run([binary("storage-server"), "--listen", "127.0.0.1:0", "--http-listen", "", "--data",
                               str(pathlib.Path(self.directory.name) / "data")],
                              capture_output=True, text=True, timeout=300)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("process", done.stderr)
        self.assertEqual(self.count(), PICTURES)

    def test_collections_come_and_go(self):
        self.services.cli("collection", "create", "fleeting", "--metric", "l2", "--dimension", "4", "--no-vectorizer")
        names = [found["name"] for found in self.services.cli("collection", "list")["collections"]]
        self.assertIn("fleeting", names)
        self.services.cli("collection", "delete", "fleeting", "--yes")
        self.refuses("collection", "get", "fleeting", code="NOT_FOUND", words=["fleeting"])


class BadModelTest(unittest.TestCase):
    """Model directories that cannot be right are refused at start, in one line."""

    def refused(self, change, words):
        with tempfile.TemporaryDirectory() as directory:
            model = pathlib.Path(directory) / "model"
            shutil.copytree(pathlib.Path(os.environ["DIPTYCH_SOURCE_DIR"]) / "inference-service/models/demo/model",
                            model)
            change(model)
            done = subprocess.run([binary("inference-server"), "--listen", "127.0.0.1:0", "--http-listen", "",
                                   "--model", f"broken={model}"], capture_output=True, text=True, timeout=300)
        self.assertNotEqual(done.returncode, 0)
        lines = [line for line in done.stderr.splitlines() if '"error"' in line or "error" in line.lower()]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def test_missing_weights(self):
        self.refused(lambda model: (model / "model.safetensors").unlink(), ["model.safetensors"])

    def test_truncated_weights(self):
        def cut(model):
            weights = model / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-1000])
        self.refused(cut, ["model.safetensors"])

    def test_lying_header(self):
        def lie(model):
            weights = model / "model.safetensors"
            content = weights.read_bytes()
            weights.write_bytes(struct.pack("<Q", 1 << 62) + content[8:])
        self.refused(lie, ["model.safetensors"])

    def test_unknown_family(self):
        def rename(model):
            config = json.loads((model / "config.json").read_text())
            config["model_type"] = "resnet"
            (model / "config.json").write_text(json.dumps(config))
        self.refused(rename, ["resnet", "clip"])


if __name__ == "__main__":
    try:
        import numpy, PIL  # noqa: F401  the generator of galleries needs them
    except ImportError as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main(verbosity=2)
