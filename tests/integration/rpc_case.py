"""What tests share that speak to both services through Python stubs.

A test file ends with `run()`, which starts the services before its first test and stops them after its last.
"""

import sys
import tempfile
import types
import unittest

from python_stubs import Failure, PythonStubs, Unavailable
from services import Services, admin_flags

SKIPPED = 77
# Seconds; long, because a busy machine is no fault of what is tested.
DEADLINE = 200

# stubs, recorder: see python_stubs; services: the running programs.
context = types.SimpleNamespace()


def run(fake_inference=True):
    """Runs the tests of the calling file; exits with what a ctest wants. Without `fake_inference` the vectors are those of
    the demo model."""
    with tempfile.TemporaryDirectory() as generated, tempfile.TemporaryDirectory() as directory:
        try:
            context.stubs = PythonStubs(generated)
        except Unavailable as missing:
            print(f"skipped: {missing}")
            sys.exit(SKIPPED)
        context.recorder = context.stubs.recorder()
        with Services(directory, fake_inference=fake_inference, storage_flags=admin_flags(directory)) as context.services:
            program = unittest.main(exit=False, verbosity=2)
    sys.exit(not program.result.wasSuccessful())


class RpcCase(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.storage = context.recorder.channel(context.services.storage)
        cls.inference = context.recorder.channel(context.services.inference)
        cls.addClassCleanup(cls.storage.close)
        cls.addClassCleanup(cls.inference.close)
        cls.pb = {name: context.stubs.module(f"diptych/storage/v1/{name}") for name in (
            "admin_service", "collection", "collection_service", "filter", "object", "object_service", "search_service",
            "value")}
        cls.collections = context.stubs.stub("diptych.storage.v1.CollectionService", cls.storage)
        cls.objects = context.stubs.stub("diptych.storage.v1.ObjectService", cls.storage)
        cls.search = context.stubs.stub("diptych.storage.v1.SearchService", cls.storage)
        cls.admin = context.stubs.stub("diptych.storage.v1.AdminService", cls.storage)

    def call(self, method, request):
        return method(request, timeout=DEADLINE)

    def failure(self, method, request):
        """The error that the call must end with."""
        with self.assertRaises(context.stubs.grpc.RpcError) as raised:
            self.call(method, request)
        return Failure(raised.exception, context.stubs)

    def assert_refused(self, method, request, *fields):
        """INVALID_ARGUMENT that names exactly these fields."""
        failure = self.failure(method, request)
        self.assertEqual(failure.code, "INVALID_ARGUMENT", failure)
        self.assertEqual(set(failure.fields()), set(fields), failure)
        for description in failure.fields().values():
            self.assertTrue(description)

    def assert_missing(self, method, request, kind, name):
        failure = self.failure(method, request)
        self.assertEqual(failure.code, "NOT_FOUND", failure)
        resource = failure.details["ResourceInfo"]
        self.assertEqual((resource.resource_type, resource.resource_name), (kind, name))

    # Requests, by the names that the protos give them.

    def collection_request(self, message, /, **fields):
        return getattr(self.pb["collection_service"], message + "Request")(**fields)

    def object_request(self, message, /, **fields):
        return getattr(self.pb["object_service"], message + "Request")(**fields)

    def value(self, plain):
        Value, TextList = self.pb["value"].Value, self.pb["value"].TextList
        if isinstance(plain, bool):
            return Value(bool_value=plain)
        if isinstance(plain, int):
            return Value(integer_value=plain)
        if isinstance(plain, float):
            return Value(double_value=plain)
        if isinstance(plain, str):
            return Value(text_value=plain)
        if isinstance(plain, bytes):
            return Value(image_value=self.pb["value"].Image(data=plain))
        if isinstance(plain, list) and all(isinstance(element, int) for element in plain):
            return Value(integer_list=self.pb["value"].IntegerList(values=plain))
        if isinstance(plain, list):
            return Value(text_list=TextList(values=plain))
        if plain is None:
            return Value(null_value=0)
        return plain

    def vector(self, numbers):
        return self.pb["value"].Vector(dense=self.pb["value"].DenseVector(values=numbers))

    def object(self, id, vectors=(), **properties):
        return self.pb["object"].Object(
            id=id, properties={name: self.value(plain) for name, plain in properties.items()},
            vectors={space: self.vector(numbers) for space, numbers in dict(vectors).items()})

    def create(self, name, **fields):
        collection = self.pb["collection"].Collection(name=name, **fields)
        self.call(self.collections.CreateCollection,
                  self.collection_request("CreateCollection", collection=collection))
        return name

    def own_space(self, **fields):
        return self.pb["collection"].VectorSpace(dimension=2, **fields)

    def upsert(self, collection, *objects):
        return self.call(self.objects.UpsertObjects,
                         self.object_request("UpsertObjects", collection=collection, objects=objects))

    def projection(self, **fields):
        return self.pb["object"].Projection(**fields)

    def query(self, collection, **fields):
        """The results of a query."""
        return list(self.call(self.search.Query, self.pb["search_service"].QueryRequest(
            collection=collection, **fields)).results)

    def near(self, numbers):
        return self.pb["search_service"].NearVector(vector=self.vector(numbers))

    def inference_messages(self):
        return context.stubs.module("diptych/inference/v1/inference_service")

    def inference_stub(self):
        return context.stubs.stub("diptych.inference.v1.InferenceService", self.inference)
