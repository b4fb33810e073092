// Objects whose images lie at URIs, from the write to the answer.
#include "storage/engine/uri_images.h"

#include <variant>

#include "common/hash/sha256.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/fake_uri_loader.h"
#include "storage/engine/fake_vectorizer.h"
#include "storage/engine/local_engine.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kDimension = 8;
constexpr char kCat[] = "https://pictures.test/cat.jpg";
constexpr char kDog[] = "https://pictures.test/dog.jpg";
constexpr char kCatBytes[] = "bytes of a cat";
constexpr char kDogBytes[] = "bytes of a dog";

std::vector<float> Of(absl::string_view bytes) {
  return FakeVectorizer::VectorOf(bytes, kDimension);
}

ObjectWrite At(const std::string& id, const std::string& uri) {
  ObjectWrite object;
  object.id = id;
  object.properties["image"] = ImageReference{"", 0, uri};
  return object;
}

class UriImagesTest : public ::testing::Test {
 protected:
  UriImagesTest() {
    loader_.Put(kCat, std::string(kCatBytes));
    loader_.Put(kDog, std::string(kDogBytes));
    Open(&loader_);
    Create("refer", UriImages::kReferenceOnly);
    Create("keep", UriImages::kKeepBytes);
  }

  void Open(UriLoader* loader) {
    engine_.reset();
    LocalEngineOptions options;
    options.data_directory = directory_.path() / "data";
    options.vectorizer = &vectorizer_;
    options.uri_loader = loader;
    options.limits.uri_bytes_per_write_max = 100;
    auto engine = LocalEngine::Open(options);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  void Create(const std::string& name, UriImages uri_images) {
    CreateCollectionRequest request{DefaultCollectionSpec(name), false};
    request.spec.uri_images = uri_images;
    EXPECT_THAT(engine_->CreateCollection({}, request), IsOk());
  }

  absl::Status Write(const std::string& collection,
                     std::vector<ObjectWrite> objects,
                     WriteMode mode = WriteMode::kUpsert) {
    return engine_->WriteObjects({}, {collection, mode, std::move(objects)})
        .status();
  }

  absl::Status Update(const std::string& collection, ObjectWrite object) {
    return engine_->UpdateObjects({}, {collection, {std::move(object)}})
        .status();
  }

  ObjectView Get(const std::string& collection, const std::string& id) {
    GetObjectsRequest request{collection, {id}, {}};
    request.projection.vectors = true;
    request.projection.image_bytes = true;
    auto result = engine_->GetObjects({}, request);
    EXPECT_THAT(result, IsOk());
    if (!result.ok() || result->objects.size() != 1) {
      ADD_FAILURE() << id;
      return {};
    }
    return std::move(result->objects[0]);
  }

  static ImageReference ImageOf(const ObjectView& view) {
    return std::get<ImageReference>(view.object.properties.at("image"));
  }

  uint64_t Images(const std::string& collection) {
    return engine_->GetCollectionStats({}, collection)->images;
  }

  TempDirectory directory_;
  FakeVectorizer vectorizer_{kDimension};
  FakeUriLoader loader_;
  std::unique_ptr<LocalEngine> engine_;
};

TEST_F(UriImagesTest, AreVectorisedAsIfTheirBytesWereGiven) {
  for (const std::string collection : {"refer", "keep"}) {
    ASSERT_THAT(Write(collection, {At("cat", kCat)}), IsOk());
    ObjectWrite given;
    given.id = "given";
    given.images["image"] = kCatBytes;
    ASSERT_THAT(Write(collection, {given}), IsOk());
    EXPECT_EQ(Get(collection, "cat").object.vectors,
              Get(collection, "given").object.vectors);
    EXPECT_EQ(Get(collection, "cat").object.vectors["default"], Of(kCatBytes));
  }
}

TEST_F(UriImagesTest, OnlyUriHashAndSizeAreKeptUnlessBytesAreAskedFor) {
  ASSERT_THAT(Write("refer", {At("cat", kCat)}), IsOk());
  ASSERT_THAT(Write("keep", {At("cat", kCat)}), IsOk());
  const ObjectView refers = Get("refer", "cat"), keeps = Get("keep", "cat");
  const std::string hash = Sha256(kCatBytes);
  EXPECT_EQ(ImageOf(refers), (ImageReference{hash, 14, kCat, true}));
  EXPECT_EQ(ImageOf(keeps), (ImageReference{hash, 14, kCat, false}));
  EXPECT_THAT(refers.images, IsEmpty());
  EXPECT_EQ(keeps.images.at("image"), kCatBytes);
  EXPECT_EQ(Images("refer"), 0u);
  EXPECT_EQ(Images("keep"), 1u);
  // Reading loaded nothing, and both survive a restart.
  EXPECT_EQ(loader_.loaded().size(), 2u);
  Open(&loader_);
  EXPECT_EQ(ImageOf(Get("refer", "cat")), ImageOf(refers));
  EXPECT_EQ(Get("keep", "cat").images.at("image"), kCatBytes);
}

TEST_F(UriImagesTest, BytesThatAreKeptGoWithTheirLastObject) {
  ASSERT_THAT(Write("keep", {At("a", kCat), At("b", kCat)}), IsOk());
  EXPECT_EQ(Images("keep"), 1u);
  EXPECT_THAT(loader_.loaded(), ElementsAre(kCat));
  ASSERT_THAT(engine_->DeleteObjects({}, {"keep", {"a"}, {}, 0}), IsOk());
  EXPECT_EQ(Images("keep"), 1u);
  ASSERT_THAT(engine_->DeleteObjects({}, {"keep", {"b"}, {}, 0}), IsOk());
  EXPECT_EQ(Images("keep"), 0u);
}

TEST_F(UriImagesTest, WhatFeedsNoVectorIsLoadedOnlyToKeepItsBytes) {
  ObjectWrite own = At("own", kCat);
  own.vectors["default"] = Of("own");
  ObjectWrite elsewhere;
  elsewhere.id = "elsewhere";
  elsewhere.properties["photo"] = ImageReference{"", 0, "s3://bucket/key"};
  ASSERT_THAT(Write("refer", {own, elsewhere}), IsOk());
  EXPECT_THAT(loader_.loaded(), IsEmpty());
  EXPECT_EQ(ImageOf(Get("refer", "own")), (ImageReference{"", 0, kCat}));
  ASSERT_THAT(Write("keep", {own}), IsOk());
  EXPECT_THAT(loader_.loaded(), ElementsAre(kCat));
  EXPECT_EQ(Get("keep", "own").images.at("image"), kCatBytes);
}

TEST_F(UriImagesTest, GivenBytesAreKeptAndTheirUriIsNotLoaded) {
  ObjectWrite both = At("both", kCat);
  both.images["image"] = kDogBytes;
  ASSERT_THAT(Write("refer", {both}), IsOk());
  EXPECT_THAT(loader_.loaded(), IsEmpty());
  EXPECT_EQ(ImageOf(Get("refer", "both")),
            (ImageReference{Sha256(kDogBytes), 14, kCat}));
  EXPECT_EQ(Get("refer", "both").images.at("image"), kDogBytes);
}

TEST_F(UriImagesTest, AnInsertLoadsNothingForAnIdThatExists) {
  ASSERT_THAT(Write("keep", {At("cat", kCat)}), IsOk());
  ObjectWrite own = At("cat", kDog);
  own.vectors["default"] = Of("own");
  ASSERT_THAT(Write("keep", {At("cat", kDog)}, WriteMode::kInsert), IsOk());
  ASSERT_THAT(Write("keep", {own}, WriteMode::kInsert), IsOk());
  EXPECT_THAT(loader_.loaded(), ElementsAre(kCat));
}

TEST_F(UriImagesTest, AnUpdateOfAnotherFieldLoadsOnlyWhereTheVectorNeedsIt) {
  ASSERT_THAT(Write("refer", {At("cat", kCat)}), IsOk());
  loader_.Put(kCat, std::string(kDogBytes));
  ObjectWrite price;
  price.id = "cat";
  price.properties["price"] = int64_t{3};
  ASSERT_THAT(Update("refer", price), IsOk());
  EXPECT_EQ(loader_.loaded().size(), 1u);
  EXPECT_EQ(ImageOf(Get("refer", "cat")).content_sha256, Sha256(kCatBytes));

  ObjectWrite text;
  text.id = "cat";
  text.properties["document"] = "a dog";
  ASSERT_THAT(Update("refer", text), IsOk());
  EXPECT_EQ(loader_.loaded().size(), 2u);
  // What lies there now is what the vector is made of.
  EXPECT_EQ(ImageOf(Get("refer", "cat")).content_sha256, Sha256(kDogBytes));
  ObjectWrite given;
  given.id = "given";
  given.properties["document"] = "a dog";
  given.images["image"] = kDogBytes;
  ASSERT_THAT(Write("refer", {given}), IsOk());
  EXPECT_EQ(Get("refer", "cat").object.vectors,
            Get("refer", "given").object.vectors);

  // Kept bytes need no second load.
  ASSERT_THAT(Write("keep", {At("cat", kDog)}), IsOk());
  ASSERT_THAT(Update("keep", text), IsOk());
  EXPECT_EQ(loader_.loaded().size(), 3u);
}

TEST_F(UriImagesTest, TheSettingHoldsForWhatIsWrittenFromThenOn) {
  ASSERT_THAT(Write("refer", {At("before", kCat)}), IsOk());
  UpdateCollectionRequest update;
  update.name = "refer";
  update.uri_images = UriImages::kKeepBytes;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Collection changed,
                               engine_->UpdateCollection({}, update));
  EXPECT_EQ(changed.spec.uri_images, UriImages::kKeepBytes);
  ASSERT_THAT(Write("refer", {At("after", kCat)}), IsOk());
  EXPECT_TRUE(ImageOf(Get("refer", "before")).external);
  EXPECT_FALSE(ImageOf(Get("refer", "after")).external);
  Open(&loader_);
  EXPECT_EQ(engine_->GetCollection({}, "refer")->spec.uri_images,
            UriImages::kKeepBytes);
}

