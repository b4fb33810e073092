#include "cli/import/import_journal.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

using ::testing::HasSubstr;

const JournalKey kKey{"127.0.0.1:50052", "gallery", "uid-1", "/pictures"};

class ImportJournalTest : public ::testing::Test {
 protected:
  std::unique_ptr<ImportJournal> Open(const JournalKey& key,
                                      bool restart = false) {
    auto journal =
        ImportJournal::Open(directory_.path() / "imports", key, restart);
    EXPECT_THAT(journal, IsOk());
    return journal.ok() ? *std::move(journal) : nullptr;
  }

  TempDirectory directory_;
};

TEST_F(ImportJournalTest, RemembersAcknowledgedObjectsAsTheyWere) {
  EXPECT_THAT(Open(kKey)->Append({{"a", "1@1"}, {"b", "2@2"}}), IsOk());
  EXPECT_THAT(Open(kKey)->Append({{"a", "1@9"}}), IsOk());
  const auto journal = Open(kKey);
  EXPECT_TRUE(journal->Contains("a", "1@9"));
  EXPECT_FALSE(journal->Contains("a", "1@1"));
  EXPECT_TRUE(journal->Contains("b", "2@2"));
  EXPECT_FALSE(journal->Contains("c", "1@1"));
}

TEST_F(ImportJournalTest, TornLastLineIsCutOff) {
  std::filesystem::path path;
  {
    const auto journal = Open(kKey);
    path = journal->path();
    EXPECT_THAT(journal->Append({{"a", "1"}}), IsOk());
  }
  std::ofstream(path, std::ios::app) << "{\"id\": \"b\", \"signa";
  EXPECT_THAT(Open(kKey)->Append({{"c", "3"}}), IsOk());
  const auto journal = Open(kKey);
  EXPECT_TRUE(journal->Contains("a", "1"));
  EXPECT_TRUE(journal->Contains("c", "3"));
}

TEST_F(ImportJournalTest, DamagedLineCostsOnlyItself) {
  std::filesystem::path path;
  {
    const auto journal = Open(kKey);
    path = journal->path();
  }
  std::ofstream(path, std::ios::app)
      << "not JSON\n{\"id\": 5, \"signature\": \"1\"}\n[]\n"
      << "{\"id\":\"a\",\"signature\":\"1\"}\n";
  EXPECT_TRUE(Open(kKey)->Contains("a", "1"));
}

TEST_F(ImportJournalTest, CollectionMadeAgainBeginsAnew) {
  EXPECT_THAT(Open(kKey)->Append({{"a", "1"}}), IsOk());
  JournalKey again = kKey;
  again.uid = "uid-2";
  EXPECT_FALSE(Open(again)->Contains("a", "1"));
  // And the old one is gone for good.
  EXPECT_FALSE(Open(kKey)->Contains("a", "1"));
}

TEST_F(ImportJournalTest, OtherServersAndDirectoriesHaveTheirOwn) {
  EXPECT_THAT(Open(kKey)->Append({{"a", "1"}}), IsOk());
  JournalKey other = kKey;
  other.server = "elsewhere:50052";
  EXPECT_FALSE(Open(other)->Contains("a", "1"));
  EXPECT_TRUE(Open(kKey)->Contains("a", "1"));
}

TEST_F(ImportJournalTest, RestartForgets) {
  EXPECT_THAT(Open(kKey)->Append({{"a", "1"}}), IsOk());
  EXPECT_FALSE(Open(kKey, /*restart=*/true)->Contains("a", "1"));
}

TEST_F(ImportJournalTest, SecondImportAtOnceIsRefused) {
  const auto first = Open(kKey);
  EXPECT_THAT(ImportJournal::Open(directory_.path() / "imports", kKey, false),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another import")));
}

TEST_F(ImportJournalTest, LiesInTheStateDirectory) {
  Environment environment;
  environment.variable =
      [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOME") return "/home/me";
    return std::nullopt;
  };
  EXPECT_THAT(JournalDirectory(environment),
              IsOkAndHolds("/home/me/.local/state/diptych/imports"));
  environment.variable =
      [](const std::string& name) -> std::optional<std::string> {
    if (name == "XDG_STATE_HOME") return "/state";
    return "/home/me";
  };
  EXPECT_THAT(JournalDirectory(environment),
              IsOkAndHolds("/state/diptych/imports"));
}

}  // namespace
}  // namespace diptych::cli
