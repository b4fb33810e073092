#include "storage/engine/data_directory_check.h"

#include <fstream>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/local_engine.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

class DataDirectoryCheckTest : public ::testing::Test {
 protected:
  DataDirectoryCheckTest() {
    options_.data_directory = directory_.path() / "data";
    options_.snapshot_directory = directory_.path() / "snapshots";
  }

  // Collections "points" (id 1) and "other" (id 2); the first has the objects
  // p0 to p2 with a vector and an image each.
  void Fill() {
    auto engine = LocalEngine::Open(options_);
    ASSERT_THAT(engine, IsOk());
    for (const char* name : {"points", "other"}) {
      CollectionSpec spec;
      spec.name = name;
      spec.vector_spaces.emplace_back().name = kDefaultVectorSpace;
      ASSERT_THAT((*engine)->CreateCollection({}, {spec, false}), IsOk());
    }
    std::vector<ObjectWrite> objects;
    for (int i = 0; i < 3; ++i) {
      ObjectWrite& object = objects.emplace_back();
      object.id = absl::StrCat("p", i);
      object.vectors["default"] = {1.0f, static_cast<float>(i)};
      object.images["photo"] = absl::StrCat("picture ", i);
    }
    ASSERT_THAT(
        (*engine)->WriteObjects({}, {"points", WriteMode::kUpsert, objects}),
        IsOk());
    ASSERT_THAT((*engine)->CreateSnapshot({}, "saved"), IsOk());
  }
  fs::path CollectionDirectory(uint64_t id) {
    return options_.data_directory / "collections" /
           CollectionDirectoryName(id);
  }
  void Change(const std::function<absl::Status(WriteTransaction&)>& write) {
    auto store = LmdbRecordStore::Open(CollectionDirectory(1), {});
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->RunWrite(write), IsOk());
  }
  std::vector<std::string> Findings() {
    std::vector<std::string> findings;
    auto check = CheckDataDirectory(options_.data_directory);
    EXPECT_THAT(check, IsOk());
    if (!check.ok()) return findings;
    for (const DirectoryFinding& finding : check->findings) {
      findings.push_back(finding.where + ": " + finding.what);
    }
    return findings;
  }

  TempDirectory directory_;
  LocalEngineOptions options_;
};

TEST_F(DataDirectoryCheckTest, AWholeDirectoryAndASnapshotHaveNoFindings) {
  Fill();
  for (const fs::path& directory :
       {options_.data_directory, options_.snapshot_directory / "saved"}) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const DirectoryCheck check,
                                 CheckDataDirectory(directory));
    EXPECT_THAT(check.findings, IsEmpty());
    EXPECT_EQ(check.collections, 2u);
    EXPECT_EQ(check.objects, 3u);
    EXPECT_EQ(check.vectors, 3u);
    EXPECT_EQ(check.images, 3u);
  }
  // It has changed nothing that a server needs.
  EXPECT_THAT(LocalEngine::Open(options_), IsOk());
}

TEST_F(DataDirectoryCheckTest, SaysWhatCannotBeChecked) {
  EXPECT_THAT(CheckDataDirectory(directory_.path() / "none"),
              StatusIs(absl::StatusCode::kNotFound));
  Fill();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto engine, LocalEngine::Open(options_));
  EXPECT_THAT(CheckDataDirectory(options_.data_directory),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another server")));
}

TEST_F(DataDirectoryCheckTest, FindsDirectoriesThatLackOrAreTooMany) {
  Fill();
  fs::remove_all(CollectionDirectory(2));
  fs::create_directories(CollectionDirectory(77));
  fs::create_directories(options_.data_directory / "collections" / "notes");
  const auto findings = Findings();
  EXPECT_EQ(findings.size(), 3u);
  EXPECT_THAT(findings, testing::Contains(HasSubstr("collection other")));
  EXPECT_THAT(findings, testing::Contains(HasSubstr("belongs to no")));
  EXPECT_THAT(findings, testing::Contains(HasSubstr("leaves it alone")));
}

