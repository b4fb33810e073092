// Random requests against an engine and against a plain map, compared step by
// step, with restarts in between.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/local_engine.h"
#include "storage/filter/filter_evaluator.h"
#include "storage/types/distance.h"

namespace diptych::storage {
namespace {

constexpr int kDimension = 6;
constexpr char kCollection[] = "oracle";

struct Expected {
  Properties properties;
  ImageBytes images;
  std::vector<float> vector;  // empty: none
};

class EngineOracleTest : public ::testing::TestWithParam<Metric> {
 protected:
  void Open() {
    engine_.reset();
    LocalEngineOptions options;
    options.data_directory = directory_.path();
    options.lmdb.map_bytes = 256 << 10;
    // Index snapshots beside all that happens, as often as can be, in some of
    // the runs; in the others at the end of an engine.
    options.index_snapshots.changes_min = 1;
    if (GetParam() == Metric::kCosine) {
      options.index_snapshots.interval_min = absl::ZeroDuration();
      options.index_snapshots.changes_max = 1;
      options.index_snapshots.changes_share_max = 0;
      options.index_snapshots.check_interval = absl::Milliseconds(1);
    }
    auto engine = LocalEngine::Open(options);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  uint64_t Below(uint64_t end) { return random_() % end; }
  std::string RandomId() { return absl::StrCat("id", Below(120)); }
  std::vector<float> RandomVector() {
    std::vector<float> vector(kDimension);
    // Few values, so that equal distances occur.
    for (float& value : vector) value = static_cast<float>(Below(7)) - 3;
    vector[0] += 0.5f;
    return vector;
  }
  Properties RandomProperties() {
    Properties properties;
    if (Below(2) == 0) properties["n"] = static_cast<int64_t>(Below(10));
    if (Below(2) == 0) properties["d"] = static_cast<double>(Below(5)) / 2;
    if (Below(2) == 0) properties["t"] = absl::StrCat("text", Below(4));
    if (Below(3) == 0) {
      properties["tags"] =
          std::vector<std::string>{absl::StrCat(Below(3)), "all"};
    }
    if (Below(8) == 0) properties["long"] = std::string(400 + Below(3), 'x');
    return properties;
  }
  Filter RandomFilter(int depth = 2) {
    switch (Below(depth > 0 ? 7 : 4)) {
      case 0:
        return Filter{CompareFilter{"n", static_cast<CompareOperator>(Below(6)),
                                    static_cast<int64_t>(Below(10))}};
      case 1:
        return Filter{CompareFilter{"t", static_cast<CompareOperator>(Below(6)),
                                    absl::StrCat("text", Below(4))}};
      case 2: {
        // Moving a temporary operand makes GCC 12 warn of its unused
        // alternatives.
        ContainsFilter contains;
        contains.property = "tags";
        contains.operand.emplace<std::string>(absl::StrCat(Below(3)));
        contains.negated = Below(2) == 0;
        return Filter{contains};
      }
      case 3:
        return Filter{IsNullFilter{"d", Below(2) == 0}};
      case 4:
        return Filter{
            AndFilter{{RandomFilter(depth - 1), RandomFilter(depth - 1)}}};
      case 5:
        return Filter{
            OrFilter{{RandomFilter(depth - 1), RandomFilter(depth - 1)}}};
      default:
        return Filter{NotFilter{{RandomFilter(depth - 1)}}};
    }
  }
  ObjectWrite RandomObject() {
    ObjectWrite object;
    object.id = RandomId();
    object.properties = RandomProperties();
    if (Below(8) != 0) object.vectors["default"] = RandomVector();
    if (Below(4) == 0) {
      object.images["photo"] = std::string(100 + Below(3), 'p');
    }
    return object;
  }

  // Properties without image references, which the oracle does not compute.
  static Properties Plain(Properties properties) {
    properties.erase("photo");
    return properties;
  }

  std::set<std::string> Matching(const Filter& filter) {
    std::set<std::string> ids;
    auto evaluator = FilterEvaluator::Create(filter);
    EXPECT_TRUE(evaluator.ok());
    for (const auto& [id, object] : expected_) {
      if (evaluator->Matches(id, object.properties)) ids.insert(id);
    }
    return ids;
  }

  void WriteSome() {
    const WriteMode mode =
        Below(4) == 0 ? WriteMode::kInsert : WriteMode::kUpsert;
    WriteObjectsRequest request{kCollection, mode, {}};
    std::set<std::string> ids;
    for (uint64_t count = 1 + Below(6); count > 0; --count) {
      ObjectWrite object = RandomObject();
      if (ids.insert(object.id).second) request.objects.push_back(object);
    }
    const bool bad = Below(10) == 0;
    if (bad) request.objects.back().vectors["default"] = {1, 2};
    const auto result = engine_->WriteObjects({}, request);
    if (bad) {
      // Unless it was kept as it was, and so never looked at.
      if (!result.ok()) {
        ASSERT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument));
        return;
      }
      ASSERT_EQ(result->objects.back().outcome, WriteOutcome::kKept);
    }
    ASSERT_THAT(result, IsOk());
    for (size_t i = 0; i < request.objects.size(); ++i) {
      const ObjectWrite& object = request.objects[i];
      const bool exists = expected_.contains(object.id);
      const WriteOutcome outcome = !exists ? WriteOutcome::kCreated
                                   : mode == WriteMode::kInsert
                                       ? WriteOutcome::kKept
                                       : WriteOutcome::kReplaced;
      ASSERT_EQ(result->objects[i].outcome, outcome);
      if (outcome == WriteOutcome::kKept) continue;
      const auto vector = object.vectors.find("default");
      expected_[object.id] = {object.properties, object.images,
                              vector == object.vectors.end()
                                  ? std::vector<float>()
                                  : vector->second};
    }
  }

