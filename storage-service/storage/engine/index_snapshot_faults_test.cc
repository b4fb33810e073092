// Index snapshots that are damaged, of something else, or cannot be written:
// noticed, and without harm.
#include <cstdlib>

#include "storage/engine/index_snapshot_fixture.h"

namespace diptych::storage {
namespace {

namespace fs = std::filesystem;

TEST_F(IndexSnapshotTest, ATornOrFlippedFileIsNoticedAndTheIndexBuiltAnew) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 40), IsOk());
  ASSERT_THAT(engine_->AwaitIndexing({}, kCollection), IsOk());
  const std::string answers = Answers();
  engine_.reset();
  ASSERT_EQ(SnapshotFiles().size(), 1u);
  const fs::path path = SnapshotFiles().front();
  const std::string whole = Content(path);
  // What is tried: every so many bytes, and so many random places.
  const size_t step = 4096;
  size_t places = 6;
  if (const char* wanted = std::getenv("DIPTYCH_SNAPSHOT_PLACES")) {
    places = static_cast<size_t>(std::atoll(wanted));
  }
  const std::string data = Content(CollectionDirectory() / "data.mdb");
  const auto check = [&](const std::string& content, const std::string& what) {
    SetContent(CollectionDirectory() / "data.mdb", data);
    SetContent(path, content);
    ASSERT_THAT(Open(), IsOk()) << what;
    EXPECT_EQ(Loads("records_for_a_bad_snapshot"), 1) << what;
    EXPECT_EQ(Answers(), answers) << what;
    engine_.reset();
  };
  for (size_t at = 0; at < whole.size(); at += step) {
    check(whole.substr(0, at), absl::StrCat("cut at ", at));
    std::string flipped = whole;
    flipped[at] ^= 0x10;
    check(flipped, absl::StrCat("flipped at ", at));
  }
  for (size_t i = 0; i < places; ++i) {
    const size_t at = Below(whole.size());
    std::string flipped = whole;
    flipped[at] ^= static_cast<char>(1 << Below(8));
    check(flipped, absl::StrCat("flipped at ", at));
  }
  SetContent(CollectionDirectory() / "data.mdb", data);
  SetContent(path, whole);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
}

TEST_F(IndexSnapshotTest, AFileOfAnotherVersionIsNotRead) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 50), IsOk());
  const std::string answers = Answers();
  engine_.reset();
  const fs::path path = SnapshotFiles().front();
  std::string newer = Content(path);
  newer[8] = 99;
  SetContent(path, newer);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records_for_a_bad_snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
}

TEST_F(IndexSnapshotTest, ASnapshotThatIsNewerThanTheRecordsIsNotTrusted) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kFloat32), IsOk());
  ASSERT_THAT(Write(0, 50), IsOk());
  const std::string answers = Answers();
  engine_.reset();
  const std::string old = Content(CollectionDirectory() / "data.mdb");
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Write(40, 60), IsOk());
  engine_.reset();
  std::optional<IndexSnapshotRecord> newer;
  Edit([&](WriteTransaction& transaction) {
    auto record = ReadIndexSnapshotRecord(transaction);
    if (record.ok()) newer = *record;
    return record.status();
  });
  ASSERT_TRUE(newer.has_value());
  // The records of before, and its snapshot gone.
  SetContent(CollectionDirectory() / "data.mdb", old);
  ASSERT_THAT(OpenAfterCrash(), IsOk());
  EXPECT_EQ(Loads("records"), 1);
  EXPECT_EQ(Answers(), answers);
  engine_.reset();
  options_.data_directory = directory_.path() / "data";
  // Not even where they name it.
  Edit([&](WriteTransaction& transaction) {
    return WriteIndexSnapshotRecord(transaction, *newer);
  });
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records_for_a_bad_snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
}

TEST_F(IndexSnapshotTest, ASnapshotOfAnotherCollectionIsNotTrusted) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kFloat32), IsOk());
  ASSERT_THAT(Write(0, 50), IsOk());
  const std::string answers = Answers();
  engine_.reset();
  // The same records and files under another identity.
  auto store =
      LmdbRecordStore::Open(options_.data_directory / "catalog", options_.lmdb);
  ASSERT_THAT(store, IsOk());
  const std::string key = CollectionKey(1);
  ASSERT_THAT(
      (*store)->RunWrite([&](WriteTransaction& transaction) -> absl::Status {
        auto record = transaction.Get(Table::kCollections, key);
        if (!record.ok()) return record.status();
        auto collection = DecodeCollection(key, **record);
        if (!collection.ok()) return collection.status();
        collection->uid = "another";
        return transaction.Put(Table::kCollections, key,
                               EncodeCollection(key, *collection));
      }),
      IsOk());
  store->reset();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records_for_a_bad_snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
}

TEST_F(IndexSnapshotTest, AGapInTheChangeLogIsNoticed) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kFloat32), IsOk());
  ASSERT_THAT(Write(0, 50), IsOk());
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  ASSERT_THAT(Delete({"id7"}), IsOk());
  ASSERT_THAT(Delete({"id8"}), IsOk());
  const std::string answers = Answers();
  options_.index_snapshots.changes_min = 1000;  // none at the end
  ASSERT_THAT(OpenAfterCrash(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  engine_.reset();
  Edit([](WriteTransaction& transaction) {
    return transaction.Delete(Table::kChanges, ChangeKey(2)).status();
  });
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records_for_a_bad_snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
}

// Each file operation of a snapshot fails once, and all behind it.
TEST_F(IndexSnapshotTest, AFailedWriteHarmsNothing) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 30), IsOk());
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  ASSERT_THAT(Write(25, 35), IsOk());
  const std::string answers = Answers();
  files_.FailFrom(0);
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  const int64_t operations = files_.operations();
  ASSERT_GT(operations, 5);
  for (int64_t n = 1; n <= operations; ++n) {
    const double failed = Snapshots("failed");
    files_.FailFrom(n);
    const absl::Status status = engine_->WriteIndexSnapshots();
    files_.FailFrom(0);
    // Behind the commit there is only tidying, which the next one does.
    EXPECT_EQ(Snapshots("failed") - failed, status.ok() ? 0 : 1) << n;
    EXPECT_TRUE(n >= operations - 2 || !status.ok()) << n;
    EXPECT_EQ(Answers(), answers) << n;
    const fs::path data = options_.data_directory;
    ASSERT_THAT(OpenAfterCrash(), IsOk()) << n;
    EXPECT_EQ(Loads("snapshot"), 1) << n;
    EXPECT_EQ(Answers(), answers) << n;
    options_.data_directory = data;
    ASSERT_THAT(Open(), IsOk()) << n;
    EXPECT_LE(SnapshotFiles().size(), 2u) << n;
  }
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  EXPECT_EQ(SnapshotFiles().size(), 1u);
}

}  // namespace
}  // namespace diptych::storage
