// What the tests of index snapshots share: an engine over files that can be
// made to fail, objects of every kind of property, and all that can be asked of
// them.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "common/observability/metrics.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/change_log.h"
#include "storage/engine/local_engine.h"
#include "storage/filter/filter_expression.h"
#include "storage/record/key_codec.h"
#include "storage/section_file/faulty_file_system.h"

namespace diptych::storage {

inline constexpr char kCollection[] = "things";
inline constexpr int kDimension = 12;

class IndexSnapshotTest : public ::testing::Test {
 protected:
  IndexSnapshotTest() {
    options_.data_directory = directory_.path() / "data";
    options_.lmdb.map_bytes = 4 << 20;
    // Only when the test says so, and when the engine ends.
    options_.index_snapshots.changes_min = 1;
    options_.index_snapshots.check_interval = absl::InfiniteDuration();
    options_.index_snapshots.files = &files_;
  }

  absl::Status Open() {
    engine_.reset();
    metrics_ = std::make_unique<MetricsRegistry>();
    options_.metrics = metrics_.get();
    auto engine = LocalEngine::Open(options_);
    if (engine.ok()) engine_ = *std::move(engine);
    return engine.status();
  }
  // As after kill -9: on a copy of the files as they are.
  absl::Status OpenAfterCrash() {
    const std::filesystem::path crashed =
        directory_.path() / absl::StrCat("crash", ++crashes_);
    std::filesystem::copy(options_.data_directory, crashed,
                          std::filesystem::copy_options::recursive);
    options_.data_directory = crashed;
    return Open();
  }
  absl::Status Create(VectorPrecision precision) {
    CreateCollectionRequest request;
    request.spec.name = kCollection;
    for (const char* name : {"default", "second"}) {
      VectorSpace& space = request.spec.vector_spaces.emplace_back();
      space.name = name;
      space.metric = Metric::kCosine;
      space.precision = precision;
    }
    return engine_->CreateCollection({}, request).status();
  }

