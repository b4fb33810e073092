#include "cli/import/import_plan.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "cli/testing/sample_files.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ImportPlanTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, const std::string& bytes = "x") {
    WriteFile(directory_.path() / name, bytes);
  }
  ImportPlan Plan(IdSource id_source = IdSource::kPath) {
    auto plan = PlanImport(directory_.path(), id_source);
    EXPECT_THAT(plan, IsOk());
    return plan.ok() ? *std::move(plan) : ImportPlan();
  }
  static std::vector<std::string> Ids(const ImportPlan& plan) {
    std::vector<std::string> ids;
    for (const ImportItem& item : plan.items) ids.push_back(item.id);
    return ids;
  }

  TempDirectory directory_;
};

TEST_F(ImportPlanTest, WalksSubdirectoriesInOrder) {
  Add("b.png");
  Add("a.txt");
  Add("cats/siamese/tom.jpg");
  Add("cats/kit.webp");
  EXPECT_THAT(Ids(Plan()), ElementsAre("a.txt", "b.png", "cats/kit.webp",
                                       "cats/siamese/tom.jpg"));
}

TEST_F(ImportPlanTest, TextAndSidecarOfTheSameStemBelongToThePicture) {
  Add("x.png");
  Add("x.txt");
  Add("x.json");
  Add("y.txt");
  Add("y.json");
  Add("other/x.txt");
  const ImportPlan plan = Plan();
  ASSERT_THAT(Ids(plan), ElementsAre("x.png", "y.txt", "other/x.txt"));
  EXPECT_TRUE(plan.items[0].is_picture);
  EXPECT_EQ(plan.items[0].document, directory_.path() / "x.txt");
  EXPECT_EQ(plan.items[0].sidecar, directory_.path() / "x.json");
  EXPECT_EQ(plan.items[0].bytes, 3);
  EXPECT_FALSE(plan.items[1].is_picture);
  EXPECT_EQ(plan.items[1].sidecar, directory_.path() / "y.json");
  EXPECT_EQ(plan.items[2].sidecar, std::nullopt);
}

TEST_F(ImportPlanTest, FileWithoutTellingNameIsJudgedByItsBytes) {
  Add("download", PngBytes("1"));
  Add("Makefile", "all:");
  const ImportPlan plan = Plan();
  EXPECT_THAT(Ids(plan), ElementsAre("download"));
  EXPECT_EQ(plan.ignored_files, 1);
}

TEST_F(ImportPlanTest, LonelySidecarAndHiddenFilesAreNotImported) {
  Add("z.json", "{}");
  Add(".thumbnails/a.png");
  Add(".hidden.png");
  const ImportPlan plan = Plan();
  EXPECT_THAT(plan.items, IsEmpty());
  EXPECT_THAT(plan.skipped, IsEmpty());
}

TEST_F(ImportPlanTest, LinksToDirectoriesAreNotFollowed) {
  Add("a/one.png");
  std::filesystem::create_directory_symlink("..", directory_.path() / "a/up");
  EXPECT_THAT(Ids(Plan()), ElementsAre("a/one.png"));
}

TEST_F(ImportPlanTest, BrokenLinkIsSkippedWithReason) {
  std::filesystem::create_symlink("nowhere", directory_.path() / "a.png");
  const ImportPlan plan = Plan();
  ASSERT_THAT(plan.skipped, SizeIs(1));
  EXPECT_EQ(plan.skipped[0].file, "a.png");
  EXPECT_THAT(plan.skipped[0].reason, HasSubstr("No such file"));
}

TEST_F(ImportPlanTest, NamesThatCannotBeIdsAreSkipped) {
  Add("bad\xFFname.png");
  Add(std::string(200, 'a') + "/" + std::string(60, 'b') + ".png");
  const ImportPlan plan = Plan();
  EXPECT_THAT(plan.items, IsEmpty());
  ASSERT_THAT(plan.skipped, SizeIs(2));
  EXPECT_THAT(plan.skipped[0].reason, HasSubstr("not UTF-8"));
  EXPECT_THAT(plan.skipped[1].reason, HasSubstr("at most 256"));
}

TEST_F(ImportPlanTest, FileNamesAsIdsMustBeUnique) {
  Add("a/tom.png");
  Add("b/tom.png");
  const ImportPlan plan = Plan(IdSource::kFileName);
  EXPECT_THAT(Ids(plan), ElementsAre("tom.png"));
  ASSERT_THAT(plan.skipped, SizeIs(1));
  EXPECT_EQ(plan.skipped[0].file, "b/tom.png");
}

TEST_F(ImportPlanTest, SignatureChangesWithAnyOfTheFiles) {
  Add("x.png", "1");
  const std::string alone = Plan().items[0].signature;
  EXPECT_EQ(Plan().items[0].signature, alone);
  Add("x.json", "{}");
  const std::string with_sidecar = Plan().items[0].signature;
  EXPECT_NE(with_sidecar, alone);
  std::filesystem::last_write_time(
      directory_.path() / "x.json",
      std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_NE(Plan().items[0].signature, with_sidecar);
}

TEST_F(ImportPlanTest, SaysWhatIsWrongWithTheDirectory) {
  Add("file");
  EXPECT_THAT(PlanImport(directory_.path() / "none", IdSource::kPath),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(PlanImport(directory_.path() / "file", IdSource::kPath),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not a directory")));
}

}  // namespace
}  // namespace diptych::cli