TEST_F(UriImagesTest, EveryImageThatCannotBeLoadedIsNamedAndNothingIsWritten) {
  const std::string slow = "https://pictures.test/slow.jpg";
  loader_.Put(
      slow,
      WithReason(WithRetryAfter(absl::UnavailableError("did not come in time"),
                                absl::Seconds(3)),
                 kUriUnavailable));
  absl::Status status =
      Write("refer", {At("a", slow), At("b", kCat), At("c", slow)});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ReasonOf(status), kUriUnavailable);
  EXPECT_EQ(RetryAfterOf(status), absl::Seconds(3));
  std::vector<std::string> fields;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields, ElementsAre("objects[0].properties[\"image\"].uri",
                                  "objects[2].properties[\"image\"].uri"));

  // One that trying again would not mend decides.
  status = Write("refer", {At("a", slow), At("b", kCat), At("c", "none")});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(status), kUriNotFound);
  EXPECT_FALSE(RetryAfterOf(status).has_value());
  EXPECT_EQ(FieldViolationsOf(status).size(), 2u);
  EXPECT_EQ(engine_->CountObjects({}, {"refer", {}}).value(), 0u);
}

TEST_F(UriImagesTest, OneWriteLoadsNoMoreThanItsLimit) {
  loader_.Put(kCat, std::string(60, 'c'));
  loader_.Put(kDog, std::string(60, 'd'));
  const absl::Status status = Write("refer", {At("a", kCat), At("b", kDog)});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ReasonOf(status), kUriTooLarge);
  EXPECT_EQ(FieldViolationsOf(status).at(0).field,
            "objects[1].properties[\"image\"].uri");
}

