// Compaction and copying of the store on LMDB.
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/record/lmdb_record_store.h"
#include "storage/record/memory_record_store.h"
#include "storage/record/record_copy.h"

namespace diptych::storage {
namespace {

constexpr int kRecords = 600;

std::string ValueOf(int number) {
  return absl::StrCat("value ", number, std::string(300, 'v'));
}

std::string SecretOf(int number) {
  return absl::StrCat("secret-", number, "-", std::string(500, 's'));
}

absl::Status NoCheck() { return absl::OkStatus(); }

absl::Status PutBoth(WriteTransaction& transaction, int number) {
  DIPTYCH_RETURN_IF_ERROR(
      transaction.Put(Table::kIds, absl::StrCat("k", number), ValueOf(number)));
  return transaction.Put(Table::kImages, absl::StrCat("d", number),
                         SecretOf(number));
}

// Half of the records are live, half were deleted.
absl::Status Fill(RecordStore& store) {
  for (int first = 0; first < kRecords; first += 20) {
    const absl::Status written =
        store.RunWrite([first](WriteTransaction& transaction) -> absl::Status {
          for (int i = first; i < first + 20; ++i) {
            DIPTYCH_RETURN_IF_ERROR(PutBoth(transaction, i));
          }
          return absl::OkStatus();
        });
    if (!written.ok()) return written;
  }
  return store.RunWrite([](WriteTransaction& transaction) -> absl::Status {
    for (int i = 0; i < kRecords; ++i) {
      DIPTYCH_RETURN_IF_ERROR(
          transaction.Delete(Table::kImages, absl::StrCat("d", i)).status());
    }
    return transaction.Put(Table::kMeta, "m", std::string(100'000, 'm'));
  });
}

void ExpectFilled(RecordStore& store) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store.BeginRead());
  for (int i = 0; i < kRecords; ++i) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value,
                                 read->Get(Table::kIds, absl::StrCat("k", i)));
    ASSERT_EQ(value.value_or(""), ValueOf(i)) << i;
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto large, read->Get(Table::kMeta, "m"));
  EXPECT_EQ(large.value_or("").size(), 100'000u);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto cursor, read->NewCursor(Table::kImages));
  EXPECT_THAT(cursor->Seek(""), IsOkAndHolds(false));
}

bool FilesHold(const std::filesystem::path& directory,
               const std::string& bytes) {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(stream)), {});
    if (content.find(bytes) != std::string::npos) return true;
  }
  return false;
}

absl::Status Put(RecordStore& store, const std::string& key) {
  return store.RunWrite([&](WriteTransaction& transaction) {
    return transaction.Put(Table::kCollections, key, "x");
  });
}

TEST(LmdbCompactionTest, DeletedBytesLeaveTheDisk) {
  TempDirectory directory;
  LmdbOptions options;
  options.map_bytes = 64 << 10;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  ASSERT_THAT(Fill(*store), IsOk());
  ASSERT_TRUE(FilesHold(directory.path(), "secret-"));
  const uint64_t before =
      std::filesystem::file_size(directory.path() / "data.mdb");
  ASSERT_THAT(store->Compact(NoCheck), IsOk());
  EXPECT_FALSE(FilesHold(directory.path(), "secret-"));
  EXPECT_LT(std::filesystem::file_size(directory.path() / "data.mdb"),
            before / 2);
  EXPECT_EQ(store->size_bytes(),
            std::filesystem::file_size(directory.path() / "data.mdb"));
  ExpectFilled(*store);
  EXPECT_THAT(Put(*store, "later"), IsOk());
  store.reset();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(store,
                               LmdbRecordStore::Open(directory.path(), {}));
  ExpectFilled(*store);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store->BeginRead());
  EXPECT_THAT(read->Get(Table::kCollections, "later"),
              IsOkAndHolds(testing::Optional(testing::Eq("x"))));
}

TEST(LmdbCompactionTest, ReadsAndWritesGoOnDuringCompactions) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), {}));
  ASSERT_THAT(Fill(*store), IsOk());
  std::thread reader([&] {
    for (int round = 0; round < 20; ++round) ExpectFilled(*store);
  });
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(Put(*store, absl::StrCat("w", i)), IsOk());
    }
  });
  for (int i = 0; i < 3; ++i) EXPECT_THAT(store->Compact(NoCheck), IsOk());
  reader.join();
  writer.join();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store->BeginRead());
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(read->Get(Table::kCollections, absl::StrCat("w", i)),
                IsOkAndHolds(testing::Ne(std::nullopt)))
        << i;
  }
}

