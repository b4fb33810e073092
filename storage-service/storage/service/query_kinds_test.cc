// Queries whose vector is made of several: moves, mixes, recommendations. What
// the server searched for is seen in the distances it reports.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "gmock/gmock.h"
#include "storage/service/storage_services_fixture.h"
#include "storage/service/vector_arithmetic.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

FloatVector V(absl::string_view text) {
  return FakeVectorizer::VectorOf(text, kDimension);
}

class QueryKindsTest : public StorageServicesTest {
 protected:
  // Objects "one", "two", "three" with those texts, and "bare" without any, in
  // a space whose distances tell the length of a query's vector too.
  void SetUp() override {
    ASSERT_THAT(Create(R"(collection { name: "words" vector_spaces {
                              metric: METRIC_SQUARED_L2 vectorizer {
                                text_fields { property: "document" weight: 1 }
                          } } })"),
                IsOk());
    std::string request = R"(collection: "words" objects { id: "bare" } )";
    for (const std::string word : {"one", "two", "three"}) {
      absl::StrAppend(&request, "objects { id: '", word,
                      "' properties { key: 'document' value { text_value: '",
                      word, "' } } } ");
    }
    ASSERT_THAT(Upsert(request), IsOk());
  }

  // That the three objects lie as far from the query's vector as from
  // `expected`.
  void ExpectSearchedFor(const std::string& query, const FloatVector& expected,
                         size_t results = 3) {
    const auto response = Query(absl::StrCat(R"(collection: "words" )", query));
    ASSERT_TRUE(response.ok()) << query << "\n" << response.status();
    EXPECT_EQ(static_cast<size_t>(response->results_size()), results) << query;
    for (const v1::QueryResult& result : response->results()) {
      EXPECT_NEAR(
          result.distance(),
          Distance(Metric::kSquaredL2, expected, V(result.object().id())), 1e-5)
          << query << "\n"
          << result.object().id();
    }
  }

  absl::Status QueryStatus(const std::string& query) {
    return Query(absl::StrCat(R"(collection: "words" )", query)).status();
  }
};

TEST_F(QueryKindsTest, MoveToTakesTheMeanOfConceptsAndEachObjectAsTarget) {
  const FloatVector start = MeanOf({V("a"), V("b")});
  ExpectSearchedFor(
      R"(near_text { concepts: "a" concepts: "b"
             move_to { concepts: "c" force: 0.5 } })",
      MoveTo(start, V("c"), 0.5));
  ExpectSearchedFor(
      R"(near_text { concepts: "a" concepts: "b"
             move_to { object_ids: "two" force: 1 } })",
      MoveTo(start, V("two"), 1));
  // However many concepts there are, they count as one target among the
  // objects.
  const FloatVector target =
      MeanOf({MeanOf({V("c"), V("d"), V("e")}), V("one"), V("three")});
  ExpectSearchedFor(
      R"(near_text { concepts: "a" concepts: "b" move_to {
             concepts: "c" concepts: "d" concepts: "e"
             object_ids: "one" object_ids: "three" force: 0.7 } })",
      MoveTo(start, target, 0.7));
}

TEST_F(QueryKindsTest, MoveAwayComesAfterMoveTo) {
  ExpectSearchedFor(
      R"(near_text { concepts: "a" move_away { concepts: "c" force: 3 } })",
      MoveAway(V("a"), V("c"), 3));
  const FloatVector expected =
      MoveAway(MoveTo(V("a"), V("b"), 0.9), MeanOf({V("c"), V("one")}), 0.8);
  ExpectSearchedFor(
      R"(near_text { concepts: "a" move_to { concepts: "b" force: 0.9 }
             move_away { concepts: "c" object_ids: "one" force: 0.8 } })",
      expected);
  // The other order would be another vector.
  EXPECT_GT(Distance(Metric::kSquaredL2, expected,
                     MoveTo(MoveAway(V("a"), MeanOf({V("c"), V("one")}), 0.8),
                            V("b"), 0.9)),
            0.01);
}

TEST_F(QueryKindsTest, AMoveWithoutForceChangesNothing) {
  ExpectSearchedFor(R"(near_text { concepts: "a" move_to { }
                           move_away { concepts: "c" } })",
                    V("a"));
}

