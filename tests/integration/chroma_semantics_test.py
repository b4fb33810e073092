"""What Chroma's documentation promises, value by value, where Diptych means to do the same.

Left is Chroma's way of saying it (docs.trychroma.com, "Collections" and "Querying Collections"), right what Diptych has to
answer. Expected values are worked out by hand.
"""

import math
import unittest

from rpc_case import RpcCase, context, run

# id -> (document, metadata). "none" lacks every key.
RECORDS = {
    "int": ("Apples and pears", {"page": 5, "colour": "red", "tags": ["a", "b"], "read": True}),
    "float": ("apple pie", {"page": 5.5, "colour": "green", "tags": ["b"], "read": False}),
    "text": ("A pear", {"page": "5", "colour": "Red"}),
    "big": ("Plums\nand pears", {"page": 40, "colour": "blue", "tags": ["c"], "numbers": [5, 7]}),
    "none": (None, {}),
}

# (Chroma's where or where_document, Diptych's filter_expression, the ids that match, in their order)
FILTERS = [
    ('{"page": 5}', "page == 5", ["int"]),
    ('{"page": {"$eq": 5}}', "page = 5", ["int"]),
    ('{"page": {"$eq": 5.5}}', "page == 5.5", ["float"]),
    ('{"page": {"$eq": "5"}}', "page == '5'", ["text"]),
    ('{"page": {"$ne": 5}}', "page != 5", ["big", "float", "none", "text"]),
    ('{"page": {"$gt": 5}}', "page > 5", ["big", "float"]),
    ('{"page": {"$gte": 5}}', "page >= 5", ["big", "float", "int"]),
    ('{"page": {"$lt": 5.5}}', "page < 5.5", ["int"]),
    ('{"page": {"$lte": 5.5}}', "page <= 5.5", ["float", "int"]),
    ('{"colour": {"$eq": "red"}}', "colour == 'red'", ["int"]),
    ('{"colour": {"$in": ["red", "blue"]}}', "colour IN ['red', 'blue']", ["big", "int"]),
    ('{"colour": {"$nin": ["red", "blue"]}}', "colour NOT IN ['red', 'blue']", ["float", "none", "text"]),
    ('{"page": {"$in": [5, 40]}}', "page IN [5, 40]", ["big", "int"]),
    ('{"read": true}', "read == TRUE", ["int"]),
    ('{"read": {"$ne": true}}', "read != TRUE", ["big", "float", "none", "text"]),
    ('{"tags": {"$contains": "b"}}', "tags CONTAINS 'b'", ["float", "int"]),
    ('{"tags": {"$not_contains": "b"}}', "tags NOT CONTAINS 'b'", ["big", "none", "text"]),
    ('{"numbers": {"$contains": 7}}', "numbers CONTAINS 7", ["big"]),
    ('{"$and": [{"page": {"$gte": 5}}, {"page": {"$lt": 40}}]}', "page >= 5 AND page < 40", ["float", "int"]),
    ('{"$or": [{"colour": "red"}, {"page": 40}]}', "colour == 'red' OR page == 40", ["big", "int"]),
    ('{"$and": [{"page": {"$gte": 5}}, {"$or": [{"colour": "green"}, {"read": true}]}]}',
     "page >= 5 AND (colour == 'green' OR read == TRUE)", ["float", "int"]),
    ('where_document {"$contains": "pear"}', "document CONTAINS 'pear'", ["big", "int", "text"]),
    ('where_document {"$contains": "apple"}', "document CONTAINS 'apple'", ["float"]),
    ('where_document {"$not_contains": "pear"}', "document NOT CONTAINS 'pear'", ["float", "none"]),
    ('where_document {"$regex": "^A"}', "document MATCHES '^A'", ["int", "text"]),
    ('where_document {"$regex": "(?i)apple"}', "document MATCHES '(?i)apple'", ["float", "int"]),
    ('where_document {"$not_regex": "^A"}', "document NOT MATCHES '^A'", ["big", "float", "none"]),
    ('where_document {"$and": [{"$contains": "pear"}, {"$not_contains": "Plum"}]}',
     "document CONTAINS 'pear' AND document NOT CONTAINS 'Plum'", ["int", "text"]),
    ('where {"page": {"$gt": 4}}, where_document {"$contains": "pears"}',
     "page > 4 AND document CONTAINS 'pears'", ["big", "int"]),
    ('ids ["none", "int", "nobody"]', "id IN ['none', 'int', 'nobody']", ["int", "none"]),
    ('ids ["none", "int"], where {"page": 5}', "id IN ['none', 'int'] AND page == 5", ["int"]),
]

