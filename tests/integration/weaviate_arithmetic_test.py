"""Weaviate's arithmetic, value by value: moves, weights of fields, certainty, fusion and diversity; and what Diptych adds
to it, mixes and examples.

Vectors are chosen so that every expected number can be worked out by hand; the working stands beside it.
"""

import math

from pictures import png
from rpc_case import RpcCase, run

PICTURE = png((10, 200, 10))

# Where a query for the concept "a" ends up, in multiples of the vector of "a", which has length 1. Objects "three" and
# "minus" have 3 and -1 times that vector. A move is (concepts, objects, force).
MOVES = [
    # nothing moves
    (None, None, 1),
    (([], ["three"], 0), None, 1),
    # towards: v * (1 - force / 2) + t * force / 2
    (([], ["three"], 1), None, 2),           # 1 * 0.5 + 3 * 0.5
    (([], ["three"], 0.5), None, 1.5),       # 1 * 0.75 + 3 * 0.25
    (([], ["minus"], 1), None, 0),           # 1 * 0.5 - 1 * 0.5
    (([], ["three", "minus"], 1), None, 1),  # t = (3 - 1) / 2 = 1
    (["a"], None, 1),
    ((["a"], ["three"], 1), None, 1.5),      # t = (1 + 3) / 2 = 2
    ((["a", "a", "a"], ["three"], 1), None, 1.5),  # concepts count as one, however many: t = 2 again
    ((["a"], ["three", "three"], 0.5), None, 1 * 0.75 + (1 + 3 + 3) / 3 * 0.25),
    # away: v + force / 2 * (v - t), and no limit to the force
    (None, ([], ["three"], 1), 0),           # 1 + 0.5 * (1 - 3)
    (None, ([], ["minus"], 1), 2),           # 1 + 0.5 * (1 + 1)
    (None, ([], ["minus"], 3), 4),           # 1 + 1.5 * 2
    (None, (["a"], ["minus"], 1), 1.5),      # t = (1 - 1) / 2 = 0; 1 + 0.5 * 1
    (None, (["a"], [], 2), 1),               # t = v
    # first towards, then away from where that leads
    (([], ["three"], 1), ([], ["minus"], 1), 3.5),  # 2, then 2 + 0.5 * (2 + 1)
    (([], ["minus"], 1), ([], ["three"], 1), -1.5),  # 0, then 0 + 0.5 * (0 - 3)
]
MOVES = [(to if to != ["a"] else (["a"], [], 1), away, expected) for to, away, expected in MOVES]

# Terms (weight, vector) and where their mix ends up: every vector scaled to length 1, the sum divided by the weights'
# absolute values.
MIXES = [
    ([(1, [3, 4])], [0.6, 0.8]),
    ([(7, [3, 4])], [0.6, 0.8]),
    ([(1, [3, 4]), (1, [0, 2])], [0.3, 0.9]),              # (0.6, 0.8 + 1) / 2
    ([(1, [3, 4]), (-0.5, [0, 2])], [0.4, 0.2]),           # (0.6, 0.8 - 0.5) / 1.5
    ([(2, [1, 0]), (1, [0, 5]), (-1, [0, -1])], [0.5, 0.5]),  # (2, 1 + 1) / 4
]

# Examples and where they lead: 2 * mean(positives) - mean(negatives); under cosine each is scaled to length 1 before.
RECOMMENDATIONS = [
    ("METRIC_SQUARED_L2", ["x2"], [], [2, 0]),
    ("METRIC_SQUARED_L2", ["x2", "y2"], [], [1, 1]),
    ("METRIC_SQUARED_L2", ["x2", "y2"], ["x1"], [1, 2]),          # 2 * (1, 1) - (1, 0)
    ("METRIC_SQUARED_L2", ["x2"], ["x1", "y2"], [3.5, -1]),       # 2 * (2, 0) - (0.5, 1)
    ("METRIC_COSINE", ["x2", "y2"], [], [1, 1]),
    ("METRIC_COSINE", ["x2"], ["y2"], [2, -1]),                   # 2 * (1, 0) - (0, 1)
]

