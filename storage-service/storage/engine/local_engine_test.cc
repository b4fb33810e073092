#include "storage/engine/local_engine.h"

#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/fake_vectorizer.h"
#include "storage/engine/object_table.h"
#include "storage/index/segmented_index.h"
#include "storage/record/key_codec.h"
#include "storage/record/memory_record_store.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CollectionSpec OwnVectors(const std::string& name) {
  CollectionSpec spec;
  spec.name = name;
  VectorSpace& space = spec.vector_spaces.emplace_back();
  space.name = kDefaultVectorSpace;
  space.metric = Metric::kSquaredL2;
  return spec;
}

ObjectWrite Point(const std::string& id, float x) {
  ObjectWrite object;
  object.id = id;
  object.properties["x"] = double{x};
  object.properties["text"] = x < 100 ? "a point" : "far off";
  object.vectors["default"] = {x, 1};
  return object;
}

class LocalEngineTest : public ::testing::Test {
 protected:
  void Open() {
    engine_.reset();
    options_.data_directory = directory_.path() / "data";
    auto engine = LocalEngine::Open(options_);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }
  absl::Status Create(const std::string& name) {
    return engine_->CreateCollection({}, {OwnVectors(name), false}).status();
  }
  absl::Status Write(const std::string& collection,
                     std::vector<ObjectWrite> objects) {
    return engine_
        ->WriteObjects({}, {collection, WriteMode::kUpsert, std::move(objects)})
        .status();
  }
  std::vector<std::string> Nearest(const std::string& collection, float x,
                                   uint32_t top_k) {
    SearchRequest request;
    request.collection = collection;
    request.query = std::vector<float>{x, 1};
    request.top_k = top_k;
    auto result = engine_->Search({}, request);
    EXPECT_THAT(result, IsOk());
    std::vector<std::string> ids;
    if (!result.ok()) return ids;
    for (const SearchHit& hit : result->hits) ids.push_back(hit.view.object.id);
    return ids;
  }
  uint64_t Count(const std::string& collection) {
    return engine_->CountObjects({}, {collection, std::nullopt}).value_or(999);
  }
  std::filesystem::path CollectionDirectory(uint64_t id) {
    return options_.data_directory / "collections" /
           CollectionDirectoryName(id);
  }

  TempDirectory directory_;
  LocalEngineOptions options_;
  std::unique_ptr<LocalEngine> engine_;
};

TEST_F(LocalEngineTest, ARestartServesTheSameAnswers) {
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", 1), Point("b", 2), Point("c", 3)}),
              IsOk());
  ASSERT_THAT(Write("points", {Point("a", 5)}), IsOk());
  ASSERT_THAT(engine_->DeleteObjects({}, {"points", {"b"}, std::nullopt, 0}),
              IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto before,
                               engine_->GetCollection({}, "points"));
  ListObjectsRequest list;
  list.collection = "points";
  list.page_size = 1;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto page, engine_->ListObjects({}, list));
  Open();
  EXPECT_THAT(engine_->GetCollection({}, "points"), IsOkAndHolds(before));
  EXPECT_THAT(Nearest("points", 0, 10), ElementsAre("c", "a"));
  EXPECT_EQ(Count("points"), 2u);
  list.page_token = page.next_page_token;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(page, engine_->ListObjects({}, list));
  ASSERT_EQ(page.objects.size(), 1u);
  EXPECT_EQ(page.objects[0].object.id, "c");
  EXPECT_THAT(Write("points", {Point("d", 1)}), IsOk());
  EXPECT_THAT(Nearest("points", 0, 1), ElementsAre("d"));
}