  void UpdateOne() {
    ObjectWrite update;
    update.id = RandomId();
    update.properties = RandomProperties();
    if (Below(3) == 0) update.properties["n"] = std::monostate();
    if (Below(3) == 0) update.vectors["default"] = RandomVector();
    if (Below(6) == 0) update.vectors["default"] = {};
    const auto result = engine_->UpdateObjects({}, {kCollection, {update}});
    ASSERT_THAT(result, IsOk());
    const auto found = expected_.find(update.id);
    ASSERT_EQ(result->missing_ids.empty(), found != expected_.end());
    if (found == expected_.end()) return;
    for (const auto& [name, value] : update.properties) {
      if (std::holds_alternative<std::monostate>(value)) {
        found->second.properties.erase(name);
      } else {
        found->second.properties[name] = value;
      }
    }
    if (update.vectors.contains("default")) {
      found->second.vector = update.vectors["default"];
    }
  }

  void DeleteSome() {
    DeleteObjectsRequest request;
    request.collection = kCollection;
    std::set<std::string> ids;
    if (Below(3) != 0) {
      for (int i = 0; i < 3; ++i) request.ids.push_back(RandomId());
      for (const std::string& id : request.ids) {
        if (expected_.contains(id)) ids.insert(id);
      }
    } else {
      request.filter = RandomFilter();
      ids = Matching(*request.filter);
      request.limit = 1 + Below(5);
      while (ids.size() > request.limit) ids.erase(std::prev(ids.end()));
    }
    const auto result = engine_->DeleteObjects({}, request);
    ASSERT_THAT(result, IsOk());
    ASSERT_EQ(result->deleted, ids.size());
    for (const std::string& id : ids) expected_.erase(id);
  }

  void SearchOnce() {
    SearchRequest request;
    request.collection = kCollection;
    const std::vector<float> query = RandomVector();
    request.query = query;
    request.top_k = 1 + static_cast<uint32_t>(Below(30));
    request.offset = static_cast<uint32_t>(Below(5));
    request.exact = true;
    std::set<std::string> matching;
    if (Below(2) == 0) {
      request.filter = RandomFilter();
      matching = Matching(*request.filter);
    }
    std::vector<std::pair<double, std::string>> ranked;
    for (const auto& [id, object] : expected_) {
      if (object.vector.empty()) continue;
      if (request.filter.has_value() && !matching.contains(id)) continue;
      ranked.emplace_back(Distance(GetParam(), query, object.vector), id);
    }
    std::sort(ranked.begin(), ranked.end());
    if (Below(3) == 0 && !ranked.empty()) {
      request.max_distance = ranked[ranked.size() / 2].first;
      std::erase_if(ranked, [&](const auto& hit) {
        return hit.first > *request.max_distance;
      });
    }
    const auto result = engine_->Search({}, request);
    ASSERT_THAT(result, IsOk());
    const size_t begin = std::min<size_t>(request.offset, ranked.size());
    const size_t end = std::min(begin + request.top_k, ranked.size());
    ASSERT_EQ(result->hits.size(), end - begin);
    for (size_t i = begin; i < end; ++i) {
      const SearchHit& hit = result->hits[i - begin];
      // Which of equally distant objects are found at the end of the list is
      // not promised; their distances are.
      ASSERT_DOUBLE_EQ(hit.distance, ranked[i].first);
      const Expected& object = expected_.at(hit.view.object.id);
      ASSERT_DOUBLE_EQ(hit.distance,
                       Distance(GetParam(), query, object.vector));
    }
  }