# (query, vector, cosine distance, certainty = 1 - distance / 2)
CERTAINTIES = [
    ([1, 0], [5, 0], 0, 1),
    ([1, 0], [0, 2], 1, 0.5),
    ([1, 0], [-1, 0], 2, 0),
    ([1, 0], [3, 4], 0.4, 0.8),    # cos = 3 / 5
    ([1, 0], [-3, 4], 1.6, 0.2),   # cos = -3 / 5
]


class ArithmeticTest(RpcCase):
    def space(self, metric="METRIC_SQUARED_L2", **fields):
        pb = self.pb["collection"]
        return pb.VectorSpace(metric=pb.Metric.Value(metric), **fields)

    def embed(self, **kind):
        service = self.inference_stub()
        (name, value), = kind.items()
        messages = self.inference_messages()
        answer = self.call(service.Vectorize, messages.VectorizeRequest(inputs=[messages.Input(**{name: value})]))
        return list(answer.embeddings[0].values)

    def distances(self, collection, **query):
        return {result.object.id: result.distance for result in self.query(collection, **query)}

    def assert_leads_to(self, point, collection, **query):
        """The query's vector is `point`: known by its squared distances to the origin and to (1, 0) and (0, 1)."""
        found = self.distances(collection, top_k=100, **query)
        for id, corner in (("origin", (0, 0)), ("x1", (1, 0)), ("y1", (0, 1))):
            if id in found:
                expected = sum((a - b) ** 2 for a, b in zip(point, corner))
                self.assertAlmostEqual(found[id], expected, places=5, msg=id)
        self.assertIn("origin", found)


class MoveTest(ArithmeticTest):
    def setUp(self):
        pb = self.pb["collection"]
        self.name = self.create(self.id().rsplit(".")[-1], vector_spaces=[self.space(vectorizer=pb.Vectorizer(
            text_fields=[pb.WeightedField(property="document")]))])
        self.a = self.embed(text="a")
        self.assertAlmostEqual(sum(number * number for number in self.a), 1, places=5)
        self.upsert(self.name, self.object("three", {"default": [3 * number for number in self.a]}),
                    self.object("minus", {"default": [-number for number in self.a]}))

    def move(self, given):
        concepts, objects, force = given
        return self.pb["search_service"].Move(concepts=concepts, object_ids=objects, force=force)

    def test_moves(self):
        for to, away, expected in MOVES:
            with self.subTest(f"to {to}, away {away}"):
                text = self.pb["search_service"].NearText(concepts=["a"])
                if to is not None:
                    text.move_to.CopyFrom(self.move(to))
                if away is not None:
                    text.move_away.CopyFrom(self.move(away))
                found = self.distances(self.name, near_text=text)
                self.assertAlmostEqual(found["three"], (expected - 3) ** 2, places=4)
                self.assertAlmostEqual(found["minus"], (expected + 1) ** 2, places=4)

    def test_several_concepts_are_their_mean(self):
        b = self.embed(text="b")
        self.upsert(self.name, self.object("middle", {"default": [(x + y) / 2 for x, y in zip(self.a, b)]}))
        found = self.distances(self.name, near_text=self.pb["search_service"].NearText(concepts=["a", "b"]))
        self.assertAlmostEqual(found["middle"], 0, places=6)

    def test_what_weaviate_refuses(self):
        pb = self.pb["search_service"]
        for field, move in (("near_text.move_to.force", pb.Move(concepts=["a"], force=1.5)),
                            ("near_text.move_to.force", pb.Move(concepts=["a"], force=-0.5)),
                            ("near_text.move_to", pb.Move(force=0.5))):
            self.assert_refused(self.search.Query, pb.QueryRequest(
                collection=self.name, near_text=pb.NearText(concepts=["a"], move_to=move)), field)
        self.assert_refused(self.search.Query, pb.QueryRequest(collection=self.name, near_text=pb.NearText(
            concepts=["a"], move_away=pb.Move(force=0.5))), "near_text.move_away")
        self.assert_missing(self.search.Query, pb.QueryRequest(collection=self.name, near_text=pb.NearText(
            concepts=["a"], move_to=pb.Move(object_ids=["nobody"], force=1))), "object", "nobody")