TEST_F(LocalEngineTest, ASecondServerIsRefused) {
  Open();
  EXPECT_THAT(LocalEngine::Open(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another server")));
}

TEST_F(LocalEngineTest, ADeletedCollectionLeavesNothingOnDisk) {
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  const uint64_t id = engine_->GetCollection({}, "points")->id;
  ASSERT_TRUE(std::filesystem::exists(CollectionDirectory(id)));
  ASSERT_THAT(engine_->DeleteCollection({}, "points"), IsOk());
  EXPECT_FALSE(std::filesystem::exists(CollectionDirectory(id)));
  Open();
  EXPECT_THAT(engine_->GetCollection({}, "points"),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(Create("points"), IsOk());
  EXPECT_GT(engine_->GetCollection({}, "points")->id, id);
}

TEST_F(LocalEngineTest, AStartRemovesOrphansAndNothingElse) {
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  std::filesystem::create_directories(CollectionDirectory(77));
  std::ofstream(CollectionDirectory(77) / "data.mdb") << "left over";
  const auto foreign = options_.data_directory / "collections" / "notes";
  std::filesystem::create_directories(foreign);
  Open();
  EXPECT_FALSE(std::filesystem::exists(CollectionDirectory(77)));
  EXPECT_TRUE(std::filesystem::exists(foreign));
  EXPECT_EQ(Count("points"), 0u);
}

TEST_F(LocalEngineTest, ADamagedCollectionDoesNotKeepTheOthersAway) {
  Open();
  ASSERT_THAT(Create("broken"), IsOk());
  ASSERT_THAT(Create("whole"), IsOk());
  ASSERT_THAT(Write("whole", {Point("a", 1)}), IsOk());
  const uint64_t id = engine_->GetCollection({}, "broken")->id;
  engine_.reset();
  std::ofstream(CollectionDirectory(id) / "data.mdb")
      << std::string(100'000, 'z');
  Open();
  EXPECT_EQ(Count("whole"), 1u);
  EXPECT_THAT(engine_->GetCollection({}, "broken"),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(engine_->ListCollections({}, {}), IsOk());
  EXPECT_THAT(engine_->DeleteCollection({}, "broken"), IsOk());
  EXPECT_THAT(Create("broken"), IsOk());
}

TEST_F(LocalEngineTest, DataOfANewerVersionAreRefused) {
  Open();
  engine_.reset();
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        auto store, LmdbRecordStore::Open(options_.data_directory / "catalog",
                                          options_.lmdb));
    ASSERT_THAT(store->RunWrite([](WriteTransaction& transaction) {
      return transaction.Put(
          Table::kMeta, kFormatKey,
          EncodeFormat(kFormatKey, kStorageFormatVersion + 1));
    }),
                IsOk());
  }
  EXPECT_THAT(LocalEngine::Open(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("newer version")));
}

TEST_F(LocalEngineTest, ADamagedRecordIsReportedAndCanBeReplaced) {
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", 1), Point("b", 2)}), IsOk());
  const uint64_t id = engine_->GetCollection({}, "points")->id;
  engine_.reset();
  {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        auto store, LmdbRecordStore::Open(CollectionDirectory(id), {}));
    ASSERT_THAT(store->RunWrite([](WriteTransaction& transaction) {
      return transaction.Put(Table::kObjects, SlotKey(0), "not a record");
    }),
                IsOk());
  }
  Open();
  EXPECT_THAT(Nearest("points", 0, 10), ElementsAre("b"));
  EXPECT_THAT(engine_->GetObjects({}, {"points", {"a"}, {}}),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Write("points", {Point("a", 1)}), IsOk());
  EXPECT_THAT(Nearest("points", 0, 10), ElementsAre("a", "b"));
}

TEST_F(LocalEngineTest, TheStoreGrowsWhileItIsWrittenAndRead) {
  options_.lmdb.map_bytes = 256 << 10;
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      EXPECT_LE(Nearest("points", 0, 5).size(), 5u);
      EXPECT_LE(Count("points"), 40u);
    }
  });
  for (int i = 0; i < 40; ++i) {
    ObjectWrite object = Point(absl::StrCat(i), static_cast<float>(i));
    object.images["photo"] = std::string(200 << 10, static_cast<char>(i));
    ASSERT_THAT(Write("points", {object}), IsOk());
  }
  stop = true;
  reader.join();
  EXPECT_EQ(Count("points"), 40u);
  EXPECT_GT(engine_->GetCollectionStats({}, "points")->disk_bytes,
            uint64_t{8'000'000});
}

