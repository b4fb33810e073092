// Thumbnails in the answers of the services.
#include <string>

#include "absl/strings/str_cat.h"
#include "common/image/image_header.h"
#include "common/status/error_details.h"
#include "storage/service/storage_services_fixture.h"
#include "storage/thumbnail/testing_pictures.h"

namespace diptych::storage {
namespace {

class AnswerThumbnailsTest : public StorageServicesTest {
 protected:
  // A page has room for the objects, and for two thumbnails or so.
  AnswerThumbnailsTest() : StorageServicesTest(SmallPages()) {}

 private:
  static LocalEngineOptions SmallPages() {
    LocalEngineOptions options;
    options.limits.page_bytes_max = 1000;
    return options;
  }

 protected:
  void SetUp() override {
    ASSERT_THAT(Create(R"(collection { name: "pictures" })"), IsOk());
    v1::UpsertObjectsRequest request;
    request.set_collection("pictures");
    for (int i = 0; i < 3; ++i) {
      v1::Object& object = *request.add_objects();
      object.set_id(absl::StrCat("picture", i));
      Image(object)->set_data(
          PngOf(200, 100 + i, {1, 2, static_cast<uint8_t>(i)}));
    }
    v1::Object& odd = *request.add_objects();
    odd.set_id("odd");
    Image(odd)->set_data("no picture");
    v1::Object& elsewhere = *request.add_objects();
    elsewhere.set_id("elsewhere");
    Image(elsewhere)->set_uri("https://example.org/a.jpg");
    grpc::ClientContext context;
    v1::UpsertObjectsResponse response;
    ASSERT_TRUE(objects_->UpsertObjects(&context, request, &response).ok());
  }

  static v1::Image* Image(v1::Object& object) {
    return (*object.mutable_properties())["image"].mutable_image_value();
  }
  static const std::string& Thumbnail(const v1::Object& object) {
    return object.properties().at("image").image_value().thumbnail();
  }
  static void ExpectThumbnail(const v1::Object& object) {
    const auto header = ReadImageHeader(Thumbnail(object));
    ASSERT_THAT(header, IsOk()) << object.id();
    EXPECT_EQ(header->format, ImageFormat::kJpeg);
    EXPECT_EQ(header->width, 64);
    EXPECT_EQ(object.properties().at("image").image_value().data(), "");
  }

  auto Get(const std::string& request) {
    return Call(*objects_, &v1::ObjectService::Stub::GetObjects, request);
  }
  auto List(const std::string& request) {
    return Call(*objects_, &v1::ObjectService::Stub::ListObjects, request);
  }
};

TEST_F(AnswerThumbnailsTest, ComeWithObjectsListsAndQueries) {
  const auto got = Get(R"(collection: "pictures" ids: "picture0"
                          projection { thumbnail_pixels: 64 })");
  ASSERT_THAT(got, IsOk());
  ExpectThumbnail(got->objects(0));
  const auto listed =
      List(R"(collection: "pictures" filter_expression: "id == 'picture1'"
                              projection { thumbnail_pixels: 64 })");
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->objects_size(), 1);
  ExpectThumbnail(listed->objects(0));
  const auto found =
      Query(R"(collection: "pictures" near_object { id: "picture0" } top_k: 4
               filter_expression: "id IN ['picture1', 'picture2']"
               projection { thumbnail_pixels: 64 })");
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->results_size(), 2);
  for (const auto& result : found->results()) ExpectThumbnail(result.object());
}

TEST_F(AnswerThumbnailsTest, AreLeftOutUnlessTheyAreAskedFor) {
  const auto got = Get(R"(collection: "pictures" ids: "picture0")");
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(Thumbnail(got->objects(0)), "");
}

TEST_F(AnswerThumbnailsTest, AnOddPictureHasNoneAndHidesNothing) {
  const auto got = Get(R"(collection: "pictures" ids: "odd" ids: "elsewhere"
                          projection { thumbnail_pixels: 64 })");
  ASSERT_THAT(got, IsOk());
  ASSERT_EQ(got->objects_size(), 2);
  const auto& odd = got->objects(0).properties().at("image").image_value();
  EXPECT_TRUE(odd.stored());
  EXPECT_EQ(odd.thumbnail(), "");
  const auto& elsewhere =
      got->objects(1).properties().at("image").image_value();
  EXPECT_FALSE(elsewhere.stored());
  EXPECT_EQ(elsewhere.thumbnail(), "");
}

TEST_F(AnswerThumbnailsTest, PagesAreCutWhereThumbnailsFillThem) {
  std::vector<std::string> ids;
  std::string token;
  int pages = 0;
  do {
    const auto page =
        List(absl::StrCat("collection: 'pictures' page_token: '", token,
                          "' projection { thumbnail_pixels: 200 }"));
    ASSERT_THAT(page, IsOk());
    ++pages;
    for (const auto& object : page->objects()) {
      ids.push_back(object.id());
      EXPECT_EQ(Thumbnail(object).empty(), object.id()[0] != 'p');
    }
    token = page->next_page_token();
  } while (!token.empty());
  EXPECT_THAT(ids, ::testing::ElementsAre("elsewhere", "odd", "picture0",
                                          "picture1", "picture2"));
  EXPECT_GE(pages, 2);
  const auto whole = List("collection: 'pictures'");
  ASSERT_THAT(whole, IsOk());
  EXPECT_EQ(whole->objects_size(), 5);
}

TEST_F(AnswerThumbnailsTest, SizesAreLimited) {
  for (const int pixels : {-1, 1, 15, 1025}) {
    const auto got = Get(absl::StrCat(
        "collection: 'pictures' ids: 'odd' projection { thumbnail_pixels: ",
        pixels, " }"));
    EXPECT_THAT(got, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(FieldViolationsOf(got.status()).at(0).field,
              "projection.thumbnail_pixels");
  }
}

}  // namespace
}  // namespace diptych::storage