class WeightTest(ArithmeticTest):
    """Weaviate bound weights to the wrong fields (they were given in the order of the configuration, and applied in that of
    the names) and failed where a field was missing or a list."""

    # Named so that the order of names is not that of the configuration.
    WEIGHTS = {"title": 3, "body": 1}
    IMAGE_WEIGHTS = {"photo": 4}

    def setUp(self):
        pb = self.pb["collection"]
        self.name = self.create(self.id().rsplit(".")[-1], vector_spaces=[self.space(vectorizer=pb.Vectorizer(
            text_fields=[pb.WeightedField(property=name, weight=weight) for name, weight in self.WEIGHTS.items()],
            image_fields=[pb.WeightedField(property=name, weight=weight)
                          for name, weight in self.IMAGE_WEIGHTS.items()]))])
        self.title, self.body, self.other = (self.embed(text=text) for text in ("t", "b", "o"))
        self.photo = self.embed(image=PICTURE)

    def assert_vector(self, expected, **properties):
        self.upsert(self.name, self.object("one", **properties))
        answer = self.call(self.objects.GetObjects, self.object_request(
            "GetObjects", collection=self.name, ids=["one"], projection=self.projection(vectors=True)))
        vectors = answer.objects[0].vectors
        if expected is None:
            self.assertFalse(vectors)
            return
        for actual, wanted in zip(vectors["default"].dense.values, expected):
            self.assertAlmostEqual(actual, wanted, places=6)

    def mean(self, *weighted):
        total = sum(weight for weight, _ in weighted)
        return [sum(weight * vector[i] for weight, vector in weighted) / total for i in range(len(weighted[0][1]))]

    def test_weights_go_by_name_and_are_normalised_over_what_is_there(self):
        title, body, photo = (3, self.title), (1, self.body), (4, self.photo)
        self.assert_vector(self.mean(title, body, photo), title="t", body="b", photo=PICTURE)
        self.assert_vector(self.mean(title, body), title="t", body="b")
        self.assert_vector(self.mean(body, photo), body="b", photo=PICTURE)
        self.assert_vector(self.mean(title, photo), title="t", photo=PICTURE)
        self.assert_vector(self.title, title="t")
        self.assert_vector(self.photo, photo=PICTURE)
        self.assert_vector(None, unrelated="x")

    def test_a_list_of_texts_counts_as_one_field(self):
        both = self.mean((1, self.title), (1, self.other))
        self.assert_vector(both, title=["t", "o"])
        self.assert_vector(self.mean((3, both), (1, self.body)), title=["t", "o"], body="b")
        self.assert_vector(self.body, title="", body="b")

    def test_under_cosine_the_mean_has_length_1(self):
        name = self.create("cosine-weights")
        self.upsert(name, self.object("one", document="t", image=PICTURE))
        answer = self.call(self.objects.GetObjects, self.object_request(
            "GetObjects", collection=name, ids=["one"], projection=self.projection(vectors=True)))
        mean = self.mean((1, self.title), (1, self.photo))
        length = math.sqrt(sum(number * number for number in mean))
        for actual, wanted in zip(answer.objects[0].vectors["default"].dense.values, mean):
            self.assertAlmostEqual(actual, wanted / length, places=6)