TEST_F(LocalEngineTest, AFullStoreRefusesWritesAndGoesOnServing) {
  options_.lmdb.map_bytes = 256 << 10;
  options_.lmdb.map_bytes_max = 1 << 20;
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", 1)}), IsOk());
  ObjectWrite large = Point("large", 2);
  large.images["photo"] = std::string(4 << 20, 'x');
  EXPECT_THAT(Write("points", {large}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Nearest("points", 0, 10), ElementsAre("a"));
  EXPECT_THAT(Write("points", {Point("b", 2)}), IsOk());
}

// Commits that fail, one after the other: what is answered is what is there.
TEST_F(LocalEngineTest, EveryFailedCommitChangesNothing) {
  MemoryRecordStore* collection_store = nullptr;
  options_.open_store = [&](const std::filesystem::path& directory)
      -> absl::StatusOr<std::unique_ptr<RecordStore>> {
    auto store = std::make_unique<MemoryRecordStore>();
    if (directory.filename() != "catalog") collection_store = store.get();
    return store;
  };
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  collection_store->SetCommitHook([](int64_t number) {
    return number % 3 == 0 ? absl::InternalError("disk") : absl::OkStatus();
  });
  std::set<std::string> expected;
  int failures = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string id = absl::StrCat("p", i % 20);
    absl::Status status;
    if (i % 4 == 3) {
      status = engine_->DeleteObjects({}, {"points", {id}, std::nullopt, 0})
                   .status();
      if (status.ok()) expected.erase(id);
    } else {
      status = Write("points", {Point(id, static_cast<float>(i))});
      if (status.ok()) expected.insert(id);
    }
    if (!status.ok()) ++failures;
    EXPECT_EQ(Count("points"), expected.size());
    const auto found = Nearest("points", 0, 100);
    EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), expected);
  }
  EXPECT_GT(failures, 10);
}

