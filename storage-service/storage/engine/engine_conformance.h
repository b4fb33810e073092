// The fixture of the tests that every engine must pass.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/engine.h"
#include "storage/engine/fake_vectorizer.h"

namespace diptych::storage {

struct EngineKind {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Engine>>(
      const std::filesystem::path&, Vectorizer*)>
      open;
};

inline Filter Equals(const std::string& property, FilterOperand operand) {
  return Filter{CompareFilter{property, CompareOperator::kEqual, operand}};
}

class EngineConformanceTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    auto engine = GetParam().open(directory_.path(), &vectorizer_);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  absl::Status CreateOwn(
      const std::string& name, Metric metric = Metric::kSquaredL2,
      VectorPrecision precision = VectorPrecision::kFloat32) {
    CreateCollectionRequest request;
    request.spec.name = name;
    request.spec.vector_spaces.emplace_back().name = kDefaultVectorSpace;
    request.spec.vector_spaces[0].metric = metric;
    request.spec.vector_spaces[0].precision = precision;
    return engine_->CreateCollection({}, request).status();
  }
  absl::Status CreateDefault(const std::string& name) {
    return engine_->CreateCollection({}, {DefaultCollectionSpec(name), false})
        .status();
  }

  static ObjectWrite Point(const std::string& id, std::vector<float> vector,
                           Properties properties = {}) {
    ObjectWrite object;
    object.id = id;
    object.properties = std::move(properties);
    object.vectors["default"] = std::move(vector);
    return object;
  }

  absl::StatusOr<WriteObjectsResult> Write(
      const std::string& collection, std::vector<ObjectWrite> objects,
      WriteMode mode = WriteMode::kUpsert) {
    return engine_->WriteObjects({}, {collection, mode, std::move(objects)});
  }

  // Ids of the hits, nearest first.
  std::vector<std::string> Search(SearchRequest request) {
    auto result = engine_->Search({}, request);
    EXPECT_THAT(result, IsOk());
    std::vector<std::string> ids;
    if (!result.ok()) return ids;
    for (const SearchHit& hit : result->hits) ids.push_back(hit.view.object.id);
    return ids;
  }
  static SearchRequest Near(const std::string& collection,
                            std::vector<float> query, uint32_t top_k = 10) {
    SearchRequest request;
    request.collection = collection;
    request.query = std::move(query);
    request.top_k = top_k;
    return request;
  }

  absl::StatusOr<ObjectView> Get(const std::string& collection,
                                 const std::string& id) {
    GetObjectsRequest request{collection, {id}, {}};
    request.projection.vectors = true;
    request.projection.image_bytes = true;
    auto result = engine_->GetObjects({}, request);
    if (!result.ok()) return result.status();
    if (result->objects.empty()) return absl::NotFoundError(id);
    return result->objects[0];
  }
  uint64_t Count(const std::string& collection) {
    return engine_->CountObjects({}, {collection, std::nullopt}).value_or(999);
  }

  TempDirectory directory_;
  FakeVectorizer vectorizer_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace diptych::storage
