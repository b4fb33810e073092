#include "storage/record/lmdb_record_store.h"

#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/record/memory_record_store.h"

namespace diptych::storage {
namespace {

absl::Status Put(RecordStore& store, const std::string& key,
                 const std::string& value) {
  return store.RunWrite([&](WriteTransaction& transaction) {
    return transaction.Put(Table::kIds, key, value);
  });
}

TEST(LmdbRecordStoreTest, RecordsSurviveReopening) {
  TempDirectory directory;
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                                 LmdbRecordStore::Open(directory.path(), {}));
    ASSERT_THAT(Put(*store, "a", "1"), IsOk());
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), {}));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store->BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value, read->Get(Table::kIds, "a"));
  EXPECT_EQ(value.value_or("none"), "1");
}

TEST(LmdbRecordStoreTest, AFileLargerThanTheFirstMapIsReopened) {
  TempDirectory directory;
  LmdbOptions small;
  small.map_bytes = 64 << 10;
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        auto store, LmdbRecordStore::Open(directory.path(), small));
    ASSERT_THAT(Put(*store, "a", std::string(1 << 20, 'x')), IsOk());
    EXPECT_GE(store->map_bytes(), uint64_t{1} << 20);
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), small));
  ASSERT_THAT(Put(*store, "b", std::string(1 << 20, 'y')), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store->BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value, read->Get(Table::kIds, "a"));
  EXPECT_EQ(value->size(), size_t{1} << 20);
}

TEST(LmdbRecordStoreTest, GrowingWaitsForReadsAndTheyStayWhole) {
  TempDirectory directory;
  LmdbOptions options;
  options.map_bytes = 64 << 10;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  ASSERT_THAT(Put(*store, "a", "1"), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store->BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value, read->Get(Table::kIds, "a"));
  absl::Notification full;
  std::thread writer([&] {
    int runs = 0;
    EXPECT_THAT(store->RunWrite([&](WriteTransaction& transaction) {
      absl::Status status =
          transaction.Put(Table::kIds, "b", std::string(1 << 20, 'x'));
      if (++runs == 1) {
        EXPECT_FALSE(status.ok());
        full.Notify();
      }
      return status;
    }),
                IsOk());
    EXPECT_GT(runs, 1);
  });
  full.WaitForNotification();
  // The map has not moved below us.
  EXPECT_EQ(*value, "1");
  read.reset();
  writer.join();
}

TEST(LmdbRecordStoreTest, AFullStoreRefusesWritesAndGoesOnReading) {
  TempDirectory directory;
  LmdbOptions options;
  options.map_bytes = 64 << 10;
  options.map_bytes_max = 1 << 20;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  ASSERT_THAT(Put(*store, "a", "1"), IsOk());
  const absl::Status full = Put(*store, "b", std::string(2 << 20, 'x'));
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted,
                             ::testing::HasSubstr("largest size")));
  EXPECT_EQ(ReasonOf(full), "STORE_FULL");
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store->BeginRead());
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value, read->Get(Table::kIds, "a"));
    EXPECT_EQ(value.value_or("none"), "1");
  }
  EXPECT_THAT(Put(*store, "c", "small"), IsOk());
}

TEST(LmdbRecordStoreTest, TooManyReadsAreRefusedAndMayTryAgain) {
  TempDirectory directory;
  LmdbOptions options;
  options.readers_max = 2;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  std::vector<std::unique_ptr<ReadTransaction>> reads;
  absl::Status status;
  while (status.ok() && reads.size() < 1000) {
    auto read = store->BeginRead();
    status = read.status();
    if (read.ok()) reads.push_back(*std::move(read));
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(RetryAfterOf(status).has_value());
  reads.pop_back();
  EXPECT_THAT(store->BeginRead(), IsOk());
}

TEST(LmdbRecordStoreTest, AFileThatIsNotAStoreIsRefused) {
  TempDirectory directory;
  std::ofstream(directory.File("data.mdb")) << std::string(8192, 'z');
  EXPECT_THAT(LmdbRecordStore::Open(directory.path(), {}),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(LmdbRecordStoreTest, VectorsOf512DimensionsWasteLittle) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), {}));
  constexpr int kVectors = 2000;
  ASSERT_THAT(store->RunWrite([&](WriteTransaction& transaction) {
    for (int slot = 0; slot < kVectors; ++slot) {
      // Four pieces, as record_codec.h cuts them.
      for (int piece = 0; piece < 4; ++piece) {
        const std::string key =
            absl::StrCat(absl::Hex(slot, absl::kZeroPad5), piece);
        absl::Status status = transaction.Put(
            Table::kVectors, key, std::string(piece < 3 ? 528 : 473, 'v'));
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }),
              IsOk());
  const double overhead =
      static_cast<double>(store->size_bytes()) / (kVectors * 2048.0);
  EXPECT_LT(overhead, 1.25);
}

TEST(MemoryRecordStoreTest, AFailingCommitChangesNothing) {
  MemoryRecordStore store;
  store.SetCommitHook([](int64_t number) {
    return number == 2 ? absl::InternalError("disk") : absl::OkStatus();
  });
  EXPECT_THAT(Put(store, "a", "1"), IsOk());
  EXPECT_THAT(Put(store, "a", "2"), StatusIs(absl::StatusCode::kInternal));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store.BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value, read->Get(Table::kIds, "a"));
  EXPECT_EQ(value.value_or("none"), "1");
  EXPECT_THAT(Put(store, "a", "3"), IsOk());
}

}  // namespace
}  // namespace diptych::storage