TEST_F(LocalEngineTest, AFailedCatalogCommitLeavesNoCollection) {
  MemoryRecordStore* catalog = nullptr;
  options_.open_store = [&](const std::filesystem::path& directory)
      -> absl::StatusOr<std::unique_ptr<RecordStore>> {
    auto store = std::make_unique<MemoryRecordStore>();
    if (directory.filename() == "catalog") catalog = store.get();
    return store;
  };
  Open();
  catalog->SetCommitHook([](int64_t) { return absl::InternalError("disk"); });
  EXPECT_THAT(Create("points"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(engine_->GetCollection({}, "points"),
              StatusIs(absl::StatusCode::kNotFound));
  catalog->SetCommitHook(nullptr);
  EXPECT_THAT(Create("points"), IsOk());
  catalog->SetCommitHook([](int64_t) { return absl::InternalError("disk"); });
  EXPECT_THAT(engine_->DeleteCollection({}, "points"),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(Count("points"), 0u);
}

TEST_F(LocalEngineTest, WordsAreFoundAfterARestartWithTheSameScores) {
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", 1), Point("b", 2), Point("c", 999)}),
              IsOk());
  ASSERT_THAT(engine_->DeleteObjects({}, {"points", {"b"}, std::nullopt, 0}),
              IsOk());
  KeywordSearchRequest request;
  request.collection = "points";
  request.keywords.text = "point off";
  auto before = engine_->SearchKeywords({}, request);
  ASSERT_THAT(before, IsOk());
  Open();
  auto after = engine_->SearchKeywords({}, request);
  ASSERT_THAT(after, IsOk());
  ASSERT_EQ(after->hits.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after->hits[i].view.object.id, before->hits[i].view.object.id);
    EXPECT_EQ(after->hits[i].score, before->hits[i].score);
  }
}

// Objects are replaced and deleted all the time; those that stay must be found
// by every search, and nothing may be found that was never there.
TEST_F(LocalEngineTest, SearchesDuringWritesAreNeverShort) {
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  std::vector<ObjectWrite> staying;
  for (int i = 0; i < 20; ++i) {
    staying.push_back(Point(absl::StrCat("s", i), static_cast<float>(i)));
  }
  ASSERT_THAT(Write("points", staying), IsOk());
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; !stop; ++i) {
        // Replaced by an equal one: there before and after.
        const int which = (i * 7 + writer) % 20;
        EXPECT_THAT(Write("points", {staying[which]}), IsOk());
        const std::string id = absl::StrCat("w", writer);
        EXPECT_THAT(Write("points", {Point(id, 1000)}), IsOk());
        EXPECT_THAT(
            engine_->DeleteObjects({}, {"points", {id}, std::nullopt, 0}),
            IsOk());
      }
    });
  }
  std::vector<std::string> expected;
  for (const auto& object : staying) expected.push_back(object.id);
  Filter low{CompareFilter{"x", CompareOperator::kLess, 100.0}};
  for (int round = 0; round < 200; ++round) {
    EXPECT_EQ(Nearest("points", 0, 20), expected);
    SearchRequest request;
    request.collection = "points";
    request.query = std::vector<float>{0, 1};
    request.filter = low;
    request.top_k = 100;
    auto result = engine_->Search({}, request);
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(result->hits.size(), 20u);
    EXPECT_THAT(engine_->CountObjects({}, {"points", low}), IsOkAndHolds(20u));
    ListObjectsRequest list;
    list.collection = "points";
    list.filter = low;
    auto listed = engine_->ListObjects({}, list);
    ASSERT_THAT(listed, IsOk());
    EXPECT_EQ(listed->objects.size(), 20u);
    KeywordSearchRequest words;
    words.collection = "points";
    words.keywords.text = "point";
    words.top_k = 100;
    auto worded = engine_->SearchKeywords({}, words);
    ASSERT_THAT(worded, IsOk());
    EXPECT_EQ(worded->hits.size(), 20u);
  }
  stop = true;
  for (auto& writer : writers) writer.join();
}

TEST_F(LocalEngineTest, AFullSegmentIsBuildingUntilItHasItsGraph) {
  ManualExecutor executor;
  options_.executor = &executor;
  Open();
  CollectionSpec spec = OwnVectors("points");
  spec.vector_spaces[0].hnsw.max_neighbors = 4;
  spec.vector_spaces[0].hnsw.ef_construction = 8;
  ASSERT_THAT(engine_->CreateCollection({}, {spec, false}), IsOk());
  const auto building = [this] {
    return engine_->GetCollectionStats({}, "points")->vector_spaces[0].building;
  };
  const size_t full = SegmentedIndexOptions().flat_rows;
  std::vector<ObjectWrite> objects;
  for (size_t i = 0; i < full; ++i) {
    ObjectWrite& object = objects.emplace_back();
    object.id = absl::StrCat(i);
    object.vectors["default"] = {static_cast<float>(i), 1};
    if (objects.size() < full / 4) continue;
    EXPECT_FALSE(building());
    ASSERT_THAT(Write("points", std::move(objects)), IsOk());
    objects.clear();
  }
  EXPECT_TRUE(building());
  executor.RunAll();
  EXPECT_FALSE(building());
  engine_.reset();
}

TEST_F(LocalEngineTest, TheTimeOfASearchIsMeasured) {
  MetricsRegistry metrics;
  options_.metrics = &metrics;
  Open();
  ASSERT_THAT(Create("points"), IsOk());
  ASSERT_THAT(Write("points", {Point("a", 1)}), IsOk());
  Nearest("points", 0, 1);
  Nearest("points", 0, 1);
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_search_seconds_count 2\n"));
  engine_.reset();
}

}  // namespace
}  // namespace diptych::storage
