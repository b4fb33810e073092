"""The inference service's HTTP contracts, line by line: Weaviate's container multi2vec-clip and OpenAI's embeddings.

Every row of the tables is one promise of docs/inference_http.md: a request as it goes over the wire, the status, and
what the body must be. All rows of a table go over one connection, which must be open at the end.
"""

import base64
import http.client
import json
import math
import struct
import sys
import tempfile
import unittest

from fake_inference import FakeInference
from pictures import png

DIMENSION = 64
KEEP_ALIVE_SECONDS_MIN = 120
PICTURE = base64.b64encode(png((200, 30, 30))).decode()
OTHER_PICTURE = base64.b64encode(png((30, 30, 200))).decode()
PNG_URL = "data:image/png;base64," + PICTURE
LONG_TEXT = "word " * 10_000
JSON = {"Content-Type": "application/json"}


def is_vectors(value, count):
    return (isinstance(value, list) and len(value) == count
            and all(len(row) == DIMENSION and all(isinstance(x, float) or isinstance(x, int) for x in row)
                    for row in value))


def vectors(texts, images):
    """Of /vectorize: exactly both keys, so many vectors in each."""
    return lambda body: (sorted(body) == ["imageVectors", "textVectors"]
                         and is_vectors(body["textVectors"], texts) and is_vectors(body["imageVectors"], images))


def error(*words):
    """{"error": "..."} that has the words."""
    return lambda body: list(body) == ["error"] and all(word in body["error"] for word in words)


def openai_error(param=None, code=None, *words, kind="invalid_request_error"):
    def check(body):
        fields = body["error"]
        return (list(body) == ["error"] and sorted(fields) == ["code", "message", "param", "type"]
                and fields["type"] == kind and fields["param"] == param and fields["code"] == code
                and all(word in fields["message"] for word in words))
    return check


def embeddings(count, model="fake"):
    def check(body):
        return (sorted(body) == ["data", "model", "object", "usage"] and body["object"] == "list"
                and body["model"] == model and [item["index"] for item in body["data"]] == list(range(count))
                and all(item["object"] == "embedding" and sorted(item) == ["embedding", "index", "object"]
                        for item in body["data"])
                and is_vectors([item["embedding"] for item in body["data"]], count)
                and sorted(body["usage"]) == ["prompt_tokens", "total_tokens"])
    return check


def in_base64(body):
    floats = [struct.unpack("<64f", base64.b64decode(item["embedding"], validate=True)) for item in body["data"]]
    return all(abs(sum(x * x for x in row) - 1) < 1e-5 for row in floats)


# (what is promised, method, path, body, status, check of the parsed body or None for an empty one)
WEAVIATE = [
    ("live is 204", "GET", "/.well-known/live", None, 204, None),
    ("ready is 204", "GET", "/.well-known/ready", None, 204, None),
    ("meta is an object", "GET", "/meta", None, 200, lambda body: body["model_name"] == "fake" and body["normalized"]),
    ("texts and images", "POST", "/vectorize", {"texts": ["a", "b"], "images": [PICTURE]}, 200, vectors(2, 1)),
    ("texts alone", "POST", "/vectorize", {"texts": ["a"]}, 200, vectors(1, 0)),
    ("images alone", "POST", "/vectorize", {"images": [PICTURE, OTHER_PICTURE]}, 200, vectors(0, 2)),
    ("nothing", "POST", "/vectorize", {}, 200, vectors(0, 0)),
    ("empty lists", "POST", "/vectorize", {"texts": [], "images": []}, 200, vectors(0, 0)),
    ("null lists", "POST", "/vectorize", {"texts": None, "images": None}, 200, vectors(0, 0)),
    ("other keys", "POST", "/vectorize", {"texts": ["a"], "id": "x", "dims": 3}, 200, vectors(1, 0)),
    ("an empty text", "POST", "/vectorize", {"texts": [""]}, 200, vectors(1, 0)),
    ("a text of any length", "POST", "/vectorize", {"texts": [LONG_TEXT]}, 200, vectors(1, 0)),
    ("any script", "POST", "/vectorize", {"texts": ["ein roter Kreis", "\u4e2d\u6587", "\U0001f436"]}, 200,
     vectors(3, 0)),
    ("a data URL", "POST", "/vectorize", {"images": [PNG_URL]}, 200, vectors(0, 1)),
    ("a data URL of any type", "POST", "/vectorize",
     {"images": ["data:application/octet-stream;base64," + PICTURE, "DATA:image/jpeg;charset=x;BASE64," + PICTURE]},
     200, vectors(0, 2)),
    ("Base64 in lines", "POST", "/vectorize", {"images": [PICTURE[:20] + "\r\n" + PICTURE[20:] + "\n"]}, 200,
     vectors(0, 1)),
    ("Base64 without padding", "POST", "/vectorize", {"images": [PICTURE.rstrip("=")]}, 200, vectors(0, 1)),
    ("more inputs than a batch", "POST", "/vectorize", {"texts": ["a"] * 300}, 200, vectors(300, 0)),
    ("no JSON", "POST", "/vectorize", b"{", 400, error("JSON")),
    ("no body", "POST", "/vectorize", b"", 400, error("JSON")),
    ("no object", "POST", "/vectorize", [], 400, error("object")),
    ("no UTF-8", "POST", "/vectorize", b'{"texts": ["\xff"]}', 400, error("UTF-8")),
    ("texts that are no list", "POST", "/vectorize", {"texts": "a"}, 400, error("texts must be a list")),
    ("a text that is none", "POST", "/vectorize", {"texts": ["a", 1]}, 400, error("texts[1] must be a string")),
    ("an image that is no string", "POST", "/vectorize", {"images": [None]}, 400, error("images[0] must be a string")),
    ("no Base64", "POST", "/vectorize", {"images": ["?"]}, 400, error("images[0] is not Base64")),
    ("an empty image", "POST", "/vectorize", {"images": [""]}, 400, error("images[0] is empty")),
    ("all bad images are named", "POST", "/vectorize", {"texts": ["a"], "images": ["eA==", PICTURE, "eQ=="]}, 400,
     error("images[0]", "images[2]")),
    ("too many inputs", "POST", "/vectorize", {"texts": ["a"] * 2049}, 400, error("2048")),
    ("an unknown path", "GET", "/vectors", None, 404, error("/vectors")),
    ("a wrong method", "GET", "/vectorize", None, 405, error("POST")),
]

