"""Every RPC of both services from Python, with stubs generated from the protos: each succeeds once and, where it can,
fails once with its google.rpc details. An RPC that the protos have and this file does not call fails the test, and so does
a kind of query or of value.
"""

import tempfile

from pictures import png
from python_stubs import Failure
from rpc_case import DEADLINE, RpcCase, context, run
from services import Services

# What no request makes fail.
CANNOT_FAIL = {
    "/diptych.inference.v1.InferenceService/ListModels",
    "/diptych.storage.v1.AdminService/GetServerInfo",
    "/diptych.storage.v1.AdminService/ListSnapshots",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
}
FINISHED = {"OK"}
PICTURE = png((200, 30, 30))


def tearDownModule():
    for method in sorted(context.stubs.methods()):
        codes = context.recorder.codes[method]
        if not codes & FINISHED:
            raise AssertionError(f"{method} never succeeded; it ended with {codes or 'nothing: it was not called'}")
        if method not in CANNOT_FAIL and codes == FINISHED:
            raise AssertionError(f"{method} was not called with anything wrong")


class CollectionServiceTest(RpcCase):
    def test_create(self):
        request = self.collection_request("CreateCollection", collection=self.pb["collection"].Collection(
            name="created", metadata={"owner": self.value("ana")}))
        answer = self.call(self.collections.CreateCollection, request)
        self.assertTrue(answer.created)
        self.assertEqual([space.name for space in answer.collection.vector_spaces], ["default"])
        self.assertEqual(answer.collection.metadata["owner"].text_value, "ana")
        failure = self.failure(self.collections.CreateCollection, request)
        self.assertEqual(failure.code, "ALREADY_EXISTS")
        self.assertEqual(failure.details["ResourceInfo"].resource_name, "created")
        request.get_or_create = True
        again = self.call(self.collections.CreateCollection, request)
        self.assertFalse(again.created)
        self.assertEqual(again.collection, answer.collection)
        self.assert_refused(self.collections.CreateCollection, self.collection_request(
            "CreateCollection", collection=self.pb["collection"].Collection(name="no/slash")), "collection.name")

    def test_get(self):
        self.create("got")
        answer = self.call(self.collections.GetCollection, self.collection_request("GetCollection", name="got"))
        self.assertEqual(answer.collection.name, "got")
        self.assert_missing(self.collections.GetCollection,
                            self.collection_request("GetCollection", name="nowhere"), "collection", "nowhere")

    def test_list(self):
        for name in ("list-a", "list-b", "list-c"):
            self.create(name)
        names, token = [], ""
        while True:
            page = self.call(self.collections.ListCollections, self.collection_request(
                "ListCollections", page_size=2, page_token=token))
            self.assertLessEqual(len(page.collections), 2)
            names += [collection.name for collection in page.collections]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(names, sorted(names))
        self.assertLessEqual({"list-a", "list-b", "list-c"}, set(names))
        self.assert_refused(self.collections.ListCollections,
                            self.collection_request("ListCollections", page_size=-1), "page_size")

    def test_update(self):
        self.create("before")
        request = self.collection_request("UpdateCollection", name="before", collection=self.pb["collection"].Collection(
            name="after", metadata={"note": self.value("moved")}))
        request.update_mask.paths.extend(["name", "metadata"])
        answer = self.call(self.collections.UpdateCollection, request)
        self.assertEqual((answer.collection.name, answer.collection.metadata["note"].text_value), ("after", "moved"))
        self.assert_missing(self.collections.UpdateCollection, request, "collection", "before")
        request.update_mask.paths[:] = ["vector_spaces.metric"]
        self.assert_refused(self.collections.UpdateCollection, request, "update_mask")

    def test_delete_and_stats(self):
        self.create("doomed", vector_spaces=[self.own_space()])
        self.upsert("doomed", self.object("a", {"default": [1, 0]}), self.object("b", picture=PICTURE))
        stats = self.call(self.collections.GetCollectionStats,
                          self.collection_request("GetCollectionStats", name="doomed")).stats
        self.assertEqual((stats.objects, stats.images), (2, 1))
        self.assertEqual([(space.name, space.vectors, space.dimension) for space in stats.vector_spaces],
                         [("default", 1, 2)])
        request = self.collection_request("DeleteCollection", name="doomed")
        self.call(self.collections.DeleteCollection, request)
        self.assert_missing(self.collections.DeleteCollection, request, "collection", "doomed")
        self.assert_missing(self.collections.GetCollectionStats,
                            self.collection_request("GetCollectionStats", name="doomed"), "collection", "doomed")