class CombinationTest(ArithmeticTest):
    POINTS = {"origin": [0, 0], "x1": [1, 0], "y1": [0, 1], "x2": [2, 0], "y2": [0, 2]}

    def fill(self, metric="METRIC_SQUARED_L2"):
        name = self.create(f"points-{metric.lower().replace('_', '-')}-{self.id().rsplit('.')[-1]}",
                           vector_spaces=[self.space(metric, dimension=2)])
        self.upsert(name, *(self.object(id, {"default": point}) for id, point in self.POINTS.items()
                            if metric != "METRIC_COSINE" or any(point)))
        return name

    def test_mixes(self):
        name = self.fill()
        pb = self.pb["search_service"]
        for terms, point in MIXES:
            with self.subTest(str(terms)):
                self.assert_leads_to(point, name, mix=pb.Mix(terms=[
                    pb.WeightedTerm(near_vector=self.near(vector), weight=weight) for weight, vector in terms]))
        opposite = pb.Mix(terms=[pb.WeightedTerm(near_vector=self.near([1, 1]), weight=1),
                                 pb.WeightedTerm(near_vector=self.near([2, 2]), weight=-1)])
        self.assert_refused(self.search.Query, pb.QueryRequest(collection=name, mix=opposite), "mix")

    def test_recommendations(self):
        pb = self.pb["search_service"]
        for metric, positive, negative, point in RECOMMENDATIONS:
            with self.subTest(f"{metric} {positive} {negative}"):
                name = self.create(f"examples-{len(positive)}{len(negative)}-{metric.lower().replace('_', '-')}",
                                   vector_spaces=[self.space(metric, dimension=2)])
                self.upsert(name, *(self.object(id, {"default": place}) for id, place in self.POINTS.items()
                                    if metric != "METRIC_COSINE" or any(place)),
                            self.object("corner", {"default": [1, -1]}))
                query = pb.Recommend(positive_ids=positive, negative_ids=negative)
                found = self.distances(name, recommend=query)
                self.assertFalse(set(found) & {*positive, *negative})
                if metric == "METRIC_COSINE":
                    expected = 1 - (point[0] - point[1]) / math.hypot(*point) / math.sqrt(2)
                else:
                    expected = (point[0] - 1) ** 2 + (point[1] + 1) ** 2
                self.assertAlmostEqual(found["corner"], expected, places=5)

    def test_certainty(self):
        for position, (query, vector, distance, certainty) in enumerate(CERTAINTIES):
            with self.subTest(f"{query} {vector}"):
                name = self.create(f"certainty-{position}", vector_spaces=[self.own_space()])
                self.upsert(name, self.object("one", {"default": vector}))
                result = self.query(name, near_vector=self.near(query))[0]
                self.assertAlmostEqual(result.distance, distance, places=6)
                self.assertAlmostEqual(result.certainty, certainty, places=6)
                # A limit is met by what lies on it, but for rounding.
                self.assertEqual(len(self.query(name, near_vector=self.near(query), min_certainty=certainty - 1e-6)), 1)
                self.assertEqual(len(self.query(name, near_vector=self.near(query), min_certainty=certainty + 1e-6)), 0)
                self.assertEqual(len(self.query(name, near_vector=self.near(query), max_distance=distance + 1e-6)), 1)
                self.assertEqual(len(self.query(name, near_vector=self.near(query), max_distance=distance - 1e-6)), 0)

    def test_certainty_is_of_cosine_and_not_given_beside_a_distance(self):
        request = self.pb["search_service"].QueryRequest
        self.assert_refused(self.search.Query, request(
            collection=self.fill(), near_vector=self.near([1, 0]), min_certainty=0.5), "min_certainty")
        self.assert_refused(self.search.Query, request(
            collection=self.fill("METRIC_COSINE"), near_vector=self.near([1, 0]), min_certainty=0.5, max_distance=1),
            "min_certainty")


