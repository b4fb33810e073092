"""Every RPC of both services by grpcurl (https://github.com/fullstorydev/grpcurl), which learns the services from server
reflection and writes requests and answers as JSON.

grpcurl is taken from PATH or from Go's folder of programs; else `go install` makes it, unless DIPTYCH_TEST_REGISTRIES=0.
Where there is none the exit status says "skipped".
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from pictures import png
from services import Services, admin_flags

MODULE = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
INSTALL_SECONDS_MAX = 300
SKIPPED = 77

IMAGE = base64.b64encode(png((30, 30, 200))).decode()
NEAR_TEXT = {"nearText": {"concepts": ["a red circle"]}}

# (RPC, the messages of the request, what the answer's JSON has to contain) in the order of the calls.
CALLS = [
    ("storage.v1.CollectionService/CreateCollection", [{"collection": {"name": "gallery"}}], '"created": true'),
    ("storage.v1.CollectionService/GetCollection", [{"name": "gallery"}], '"METRIC_COSINE"'),
    ("storage.v1.CollectionService/ListCollections", [{}], '"gallery"'),
    ("storage.v1.CollectionService/UpdateCollection",
     [{"name": "gallery", "collection": {"metadata": {"owner": {"textValue": "ana"}}}, "updateMask": "metadata"}], '"ana"'),
    ("storage.v1.ObjectService/InsertObjects",
     [{"collection": "gallery", "objects": [{"id": "one", "properties": {"document": {"textValue": "a red circle"}}}]}],
     '"one"'),
    ("storage.v1.ObjectService/UpsertObjects",
     [{"collection": "gallery", "objects": [
         {"id": "two", "properties": {"image": {"imageValue": {"data": IMAGE}}, "price": {"integerValue": 5}}}]}],
     '"insertedCount": "1"'),
    ("storage.v1.ObjectService/UpdateObjects",
     [{"collection": "gallery", "objects": [{"id": "two", "properties": {"price": {"nullValue": "NULL_VALUE"}}}, {"id": "no"}]}],
     '"missingIds"'),
    ("storage.v1.ObjectService/GetObjects", [{"collection": "gallery", "ids": ["two"]}], '"contentSha256"'),
    ("storage.v1.ObjectService/ListObjects", [{"collection": "gallery", "pageSize": 1}], '"nextPageToken"'),
    ("storage.v1.ObjectService/CountObjects", [{"collection": "gallery", "filterExpression": "price IS NULL"}],
     '"count": "2"'),
    ("storage.v1.ObjectService/ImportObjects",
     [{"header": {"collection": "gallery"}}, {"chunk": {"sequenceNumber": 1, "objects": [{"id": "three"}]}}],
     '"committedSequenceNumber": "1"'),
    ("storage.v1.SearchService/Query", [{"collection": "gallery", **NEAR_TEXT}], '"distance"'),
    ("storage.v1.SearchService/BatchQuery", [{"collection": "gallery", "queries": [NEAR_TEXT, NEAR_TEXT]}],
     '"responses"'),
    ("storage.v1.ObjectService/DeleteObjects", [{"collection": "gallery", "ids": ["two"]}], '"deletedCount": "1"'),
    ("storage.v1.CollectionService/GetCollectionStats", [{"name": "gallery"}], '"vectorSpaces"'),
    ("storage.v1.AdminService/GetServerInfo", [{}], '"version"'),
    ("storage.v1.AdminService/Flush", [{}], "{"),
    ("storage.v1.AdminService/CompactCollection", [{"name": "gallery"}], '"diskBytesAfter"'),
    ("storage.v1.AdminService/CreateSnapshot", [{"name": "monday"}], '"sizeBytes"'),
    ("storage.v1.AdminService/ListSnapshots", [{}], '"monday"'),
    ("storage.v1.AdminService/RestoreSnapshot", [{"name": "monday"}], '"collections": "1"'),
    ("storage.v1.CollectionService/DeleteCollection", [{"name": "gallery"}], "{"),
    ("storage.v1.AdminService/Reset", [{}], "{"),
    ("inference.v1.InferenceService/ListModels", [{}], '"fake"'),
    ("inference.v1.InferenceService/GetModel", [{"name": "fake"}], '"MODALITY_IMAGE"'),
    ("inference.v1.InferenceService/Vectorize", [{"inputs": [{"text": "a red circle"}, {"image": IMAGE}]}],
     '"dimension": 64'),
    ("inference.v1.InferenceService/VectorizeStream",
     [{"sequenceNumber": 1, "input": {"text": "a red circle"}}, {"sequenceNumber": 2, "input": {"image": IMAGE}}],
     '"sequenceNumber": "2"'),
]


def plain(text):
    """Names of fields are insertedCount or inserted_count, and blanks fall as they like, as the version has it."""
    return re.sub(r"[\s_]", "", text).lower()


def find_grpcurl(directory):
    """The path of the program, or why there is none."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    folders = [os.environ.get("PATH", "")]
    if go is not None:
        folders.append(str(pathlib.Path.home() / "go" / "bin"))
    found = shutil.which("grpcurl", path=os.pathsep.join(folders))
    if found is not None:
        return found, ""
    if os.environ.get("DIPTYCH_TEST_REGISTRIES", "1") == "0":
        return None, "grpcurl is not installed, and DIPTYCH_TEST_REGISTRIES=0"
    if go is None:
        return None, "neither grpcurl nor Go is installed"
    try:
        subprocess.run([go, "install", MODULE], env={**os.environ, "GOBIN": directory}, check=True, capture_output=True,
                       text=True, timeout=INSTALL_SECONDS_MAX)
    except (subprocess.SubprocessError, OSError) as error:
        return None, f"{MODULE} could not be installed: {error}"
    return str(pathlib.Path(directory) / "grpcurl"), ""