TEST_F(DataDirectoryCheckTest, FindsAFileThatIsNoStore) {
  Fill();
  std::ofstream(CollectionDirectory(1) / "data.mdb")
      << std::string(100'000, 'z');
  EXPECT_THAT(Findings(), testing::Contains(HasSubstr("collection points")));
  std::ofstream(options_.data_directory / "catalog" / "data.mdb")
      << std::string(100'000, 'z');
  EXPECT_THAT(Findings(), testing::ElementsAre(HasSubstr("catalog")));
}

// Each change is one that no server makes.
TEST_F(DataDirectoryCheckTest, FindsEveryContradictionWithinACollection) {
  const std::string picture = Sha256("picture 1");
  const std::vector<
      std::pair<std::string, std::function<absl::Status(WriteTransaction&)>>>
      damages = {
          {"a stored record is damaged",
           [](WriteTransaction& transaction) {
             return transaction.Put(Table::kObjects, SlotKey(1), "junk");
           }},
          {"a stored record is damaged",
           [](WriteTransaction& transaction) {
             return transaction.Put(Table::kVectors, VectorKey(1, 0, 0),
                                    "junk");
           }},
          {"pieces of vectors",
           [](WriteTransaction& transaction) {
             return transaction.Put(Table::kVectors, VectorKey(9, 0, 0), "x");
           }},
          {"ids and",
           [](WriteTransaction& transaction) {
             return transaction.Delete(Table::kIds, "p1").status();
           }},
          {"leads to no readable object",
           [](WriteTransaction& transaction) {
             return transaction.Put(Table::kIds, "p9", EncodeSlot("p9", 9));
           }},
          {"leads elsewhere",
           [](WriteTransaction& transaction) {
             return transaction.Put(Table::kIds, "p1", EncodeSlot("p1", 2));
           }},
          {"not the one that its SHA-256 names",
           [&](WriteTransaction& transaction) {
             return transaction.Put(
                 Table::kImages, picture,
                 SealRecord(RecordKind::kImage, picture, "another"));
           }},
          {"is missing",
           [&](WriteTransaction& transaction) {
             return transaction.Delete(Table::kImages, picture).status();
           }},
          {"not those of the objects",
           [&](WriteTransaction& transaction) {
             return transaction.Put(Table::kImageReferences, picture,
                                    EncodeImageReference(picture, {7, 9}));
           }},
          {"counts 8 objects",
           [](WriteTransaction& transaction) {
             return WriteCounters(transaction, {3, 8, 3});
           }},
          {"has not been given out",
           [](WriteTransaction& transaction) {
             return WriteCounters(transaction, {2, 3, 3});
           }},
          {"is of format",
           [](WriteTransaction& transaction) {
             return transaction.Put(
                 Table::kMeta, kFormatKey,
                 EncodeFormat(kFormatKey, kStorageFormatVersion + 1));
           }},
      };
  Fill();
  fs::rename(CollectionDirectory(1), directory_.path() / "whole");
  for (const auto& [words, damage] : damages) {
    fs::remove_all(CollectionDirectory(1));
    fs::copy(directory_.path() / "whole", CollectionDirectory(1));
    ASSERT_THAT(Findings(), IsEmpty());
    Change(damage);
    EXPECT_THAT(Findings(), testing::Contains(HasSubstr(words)));
  }
}

TEST_F(DataDirectoryCheckTest, FindsADamagedIndexSnapshot) {
  options_.index_snapshots.changes_min = 1;
  Fill();
  EXPECT_THAT(Findings(), IsEmpty());
  const fs::directory_iterator file(CollectionDirectory(1) / "index");
  std::fstream snapshot(file->path(),
                        std::ios::in | std::ios::out | std::ios::binary);
  snapshot.seekp(40'000);
  snapshot << "damage";
  snapshot.close();
  EXPECT_THAT(Findings(),
              ElementsAre(HasSubstr("the index snapshot is not whole")));
}

TEST_F(DataDirectoryCheckTest, FindsAGapInTheChangeLog) {
  Fill();
  Change([](WriteTransaction& transaction) {
    return transaction.Delete(Table::kChanges, ChangeKey(1)).status();
  });
  EXPECT_THAT(Findings(),
              ElementsAre(HasSubstr("the change log lacks change 1")));
}

}  // namespace
}  // namespace diptych::storage