class FusionTest(ArithmeticTest):
    # In space "p" the distances to the origin are 0, 1, 4, 9 in the order of the alphabet, in "q" (which has no "a") 0, 1,
    # 9 for "d", "c", "b".
    P = {"a": 0, "b": 1, "c": 2, "d": 3}
    Q = {"d": 0, "c": 1, "b": 3}

    def setUp(self):
        self.name = self.create(self.id().rsplit(".")[-1], vector_spaces=[
            self.space(name="p", dimension=2), self.space(name="q", dimension=2)])
        self.upsert(self.name, *(self.object(id, {space: [places[id], 0] for space, places in (("p", self.P), ("q", self.Q))
                                                  if id in places}) for id in "abcd"))

    def fused(self, method, weights):
        pb = self.pb["search_service"]
        return {result.object.id: result.score for result in self.query(self.name, fusion=pb.Fusion(
            method=pb.FusionMethod.Value(method), parts=[
                pb.FusionPart(near_vector=self.near([0, 0]), vector_space=space, weight=weight)
                for space, weight in zip("pq", weights)]))}

    def assert_scores(self, actual, expected):
        self.assertEqual(list(actual), sorted(expected, key=lambda id: (-expected[id], id)))
        for id, score in expected.items():
            self.assertAlmostEqual(actual[id], score, places=9)

    def test_ranked_fusion(self):
        # weight / (60 + rank), the first has rank 0
        self.assert_scores(self.fused("FUSION_METHOD_RECIPROCAL_RANK", (1, 1)), {
            "a": 1 / 60, "b": 1 / 61 + 1 / 62, "c": 1 / 62 + 1 / 61, "d": 1 / 63 + 1 / 60})
        self.assert_scores(self.fused("FUSION_METHOD_RECIPROCAL_RANK", (3, 0.5)), {
            "a": 3 / 60, "b": 3 / 61 + 0.5 / 62, "c": 3 / 62 + 0.5 / 61, "d": 3 / 63 + 0.5 / 60})

    def test_relative_score_fusion(self):
        # weight * (score - min) / (max - min), the score being minus the distance
        self.assert_scores(self.fused("FUSION_METHOD_RELATIVE_SCORE", (1, 1)), {
            "a": 1, "b": 8 / 9 + 0, "c": 5 / 9 + 8 / 9, "d": 0 + 1})
        self.assert_scores(self.fused("FUSION_METHOD_RELATIVE_SCORE", (0.25, 0.75)), {
            "a": 0.25, "b": 2 / 9, "c": 5 / 36 + 6 / 9, "d": 0.75})


class DiversityTest(ArithmeticTest):
    def test_maximal_marginal_relevance(self):
        # On a line, asked from 0: squared distances to the query are 1, 1.21, 16, 36.
        places = {"near": 1, "twin": 1.1, "far": -4, "farther": 6}
        name = self.create("diverse", vector_spaces=[self.space(dimension=2)])
        self.upsert(name, *(self.object(id, {"default": [place, 0]}) for id, place in places.items()))
        pb = self.pb["search_service"]
        expected = {
            1: ["near", "twin", "far", "farther"],
            # After "near", the distances to it are 0.01, 25, 25: a tie of "far" and "farther", and the nearer wins. Then
            # min(0.01, 26.01) and min(25, 100).
            0: ["near", "far", "farther", "twin"],
            # 0.5 * 0.01 - 0.5 * 1.21 = -0.6; 0.5 * 25 - 0.5 * 16 = 4.5; 0.5 * 25 - 0.5 * 36 = -5.5. Then twin -0.6,
            # farther 0.5 * 25 - 0.5 * 36 = -5.5.
            0.5: ["near", "far", "twin", "farther"],
        }
        for balance, order in expected.items():
            with self.subTest(balance):
                found = self.query(name, near_vector=self.near([0, 0]), diversity=pb.Diversity(**{"lambda": balance}))
                self.assertEqual([result.object.id for result in found], order)


if __name__ == "__main__":
    run()
