// Index snapshots: what is loaded answers as what was written, whatever
// happened in between.
#include <atomic>
#include <thread>

#include "storage/engine/index_snapshot_fixture.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"

namespace diptych::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class IndexSnapshotPrecisionTest
    : public IndexSnapshotTest,
      public ::testing::WithParamInterface<VectorPrecision> {};

TEST_P(IndexSnapshotPrecisionTest, ALoadedIndexAnswersAsTheOneThatWasWritten) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(GetParam()), IsOk());
  ASSERT_THAT(Write(0, 150), IsOk());
  // A graph with dead rows, and fresh rows.
  ASSERT_THAT(engine_->AwaitIndexing({}, kCollection), IsOk());
  ASSERT_THAT(Write(100, 120), IsOk());
  ASSERT_THAT(Delete({"id3", "id4", "id110"}), IsOk());
  const std::string near = Answers(false), exact = Answers();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(false), near);
  EXPECT_EQ(Answers(), exact);
  // It takes changes like any other.
  ASSERT_THAT(Delete({"id5", "id115"}), IsOk());
  ASSERT_THAT(Write(10, 30), IsOk());
  ASSERT_THAT(Write(150, 160), IsOk());
  const std::string changed = Answers();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), changed);
  EXPECT_EQ(SnapshotFiles().size(), 1u);
}

TEST_P(IndexSnapshotPrecisionTest, ChangesBehindASnapshotAreReplayed) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(GetParam()), IsOk());
  ASSERT_THAT(Write(0, 120), IsOk());
  ASSERT_THAT(engine_->AwaitIndexing({}, kCollection), IsOk());
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  ASSERT_THAT(Write(110, 150), IsOk());
  std::vector<std::string> ids;
  for (int i = 50; i < 90; ++i) ids.push_back(absl::StrCat("id", i));
  ASSERT_THAT(Delete(ids), IsOk());
  ASSERT_THAT(Write(60, 70), IsOk());
  const std::string answers = Answers();
  ASSERT_THAT(OpenAfterCrash(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(
      metrics_->AddCounter({"diptych_storage_index_replayed_objects_total", ""})
          .Value(),
      50);
  EXPECT_EQ(Answers(), answers);
  // Once more, without a change in between.
  ASSERT_THAT(OpenAfterCrash(), IsOk());
  EXPECT_EQ(Answers(), answers);
}

// A row is made anew from the record of its vector. Where that is damaged, or
// gone, the object is left out, and the index need not be built anew.
TEST_P(IndexSnapshotPrecisionTest, VectorsDamagedBehindASnapshotAreLeftOut) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(GetParam()), IsOk());
  ASSERT_THAT(Write(0, 60), IsOk());
  ASSERT_THAT(engine_->AwaitIndexing({}, kCollection), IsOk());
  ASSERT_THAT(Write(60, 70), IsOk());
  engine_.reset();
  // Slots are given out in the order of writing: one of the graph's rows is
  // damaged, one is gone, and one of the fresh rows is damaged.
  Edit([](WriteTransaction& transaction) -> absl::Status {
    for (const Slot slot : {4, 63}) {
      const std::string key = VectorKey(slot, 0, 0);
      auto record = transaction.Get(Table::kVectors, key);
      if (!record.ok()) return record.status();
      std::string damaged(**record);
      damaged[9] ^= 1;
      auto put = transaction.Put(Table::kVectors, key, damaged);
      if (!put.ok()) return put;
    }
    return transaction.Delete(Table::kVectors, VectorKey(7, 0, 0)).status();
  });
  const auto all_but_three = [&] {
    const std::string answers = Answers(false);
    EXPECT_THAT(answers, HasSubstr("id5="));
    for (const char* id : {"id4=", "id7=", "id63="}) {
      EXPECT_THAT(answers, ::testing::Not(HasSubstr(id)));
    }
    EXPECT_EQ(engine_
                  ->CountObjects(
                      {}, {kCollection,
                           ParseFilterExpression("n >= 0", Limits()).value()})
                  .value_or(0),
              67u);
  };
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  all_but_three();
  // The next snapshot knows of them.
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  all_but_three();
  for (const int id : {4, 7, 63}) ASSERT_THAT(Write(id, id + 1), IsOk());
  const std::string mended = Answers();
  EXPECT_THAT(mended, HasSubstr("id4="));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), mended);
}

INSTANTIATE_TEST_SUITE_P(All, IndexSnapshotPrecisionTest,
                         ::testing::Values(VectorPrecision::kFloat32,
                                           VectorPrecision::kBfloat16,
                                           VectorPrecision::kInt8));

