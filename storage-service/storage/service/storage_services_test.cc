// The four services over a real connection: collections, objects, the plain
// kinds of query, and what happens without inference.
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/status/error_details.h"
#include "gmock/gmock.h"
#include "storage/service/storage_services_fixture.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST_F(StorageServicesTest, CollectionsAreCreatedListedChangedAndDeleted) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto created,
                               Create(R"(collection { name: "photos" })"));
  EXPECT_TRUE(created.created());
  EXPECT_EQ(created.collection()
                .vector_spaces(0)
                .vectorizer()
                .text_fields(0)
                .property(),
            "document");
  EXPECT_THAT(Create(R"(collection { name: "photos" })"),
              StatusIs(absl::StatusCode::kAlreadyExists));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto again,
      Create(R"(collection { name: "photos" } get_or_create: true)"));
  EXPECT_FALSE(again.created());
  EXPECT_EQ(again.collection().uid(), created.collection().uid());

  ASSERT_THAT(
      Call(*collections_, &v1::CollectionService::Stub::UpdateCollection,
           R"(name: "photos" collection { name: "pictures"
                        metadata { key: "owner" value { text_value: "me" } } }
                      update_mask { paths: "name" paths: "metadata" })"),
      IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto listed,
      Call(*collections_, &v1::CollectionService::Stub::ListCollections, ""));
  ASSERT_EQ(listed.collections_size(), 1);
  EXPECT_EQ(listed.collections(0).name(), "pictures");
  EXPECT_EQ(listed.collections(0).metadata().at("owner").text_value(), "me");
  EXPECT_EQ(listed.collections(0).uid(), created.collection().uid());

  ASSERT_THAT(
      Call(*collections_, &v1::CollectionService::Stub::DeleteCollection,
           R"(name: "pictures")"),
      IsOk());
  EXPECT_THAT(Call(*collections_, &v1::CollectionService::Stub::GetCollection,
                   R"(name: "pictures")"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("pictures")));
}

TEST_F(StorageServicesTest, ObjectsAreWrittenReadCountedAndDeleted) {
  Fill();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto inserted,
      Call(
          *objects_, &v1::ObjectService::Stub::InsertObjects,
          R"(collection: "words" objects { id: "one" } objects { id: "four" })"));
  EXPECT_THAT(inserted.ids(), ElementsAre("one", "four"));
  EXPECT_THAT(inserted.existing_ids(), ElementsAre("one"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto got,
      Call(*objects_, &v1::ObjectService::Stub::GetObjects,
           R"(collection: "words" ids: "three" ids: "none" ids: "one"
                                                       projection { vectors: true properties: "length" })"));
  ASSERT_EQ(got.objects_size(), 2);
  EXPECT_EQ(got.objects(0).id(), "three");
  EXPECT_EQ(got.objects(0).properties().at("length").integer_value(), 5);
  EXPECT_FALSE(got.objects(0).properties().contains("document"));
  EXPECT_EQ(got.objects(0).vectors().at("default").dense().values_size(),
            static_cast<int>(kDimension));
  EXPECT_THAT(got.missing_ids(), ElementsAre("none"));

  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto page, Call(*objects_, &v1::ObjectService::Stub::ListObjects,
                            R"(collection: "words" page_size: 3)"));
  ASSERT_EQ(page.objects_size(), 3);
  EXPECT_EQ(page.objects(0).id(), "four");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto rest,
      Call(*objects_, &v1::ObjectService::Stub::ListObjects,
           R"(collection: "words" page_size: 3 page_token: ")" +
               page.next_page_token() + "\""));
  ASSERT_EQ(rest.objects_size(), 1);
  EXPECT_EQ(rest.objects(0).id(), "two");
  EXPECT_EQ(rest.next_page_token(), "");

  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto deleted,
      Call(*objects_, &v1::ObjectService::Stub::DeleteObjects,
           R"(collection: "words" filter_expression: "length == 3")"));
  EXPECT_EQ(deleted.deleted_count(), 2);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto count, Call(*objects_, &v1::ObjectService::Stub::CountObjects,
                             R"(collection: "words")"));
  EXPECT_EQ(count.count(), 2);
}

TEST_F(StorageServicesTest, TheSameTextIsAtDistanceZero) {
  Fill();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto response,
      Query(R"(collection: "words" near_text { concepts: "two" } top_k: 2)"));
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).object().id(), "two");
  EXPECT_NEAR(response.results(0).distance(), 0, 1e-6);
  EXPECT_NEAR(response.results(0).certainty(), 1, 1e-6);
  EXPECT_EQ(
      response.results(0).object().properties().at("document").text_value(),
      "two");
  EXPECT_GE(response.results(1).distance(), response.results(0).distance());
}

