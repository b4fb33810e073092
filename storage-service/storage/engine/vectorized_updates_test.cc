// What an update makes anew, and what it leaves alone.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/hash/sha256.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/fake_vectorizer.h"
#include "storage/engine/local_engine.h"
#include "storage/record/memory_record_store.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<float> Of(const std::string& bytes) {
  return FakeVectorizer::VectorOf(bytes, 8);
}

// A collection with a space fed by "title", one by "photo", and one by both,
// and an object with a title and a photo.
class VectorizedUpdatesTest : public ::testing::Test {
 protected:
  VectorizedUpdatesTest() {
    LocalEngineOptions options;
    options.data_directory = directory_.path();
    options.vectorizer = &vectorizer_;
    options.open_store = [](const std::filesystem::path&) {
      return std::make_unique<MemoryRecordStore>();
    };
    auto engine = LocalEngine::Open(options);
    EXPECT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
    CreateCollectionRequest create;
    create.spec.name = "ccc";
    AddSpace("title", {{"title", 1}}, {}, create.spec);
    AddSpace("photo", {}, {{"photo", 1}}, create.spec);
    AddSpace("both", {{"title", 1}}, {{"photo", 3}}, create.spec);
    EXPECT_THAT(engine_->CreateCollection({}, create), IsOk());
    ObjectWrite object = Change();
    object.properties["title"] = std::string("old");
    object.images["photo"] = "picture";
    EXPECT_THAT(
        engine_->WriteObjects({}, {"ccc", WriteMode::kUpsert, {object}}),
        IsOk());
    calls_before_ = vectorizer_.call_sizes().size();
  }
  static void AddSpace(const std::string& name,
                       std::vector<WeightedField> texts,
                       std::vector<WeightedField> images,
                       CollectionSpec& spec) {
    VectorSpace& space = spec.vector_spaces.emplace_back();
    space.name = name;
    space.metric = Metric::kSquaredL2;
    space.has_vectorizer = true;
    space.vectorizer.text_fields = std::move(texts);
    space.vectorizer.image_fields = std::move(images);
  }
  static ObjectWrite Change() {
    ObjectWrite object;
    object.id = "a";
    return object;
  }
  void Update(const ObjectWrite& change) {
    const auto result = engine_->UpdateObjects({}, {"ccc", {change}});
    ASSERT_THAT(result, IsOk());
    EXPECT_THAT(result->missing_ids, IsEmpty());
  }
  NamedVectors Vectors() {
    GetObjectsRequest get{"ccc", {"a"}, {}};
    get.projection.vectors = true;
    const auto result = engine_->GetObjects({}, get);
    EXPECT_THAT(result, IsOk());
    return result->objects.at(0).object.vectors;
  }
  // Inputs of the calls since the object was written.
  std::vector<size_t> Calls() {
    std::vector<size_t> sizes = vectorizer_.call_sizes();
    sizes.erase(sizes.begin(),
                sizes.begin() + static_cast<ptrdiff_t>(calls_before_));
    return sizes;
  }
  static void ExpectNear(const std::vector<float>& a,
                         const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6) << i;
  }
  static std::vector<float> Both(const std::string& title) {
    std::vector<float> mean = Of(title);
    for (size_t i = 0; i < mean.size(); ++i) {
      mean[i] = mean[i] / 4 + Of("picture")[i] * 3 / 4;
    }
    return mean;
  }

  TempDirectory directory_;
  FakeVectorizer vectorizer_;
  std::unique_ptr<LocalEngine> engine_;
  size_t calls_before_ = 0;
};

TEST_F(VectorizedUpdatesTest, ATextMakesAnewWhatItFeeds) {
  ObjectWrite change = Change();
  change.properties["title"] = std::string("new");
  Update(change);
  // The stored picture goes along for the space that both feed.
  EXPECT_THAT(Calls(), ElementsAre(2));
  const NamedVectors vectors = Vectors();
  ExpectNear(vectors.at("title"), Of("new"));
  ExpectNear(vectors.at("photo"), Of("picture"));
  ExpectNear(vectors.at("both"), Both("new"));
}

TEST_F(VectorizedUpdatesTest, AnImageMakesAnewWhatItFeeds) {
  ObjectWrite change = Change();
  change.images["photo"] = "another";
  Update(change);
  const NamedVectors vectors = Vectors();
  ExpectNear(vectors.at("title"), Of("old"));
  ExpectNear(vectors.at("photo"), Of("another"));
}

TEST_F(VectorizedUpdatesTest, AnotherPropertyMakesNothingAnew) {
  ObjectWrite change = Change();
  change.properties["price"] = int64_t{3};
  Update(change);
  EXPECT_THAT(Calls(), IsEmpty());
  ExpectNear(Vectors().at("both"), Both("old"));
}

TEST_F(VectorizedUpdatesTest, NullTakesAFieldAndItsShareAway) {
  ObjectWrite change = Change();
  change.properties["title"] = std::monostate();
  Update(change);
  const NamedVectors vectors = Vectors();
  EXPECT_EQ(vectors.count("title"), 0u);
  ExpectNear(vectors.at("photo"), Of("picture"));
  ExpectNear(vectors.at("both"), Of("picture"));
}

TEST_F(VectorizedUpdatesTest, AnOwnVectorStaysWhateverChanges) {
  ObjectWrite own = Change();
  own.vectors["title"] = Of("own");
  Update(own);
  EXPECT_THAT(Calls(), IsEmpty());
  ObjectWrite change = Change();
  change.properties["title"] = std::string("new");
  Update(change);
  ExpectNear(Vectors().at("title"), Of("own"));
  ExpectNear(Vectors().at("both"), Both("new"));
}

TEST_F(VectorizedUpdatesTest, AnEmptyVectorLeavesTheSpace) {
  ObjectWrite change = Change();
  change.vectors["photo"] = {};
  Update(change);
  EXPECT_THAT(Calls(), IsEmpty());
  EXPECT_EQ(Vectors().count("photo"), 0u);
  EXPECT_EQ(Vectors().count("both"), 1u);
}

TEST_F(VectorizedUpdatesTest, AnImageThatAnotherObjectOfTheWriteBringsIsUsed) {
  ObjectWrite brings, names;
  brings.id = "brings";
  brings.images["photo"] = "shared picture";
  names.id = "names";
  ImageReference reference;
  reference.content_sha256 = Sha256("shared picture");
  names.properties["photo"] = reference;
  ASSERT_THAT(
      engine_->WriteObjects({}, {"ccc", WriteMode::kUpsert, {brings, names}}),
      IsOk());
  GetObjectsRequest get{"ccc", {"brings", "names"}, {}};
  get.projection.vectors = true;
  get.projection.image_bytes = true;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const GetObjectsResult result,
                               engine_->GetObjects({}, get));
  for (const ObjectView& view : result.objects) {
    EXPECT_EQ(view.images.at("photo"), "shared picture");
    ASSERT_TRUE(view.object.vectors.contains("photo")) << view.object.id;
    EXPECT_EQ(view.object.vectors.at("photo"), Of("shared picture"));
  }
  EXPECT_EQ(result.objects.size(), 2u);
}

}  // namespace
}  // namespace diptych::storage