TEST_F(IndexSnapshotTest, WritesGoOnBesideSnapshots) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 120), IsOk());
  std::atomic<bool> done{false};
  std::thread snapshots([&] {
    do {
      EXPECT_THAT(engine_->WriteIndexSnapshots(), IsOk());
    } while (!done);
  });
  std::thread searches([&] {
    while (!done) {
      EXPECT_THAT(engine_->CountObjects(
                      {}, {kCollection,
                           ParseFilterExpression("n < 9", Limits()).value()}),
                  IsOk());
    }
  });
  for (int i = 0; i < 40; ++i) {
    const int first = static_cast<int>(Below(120));
    EXPECT_THAT(Write(first, first + 5), IsOk());
    EXPECT_THAT(Delete({absl::StrCat("id", Below(120))}), IsOk());
  }
  done = true;
  snapshots.join();
  searches.join();
  const std::string answers = Answers();
  ASSERT_THAT(OpenAfterCrash(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
}

TEST_F(IndexSnapshotTest, OlderFormatsAreTakenOver) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 50), IsOk());
  const std::string answers = Answers();
  engine_.reset();
  // As format 2 has it: no changes, no numbers, no snapshots.
  fs::remove_all(CollectionDirectory() / "index");
  Edit([](WriteTransaction& transaction) -> absl::Status {
    for (const char* key : {kSequenceKey, kIndexSnapshotKey}) {
      auto deleted = transaction.Delete(Table::kMeta, key);
      if (!deleted.ok()) return deleted.status();
    }
    auto trimmed = TrimChanges(transaction, 1'000'000, 1'000'000);
    if (!trimmed.ok()) return trimmed.status();
    return transaction.Put(Table::kMeta, kFormatKey,
                           EncodeFormat(kFormatKey, 2));
  });
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records"), 1);
  EXPECT_EQ(Answers(), answers);
  ASSERT_THAT(Delete({"id9"}), IsOk());
  const std::string changed = Answers();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), changed);
}

TEST_F(IndexSnapshotTest, DamagedRecordsStayLeftOutUntilTheyAreReplaced) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kFloat32), IsOk());
  ASSERT_THAT(Write(0, 20), IsOk());
  engine_.reset();
  fs::remove_all(CollectionDirectory() / "index");
  Edit([](WriteTransaction& transaction) {
    return transaction.Put(Table::kObjects, SlotKey(4), "broken");
  });
  const auto count = [&] {
    // By the index; without a filter it is the records that count.
    return engine_
        ->CountObjects({}, {kCollection,
                            ParseFilterExpression("n >= 0", Limits()).value()})
        .value_or(0);
  };
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records"), 1);
  EXPECT_EQ(count(), 19u);
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(count(), 19u);
  ASSERT_THAT(Write(4, 5), IsOk());
  EXPECT_EQ(count(), 20u);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(count(), 20u);
}

TEST_F(IndexSnapshotTest, ARecordDamagedBehindASnapshotCanBeReplaced) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 20), IsOk());
  engine_.reset();
  Edit([](WriteTransaction& transaction) {
    return transaction.Put(Table::kObjects, SlotKey(4), "broken");
  });
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_THAT(Write(4, 5), IsOk());
  EXPECT_THAT(Answers(), HasSubstr("id4="));
}

TEST_F(IndexSnapshotTest, WithoutSnapshotsTheChangeLogDoesNotGrow) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 30), IsOk());
  const std::string before = Answers();
  engine_.reset();
  // As long as nothing changes, the snapshot of before is good.
  options_.index_snapshots.changes_min = 0;
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Answers(), before);
  options_.index_snapshots.changes_min = 1;
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), before);

  options_.index_snapshots.changes_min = 0;
  ASSERT_THAT(Open(), IsOk());
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(Write(i, i + 25), IsOk());
    ASSERT_THAT(Delete({absl::StrCat("id", i)}), IsOk());
  }
  const std::string after = Answers();
  engine_.reset();
  Edit([](WriteTransaction& transaction) -> absl::Status {
    auto cursor = transaction.NewCursor(Table::kChanges);
    if (!cursor.ok()) return cursor.status();
    auto found = (*cursor)->Seek("");
    EXPECT_THAT(found, IsOkAndHolds(false));
    auto record = ReadIndexSnapshotRecord(transaction);
    if (record.ok()) {
      EXPECT_FALSE(record->has_value());
    }
    return record.status();
  });
  // They are taken up again where they are wanted.
  options_.index_snapshots.changes_min = 1;
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("records"), 1);
  EXPECT_EQ(Answers(), after);
  ASSERT_THAT(Delete({"id20"}), IsOk());
  const std::string changed = Answers();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), changed);
  EXPECT_EQ(SnapshotFiles().size(), 1u);
}

TEST_F(IndexSnapshotTest, BackupsCompactionAndResetKeepWorking) {
  options_.snapshot_directory = directory_.path() / "backups";
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Create(VectorPrecision::kInt8), IsOk());
  ASSERT_THAT(Write(0, 60), IsOk());
  ASSERT_THAT(Delete({"id1", "id2"}), IsOk());
  ASSERT_THAT(engine_->WriteIndexSnapshots(), IsOk());
  const std::string answers = Answers();
  ASSERT_THAT(engine_->CreateSnapshot({}, "one"), IsOk());
  ASSERT_THAT(engine_->CompactCollection({}, kCollection), IsOk());
  ASSERT_THAT(OpenAfterCrash(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
  ASSERT_THAT(Write(100, 110), IsOk());
  ASSERT_THAT(engine_->RestoreSnapshot({}, "one"), IsOk());
  EXPECT_EQ(Answers(), answers);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot"), 1);
  EXPECT_EQ(Answers(), answers);
  ASSERT_THAT(engine_->Reset({}), IsOk());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Loads("snapshot") + Loads("records"), 0);
}

}  // namespace
}  // namespace diptych::storage
