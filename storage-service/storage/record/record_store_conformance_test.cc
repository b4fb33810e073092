// What every record store must do.
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status/status_macros.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/record/lmdb_record_store.h"
#include "storage/record/memory_record_store.h"
#include "storage/record/record_copy.h"
#include "storage/record/record_store.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<RecordStore>(const std::filesystem::path&)>
      open;
};

class RecordStoreConformanceTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    store_ = GetParam().open(directory_.path() / "store");
    ASSERT_NE(store_, nullptr);
  }

  absl::Status Put(Table table, const std::string& key,
                   const std::string& value) {
    return store_->RunWrite([&](WriteTransaction& transaction) {
      return transaction.Put(table, key, value);
    });
  }

  absl::StatusOr<Pairs> Scan(ReadTransaction& read, Table table,
                             const std::string& from = "") {
    DIPTYCH_ASSIGN_OR_RETURN(auto cursor, read.NewCursor(table));
    Pairs pairs;
    DIPTYCH_ASSIGN_OR_RETURN(bool found, cursor->Seek(from));
    while (found) {
      pairs.emplace_back(std::string(cursor->key()),
                         std::string(cursor->value()));
      DIPTYCH_ASSIGN_OR_RETURN(found, cursor->Next());
    }
    return pairs;
  }

  absl::StatusOr<Pairs> ScanNow(Table table, const std::string& from = "") {
    DIPTYCH_ASSIGN_OR_RETURN(auto read, store_->BeginRead());
    return Scan(*read, table, from);
  }

  TempDirectory directory_;
  std::unique_ptr<RecordStore> store_;
};

TEST_P(RecordStoreConformanceTest, CommittedRecordsAreRead) {
  ASSERT_THAT(Put(Table::kIds, "a", "1"), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store_->BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto value, read->Get(Table::kIds, "a"));
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(*value, "1");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto other, read->Get(Table::kObjects, "a"));
  EXPECT_FALSE(other.has_value());
}