TEST_F(QueryKindsTest, AllTextsOfAQueryGoOutInOneCall) {
  const size_t before = vectorizer_.fake.call_sizes().size();
  ASSERT_THAT(QueryStatus(R"(mix { terms { weight: 1 near_text { concepts: "a"
                         move_to { concepts: "b" concepts: "c" force: 1 }
                         move_away { concepts: "d" force: 1 } } }
                     terms { weight: -1 near_image { image: "e" } } })"),
              IsOk());
  const std::vector<size_t> sizes = vectorizer_.fake.call_sizes();
  ASSERT_EQ(sizes.size(), before + 1);
  EXPECT_EQ(sizes.back(), 5u);
}

TEST_F(QueryKindsTest, AMixWeighsTermsOfEveryKind) {
  ExpectSearchedFor(
      R"(mix { terms { near_image { image: "dress" } weight: 1 }
               terms { near_text { concepts: "red" } weight: 0.5 }
               terms { near_text { concepts: "blue" } weight: -0.5 } })",
      WeightedMix({V("dress"), V("red"), V("blue")}, {1, 0.5, -0.5}));
  const FloatVector own = {2, 0, 0, 0, 0, 0, 0, 0};
  const std::string mix = R"(
      mix { terms { near_object { id: "one" %s } weight: 2 }
            terms { near_text { concepts: "a" concepts: "b"
                        move_to { object_ids: "two" force: 0.4 } } weight: 3 }
            terms { near_vector { vector { dense {
                        values: [2, 0, 0, 0, 0, 0, 0, 0] } } } weight: 1 } })";
  const FloatVector expected = WeightedMix(
      {V("one"), MoveTo(MeanOf({V("a"), V("b")}), V("two"), 0.4), own},
      {2, 3, 1});
  std::string with_self = mix, without_self = mix;
  with_self.replace(mix.find("%s"), 2, "include_self: true");
  without_self.replace(mix.find("%s"), 2, "");
  ExpectSearchedFor(with_self, expected, 3);
  // The object itself is left out, as it is by near_object alone.
  ExpectSearchedFor(without_self, expected, 2);
}

TEST_F(QueryKindsTest, AMixThatCancelsOutIsRefused) {
  const absl::Status status =
      QueryStatus(R"(mix { terms { near_text { concepts: "a" } weight: 1 }
                           terms { near_text { concepts: "a" } weight: -1 } })");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("cancel each other out")));
  ASSERT_EQ(FieldViolationsOf(status).size(), 1u);
  EXPECT_EQ(FieldViolationsOf(status)[0].field, "mix");
}

TEST_F(QueryKindsTest, RecommendLeavesItsExamplesOut) {
  ExpectSearchedFor(R"(recommend { positive_ids: "one" })", V("one"), 2);
  ExpectSearchedFor(R"(recommend { positive_ids: "one" negative_ids: "two" })",
                    RecommendationVector({V("one")}, {V("two")}), 1);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto response,
                               Query(R"(collection: "words" top_k: 1
                   recommend { positive_ids: "one" positive_ids: "two" })"));
  EXPECT_THAT(Ids(response), ElementsAre("three"));
}

TEST_F(QueryKindsTest, UnderCosineExamplesCountByDirection) {
  ASSERT_THAT(Create(R"(collection { name: "own"
                            vector_spaces { metric: METRIC_COSINE } })"),
              IsOk());
  ASSERT_THAT(Upsert(R"(collection: "own"
      objects { id: "east" vectors { key: "default"
                    value { dense { values: [100, 0] } } } }
      objects { id: "north" vectors { key: "default"
                    value { dense { values: [0, 1] } } } }
      objects { id: "northeast" vectors { key: "default"
                    value { dense { values: [3, 3] } } } })"),
              IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto response, Query(R"(collection: "own"
                   recommend { positive_ids: "east" positive_ids: "north" })"));
  ASSERT_THAT(Ids(response), ElementsAre("northeast"));
  EXPECT_NEAR(response.results(0).distance(), 0, 1e-6);
  // Twice the one minus the other, of equal directions, is that direction; and
  // opposites that leave nothing are refused.
  EXPECT_THAT(Ids(*Query(R"(collection: "own" top_k: 1 recommend {
                        positive_ids: "north" negative_ids: "north" })")),
              ElementsAre("northeast"));
}

TEST_F(QueryKindsTest, WhatAQueryNamesMustExist) {
  EXPECT_THAT(QueryStatus(R"(recommend { positive_ids: "none" })"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("recommend.positive_ids[0]"),
                             HasSubstr("none"))));
  EXPECT_THAT(
      QueryStatus(R"(mix { terms { weight: 1 near_object { id: "bare" } } })"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("mix.terms[0].near_object.id")));
  EXPECT_THAT(QueryStatus(R"(near_text { concepts: "a"
                                 move_away { object_ids: "bare" force: 1 } })"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("near_text.move_away.object_ids[0]")));
}