OPENAI = [
    ("a text", "POST", "/v1/embeddings", {"model": "fake", "input": "a"}, 200, embeddings(1)),
    ("texts", "POST", "/v1/embeddings", {"model": "fake", "input": ["a", "b", "c"]}, 200, embeddings(3)),
    ("a picture", "POST", "/v1/embeddings", {"model": "fake", "input": PNG_URL}, 200, embeddings(1)),
    ("texts and pictures in one list", "POST", "/v1/embeddings",
     {"model": "fake", "input": ["a", PNG_URL, "b", "data:image/webp;base64," + OTHER_PICTURE]}, 200, embeddings(4)),
    ("another model", "POST", "/v1/embeddings", {"model": "group/other", "input": "a"}, 200,
     embeddings(1, "group/other")),
    ("no model: the first", "POST", "/v1/embeddings", {"input": "a"}, 200, embeddings(1)),
    ("encoding_format float", "POST", "/v1/embeddings", {"input": "a", "encoding_format": "float"}, 200,
     embeddings(1)),
    ("encoding_format base64", "POST", "/v1/embeddings", {"input": ["a", PNG_URL], "encoding_format": "base64"}, 200,
     in_base64),
    ("encoding_format null", "POST", "/v1/embeddings", {"input": "a", "encoding_format": None}, 200, embeddings(1)),
    ("dimensions that the model has", "POST", "/v1/embeddings", {"input": "a", "dimensions": DIMENSION}, 200,
     embeddings(1)),
    ("user and unknown keys", "POST", "/v1/embeddings", {"input": "a", "user": "u", "extra": {}}, 200, embeddings(1)),
    ("begin, word and end are tokens", "POST", "/v1/embeddings", {"input": ["a", "b c"]}, 200,
     lambda body: body["usage"] == {"prompt_tokens": 7, "total_tokens": 7}),
    ("pictures have no tokens", "POST", "/v1/embeddings", {"input": [PNG_URL, "a"]}, 200,
     lambda body: body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}),
    ("a text over the context is cut to it", "POST", "/v1/embeddings", {"input": "word " * 1000}, 200,
     lambda body: body["usage"]["prompt_tokens"] == 32),
    ("2,048 inputs", "POST", "/v1/embeddings", {"input": ["a"] * 2048}, 200, embeddings(2048)),
    ("2,049 inputs", "POST", "/v1/embeddings", {"input": ["a"] * 2049}, 400, openai_error("input", None, "2048")),
    ("an empty text", "POST", "/v1/embeddings", {"input": ""}, 400, openai_error("input", None, "empty")),
    ("an empty text among others", "POST", "/v1/embeddings", {"input": ["a", ""]}, 400,
     openai_error("input[1]", None, "empty")),
    ("a text over 64 KiB", "POST", "/v1/embeddings", {"input": "x" * 65537}, 400,
     openai_error("input", None, "65536")),
    ("an empty list", "POST", "/v1/embeddings", {"input": []}, 400, openai_error("input", None, "empty")),
    ("no input", "POST", "/v1/embeddings", {"model": "fake"}, 400, openai_error("input", None, "missing")),
    ("null input", "POST", "/v1/embeddings", {"input": None}, 400, openai_error("input", None, "string")),
    ("a list of tokens", "POST", "/v1/embeddings", {"input": [1, 2, 3]}, 400, openai_error("input[0]", None, "tokens")),
    ("lists of tokens", "POST", "/v1/embeddings", {"input": [[1, 2], [3]]}, 400,
     openai_error("input[0]", None, "tokens")),
    ("a number", "POST", "/v1/embeddings", {"input": 1}, 400, openai_error("input", None, "tokens")),
    ("a picture that is none", "POST", "/v1/embeddings", {"input": ["a", "data:image/png;base64,eA=="]}, 400,
     openai_error("input[1]", None)),
    ("a picture by its address is a text", "POST", "/v1/embeddings", {"input": "https://example.org/a.png"}, 200,
     embeddings(1)),
    ("an unknown model", "POST", "/v1/embeddings", {"model": "none", "input": "a"}, 404,
     openai_error("model", "model_not_found", "none", "fake")),
    ("a model that is no string", "POST", "/v1/embeddings", {"model": 1, "input": "a"}, 400,
     openai_error("model", None, "string")),
    ("an unknown encoding_format", "POST", "/v1/embeddings", {"input": "a", "encoding_format": "int8"}, 400,
     openai_error("encoding_format", None, "int8")),
    ("dimensions that the model lacks", "POST", "/v1/embeddings", {"input": "a", "dimensions": 32}, 400,
     openai_error("dimensions", None, "64", "32")),
    ("no JSON", "POST", "/v1/embeddings", b"{", 400, openai_error(None, None, "JSON")),
    ("a wrong method", "GET", "/v1/embeddings", None, 405, openai_error(None, None, "POST")),
    ("an unknown path", "POST", "/v1/completions", {}, 404, openai_error(None, None, "/v1/completions")),
    ("the list of models", "GET", "/v1/models", None, 200,
     lambda body: body["object"] == "list" and [model["id"] for model in body["data"]] == ["fake", "group/other"]
     and all(sorted(model) == ["created", "id", "object", "owned_by"] and model["object"] == "model"
             and isinstance(model["created"], int) for model in body["data"])),
    ("one model", "GET", "/v1/models/group/other", None, 200, lambda body: body["id"] == "group/other"),
    ("one model, percent-encoded", "GET", "/v1/models/group%2Fother", None, 200,
     lambda body: body["id"] == "group/other"),
    ("no such model", "GET", "/v1/models/none", None, 404, openai_error("model", "model_not_found", "none")),
]


class HttpContractTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = FakeInference().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        assert cls.server.status == 0

    def setUp(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=200)
        self.addCleanup(self.connection.close)

    def ask(self, method, path, body=None, headers=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request(method, path, data, headers or JSON)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def walk(self, table):
        for promise, method, path, body, status, check in table:
            with self.subTest(promise):
                answer, data = self.ask(method, path, body)
                self.assertEqual(answer.status, status, data[:300])
                if check is None:
                    self.assertEqual(data, b"")
                    continue
                self.assertEqual(answer.getheader("Content-Type"), "application/json")
                self.assertTrue(check(json.loads(data)), data[:300])
                # A refusal before the body is read closes the connection, and http.client opens another.
                if status not in (404, 405):
                    self.assertIsNotNone(self.connection.sock, "the connection was closed")

    def test_weaviates_container(self):
        self.walk(WEAVIATE)

    def test_openai(self):
        self.walk(OPENAI)

    def test_equal_pictures_have_equal_vectors_however_they_are_written(self):
        forms = [PICTURE, PNG_URL, PICTURE[:8] + "\n" + PICTURE[8:]]
        _, data = self.ask("POST", "/vectorize", {"images": forms + [OTHER_PICTURE]})
        first, *others, different = json.loads(data)["imageVectors"]
        self.assertEqual(others, [first, first])
        self.assertNotEqual(different, first)
        _, data = self.ask("POST", "/v1/embeddings", {"input": PNG_URL})
        self.assertEqual(json.loads(data)["data"][0]["embedding"], first)

    def test_vectors_have_length_1_and_no_more_digits_than_a_float_needs(self):
        _, data = self.ask("POST", "/vectorize", {"texts": ["red circle"]})
        row = json.loads(data)["textVectors"][0]
        self.assertAlmostEqual(math.sqrt(sum(x * x for x in row)), 1, places=5)
        for number in data.decode().split("[[")[1].split("]")[0].split(","):
            # Read as a float32, as Weaviate does, and written again with 9 digits, it is the same.
            as_float = struct.unpack("f", struct.pack("f", float(number)))[0]
            self.assertEqual(struct.pack("f", float(f"{as_float:.9g}")), struct.pack("f", float(number)))
            self.assertLess(len(number), 17)

    def test_connections_are_kept_for_longer_than_gos_clients_keep_them(self):
        for path in ("/.well-known/ready", "/meta", "/v1/models"):
            answer, _ = self.ask("GET", path)
            seconds = dict(part.strip().split("=") for part in answer.getheader("Keep-Alive").split(","))["timeout"]
            self.assertGreaterEqual(int(seconds), KEEP_ALIVE_SECONDS_MIN, path)
            self.assertIsNotNone(self.connection.sock)

    def test_bodies_come_in_any_framing_and_type(self):
        body = json.dumps({"texts": ["a"]}).encode()
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                        {"Authorization": "Bearer none", "Accept-Encoding": "gzip"}):
            answer, data = self.ask("POST", "/vectorize", body, headers or {"X-None": "1"})
            self.assertTrue(answer.status == 200 and vectors(1, 0)(json.loads(data)), headers)
        self.connection.request("POST", "/vectorize", iter([body[:5], body[5:]]), JSON, encode_chunked=True)
        answer = self.connection.getresponse()
        self.assertTrue(vectors(1, 0)(json.loads(answer.read())), answer.status)

    def test_compat_weaviate_leaves_vectors_as_long_as_the_model_makes_them(self):
        _, data = self.ask("POST", "/vectorize", {"texts": ["red circle"], "images": [PICTURE]})
        here = json.loads(data)
        with FakeInference("--compat", "weaviate") as server:
            self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=200)
            self.assertFalse(json.loads(self.ask("GET", "/meta")[1])["normalized"])
            _, data = self.ask("POST", "/vectorize", {"texts": ["red circle"], "images": [PICTURE]})
            self.connection.close()
        there = json.loads(data)
        for key in ("textVectors", "imageVectors"):
            length = math.sqrt(sum(x * x for x in there[key][0]))
            self.assertGreater(abs(length - 1), 0.01)
            for a, b in zip(here[key][0], there[key][0]):
                self.assertAlmostEqual(a, b / length, places=6)

    def test_requests_are_logged_one_per_line_and_without_their_contents(self):
        with tempfile.TemporaryFile("w+") as log:
            with FakeInference("--log-level", "debug", log=log) as server:
                self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=200)
                self.ask("POST", "/vectorize", {"texts": ["secret words"], "images": [PICTURE]})
                self.ask("POST", "/v1/embeddings", {"input": ["secret", "words"], "model": "group/other"})
                self.ask("POST", "/vectorize", {"images": ["eA=="]})
                self.connection.close()
            log.seek(0)
            text = log.read()
        self.assertNotIn("secret", text)
        lines = [line for line in map(json.loads, text.splitlines()) if line["message"] == "vectorized"]
        self.assertEqual([(line["model"], line["texts"], line["images"], line["code"]) for line in lines],
                         [("fake", 1, 1, "OK"), ("group/other", 2, 0, "OK"), ("fake", 0, 1, "INVALID_ARGUMENT")])
        for line in lines:
            self.assertEqual(line["level"], "debug")
            self.assertGreaterEqual(line["seconds"], 0)

    def test_metrics(self):
        self.ask("POST", "/vectorize", {"texts": ["metric"], "images": [PICTURE]})
        self.ask("POST", "/vectorize", b"{")
        _, data = self.ask("GET", "/metrics")
        names = {line.split("{")[0].split(" ")[0] for line in data.decode().splitlines() if not line.startswith("#")}
        # docs/operations.md says what they are.
        for name in ("diptych_http_requests_total", "diptych_http_duration_seconds_count", "diptych_http_connections",
                     "diptych_rpc_finished_total", "diptych_rpc_duration_seconds_count", "diptych_rpc_in_flight",
                     "diptych_inference_http_hang_ups_total", "diptych_inference_queue_inputs",
                     "diptych_inference_queue_bytes", "diptych_inference_queue_wait_seconds_count",
                     "diptych_inference_batch_inputs_count", "diptych_inference_batches_total",
                     "diptych_inference_prepare_seconds_count", "diptych_inference_encode_seconds_count",
                     "diptych_inference_inputs_total", "diptych_inference_tokens_total",
                     "diptych_inference_refused_inputs_total", "diptych_inference_dropped_inputs_total",
                     "diptych_inference_cache_hits_total", "diptych_inference_cache_misses_total",
                     "diptych_inference_cache_bytes", "diptych_inference_cache_entries",
                     "diptych_inference_cache_evictions_total"):
            self.assertIn(name, names)
        self.assertIn(b'diptych_http_requests_total{code="400",route="/vectorize"}', data)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