TEST_P(RecordStoreConformanceTest, AFailedWriteLeavesNoTrace) {
  ASSERT_THAT(Put(Table::kIds, "a", "1"), IsOk());
  EXPECT_THAT(store_->RunWrite([&](WriteTransaction& transaction) {
    DIPTYCH_RETURN_IF_ERROR(transaction.Put(Table::kIds, "a", "2"));
    DIPTYCH_RETURN_IF_ERROR(transaction.Put(Table::kIds, "b", "2"));
    DIPTYCH_RETURN_IF_ERROR(transaction.Delete(Table::kIds, "a").status());
    return absl::AbortedError("no");
  }),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(ScanNow(Table::kIds),
              IsOkAndHolds(ElementsAre(std::pair("a", "1"))));
}

TEST_P(RecordStoreConformanceTest, AWriteSeesItsOwnWrites) {
  ASSERT_THAT(Put(Table::kIds, "b", "0"), IsOk());
  EXPECT_THAT(store_->RunWrite([&](WriteTransaction& transaction) {
    DIPTYCH_RETURN_IF_ERROR(transaction.Put(Table::kIds, "a", "1"));
    DIPTYCH_ASSIGN_OR_RETURN(auto value, transaction.Get(Table::kIds, "a"));
    EXPECT_EQ(value.value_or("none"), "1");
    DIPTYCH_ASSIGN_OR_RETURN(bool deleted,
                             transaction.Delete(Table::kIds, "b"));
    EXPECT_TRUE(deleted);
    DIPTYCH_ASSIGN_OR_RETURN(bool again, transaction.Delete(Table::kIds, "b"));
    EXPECT_FALSE(again);
    DIPTYCH_ASSIGN_OR_RETURN(Pairs pairs, Scan(transaction, Table::kIds));
    EXPECT_THAT(pairs, ElementsAre(std::pair("a", "1")));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(RecordStoreConformanceTest, AReadSeesTheMomentItBegan) {
  ASSERT_THAT(Put(Table::kIds, "a", "1"), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store_->BeginRead());
  std::thread writer([&] {
    EXPECT_THAT(Put(Table::kIds, "a", "2"), IsOk());
    EXPECT_THAT(Put(Table::kIds, "b", "2"), IsOk());
  });
  writer.join();
  EXPECT_THAT(Scan(*read, Table::kIds),
              IsOkAndHolds(ElementsAre(std::pair("a", "1"))));
  read.reset();
  EXPECT_THAT(
      ScanNow(Table::kIds),
      IsOkAndHolds(ElementsAre(std::pair("a", "2"), std::pair("b", "2"))));
}

TEST_P(RecordStoreConformanceTest, CursorsWalkInBytewiseOrder) {
  const std::string high("\xff", 1), zero("a\0", 2);
  for (const std::string& key :
       {high, std::string("b"), zero, std::string("a"), std::string("ab")}) {
    ASSERT_THAT(Put(Table::kIds, key, key), IsOk());
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(Pairs all, ScanNow(Table::kIds));
  EXPECT_THAT(all, ElementsAre(std::pair(std::string("a"), std::string("a")),
                               std::pair(zero, zero),
                               std::pair(std::string("ab"), std::string("ab")),
                               std::pair(std::string("b"), std::string("b")),
                               std::pair(high, high)));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(Pairs from, ScanNow(Table::kIds, "ac"));
  EXPECT_EQ(from.front().first, "b");
  EXPECT_THAT(ScanNow(Table::kIds, high + "x"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ScanNow(Table::kObjects), IsOkAndHolds(IsEmpty()));
}

TEST_P(RecordStoreConformanceTest, KeysOutOfBoundsAreRefused) {
  EXPECT_THAT(Put(Table::kIds, "", "1"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Put(Table::kIds, std::string(512, 'k'), "1"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Put(Table::kIds, std::string(511, 'k'), "1"), IsOk());
  EXPECT_THAT(Put(Table::kImages, "big", std::string(3 << 20, 'v')), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(Pairs images, ScanNow(Table::kImages));
  EXPECT_EQ(images[0].second, std::string(3 << 20, 'v'));
}

TEST_P(RecordStoreConformanceTest, WritesOfManyThreadsFollowEachOther) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        EXPECT_THAT(store_->RunWrite([&](WriteTransaction& transaction) {
          DIPTYCH_ASSIGN_OR_RETURN(auto value,
                                   transaction.Get(Table::kMeta, "count"));
          const size_t size = value.has_value() ? value->size() : 0;
          return transaction.Put(Table::kMeta, "count",
                                 std::string(size + 1, 'x'));
        }),
                    IsOk());
        EXPECT_THAT(ScanNow(Table::kMeta), IsOk());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(
      ScanNow(Table::kMeta),
      IsOkAndHolds(ElementsAre(std::pair("count", std::string(100, 'x')))));
}

TEST_P(RecordStoreConformanceTest, RandomWritesAgreeWithAMap) {
  std::mt19937_64 random(20261120);
  std::map<std::string, std::string> expected;
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, std::string> next = expected;
    const bool fail = random() % 5 == 0;
    const absl::Status status =
        store_->RunWrite([&](WriteTransaction& transaction) -> absl::Status {
          next = expected;
          for (int i = 0; i < 10; ++i) {
            const std::string key = absl::StrCat("k", random() % 60);
            if (random() % 3 == 0) {
              DIPTYCH_ASSIGN_OR_RETURN(
                  bool deleted, transaction.Delete(Table::kObjects, key));
              EXPECT_EQ(deleted, next.erase(key) == 1);
            } else {
              const std::string value(random() % 5000, 'v');
              DIPTYCH_RETURN_IF_ERROR(
                  transaction.Put(Table::kObjects, key, value));
              next[key] = value;
            }
          }
          return fail ? absl::AbortedError("no") : absl::OkStatus();
        });
    ASSERT_EQ(status.ok(), !fail) << status;
    if (!fail) expected = next;
    ASSERT_THAT(ScanNow(Table::kObjects),
                IsOkAndHolds(Pairs(expected.begin(), expected.end())));
  }
}

// Binary keys, large values, every table, and a copy that is compacted.
TEST_P(RecordStoreConformanceTest, ACopyAndACompactedStoreHoldTheSameRecords) {
  std::mt19937 random(5);
  for (int table = 0; table < kTableCount; ++table) {
    ASSERT_THAT(
        store_->RunWrite([&](WriteTransaction& transaction) -> absl::Status {
          for (int i = 0; i < 100 * table; ++i) {
            std::string key(1 + random() % 40, '\0');
            for (char& c : key) c = static_cast<char>(random());
            DIPTYCH_RETURN_IF_ERROR(transaction.Put(
                static_cast<Table>(table), key,
                std::string(random() % 3000, static_cast<char>(i))));
          }
          return absl::OkStatus();
        }),
        IsOk());
  }
  auto copy = GetParam().open(directory_.path() / "copy");
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store_->BeginRead());
    ASSERT_THAT(CopyRecords(*read, *copy, [] { return absl::OkStatus(); }),
                IsOk());
  }
  ASSERT_THAT(copy->Compact([] { return absl::OkStatus(); }), IsOk());
  ASSERT_THAT(copy->Sync(), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto copied, copy->BeginRead());
  for (int table = 0; table < kTableCount; ++table) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const Pairs expected,
                                 ScanNow(static_cast<Table>(table)));
    EXPECT_THAT(Scan(*copied, static_cast<Table>(table)),
                IsOkAndHolds(expected));
    EXPECT_EQ(expected.empty(), table == 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Stores, RecordStoreConformanceTest,
    ::testing::Values(StoreKind{"Memory",
                                [](const std::filesystem::path&) {
                                  return std::make_unique<MemoryRecordStore>();
                                }},
                      StoreKind{"Lmdb",
                                [](const std::filesystem::path& directory)
                                    -> std::unique_ptr<RecordStore> {
                                  auto store =
                                      LmdbRecordStore::Open(directory, {});
                                  EXPECT_TRUE(store.ok()) << store.status();
                                  return store.ok() ? *std::move(store)
                                                    : nullptr;
                                }},
                      // Has to grow all the time.
                      StoreKind{"LmdbFromTheSmallest",
                                [](const std::filesystem::path& directory)
                                    -> std::unique_ptr<RecordStore> {
                                  LmdbOptions options;
                                  options.map_bytes = 64 << 10;
                                  auto store =
                                      LmdbRecordStore::Open(directory, options);
                                  EXPECT_TRUE(store.ok()) << store.status();
                                  return store.ok() ? *std::move(store)
                                                    : nullptr;
                                }}),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace diptych::storage