class ObjectServiceTest(RpcCase):
    def test_insert(self):
        self.create("inserted")
        first = self.call(self.objects.InsertObjects, self.object_request(
            "InsertObjects", collection="inserted", objects=[self.object("a", document="one"), self.object("")]))
        self.assertEqual(first.ids[0], "a")
        self.assertRegex(first.ids[1], "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual(list(first.existing_ids), [])
        second = self.call(self.objects.InsertObjects, self.object_request(
            "InsertObjects", collection="inserted", objects=[self.object("a", document="two"), self.object("b")]))
        self.assertEqual((list(second.ids), list(second.existing_ids)), (["a", "b"], ["a"]))
        kept = self.call(self.objects.GetObjects, self.object_request("GetObjects", collection="inserted", ids=["a"]))
        self.assertEqual(kept.objects[0].properties["document"].text_value, "one")
        self.assert_refused(self.objects.InsertObjects, self.object_request(
            "InsertObjects", collection="inserted", objects=[self.object("c"), self.object("c")]), "objects[1].id")

    def test_every_kind_of_value_comes_back(self):
        value = self.pb["value"]
        given = {
            "null_value": value.Value(null_value=0),
            "bool_value": value.Value(bool_value=True),
            "integer_value": value.Value(integer_value=-(2**63)),
            "double_value": value.Value(double_value=0.1),
            "text_value": value.Value(text_value="größe 中文 \0"),
            "timestamp_value": value.Value(timestamp_value={"seconds": -1, "nanos": 999_999_000}),
            "geo_point_value": value.Value(geo_point_value=value.GeoPoint(latitude=52.52, longitude=13.405)),
            "image_value": value.Value(image_value=value.Image(data=PICTURE, uri="file:///a.png")),
            "bool_list": value.Value(bool_list=value.BoolList(values=[True, False])),
            "integer_list": value.Value(integer_list=value.IntegerList(values=[2**63 - 1, 0])),
            "double_list": value.Value(double_list=value.DoubleList(values=[1e300, -0.0])),
            "text_list": value.Value(text_list=value.TextList(values=["", "b"])),
            "timestamp_list": value.Value(timestamp_list=value.TimestampList(values=[{"seconds": 1}])),
        }
        self.assertEqual(set(given), {field.name for field in value.Value.DESCRIPTOR.oneofs_by_name["kind"].fields})
        self.create("values", vector_spaces=[self.own_space()])
        self.upsert("values", self.pb["object"].Object(id="all", properties=given))
        answer = self.call(self.objects.GetObjects, self.object_request(
            "GetObjects", collection="values", ids=["all"],
            projection=self.pb["object"].Projection(image_bytes=True)))
        got = dict(answer.objects[0].properties)
        image = got["image_value"].image_value
        self.assertEqual((len(image.content_sha256), image.size_bytes), (32, len(PICTURE)))
        self.assertTrue(image.stored)
        for output_only in ("content_sha256", "size_bytes", "stored"):
            image.ClearField(output_only)
        self.assertEqual(got, given)

    def test_upsert(self):
        self.create("upserted", vector_spaces=[self.own_space()])
        self.assertEqual(self.upsert("upserted", self.object("a", {"default": [1, 2]})).inserted_count, 1)
        self.assertEqual(self.upsert("upserted", self.object("a"), self.object("b")).inserted_count, 1)
        bad = [self.object("c", {"default": [1, float("nan")]}), self.object("d", {"default": [1, 2, 3]}),
               self.object("e", {"nowhere": [1, 2]})]
        request = self.object_request("UpsertObjects", collection="upserted", objects=bad[:1] + bad[2:])
        self.assert_refused(self.objects.UpsertObjects, request, 'objects[0].vectors["default"]',
                            'objects[1].vectors["nowhere"]')
        self.assert_refused(self.objects.UpsertObjects, self.object_request(
            "UpsertObjects", collection="upserted", objects=bad[1:2]), 'objects[0].vectors["default"]')
        count = self.call(self.objects.CountObjects, self.object_request("CountObjects", collection="upserted"))
        self.assertEqual(count.count, 2)

    def test_update(self):
        self.create("updated")
        self.upsert("updated", self.object("a", document="one", price=5))
        answer = self.call(self.objects.UpdateObjects, self.object_request(
            "UpdateObjects", collection="updated",
            objects=[self.object("a", price=None, stock=3), self.object("nobody", stock=1)]))
        self.assertEqual(list(answer.missing_ids), ["nobody"])
        got = self.call(self.objects.GetObjects, self.object_request("GetObjects", collection="updated", ids=["a"]))
        self.assertEqual(set(got.objects[0].properties), {"document", "stock"})
        self.assert_refused(self.objects.UpdateObjects, self.object_request(
            "UpdateObjects", collection="updated", objects=[self.object("")]), "objects[0].id")

    def test_delete_list_and_count(self):
        self.create("listed", vector_spaces=[self.own_space()])
        self.upsert("listed", *(self.object(f"o{i}", number=i) for i in range(7)))
        ids, token = [], ""
        while True:
            page = self.call(self.objects.ListObjects, self.object_request(
                "ListObjects", collection="listed", filter_expression="number >= 2", page_size=2, page_token=token))
            ids += [found.id for found in page.objects]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(ids, ["o2", "o3", "o4", "o5", "o6"])
        at_least_5 = self.pb["filter"].Filter(comparison=self.pb["filter"].Comparison(
            property="number", operator=self.pb["filter"].COMPARISON_OPERATOR_GREATER_OR_EQUAL, value=self.value(5)))
        self.assertEqual(self.call(self.objects.CountObjects, self.object_request(
            "CountObjects", collection="listed", filter=at_least_5)).count, 2)
        self.assertEqual(self.call(self.objects.DeleteObjects, self.object_request(
            "DeleteObjects", collection="listed", filter=at_least_5, limit=1)).deleted_count, 1)
        self.assertEqual(self.call(self.objects.DeleteObjects, self.object_request(
            "DeleteObjects", collection="listed", ids=["o5", "o6", "o0"])).deleted_count, 2)
        for name in ("ListObjects", "CountObjects"):
            failure = self.failure(getattr(self.objects, name), self.object_request(
                name, collection="listed", filter_expression="number >"))
            self.assertEqual(failure.code, "INVALID_ARGUMENT")
            self.assertIn("column", " ".join(failure.fields().values()))
        self.assert_refused(self.objects.DeleteObjects, self.object_request("DeleteObjects", collection="listed"), "ids")

    def test_get(self):
        self.create("fetched", vector_spaces=[self.own_space()])
        self.upsert("fetched", self.object("a", {"default": [3, 4]}), self.object("b"))
        answer = self.call(self.objects.GetObjects, self.object_request(
            "GetObjects", collection="fetched", ids=["b", "none", "a"],
            projection=self.pb["object"].Projection(vectors=True)))
        self.assertEqual([found.id for found in answer.objects], ["b", "a"])
        self.assertEqual(list(answer.missing_ids), ["none"])
        self.assertEqual(list(answer.objects[1].vectors["default"].dense.values), [3, 4])
        self.assert_missing(self.objects.GetObjects,
                            self.object_request("GetObjects", collection="nowhere", ids=["a"]), "collection", "nowhere")

    def test_import(self):
        self.create("imported")
        message, chunk = self.pb["object_service"].ImportObjectsRequest, self.pb["object_service"].ImportChunk
        header = message(header=self.pb["object_service"].ImportHeader(collection="imported"))
        bad = self.object("bad")
        bad.properties["#forbidden"].CopyFrom(self.value(1))
        answers = self.call(lambda requests, timeout: list(self.objects.ImportObjects(requests, timeout=timeout)), iter([
            header,
            message(chunk=chunk(sequence_number=1, objects=[self.object("a", document="one"), bad])),
            message(chunk=chunk(sequence_number=2, objects=[self.object("b", document="two")])),
        ]))
        self.assertEqual(answers[-1].committed_sequence_number, 2)
        self.assertEqual(answers[-1].written_count, 2)
        errors = [error for answer in answers for error in answer.errors]
        self.assertEqual([(error.sequence_number, error.index, error.id) for error in errors], [(1, 1, "bad")])
        self.assertEqual(errors[0].status.code, context.stubs.grpc.StatusCode.INVALID_ARGUMENT.value[0])
        self.assertIn("BadRequest", context.stubs.unpacked(errors[0].status.details))
        count = self.call(self.objects.CountObjects, self.object_request("CountObjects", collection="imported"))
        self.assertEqual(count.count, 2)
        with self.assertRaises(context.stubs.grpc.RpcError) as raised:
            list(self.objects.ImportObjects(iter([message(header=self.pb["object_service"].ImportHeader(
                collection="nowhere"))]), timeout=DEADLINE))
        failure = Failure(raised.exception, context.stubs)
        self.assertEqual(failure.code, "NOT_FOUND", failure)


class SearchServiceTest(RpcCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        test = cls()
        test.create("searched")
        test.upsert("searched", *(test.object(f"o{i}", document=f"{word} thing", video=i // 2)
                                  for i, word in enumerate(["red", "blue", "green", "old"])),
                    test.object("picture", image=PICTURE))

    def request(self, **fields):
        return self.pb["search_service"].QueryRequest(collection="searched", **fields)

    def ids(self, **fields):
        answer = self.call(self.search.Query, self.request(**fields))
        return [result.object.id for result in answer.results]

    def test_every_kind_of_query(self):
        pb = self.pb["search_service"]
        text = pb.NearText(concepts=["red thing"])
        vector = self.call(self.objects.GetObjects, self.object_request(
            "GetObjects", collection="searched", ids=["o0"],
            projection=self.pb["object"].Projection(vectors=True))).objects[0].vectors["default"]
        kinds = {
            "near_text": (text, "o0"),
            "near_image": (pb.NearImage(image=PICTURE), "picture"),
            "near_object": (pb.NearObject(id="o1", include_self=True), "o1"),
            "near_vector": (pb.NearVector(vector=vector), "o0"),
            "mix": (pb.Mix(terms=[pb.WeightedTerm(near_text=text, weight=1)]), "o0"),
            "recommend": (pb.Recommend(positive_ids=["o1"]), None),
            "keyword": (pb.Keyword(text="blue"), "o1"),
            "fusion": (pb.Fusion(parts=[pb.FusionPart(near_text=text)]), "o0"),
        }
        self.assertEqual(set(kinds), {field.name for field in pb.QueryRequest.DESCRIPTOR.oneofs_by_name["query"].fields})
        for kind, (query, first) in kinds.items():
            with self.subTest(kind):
                found = self.ids(**{kind: query})
                self.assertTrue(found)
                self.assertEqual(found[0], first or found[0])
        self.assertNotIn("o1", self.ids(recommend=kinds["recommend"][0]))

    def test_what_goes_with_a_query(self):
        pb = self.pb["search_service"]
        text = pb.NearText(concepts=["red thing"])
        self.assertEqual(self.ids(near_text=text, max_distance=1e-3), ["o0"])
        self.assertEqual(self.ids(near_text=text, min_certainty=0.999), ["o0"])
        self.assertEqual(self.ids(near_text=text, filter_expression="video == 1", top_k=1, offset=1, exact=True),
                         self.ids(near_text=text, filter_expression="video == 1")[1:2])
        grouped = self.call(self.search.Query, self.request(near_text=text, group_by=pb.GroupBy(property="video")))
        self.assertEqual([result.group.integer_value for result in grouped.results], [0, 1])
        # `lambda` is a word of Python.
        self.assertEqual(len(self.ids(near_text=text, diversity=pb.Diversity(**{"lambda": 0.5}))), 5)
        self.assertEqual(self.ids(filter_expression="id IN ['o3', 'o1']"), ["o1", "o3"])

    def test_errors(self):
        pb = self.pb["search_service"]
        self.assert_refused(self.search.Query, self.request(near_text=pb.NearText(concepts=["a"]), top_k=-1), "top_k")
        self.assert_refused(self.search.Query, self.request(near_vector=pb.NearVector(vector=self.vector([1, 2, 3]))),
                            "near_vector.vector")
        self.assert_refused(self.search.Query, self.request(near_image=pb.NearImage(image=b"no picture")),
                            "near_image.image")
        self.assert_missing(self.search.Query, self.request(near_object=pb.NearObject(id="nobody")), "object", "nobody")
        self.create("own-vectors", vector_spaces=[self.own_space()])
        failure = self.failure(self.search.Query, pb.QueryRequest(
            collection="own-vectors", near_text=pb.NearText(concepts=["a"])))
        self.assertEqual((failure.code, failure.details["ErrorInfo"].reason), ("FAILED_PRECONDITION", "NO_VECTORIZER"))

    def test_batch(self):
        pb = self.pb["search_service"]
        queries = [pb.QueryRequest(near_object=pb.NearObject(id=f"o{i}", include_self=True), top_k=1) for i in range(3)]
        request = pb.BatchQueryRequest(collection="searched", queries=queries)
        answer = self.call(self.search.BatchQuery, request)
        self.assertEqual([response.results[0].object.id for response in answer.responses], ["o0", "o1", "o2"])
        request.queries[1].top_k = 20_000
        self.assert_refused(self.search.BatchQuery, request, "queries[1].top_k")


class AdminServiceTest(RpcCase):
    def admin_request(self, message, /, **fields):
        return getattr(self.pb["admin_service"], message + "Request")(**fields)

    def test_server_info(self):
        self.create("vectorised")
        self.upsert("vectorised", self.object("a", document="one"))
        info = self.call(self.admin.GetServerInfo, self.admin_request("GetServerInfo"))
        self.assertRegex(info.version, r"^\d+\.\d+\.\d+")
        self.assertEqual((info.limits.results_max, info.limits.objects_per_batch_max), (10_000, 10_000))
        self.assertTrue(info.inference_reachable)

    def test_flush_and_compact(self):
        self.create("compacted", vector_spaces=[self.own_space()])
        self.upsert("compacted", *(self.object(f"o{i}", text="x" * 10_000) for i in range(200)))
        self.call(self.objects.DeleteObjects, self.object_request(
            "DeleteObjects", collection="compacted", filter_expression="id != 'o0'"))
        self.call(self.admin.Flush, self.admin_request("Flush", collection="compacted"))
        self.call(self.admin.Flush, self.admin_request("Flush"))
        self.assert_missing(self.admin.Flush, self.admin_request("Flush", collection="nowhere"), "collection", "nowhere")
        answer = self.call(self.admin.CompactCollection, self.admin_request("CompactCollection", name="compacted"))
        self.assertLess(answer.disk_bytes_after, answer.disk_bytes_before)
        self.assert_missing(self.admin.CompactCollection, self.admin_request("CompactCollection", name="nowhere"),
                            "collection", "nowhere")

    def test_z_snapshots_and_reset(self):
        """Last of all, since it takes every collection away."""
        self.create("kept", vector_spaces=[self.own_space()])
        self.upsert("kept", self.object("a", {"default": [1, 0]}))
        request = self.admin_request("CreateSnapshot", name="monday")
        self.assertGreater(self.call(self.admin.CreateSnapshot, request).size_bytes, 0)
        self.assertEqual(self.failure(self.admin.CreateSnapshot, request).code, "ALREADY_EXISTS")
        listed = self.call(self.admin.ListSnapshots, self.admin_request("ListSnapshots"))
        self.assertEqual([snapshot.name for snapshot in listed.snapshots], ["monday"])
        self.assert_refused(self.admin.CreateSnapshot, self.admin_request("CreateSnapshot", name="../up"), "name")
        self.call(self.admin.Reset, self.admin_request("Reset"))
        count = self.object_request("CountObjects", collection="kept")
        self.assert_missing(self.objects.CountObjects, count, "collection", "kept")
        restored = self.call(self.admin.RestoreSnapshot, self.admin_request("RestoreSnapshot", name="monday"))
        self.assertGreaterEqual(restored.collections, 1)
        self.assertEqual(self.call(self.objects.CountObjects, count).count, 1)
        self.assertEqual(self.failure(self.admin.RestoreSnapshot,
                                      self.admin_request("RestoreSnapshot", name="tuesday")).code, "NOT_FOUND")
        with tempfile.TemporaryDirectory() as directory, Services(directory, with_inference=False) as careful:
            with context.recorder.channel(careful.storage) as channel:
                admin = context.stubs.stub("diptych.storage.v1.AdminService", channel)
                failure = self.failure(admin.Reset, self.admin_request("Reset"))
                self.assertEqual(failure.code, "PERMISSION_DENIED")
                failure = self.failure(admin.CreateSnapshot, self.admin_request("CreateSnapshot", name="monday"))
                self.assertEqual(failure.code, "FAILED_PRECONDITION")


class InferenceServiceTest(RpcCase):
    def setUp(self):
        self.messages = self.inference_messages()
        self.service = self.inference_stub()

    def test_models(self):
        models = self.call(self.service.ListModels, self.messages.ListModelsRequest()).models
        self.assertEqual([(model.name, model.is_default) for model in models], [("fake", True)])
        answer = self.call(self.service.GetModel, self.messages.GetModelRequest())
        self.assertEqual(answer.model, models[0])
        self.assertGreater(answer.limits.inputs_per_request_max, 0)
        self.assert_missing(self.service.GetModel, self.messages.GetModelRequest(name="none"), "model", "none")

    def test_vectorize(self):
        inputs = [self.messages.Input(text="a red circle"), self.messages.Input(image=PICTURE)]
        answer = self.call(self.service.Vectorize, self.messages.VectorizeRequest(inputs=inputs))
        self.assertEqual([len(embedding.values) for embedding in answer.embeddings], [answer.dimension] * 2)
        self.assertAlmostEqual(sum(number * number for number in answer.embeddings[0].values), 1, places=5)
        self.assertEqual(answer.model, "fake")
        self.assert_refused(self.service.Vectorize, self.messages.VectorizeRequest(
            inputs=[*inputs, self.messages.Input(image=b"no picture"), self.messages.Input(text="")]),
            "inputs[2].image", "inputs[3].text")

    def test_vectorize_stream(self):
        request = self.messages.VectorizeStreamRequest
        answers = list(self.service.VectorizeStream(iter([
            request(sequence_number=7, input=self.messages.Input(text="a red circle")),
            request(sequence_number=8, input=self.messages.Input(image=b"no picture")),
            request(sequence_number=9, input=self.messages.Input(image=PICTURE)),
        ]), timeout=DEADLINE))
        by_number = {answer.sequence_number: answer for answer in answers}
        self.assertEqual(set(by_number), {7, 8, 9})
        self.assertEqual(answers[0].model, "fake")
        self.assertTrue(by_number[7].embedding.values and by_number[9].embedding.values)
        status = by_number[8].error
        self.assertEqual(status.code, context.stubs.grpc.StatusCode.INVALID_ARGUMENT.value[0])
        bad = context.stubs.unpacked(status.details)["BadRequest"]
        self.assertEqual([violation.field for violation in bad.field_violations], ["input.image"])
        with self.assertRaises(context.stubs.grpc.RpcError) as raised:
            list(self.service.VectorizeStream(iter([request(model="none", input=self.messages.Input(text="a"))]),
                                              timeout=DEADLINE))
        self.assertEqual(Failure(raised.exception, context.stubs).code, "NOT_FOUND")


class HealthTest(RpcCase):
    def test_health(self):
        pb = context.stubs.module("grpc/health/v1/health")
        for channel in (self.storage, self.inference):
            health = context.stubs.stub("grpc.health.v1.Health", channel)
            self.assertEqual(self.call(health.Check, pb.HealthCheckRequest()).status, pb.HealthCheckResponse.SERVING)
        # Watch goes on until the client has seen enough.
        watch = health.Watch(pb.HealthCheckRequest(), timeout=DEADLINE)
        self.assertEqual(next(watch).status, pb.HealthCheckResponse.SERVING)
        watch.cancel()
        context.recorder.codes["/grpc.health.v1.Health/Watch"].add("OK")


if __name__ == "__main__":
    run()