  std::vector<float> RandomVector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimension);
    for (float& value : vector) value = normal(random_);
    return vector;
  }
  uint64_t Below(uint64_t end) { return random_() % end; }
  ObjectWrite RandomObject(const std::string& id) {
    static const char* const kWords[] = {"red",   "green", "sofa",
                                         "table", "Stuhl", "grün"};
    ObjectWrite object;
    object.id = id;
    Properties& properties = object.properties;
    properties["n"] = static_cast<int64_t>(Below(50));
    if (Below(2) == 0) properties["d"] = static_cast<double>(Below(9)) / 2;
    if (Below(2) == 0) properties["b"] = Below(2) == 0;
    if (Below(2) == 0) {
      properties["when"] = Timestamp{static_cast<int64_t>(Below(1000))};
    }
    if (Below(3) == 0) {
      properties["where"] = GeoPoint{static_cast<double>(Below(80)), 7.5};
    }
    if (Below(3) == 0) {
      properties["tags"] =
          std::vector<std::string>{kWords[Below(6)], kWords[Below(6)]};
    }
    if (Below(8) == 0) {
      properties["long"] = std::string(300 + Below(2), 'x') + " sofa";
    }
    properties["document"] =
        absl::StrCat(kWords[Below(6)], " ", kWords[Below(6)], " ", Below(300));
    object.vectors["default"] = RandomVector();
    if (Below(4) != 0) object.vectors["second"] = RandomVector();
    return object;
  }
  absl::Status Write(int first, int end) {
    WriteObjectsRequest request{kCollection, WriteMode::kUpsert, {}};
    for (int i = first; i < end; ++i) {
      request.objects.push_back(RandomObject(absl::StrCat("id", i)));
    }
    return engine_->WriteObjects({}, std::move(request)).status();
  }
  absl::Status Delete(const std::vector<std::string>& ids) {
    return engine_->DeleteObjects({}, {kCollection, ids, std::nullopt, 0})
        .status();
  }

  // Everything that can be asked, as text.
  std::string Answers(bool exact = true) {
    std::string answers;
    std::mt19937_64 queries(5);
    std::normal_distribution<float> normal;
    std::vector<std::optional<Filter>> filters = {std::nullopt};
    for (const char* text :
         {"n < 25", "d == 1.5 OR b == true", "tags CONTAINS 'sofa'",
          "NOT document CONTAINS 'green'", "when IS NULL",
          "when >= timestamp('1970-01-01T00:00:00.0005Z')",
          "long MATCHES 'sofa'"}) {
      auto filter = ParseFilterExpression(text, Limits());
      if (filter.ok()) filters.push_back(*std::move(filter));
    }
    EXPECT_GE(filters.size(), 7u);
    filters.push_back(Filter{GeoDistanceFilter{"where", {40, 7.5}, 2e6}});
    for (const auto& filter : filters) {
      for (const char* space : {"default", "second"}) {
        SearchRequest request;
        request.collection = kCollection;
        request.vector_space = space;
        std::vector<float> query(kDimension);
        for (float& value : query) value = normal(queries);
        request.query = query;
        request.top_k = 20;
        request.exact = exact;
        request.filter = filter;
        const auto result = engine_->Search({}, request);
        EXPECT_THAT(result, IsOk());
        if (!result.ok()) continue;
        for (const SearchHit& hit : result->hits) {
          absl::StrAppend(&answers, hit.view.object.id, "=", hit.distance, " ");
        }
      }
      const auto count = engine_->CountObjects({}, {kCollection, filter});
      EXPECT_THAT(count, IsOk());
      absl::StrAppend(&answers, "\ncount ", count.value_or(0), "\n");
      for (const char* order : {"", "n", "d", "document", "when", "long"}) {
        ListObjectsRequest list;
        list.collection = kCollection;
        list.filter = filter;
        list.page_size = 40;
        if (*order != 0) list.order_by = OrderBy{order, false};
        const auto page = engine_->ListObjects({}, list);
        EXPECT_THAT(page, IsOk());
        if (!page.ok()) continue;
        for (const ObjectView& view : page->objects) {
          absl::StrAppend(&answers, view.object.id, " ");
        }
      }
    }
    for (const char* words : {"red", "sofa table", "grün 17", "x"}) {
      KeywordSearchRequest request;
      request.collection = kCollection;
      request.keywords.text = words;
      request.top_k = 30;
      const auto result = engine_->SearchKeywords({}, request);
      EXPECT_THAT(result, IsOk());
      if (!result.ok()) continue;
      for (const KeywordHit& hit : result->hits) {
        absl::StrAppend(&answers, hit.view.object.id, "=", hit.score, " ");
      }
    }
    return answers;
  }

  double Loads(const char* from) {
    return IndexSnapshotCounter("diptych_storage_index_loads_total", "from",
                                from);
  }
  double Snapshots(const char* result) {
    return IndexSnapshotCounter("diptych_storage_index_snapshots_total",
                                "result", result);
  }
  double IndexSnapshotCounter(const char* name, const char* label,
                              const char* value) {
    return metrics_->AddCounter({name, ""}, {{label, value}}).Value();
  }

  std::filesystem::path CollectionDirectory() {
    return options_.data_directory / "collections" / CollectionDirectoryName(1);
  }
  std::vector<std::filesystem::path> SnapshotFiles() {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(
             CollectionDirectory() / "index", error)) {
      files.push_back(entry.path());
    }
    return files;
  }
  static std::string Content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static void SetContent(const std::filesystem::path& path,
                         const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }
  // Changes the records while no engine has them.
  void Edit(absl::FunctionRef<absl::Status(WriteTransaction&)> write) {
    auto store = LmdbRecordStore::Open(CollectionDirectory(), options_.lmdb);
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->RunWrite(write), IsOk());
  }

  TempDirectory directory_;
  FaultyFileSystem files_;
  LocalEngineOptions options_;
  std::unique_ptr<MetricsRegistry> metrics_;
  std::unique_ptr<LocalEngine> engine_;
  std::mt19937_64 random_{7};
  int crashes_ = 0;
};

}  // namespace diptych::storage