# (name, whether Chroma takes it)
NAMES = [
    ("abc", True), ("a-b_c.d", True), ("UPPER", True), ("x" * 512, True), ("1st", True), ("1.2.3", True),
    ("ab", False), ("", False), ("x" * 513, False), ("-ab", False), ("ab-", False), (".ab", False), ("a..b", False),
    ("a b", False), ("a/b", False), ("größe", False), ("192.168.0.1", False),
]

# (metric, query, vector, distance by Chroma's definition: squared l2, 1 - dot, 1 - cos)
DISTANCES = [
    ("METRIC_SQUARED_L2", [0, 0], [3, 4], 25),
    ("METRIC_SQUARED_L2", [1, 1], [1, 1], 0),
    ("METRIC_SQUARED_L2", [1, -2], [-2, 2], 25),
    ("METRIC_INNER_PRODUCT", [1, 2], [3, 4], -10),
    ("METRIC_INNER_PRODUCT", [1, 0], [0, 5], 1),
    ("METRIC_INNER_PRODUCT", [0.5, 0.5], [1, 0.5], 0.25),
    ("METRIC_COSINE", [1, 0], [2, 0], 0),
    ("METRIC_COSINE", [1, 0], [0, 7], 1),
    ("METRIC_COSINE", [1, 0], [-3, 0], 2),
    ("METRIC_COSINE", [1, 1], [1, 0], 1 - 1 / math.sqrt(2)),
    ("METRIC_COSINE", [3, 4], [4, 3], 1 - 24 / 25),
]