// What lies on the disk before each step is a whole store, whether the step is
// taken (a crash right before it) or fails.
TEST(LmdbCompactionTest, ACrashBeforeAnyStepLeavesAWholeStore) {
  TempDirectory directory;
  int steps = 0, failing_step = 0;
  LmdbOptions options;
  options.before_step = [&](absl::string_view name) -> absl::Status {
    const auto image = directory.path() / absl::StrCat("image", ++steps);
    std::filesystem::copy(directory.path() / "store", image,
                          std::filesystem::copy_options::recursive);
    return steps == failing_step ? absl::InternalError(name) : absl::OkStatus();
  };
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path() / "store", options));
  ASSERT_THAT(Fill(*store), IsOk());
  ASSERT_THAT(store->Compact(NoCheck), IsOk());
  const int steps_per_run = steps;
  ASSERT_GE(steps_per_run, 4);
  for (int step = 1; step <= steps_per_run; ++step) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        auto image, LmdbRecordStore::Open(
                        directory.path() / absl::StrCat("image", step), {}));
    ExpectFilled(*image);
    EXPECT_FALSE(std::filesystem::exists(
        directory.path() / absl::StrCat("image", step) / "compaction"));
  }
  for (int step = 1; step <= steps_per_run; ++step) {
    failing_step = steps + step;
    EXPECT_THAT(store->Compact(NoCheck), StatusIs(absl::StatusCode::kInternal));
    ExpectFilled(*store);
    EXPECT_FALSE(
        std::filesystem::exists(directory.path() / "store" / "compaction"));
    // Where it is not sure that the new file is the one that a loss of power
    // leaves, the next write sees to that first.
    EXPECT_THAT(Put(*store, absl::StrCat("later", step)), IsOk());
  }
}

TEST(LmdbCompactionTest, ACancelledCompactionChangesNothing) {
  TempDirectory directory;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                               LmdbRecordStore::Open(directory.path(), {}));
  ASSERT_THAT(Fill(*store), IsOk());
  EXPECT_THAT(store->Compact([] { return absl::CancelledError("enough"); }),
              StatusIs(absl::StatusCode::kCancelled));
  ExpectFilled(*store);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "compaction"));
}

TEST(LmdbCompactionTest, ACopyThatDoesNotFitSaysSo) {
  TempDirectory directory;
  MemoryRecordStore from;
  ASSERT_THAT(Fill(from), IsOk());
  LmdbOptions options;
  options.map_bytes = 64 << 10;
  options.map_bytes_max = 128 << 10;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, from.BeginRead());
  EXPECT_THAT(CopyRecords(*read, *store, NoCheck),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(LmdbCompactionTest, AStoreOpenForReadingIsLeftAsItIs) {
  TempDirectory directory;
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto store,
                                 LmdbRecordStore::Open(directory.path(), {}));
    ASSERT_THAT(Fill(*store), IsOk());
  }
  std::filesystem::remove(directory.path() / "lock.mdb");
  const auto changed =
      std::filesystem::last_write_time(directory.path() / "data.mdb");
  LmdbOptions options;
  options.read_only = true;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  ExpectFilled(*store);
  EXPECT_FALSE(Put(*store, "never").ok());
  store.reset();
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "lock.mdb"));
  EXPECT_EQ(std::filesystem::last_write_time(directory.path() / "data.mdb"),
            changed);
}

TEST(LmdbCompactionTest, ReservingMakesRoomForAsMuchAgain) {
  TempDirectory directory;
  LmdbOptions options;
  options.map_bytes = 64 << 10;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      auto store, LmdbRecordStore::Open(directory.path(), options));
  ASSERT_THAT(Fill(*store), IsOk());
  ASSERT_THAT(store->ReserveForLongRead(), IsOk());
  EXPECT_GE(store->map_bytes(), 2 * store->size_bytes());
}

}  // namespace
}  // namespace diptych::storage