TEST_F(UriImagesTest, WithoutALoaderUrisAreKeptAndFeedNothing) {
  ASSERT_THAT(Write("refer", {At("cat", kCat)}), IsOk());
  Open(nullptr);
  ASSERT_THAT(Write("refer", {At("dog", kDog)}), IsOk());
  EXPECT_EQ(ImageOf(Get("refer", "dog")), (ImageReference{"", 0, kDog}));
  EXPECT_THAT(Get("refer", "dog").object.vectors, IsEmpty());
  // A vector that was made of the image is not made without it.
  ObjectWrite text;
  text.id = "cat";
  text.properties["document"] = "a cat";
  const absl::Status status = Update("refer", text);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied,
                               HasSubstr("--uri-file-root")));
  EXPECT_EQ(ReasonOf(status), kUriNotAllowed);
  EXPECT_EQ(FieldViolationsOf(status).at(0).field,
            "objects[0].properties[\"image\"].uri");
  EXPECT_EQ(Get("refer", "cat").object.vectors["default"], Of(kCatBytes));
}

TEST_F(UriImagesTest, WhatAnAnswerCarriedCanBeWrittenBack) {
  ASSERT_THAT(Write("refer", {At("cat", kCat)}), IsOk());
  ObjectWrite back = At("cat", kCat);
  back.properties["image"] = ImageReference{Sha256(kCatBytes), 0, kCat};
  ASSERT_THAT(Write("refer", {back}), IsOk());
  EXPECT_EQ(ImageOf(Get("refer", "cat")),
            (ImageReference{Sha256(kCatBytes), 14, kCat, true}));
  // With its vector too nothing is loaded, so nothing is known of the content.
  back.vectors["default"] = Of(kCatBytes);
  ASSERT_THAT(Write("refer", {back}), IsOk());
  EXPECT_EQ(ImageOf(Get("refer", "cat")), (ImageReference{"", 0, kCat}));
  EXPECT_EQ(loader_.loaded().size(), 2u);
}

}  // namespace
}  // namespace diptych::storage