class ChromaTest(RpcCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        test = cls()
        cls.records = test.create(f"records-{cls.__name__}", vector_spaces=[test.own_space()])
        test.upsert(cls.records, *(test.object(id, {"default": [1, position]}, **metadata,
                                             **({} if document is None else {"document": document}))
                                 for position, (id, (document, metadata)) in enumerate(RECORDS.items())))

    def ids_of(self, collection, expression="", **fields):
        answer = self.call(self.objects.ListObjects, self.object_request(
            "ListObjects", collection=collection, filter_expression=expression, **fields))
        return [found.id for found in answer.objects]

    def get(self, collection, id):
        found = self.call(self.objects.GetObjects, self.object_request(
            "GetObjects", collection=collection, ids=[id], projection=self.projection(vectors=True))).objects
        return found[0] if found else None


class FilterTest(ChromaTest):
    def test_where_and_where_document(self):
        for chroma, expression, expected in FILTERS:
            with self.subTest(chroma):
                # get, count, query and delete mean the same by it.
                self.assertEqual(self.ids_of(self.records, expression), expected)
                self.assertEqual(self.call(self.objects.CountObjects, self.object_request(
                    "CountObjects", collection=self.records, filter_expression=expression)).count, len(expected))
                found = self.query(self.records, near_vector=self.near([1, 0]), filter_expression=expression)
                self.assertEqual(sorted(result.object.id for result in found), expected)

    def test_delete_by_where(self):
        for position, (chroma, expression, expected) in enumerate(FILTERS):
            if position % 6:
                continue
            with self.subTest(chroma):
                name = self.create(f"deleted-{position}", vector_spaces=[self.own_space()])
                self.upsert(name, *(self.object(id, **metadata, **({} if document is None else {"document": document}))
                                    for id, (document, metadata) in RECORDS.items()))
                answer = self.call(self.objects.DeleteObjects, self.object_request(
                    "DeleteObjects", collection=name, filter_expression=expression))
                self.assertEqual(answer.deleted_count, len(expected))
                self.assertEqual(self.ids_of(name), sorted(set(RECORDS) - set(expected)))


class CollectionTest(ChromaTest):
    def test_names(self):
        for name, good in NAMES:
            with self.subTest(name):
                request = self.collection_request("CreateCollection", collection=self.pb["collection"].Collection(
                    name=name))
                if good:
                    self.call(self.collections.CreateCollection, request)
                else:
                    self.assert_refused(self.collections.CreateCollection, request, "collection.name")

    def test_distances(self):
        pb = self.pb["collection"]
        for position, (metric, query, vector, distance) in enumerate(DISTANCES):
            with self.subTest(f"{metric} {query} {vector}"):
                name = self.create(f"distance-{position}", vector_spaces=[self.own_space(metric=pb.Metric.Value(metric))])
                self.upsert(name, self.object("one", {"default": vector}))
                found = self.query(name, near_vector=self.near(query))
                self.assertAlmostEqual(found[0].distance, distance, places=6)

    def test_the_first_vector_fixes_the_dimension(self):
        name = self.create("dimension", vector_spaces=[self.pb["collection"].VectorSpace()])
        self.upsert(name, self.object("a", {"default": [1, 2, 3]}))
        self.assert_refused(self.objects.UpsertObjects, self.object_request(
            "UpsertObjects", collection=name, objects=[self.object("b", {"default": [1, 2]})]),
            'objects[0].vectors["default"]')
        self.assert_refused(self.search.Query, self.pb["search_service"].QueryRequest(
            collection=name, near_vector=self.near([1, 2])), "near_vector.vector")


class RecordTest(ChromaTest):
    def setUp(self):
        self.name = self.create(self.id().rsplit(".")[-1], vector_spaces=[self.own_space(), self.own_space(name="other")])
        self.upsert(self.name, self.object("a", {"default": [1, 0]}, document="one", page=1, colour="red"))

    def test_add_leaves_what_exists(self):
        answer = self.call(self.objects.InsertObjects, self.object_request(
            "InsertObjects", collection=self.name, objects=[
                self.object("a", {"default": [0, 1]}, document="changed"), self.object("b", document="two")]))
        self.assertEqual(list(answer.existing_ids), ["a"])
        self.assertEqual(self.get(self.name, "a").properties["document"].text_value, "one")
        self.assertEqual(list(self.get(self.name, "a").vectors["default"].dense.values), [1, 0])
        self.assertEqual(self.get(self.name, "b").properties["document"].text_value, "two")

    def test_add_refuses_an_id_given_twice(self):
        self.assert_refused(self.objects.InsertObjects, self.object_request(
            "InsertObjects", collection=self.name, objects=[self.object("x"), self.object("x")]), "objects[1].id")
        self.assertIsNone(self.get(self.name, "x"))

    def test_update_ignores_what_does_not_exist(self):
        answer = self.call(self.objects.UpdateObjects, self.object_request(
            "UpdateObjects", collection=self.name, objects=[self.object("nobody", page=2)]))
        self.assertEqual(list(answer.missing_ids), ["nobody"])
        self.assertIsNone(self.get(self.name, "nobody"))

    def test_update_merges_metadata_and_none_deletes_a_key(self):
        self.call(self.objects.UpdateObjects, self.object_request(
            "UpdateObjects", collection=self.name, objects=[self.object("a", page=2, colour=None, size="L")]))
        got = self.get(self.name, "a")
        self.assertEqual(dict(got.properties), {
            "document": self.value("one"), "page": self.value(2), "size": self.value("L")})
        self.assertEqual(list(got.vectors["default"].dense.values), [1, 0])

    def test_update_changes_the_vector_alone(self):
        self.call(self.objects.UpdateObjects, self.object_request(
            "UpdateObjects", collection=self.name, objects=[self.object("a", {"default": [0, 1]})]))
        got = self.get(self.name, "a")
        self.assertEqual(list(got.vectors["default"].dense.values), [0, 1])
        self.assertEqual(got.properties["page"].integer_value, 1)

    def test_upsert_adds_and_replaces(self):
        answer = self.upsert(self.name, self.object("a", document="new"), self.object("b", document="two"))
        self.assertEqual(answer.inserted_count, 1)
        # All of it is replaced, as by an add: nothing of the old one stays.
        got = self.get(self.name, "a")
        self.assertEqual(set(got.properties), {"document"})
        self.assertFalse(got.vectors)

    def test_metadata_keys_of_the_filter_language_are_refused(self):
        for key in ("#page", "$page", ""):
            with self.subTest(key):
                bad = self.object("b")
                bad.properties[key].CopyFrom(self.value(1))
                self.assert_refused(self.objects.UpsertObjects, self.object_request(
                    "UpsertObjects", collection=self.name, objects=[bad]), f'objects[0].properties["{key}"]')

    def test_delete_needs_ids_or_a_filter_and_passes_over_unknown_ids(self):
        self.assert_refused(self.objects.DeleteObjects,
                            self.object_request("DeleteObjects", collection=self.name), "ids")
        self.assertEqual(self.call(self.objects.DeleteObjects, self.object_request(
            "DeleteObjects", collection=self.name, ids=["a", "nobody"])).deleted_count, 1)


class QueryTest(ChromaTest):
    def test_more_results_than_records_is_no_error(self):
        found = self.query(self.records, near_vector=self.near([1, 0]), top_k=1000)
        self.assertEqual([result.object.id for result in found], ["int", "float", "text", "big", "none"])

    def test_ten_results_unless_told(self):
        name = self.create("twenty", vector_spaces=[self.own_space()])
        self.upsert(name, *(self.object(f"o{i:02}", {"default": [1, i]}) for i in range(20)))
        found = self.query(name, near_vector=self.near([1, 0]))
        self.assertEqual([result.object.id for result in found], [f"o{i:02}" for i in range(10)])

    def test_ids_that_do_not_exist_do_not_fail_the_query(self):
        found = self.query(self.records, near_vector=self.near([1, 0]), filter_expression="id IN ['nobody', 'big']")
        self.assertEqual([result.object.id for result in found], ["big"])

    def test_a_record_without_embedding_is_not_found_by_queries(self):
        name = self.create("partly", vector_spaces=[self.own_space()])
        self.upsert(name, self.object("with", {"default": [1, 0]}), self.object("without", document="x"))
        self.assertEqual([result.object.id for result in self.query(name, near_vector=self.near([0, 1]))], ["with"])
        self.assertEqual(self.ids_of(name), ["with", "without"])

    def test_query_embeddings_are_answered_each_by_itself(self):
        pb = self.pb["search_service"]
        answer = self.call(self.search.BatchQuery, pb.BatchQueryRequest(collection=self.records, queries=[
            pb.QueryRequest(near_vector=self.near([1, 0]), top_k=1), pb.QueryRequest(near_vector=self.near([0, 1]), top_k=2)]))
        self.assertEqual([[result.object.id for result in response.results] for response in answer.responses],
                         [["int"], ["none", "big"]])

    def test_include(self):
        # documents, metadatas and distances are there unless told otherwise, embeddings when asked for.
        plain = self.query(self.records, near_vector=self.near([1, 0]), top_k=1)[0]
        self.assertEqual((set(plain.object.properties), len(plain.object.vectors), plain.HasField("distance")),
                         ({"document", "page", "colour", "tags", "read"}, 0, True))
        bare = self.query(self.records, near_vector=self.near([1, 0]), top_k=1,
                          projection=self.projection(no_properties=True, vectors=True))[0]
        self.assertEqual((len(bare.object.properties), list(bare.object.vectors["default"].dense.values)), (0, [1, 0]))

    def test_get_has_no_limit_and_pages_by_limit_and_offset(self):
        name = self.create("many", vector_spaces=[self.own_space()])
        self.upsert(name, *(self.object(f"o{i:04}") for i in range(1200)))
        ids, token = [], ""
        while not ids or token:
            page = self.call(self.objects.ListObjects, self.object_request(
                "ListObjects", collection=name, page_size=1000, page_token=token))
            ids += [found.id for found in page.objects]
            token = page.next_page_token
        self.assertEqual(ids, [f"o{i:04}" for i in range(1200)])
        self.assertEqual([result.object.id for result in self.query(name, top_k=3, offset=600)],
                         ["o0600", "o0601", "o0602"])


if __name__ == "__main__":
    run()
