"""The inference service's HTTP port with clients that others made: curl, and OpenAI's own Python client.

The service is fake-inference-server, whose model needs no weights. OpenAI's client comes from PyPI, into a virtual
environment that is thrown away; with DIPTYCH_TEST_REGISTRIES=0, or where PyPI cannot be reached, only curl is tested
and the exit status says "skipped".
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from fake_inference import FakeInference
from pictures import png

OPENAI = "openai==3.52.0"
INSTALL_SECONDS_MAX = 180
SKIPPED = 77

# Run by the interpreter that has the client; argv: the base URL, a picture as a data URL.
CLIENT = """
import sys
import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
picture = sys.argv[2]

# Without encoding_format the client asks for base64 and decodes it.
decoded = client.embeddings.create(model="fake", input=["red circle", picture])
plain = client.embeddings.create(model="fake", input=["red circle", picture], encoding_format="float")
assert [item.index for item in decoded.data] == [0, 1], decoded
assert [len(item.embedding) for item in decoded.data] == [64, 64], decoded
assert decoded.usage.prompt_tokens == decoded.usage.total_tokens > 0, decoded.usage
# Both are the same floats: as text they are the shortest that read back exactly as float32.
for a, b in zip(decoded.data, plain.data):
    assert max(abs(x - y) for x, y in zip(a.embedding, b.embedding)) < 1e-7
assert abs(sum(x * x for x in decoded.data[0].embedding) - 1) < 1e-5

assert [model.id for model in client.models.list()] == ["fake", "group/other"]
assert client.models.retrieve("group/other").id == "group/other"

try:
    client.embeddings.create(model="none", input="a")
except openai.NotFoundError as error:
    assert error.code == "model_not_found" and error.param == "model", error
else:
    raise AssertionError("an unknown model was accepted")
for wrong in ({"input": [[1, 2, 3]]}, {"input": "a", "dimensions": 8}, {"input": "data:image/png;base64,eA=="}):
    try:
        client.embeddings.create(model="fake", **wrong)
    except openai.BadRequestError as error:
        assert error.type == "invalid_request_error" and error.param, error
    else:
        raise AssertionError(f"accepted: {wrong}")
print("ok")
"""


class HttpClientsTest(unittest.TestCase):
    skipped = False

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl_speaks_to_vectorize(self):
        with FakeInference() as server, tempfile.TemporaryDirectory() as directory:
            body = pathlib.Path(directory) / "body.json"
            # Over 1 MiB, where curl asks first (Expect: 100-continue).
            body.write_text(json.dumps({"texts": ["This is plane"] + ["long " * 300_000],
                                        "images": [base64.b64encode(png((255, 0, 0))).decode()]}))
            done = subprocess.run(
                ["curl", "-sS", "--fail-with-body", "-d", f"@{body}", "-H", "Content-Type: application/json",
                 f"{server.url}/vectorize"], capture_output=True, text=True, timeout=200)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            answer = json.loads(done.stdout)
            self.assertEqual([len(vector) for vector in answer["textVectors"]], [64, 64])
            self.assertEqual([len(vector) for vector in answer["imageVectors"]], [64])
            # curl -d without a content type says that it is a form.
            done = subprocess.run(["curl", "-sS", "-d", '{"texts": ["a"]}', f"{server.url}/vectorize"],
                                  capture_output=True, text=True, timeout=200)
            self.assertEqual(len(json.loads(done.stdout)["textVectors"]), 1)
        self.assertEqual(server.status, 0)

    def test_openais_client(self):
        if os.environ.get("DIPTYCH_TEST_REGISTRIES", "1") == "0":
            return self.skip("DIPTYCH_TEST_REGISTRIES=0")
        with tempfile.TemporaryDirectory() as directory:
            python = pathlib.Path(directory) / "bin" / "python"
            try:
                for command in ([sys.executable, "-m", "venv", directory],
                                [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", OPENAI]):
                    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX)
            except (subprocess.SubprocessError, OSError) as error:
                return self.skip(f"{OPENAI} could not be installed: {error}")
            with FakeInference() as server:
                picture = "data:image/png;base64," + base64.b64encode(png((0, 0, 255))).decode()
                done = subprocess.run([python, "-c", CLIENT, server.url, picture], capture_output=True, text=True,
                                      timeout=200)
                self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def skip(self, reason):
        HttpClientsTest.skipped = True
        self.skipTest(reason)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    if not program.result.wasSuccessful():
        sys.exit(1)
    if HttpClientsTest.skipped:
        sys.exit(SKIPPED)