  void CheckOne() {
    const std::string id = RandomId();
    GetObjectsRequest request{kCollection, {id}, {}};
    request.projection.vectors = true;
    request.projection.image_bytes = true;
    const auto result = engine_->GetObjects({}, request);
    ASSERT_THAT(result, IsOk());
    const auto found = expected_.find(id);
    ASSERT_EQ(result->objects.size(), found == expected_.end() ? 0u : 1u);
    if (found == expected_.end()) return;
    const ObjectView& view = result->objects[0];
    ASSERT_EQ(Plain(view.object.properties), Plain(found->second.properties));
    ASSERT_EQ(view.images, found->second.images);
    const auto vector = view.object.vectors.find("default");
    ASSERT_EQ(vector == view.object.vectors.end() ? std::vector<float>()
                                                  : vector->second,
              found->second.vector);
  }

  void CheckAll() {
    ListObjectsRequest request;
    request.collection = kCollection;
    request.page_size = 1 + static_cast<uint32_t>(Below(40));
    std::set<std::string> ids;
    if (Below(2) == 0) request.filter = RandomFilter();
    do {
      const auto page = engine_->ListObjects({}, request);
      ASSERT_THAT(page, IsOk());
      for (const auto& view : page->objects) ids.insert(view.object.id);
      request.page_token = page->next_page_token;
    } while (!request.page_token.empty());
    const auto all = request.filter.has_value() ? Matching(*request.filter)
                                                : Matching(Filter{AndFilter{}});
    ASSERT_EQ(ids, all);
    ASSERT_THAT(engine_->CountObjects({}, {kCollection, request.filter}),
                IsOkAndHolds(all.size()));
    std::set<std::string> images;
    for (const auto& [id, object] : expected_) {
      for (const auto& [name, bytes] : object.images) images.insert(bytes);
    }
    const auto stats = engine_->GetCollectionStats({}, kCollection);
    ASSERT_THAT(stats, IsOk());
    ASSERT_EQ(stats->objects, expected_.size());
    ASSERT_EQ(stats->images, images.size());
  }

  TempDirectory directory_;
  std::mt19937_64 random_{20261120};
  std::unique_ptr<LocalEngine> engine_;
  std::map<std::string, Expected> expected_;
};

TEST_P(EngineOracleTest, RandomRequestsAgreeWithAPlainMap) {
  Open();
  CollectionSpec spec;
  spec.name = kCollection;
  spec.vector_spaces.emplace_back().name = kDefaultVectorSpace;
  spec.vector_spaces[0].metric = GetParam();
  spec.vector_spaces[0].dimension = kDimension;
  ASSERT_THAT(engine_->CreateCollection({}, {spec, false}), IsOk());
  for (int step = 0; step < 2000; ++step) {
    SCOPED_TRACE(step);
    switch (Below(10)) {
      case 0:
      case 1:
      case 2:
        WriteSome();
        break;
      case 3:
        UpdateOne();
        break;
      case 4:
        DeleteSome();
        break;
      case 5:
      case 6:
      case 7:
        SearchOnce();
        break;
      case 8:
        CheckOne();
        break;
      default:
        CheckAll();
        if (Below(10) == 0) Open();
        break;
    }
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, EngineOracleTest,
                         ::testing::Values(Metric::kCosine, Metric::kSquaredL2,
                                           Metric::kInnerProduct),
                         [](const auto& metric) {
                           switch (metric.param) {
                             case Metric::kCosine:
                               return "Cosine";
                             case Metric::kSquaredL2:
                               return "SquaredL2";
                             default:
                               return "InnerProduct";
                           }
                         });

}  // namespace
}  // namespace diptych::storage