class GrpcurlTest(unittest.TestCase):
    program = None

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.services = Services(directory.name, fake_inference=True, storage_flags=admin_flags(directory.name))
        cls.services.__enter__()
        cls.addClassCleanup(cls.services.__exit__)

    def grpcurl(self, *arguments, messages=()):
        return subprocess.run([self.program, "-plaintext", "-max-time", "200", *arguments], capture_output=True, text=True,
                              timeout=300, input="\n".join(json.dumps(message) for message in messages))

    def address(self, method):
        return self.services.inference if method.startswith("inference") else self.services.storage

    def test_every_rpc(self):
        for method, messages, words in CALLS:
            with self.subTest(method):
                done = self.grpcurl("-d", "@", self.address(method), f"diptych.{method}", messages=messages)
                if "bad input" in done.stderr and "updateMask" in messages[0]:
                    # Versions up to 1.9.3 want a FieldMask written as the message that it is.
                    messages[0]["updateMask"] = {"paths": messages[0]["updateMask"].split(",")}
                    done = self.grpcurl("-d", "@", self.address(method), f"diptych.{method}", messages=messages)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(plain(words), plain(done.stdout))

    def test_reflection_lists_nothing_else(self):
        listed = set()
        for address in (self.services.storage, self.services.inference):
            for service in self.grpcurl(address, "list").stdout.split():
                if service.startswith("diptych."):
                    listed |= set(self.grpcurl(address, "list", service).stdout.split())
        called = {f"diptych.{method}".replace("/", ".") for method, _, _ in CALLS}
        self.assertEqual(listed, called)

    def test_errors_come_with_their_details(self):
        done = self.grpcurl("-d", '{"collection": "nowhere", "topK": -1}', self.services.storage,
                            "diptych.storage.v1.SearchService/Query")
        self.assertIn("Code: NotFound", done.stderr)
        self.assertIn(plain('"resourceName": "nowhere"'), plain(done.stderr))
        done = self.grpcurl("-d", '{"inputs": [{"text": ""}]}', self.services.inference,
                            "diptych.inference.v1.InferenceService/Vectorize")
        self.assertIn("Code: InvalidArgument", done.stderr)
        self.assertIn("inputs[0].text", done.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as installed:
        GrpcurlTest.program, reason = find_grpcurl(installed)
        if GrpcurlTest.program is None:
            print(f"skipped: {reason}")
            sys.exit(SKIPPED)
        program = unittest.main(exit=False, verbosity=2)
        sys.exit(not program.result.wasSuccessful())
