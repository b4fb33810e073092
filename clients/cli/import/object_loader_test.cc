#include "cli/import/object_loader.h"

#include <filesystem>
#include <string>

#include "cli/testing/sample_files.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::HasSubstr;

class ObjectLoaderTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, const std::string& bytes) {
    WriteFile(directory_.path() / name, bytes);
  }
  absl::StatusOr<storage::v1::Object> LoadOnly() {
    const auto plan = PlanImport(directory_.path(), IdSource::kPath);
    if (!plan.ok()) return plan.status();
    if (plan->items.size() != 1) return absl::InternalError("not one item");
    return LoadObject(plan->items[0]);
  }

  TempDirectory directory_;
};

TEST_F(ObjectLoaderTest, PictureGetsTextSidecarAndPath) {
  Add("cats/tom.png", PngBytes("1"));
  Add("cats/tom.txt",
      "\xEF\xBB\xBF"
      "A grey cat.");
  Add("cats/tom.json",
      "{\"year\": 1940, \"tags\": [\"grey\"], \"folder\": \"own\"}");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto object, LoadOnly());
  const auto& properties = object.properties();
  EXPECT_EQ(object.id(), "cats/tom.png");
  EXPECT_EQ(properties.at("image").image_value().data(), PngBytes("1"));
  EXPECT_EQ(properties.at("document").text_value(), "A grey cat.");
  EXPECT_EQ(properties.at("path").text_value(), "cats/tom.png");
  EXPECT_EQ(properties.at("file_name").text_value(), "tom.png");
  EXPECT_EQ(properties.at("folder").text_value(), "own");
  EXPECT_EQ(properties.at("year").integer_value(), 1940);
  EXPECT_EQ(properties.at("tags").text_list().values(0), "grey");
}

TEST_F(ObjectLoaderTest, TextFileBecomesADocument) {
  Add("note.txt", "hello");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto object, LoadOnly());
  EXPECT_EQ(object.properties().at("document").text_value(), "hello");
  EXPECT_EQ(object.properties().at("folder").text_value(), "");
  EXPECT_FALSE(object.properties().contains("image"));
}

TEST_F(ObjectLoaderTest, FileThatOnlyClaimsToBeAPictureIsRefused) {
  Add("a.png", "<html>not found</html>");
  EXPECT_THAT(LoadOnly(), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("is not a picture")));
}

TEST_F(ObjectLoaderTest, UnsupportedFormatIsNamed) {
  Add("a.heic", std::string("\0\0\0\x18"
                            "ftypheic",
                            12));
  EXPECT_THAT(LoadOnly(), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("is HEIC; convert it")));
}

TEST_F(ObjectLoaderTest, EmptyAndOversizedFilesAreRefused) {
  Add("a.png", "");
  EXPECT_THAT(LoadOnly(), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("is empty")));
  // A hole: takes no disk.
  std::filesystem::resize_file(directory_.path() / "a.png",
                               kPictureBytesMax + 1);
  EXPECT_THAT(LoadOnly(), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("at most 32.0 MiB")));
}

TEST_F(ObjectLoaderTest, TextThatIsNotUtf8IsRefused) {
  Add("a.txt", "caf\xE9");
  EXPECT_THAT(LoadOnly(), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("not UTF-8")));
}

TEST_F(ObjectLoaderTest, BadSidecarIsNamed) {
  Add("a.png", PngBytes("1"));
  for (const char* text : {"[1]", "{\"a\": {\"b\": 1}}", "{\"image\": \"x\"}",
                           "{\"a\": }", "{\"a\": [1, \"b\"]}"}) {
    Add("a.json", text);
    EXPECT_THAT(LoadOnly(), StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("a.json: ")))
        << text;
  }
}

}  // namespace
}  // namespace diptych::cli
