// What every engine must do: collections and objects.
#include "storage/engine/engine_conformance.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "storage/engine/local_engine.h"
#include "storage/record/memory_record_store.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_P(EngineConformanceTest, CollectionsAreCreatedFoundListedAndDeleted) {
  CreateCollectionRequest request{DefaultCollectionSpec("clothes"), false};
  request.spec.metadata["owner"] = std::string("me");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto created,
                               engine_->CreateCollection({}, request));
  EXPECT_TRUE(created.created);
  EXPECT_EQ(created.collection.spec, request.spec);
  EXPECT_THAT(engine_->GetCollection({}, "clothes"),
              IsOkAndHolds(created.collection));
  EXPECT_THAT(engine_->CreateCollection({}, request),
              StatusIs(absl::StatusCode::kAlreadyExists));
  request.get_or_create = true;
  request.spec.metadata.clear();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto found,
                               engine_->CreateCollection({}, request));
  EXPECT_FALSE(found.created);
  EXPECT_EQ(found.collection, created.collection);
  EXPECT_THAT(engine_->DeleteCollection({}, "clothes"), IsOk());
  EXPECT_THAT(engine_->DeleteCollection({}, "clothes"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(engine_->GetCollection({}, "clothes"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(engine_->Search({}, Near("clothes", {1})),
              StatusIs(absl::StatusCode::kNotFound));
  // The name is free again, and nothing of the old collection is left.
  EXPECT_THAT(CreateDefault("clothes"), IsOk());
  EXPECT_EQ(Count("clothes"), 0u);
}

TEST_P(EngineConformanceTest, CollectionsAreListedPageByPage) {
  for (const char* name : {"ccc", "aaa", "bbb"}) {
    ASSERT_THAT(CreateOwn(name), IsOk());
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto first,
                               engine_->ListCollections({}, {2, ""}));
  ASSERT_EQ(first.collections.size(), 2u);
  EXPECT_EQ(first.collections[0].spec.name, "aaa");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto second, engine_->ListCollections({}, {2, first.next_page_token}));
  ASSERT_EQ(second.collections.size(), 1u);
  EXPECT_EQ(second.collections[0].spec.name, "ccc");
  EXPECT_EQ(second.next_page_token, "");
  EXPECT_THAT(engine_->ListCollections({}, {2, "junk"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(EngineConformanceTest, ABadCollectionIsRefusedByField) {
  CreateCollectionRequest request;
  request.spec.name = "..";
  VectorSpace& space = request.spec.vector_spaces.emplace_back();
  space.name = "#x";
  space.hnsw.max_neighbors = 1000;
  space.dimension = 1 << 20;
  space.has_vectorizer = true;
  request.spec.metadata["image"] = ImageReference{"", 0, "file:///x"};
  const absl::Status status = engine_->CreateCollection({}, request).status();
  ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const auto& violation : FieldViolationsOf(status)) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields,
              UnorderedElementsAre("spec.name", "spec.vector_spaces[0].name",
                                   "spec.vector_spaces[0].dimension",
                                   "spec.vector_spaces[0].hnsw.max_neighbors",
                                   "spec.vector_spaces[0].vectorizer",
                                   "spec.metadata[\"image\"]"));
  for (const char* name :
       {"", "ab", "-ab", "ab-", "a..b", "10.0.0.1", "a b", "a/b"}) {
    EXPECT_THAT(CreateOwn(name), StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
  EXPECT_THAT(CreateOwn(std::string(512, 'a')), IsOk());
  EXPECT_THAT(CreateOwn(std::string(513, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(EngineConformanceTest, ACollectionIsRenamedAndKeepsItsObjects) {
  ASSERT_THAT(CreateOwn("old"), IsOk());
  ASSERT_THAT(CreateOwn("taken"), IsOk());
  ASSERT_THAT(Write("old", {Point("a", {1, 2})}), IsOk());
  UpdateCollectionRequest request;
  request.name = "old";
  request.new_name = "taken";
  EXPECT_THAT(engine_->UpdateCollection({}, request),
              StatusIs(absl::StatusCode::kAlreadyExists));
  request.new_name = "new";
  request.metadata = Properties{{"k", int64_t{1}}};
  request.ef_search_by_space["default"] = 50;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto updated,
                               engine_->UpdateCollection({}, request));
  EXPECT_EQ(updated.spec.name, "new");
  EXPECT_EQ(updated.spec.vector_spaces[0].hnsw.ef_search, 50u);
  EXPECT_EQ(updated.spec.vector_spaces[0].dimension, 2u);
  EXPECT_EQ(Count("new"), 1u);
  EXPECT_THAT(engine_->GetCollection({}, "old"),
              StatusIs(absl::StatusCode::kNotFound));
  request.name = "new";
  request.ef_search_by_space["none"] = 50;
  EXPECT_THAT(engine_->UpdateCollection({}, request),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_P(EngineConformanceTest, WrittenObjectsComeBackWhole) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ObjectWrite object = Point(
      "a", {1, 2}, {{"name", std::string("Ann")}, {"none", std::monostate()}});
  object.images["photo"] = "bytes of a picture";
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto written, Write("objects", {object}));
  EXPECT_EQ(written.objects[0].outcome, WriteOutcome::kCreated);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(ObjectView view, Get("objects", "a"));
  EXPECT_EQ(view.object.vectors, object.vectors);
  EXPECT_EQ(view.images, object.images);
  EXPECT_EQ(view.object.properties["name"], PropertyValue(std::string("Ann")));
  EXPECT_EQ(view.object.properties["none"], PropertyValue(std::monostate()));
  const auto& image = std::get<ImageReference>(view.object.properties["photo"]);
  EXPECT_EQ(image.content_sha256.size(), 32u);
  EXPECT_EQ(image.size_bytes, 18u);
}

TEST_P(EngineConformanceTest, AnswersCarryWhatTheProjectionAsksFor) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ObjectWrite object = Point("a", {1}, {{"x", int64_t{1}}, {"y", int64_t{2}}});
  object.images["photo"] = "picture";
  ASSERT_THAT(Write("objects", {object}), IsOk());
  GetObjectsRequest request{"objects", {"a", "b"}, {}};
  request.projection.all_properties = false;
  request.projection.properties = {"x", "unknown"};
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto result, engine_->GetObjects({}, request));
  EXPECT_THAT(result.missing_ids, ElementsAre("b"));
  EXPECT_EQ(result.objects[0].object.properties,
            (Properties{{"x", int64_t{1}}}));
  EXPECT_THAT(result.objects[0].object.vectors, IsEmpty());
  EXPECT_THAT(result.objects[0].images, IsEmpty());
}

TEST_P(EngineConformanceTest, InsertKeepsWhatIsThereAndUpsertReplacesIt) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(Write("objects", {Point("a", {1}, {{"v", int64_t{1}}})}), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto inserted,
      Write("objects", {Point("a", {2}, {{"v", int64_t{2}}}), Point("b", {3})},
            WriteMode::kInsert));
  EXPECT_EQ(inserted.objects[0].outcome, WriteOutcome::kKept);
  EXPECT_EQ(inserted.objects[1].outcome, WriteOutcome::kCreated);
  EXPECT_EQ(Get("objects", "a")->object.properties["v"],
            PropertyValue(int64_t{1}));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto upserted,
                               Write("objects", {Point("a", {4})}));
  EXPECT_EQ(upserted.objects[0].outcome, WriteOutcome::kReplaced);
  EXPECT_THAT(Get("objects", "a")->object.properties, IsEmpty());
  EXPECT_EQ(Count("objects"), 2u);
  EXPECT_THAT(Search(Near("objects", {1})), ElementsAre("b", "a"));
}

TEST_P(EngineConformanceTest, IdsAreMadeWhereNoneIsGiven) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto written, Write("objects", {Point("", {1}), Point("", {2})}));
  EXPECT_EQ(written.objects[0].id.size(), 36u);
  EXPECT_NE(written.objects[0].id, written.objects[1].id);
  EXPECT_THAT(Get("objects", written.objects[0].id), IsOk());
}

TEST_P(EngineConformanceTest, BadObjectsAreNamedAndNothingIsWritten) {
  ASSERT_THAT(CreateOwn("objects", Metric::kCosine), IsOk());
  ObjectWrite unknown_image = Point("i", {1, 1});
  unknown_image.properties["photo"] =
      ImageReference{std::string(32, 'x'), 0, ""};
  ObjectWrite unknown_space = Point("j", {1, 1});
  unknown_space.vectors["other"] = {1};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  struct Case {
    ObjectWrite object;
    std::string field;
  };
  const std::vector<Case> cases = {
      {Point("b", {1, nan}), "objects[1].vectors[\"default\"]"},
      {Point("c", {0, 0}), "objects[1].vectors[\"default\"]"},
      {Point("d", {1, 2, 3}), "objects[1].vectors[\"default\"]"},
      {Point("good", {1, 2}), "objects[1].id"},
      {Point(std::string(257, 'x'), {1, 2}), "objects[1].id"},
      {Point("\xff", {1, 2}), "objects[1].id"},
      {Point("f", {1, 2}, {{"$x", true}}), "objects[1].properties[\"$x\"]"},
      {Point("g", {1, 2}, {{"t", std::string("\xff")}}),
       "objects[1].properties[\"t\"]"},
      {Point("h", {1, 2}, {{"t", std::string(2 << 20, 'x')}}),
       "objects[1].properties"},
      {Point("k", {1, 2}, {{"p", GeoPoint{91, 0}}}),
       "objects[1].properties[\"p\"].latitude"},
      {unknown_image, "objects[1].properties[\"photo\"]"},
      {unknown_space, "objects[1].vectors[\"other\"]"},
  };
  for (const Case& bad : cases) {
    const absl::Status status =
        Write("objects", {Point("good", {1, 2}), bad.object}).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    const auto violations = FieldViolationsOf(status);
    ASSERT_EQ(violations.size(), 1u) << status;
    EXPECT_EQ(violations[0].field, bad.field);
  }
  EXPECT_EQ(Count("objects"), 0u);
  EXPECT_THAT(Write("objects", {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  // No dimension was fixed by what was refused.
  EXPECT_THAT(Write("objects", {Point("a", {1, 2, 3})}), IsOk());
}

absl::StatusOr<std::unique_ptr<Engine>> OpenLocal(LocalEngineOptions options) {
  auto engine = LocalEngine::Open(options);
  if (!engine.ok()) return engine.status();
  return std::unique_ptr<Engine>(*std::move(engine));
}

INSTANTIATE_TEST_SUITE_P(
    Engines, EngineConformanceTest,
    ::testing::Values(
        EngineKind{
            "Local",
            [](const std::filesystem::path& directory, Vectorizer* vectorizer) {
              LocalEngineOptions options;
              options.data_directory = directory;
              options.snapshot_directory = directory / "snapshots";
              options.vectorizer = vectorizer;
              return OpenLocal(options);
            }},
        EngineKind{
            "LocalInMemory",
            [](const std::filesystem::path& directory, Vectorizer* vectorizer) {
              LocalEngineOptions options;
              options.data_directory = directory;
              options.snapshot_directory = directory / "snapshots";
              options.vectorizer = vectorizer;
              options.open_store = [](const std::filesystem::path&) {
                return std::make_unique<MemoryRecordStore>();
              };
              return OpenLocal(options);
            }}),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace diptych::storage