TEST_F(QueryKindsTest, BadPartsAreNamedByTheirPath) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(near_text { concepts: "a" move_to { concepts: "b" force: 1.1 } })",
       "near_text.move_to.force"},
      {R"(near_text { concepts: "a" move_to { concepts: "b" force: -1 } })",
       "near_text.move_to.force"},
      {R"(near_text { concepts: "a" move_to { concepts: "b" force: nan } })",
       "near_text.move_to.force"},
      {R"(near_text { concepts: "a" move_away { concepts: "b" force: inf } })",
       "near_text.move_away.force"},
      {R"(near_text { concepts: "a" move_away { force: 1 } })",
       "near_text.move_away"},
      {R"(near_text { concepts: "a" move_to { concepts: "" force: 1 } })",
       "near_text.move_to.concepts[0]"},
      {R"(near_text { concepts: "a" move_to { object_ids: "" force: 1 } })",
       "near_text.move_to.object_ids[0]"},
      {R"(near_text { concepts: "a" move_away { concepts: "b" force: 1e300 } })",
       "near_text"},
      {"mix { }", "mix.terms"},
      {"mix { terms { weight: 1 } }", "mix.terms[0]"},
      {R"(mix { terms { near_text { concepts: "a" } } })",
       "mix.terms[0].weight"},
      {R"(mix { terms { weight: 1 near_text { } } })",
       "mix.terms[0].near_text.concepts"},
      {R"(mix { terms { weight: 1 near_vector { vector { dense {
              values: [0, 0, 0, 0, 0, 0, 0, 0] } } } } })",
       "mix.terms[0].near_vector.vector"},
      {R"(mix { terms { weight: 1 near_vector { vector { dense {
              values: [1, 2] } } } } })",
       "mix.terms[0].near_vector.vector"},
      {"near_vector { vector { dense { values: [1, 2] } } }",
       "near_vector.vector"},
      {"near_object { }", "near_object.id"},
      {"recommend { }", "recommend.positive_ids"},
      {R"(recommend { positive_ids: "one" negative_ids: "" })",
       "recommend.negative_ids[0]"},
  };
  for (const auto& [query, field] : cases) {
    const absl::Status status = QueryStatus(query);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << query;
    ASSERT_EQ(FieldViolationsOf(status).size(), 1u) << query << status;
    EXPECT_EQ(FieldViolationsOf(status)[0].field, field) << query;
  }
  const absl::Status status =
      Call(*search_, &v1::SearchService::Stub::BatchQuery,
           R"(collection: "words" queries { } queries { near_text {
                  concepts: "a" move_to { concepts: "b" force: 2 } } })")
          .status();
  ASSERT_EQ(FieldViolationsOf(status).size(), 1u) << status;
  EXPECT_EQ(FieldViolationsOf(status)[0].field,
            "queries[1].near_text.move_to.force");
}

TEST_F(QueryKindsTest, InputsThatTheVectorizerRefusesAreNamedAsTheCallerDoes) {
  vectorizer_.fake.SetStatus(InvalidField("inputs[2].text", "is too long"));
  const absl::Status status = QueryStatus(
      R"(near_text { concepts: "a" concepts: "b"
             move_to { concepts: "c" force: 1 } })");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("is too long")));
  ASSERT_EQ(FieldViolationsOf(status).size(), 1u);
  EXPECT_EQ(FieldViolationsOf(status)[0].field,
            "near_text.move_to.concepts[0]");
}

TEST_F(QueryKindsTest, StoredVectorsNeedNoInference) {
  vectorizer_.fake.SetStatus(absl::UnavailableError("down"));
  EXPECT_THAT(QueryStatus(R"(recommend { positive_ids: "one" })"), IsOk());
  EXPECT_THAT(
      QueryStatus(R"(mix { terms { weight: 1 near_object { id: "one" } } })"),
      IsOk());
  EXPECT_THAT(
      QueryStatus(R"(mix { terms { weight: 1 near_text { concepts: "a" } } })"),
      StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(QueryKindsTest, AVectorOfAnotherModelIsRefusedBeforeAnyArithmetic) {
  vectorizer_.fake.SetFingerprint("another");
  const absl::Status status = QueryStatus(
      R"(near_text { concepts: "a" move_to { object_ids: "one" force: 1 } })");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(status), "MODEL_MISMATCH");
}

}  // namespace
}  // namespace diptych::storage