TEST_F(StorageServicesTest, EveryKindOfQueryFindsItsObject) {
  Fill();
  // The fake's vector depends on the bytes alone, so the picture "three" lies
  // where the text "three" does.
  EXPECT_THAT(
      Ids(*Query(
          R"(collection: "words" near_image { image: "three" } top_k: 1)")),
      ElementsAre("three"));
  EXPECT_THAT(
      Ids(*Query(
          R"(collection: "words" near_object { id: "one" include_self: true } top_k: 1)")),
      ElementsAre("one"));
  EXPECT_THAT(
      Ids(*Query(R"(collection: "words" near_object { id: "one" } top_k: 3)")),
      UnorderedElementsAre("two", "three"));
  std::string vector =
      R"(collection: "words" top_k: 1 near_vector { vector { dense { )";
  for (const float value : FakeVectorizer::VectorOf("two", kDimension)) {
    vector += "values: " + std::to_string(value) + " ";
  }
  EXPECT_THAT(Ids(*Query(vector + "} } }")), ElementsAre("two"));
  EXPECT_THAT(
      Ids(*Query(
          R"(collection: "words" filter_expression: "length == 3" offset: 1 top_k: 5)")),
      ElementsAre("two"));
  EXPECT_THAT(
      Ids(*Query(
          R"(collection: "words" near_text { concepts: "three" } filter_expression: "length < 4")")),
      UnorderedElementsAre("one", "two"));
  EXPECT_THAT(
      Ids(*Query(
          R"(collection: "words" near_text { concepts: "one" } min_certainty: 0.999)")),
      ElementsAre("one"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto batch, Call(*search_, &v1::SearchService::Stub::BatchQuery,
                             R"(collection: "words"
                                                         queries { near_text { concepts: "one" } top_k: 1 }
                                                         queries { near_text { concepts: "two" } top_k: 1 })"));
  ASSERT_EQ(batch.responses_size(), 2);
  EXPECT_THAT(Ids(batch.responses(0)), ElementsAre("one"));
  EXPECT_THAT(Ids(batch.responses(1)), ElementsAre("two"));
}

TEST_F(StorageServicesTest, BadQueriesAreRefusedByField) {
  Fill();
  const std::pair<const char*, const char*> cases[] = {
      {R"(near_text { })", "near_text.concepts"},
      {R"(near_text { concepts: "" })", "near_text.concepts[0]"},
      {R"(near_image { })", "near_image.image"},
      {R"(near_vector { })", "near_vector.vector"},
      {R"(near_text { concepts: "one" } top_k: -1)", "top_k"},
      {R"(near_text { concepts: "one" } top_k: 9999 offset: 2)", "top_k"},
      {R"(near_text { concepts: "one" } offset: -1)", "offset"},
      {R"(near_text { concepts: "one" } ef_search: 10001)", "ef_search"},
      {R"(near_text { concepts: "one" } max_distance: 1 min_certainty: 1)",
       "min_certainty"},
      {R"(near_text { concepts: "one" } vector_space: "other")",
       "vector_space"},
      {R"(near_text { concepts: "one" } projection { thumbnail_pixels: 8 })",
       "projection.thumbnail_pixels"},
      {R"(near_text { concepts: "one" } filter_expression: "a <")",
       "filter_expression"},
      {R"(max_distance: 1)", "max_distance"},
  };
  for (const auto& [query, field] : cases) {
    const absl::Status status =
        Query(std::string(R"(collection: "words" )") + query).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << query;
    ASSERT_FALSE(FieldViolationsOf(status).empty()) << query;
    EXPECT_EQ(FieldViolationsOf(status)[0].field, field) << query;
  }
  const absl::Status status =
      Call(*search_, &v1::SearchService::Stub::BatchQuery,
           R"(collection: "words" queries { } queries { near_text { } })")
          .status();
  ASSERT_FALSE(FieldViolationsOf(status).empty()) << status;
  EXPECT_EQ(FieldViolationsOf(status)[0].field,
            "queries[1].near_text.concepts");
}

TEST_F(StorageServicesTest, BadVectorsAreRefusedAndNothingIsWritten) {
  ASSERT_THAT(
      Create(
          R"(collection { name: "own" vector_spaces { dimension: 2 metric: METRIC_COSINE } })"),
      IsOk());
  const std::string good = R"(objects { id: "good" vectors { key: "default"
                                value { dense { values: 1 values: 0 } } } } )";
  for (const char* vector : {"values: 1", "values: 1 values: nan",
                             "values: inf values: 1", "values: 0 values: 0"}) {
    const absl::Status status =
        Upsert(R"(collection: "own" )" + good +
               R"(objects { id: "bad" vectors { key: "default"
                                       value { dense { )" +
               vector + " } } } }")
            .status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << vector;
    ASSERT_FALSE(FieldViolationsOf(status).empty()) << status;
    EXPECT_EQ(FieldViolationsOf(status)[0].field,
              "objects[1].vectors[\"default\"]");
  }
  EXPECT_EQ(Call(*objects_, &v1::ObjectService::Stub::CountObjects,
                 R"(collection: "own")")
                ->count(),
            0);
  EXPECT_THAT(Query(R"(collection: "own" near_text { concepts: "x" })"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no vectorizer")));
}

TEST_F(StorageServicesTest, WithoutInferenceEverythingElseGoesOn) {
  Fill();
  vectorizer_.fake.SetStatus(absl::UnavailableError(
      "the inference service at nowhere cannot be reached"));
  EXPECT_THAT(Query(R"(collection: "words" near_text { concepts: "one" })"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nowhere")));
  EXPECT_THAT(Upsert(R"(collection: "words" objects { id: "new"
                          properties { key: "document" value { text_value: "new" } } })"),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Ids(*Query(R"(collection: "words" near_object { id: "one" })")),
              UnorderedElementsAre("two", "three"));
  EXPECT_EQ(Call(*objects_, &v1::ObjectService::Stub::CountObjects,
                 R"(collection: "words")")
                ->count(),
            3);
}

TEST_F(StorageServicesTest, AHangingInferenceServiceHoldsUpNobodyElse) {
  Fill();
  vectorizer_.Hang();
  std::thread waiting([this] {
    EXPECT_THAT(Query(R"(collection: "words" near_text { concepts: "one" })"),
                IsOk());
  });
  std::thread writing([this] {
    EXPECT_THAT(Upsert(R"(collection: "words" objects { id: "new"
                            properties { key: "document" value { text_value: "new" } } })"),
                IsOk());
  });
  vectorizer_.AwaitEntered();
  EXPECT_THAT(Query(R"(collection: "words" near_object { id: "one" })"),
              IsOk());
  EXPECT_THAT(Create(R"(collection { name: "another" })"), IsOk());
  vectorizer_.Release();
  waiting.join();
  writing.join();
}

TEST_F(StorageServicesTest, ShortOfMemoryItSearchesAndDeletesButTakesNoWrites) {
  Fill();
  ASSERT_NE(memory_reserve_, nullptr);
  // Taken again at the first look; the next failure comes too soon for that.
  std::get_new_handler()();
  EXPECT_FALSE(memory_reserve_->exhausted());
  std::get_new_handler()();
  const char four[] =
      "collection: 'words' objects { id: 'four' properties { key: 'document' "
      "value { text_value: 'four' } } }";
  const auto update = [this, &four] {
    return Call(*objects_, &v1::ObjectService::Stub::UpdateObjects, four);
  };
  const auto insert = [this, &four] {
    return Call(*objects_, &v1::ObjectService::Stub::InsertObjects, four);
  };
  for (const absl::Status& status :
       {Upsert(four).status(), insert().status(), update().status(),
        Create("collection { name: 'more' }").status(),
        Call(*admin_, &v1::AdminService::Stub::RestoreSnapshot, "name: 'none'")
            .status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(ReasonOf(status), "OUT_OF_MEMORY");
    EXPECT_TRUE(RetryAfterOf(status).has_value());
  }
  const auto import = [this] {
    grpc::ClientContext context;
    const auto stream = objects_->ImportObjects(&context);
    stream->Write(
        Parse<v1::ImportObjectsRequest>("header { collection: 'words' }"));
    stream->Write(Parse<v1::ImportObjectsRequest>(
        "chunk { sequence_number: 1 objects { id: 'five' properties { key: "
        "'document' value { text_value: 'five' } } } }"));
    stream->WritesDone();
    v1::ImportObjectsResponse response;
    int acknowledgements = 0;
    while (stream->Read(&response)) ++acknowledgements;
    EXPECT_EQ(acknowledgements == 1, stream->Finish().ok());
    return acknowledgements;
  };
  EXPECT_EQ(import(), 0);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto found,
      Query("collection: 'words' near_text { concepts: 'two' } top_k: 1"));
  EXPECT_THAT(Ids(found), ElementsAre("two"));
  EXPECT_THAT(Call(*objects_, &v1::ObjectService::Stub::DeleteObjects,
                   "collection: 'words' ids: 'two'"),
              IsOk());

  memory_clock_.Advance(MemoryReserve::kRetakeInterval);
  EXPECT_THAT(Upsert(four), IsOk());
  EXPECT_EQ(import(), 1);
}

TEST_F(StorageServicesTest, ServerInfoTellsLimits) {
  Fill();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto info,
      Call(*admin_, &v1::AdminService::Stub::GetServerInfo, ""));
  EXPECT_EQ(info.version(), "1.2.3");
  EXPECT_EQ(info.collections(), 1);
  EXPECT_EQ(info.limits().results_max(), 10'000);
  EXPECT_EQ(info.limits().objects_per_batch_max(), 10'000);
  EXPECT_EQ(info.limits().import_streams_max(), 64);
  EXPECT_EQ(info.limits().import_bytes_max(), 512 << 20);
}

}  // namespace
}  // namespace diptych::storage
