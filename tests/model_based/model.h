// The storage service as a few maps: what every answer must be.
//
// Operation: Judge takes a request and what the service answered to it, says
// how the answer differs from what the documentation promises ("" where it
// does not), and does to the maps what the request does. Distances are compared
// within kTolerance, so objects that lie closer together may come in either
// order; all else must be equal.
// Concurrency: one thread.
// Limits: collections of at most 90 objects, so that every ranking is of all.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/model_based/model_vectors.h"
#include "tests/model_based/operation.h"

namespace diptych::storage {

// Of distances and scores, relative to 1 + their size.
inline constexpr double kTolerance = 1e-5;
bool Near(double a, double b);

using Codes = std::set<absl::StatusCode>;

struct StoredVector {
  Numbers numbers;
  bool made = false;  // by the vectorizer
};

struct StoredObject {
  // Images with their bytes, hashes and sizes.
  std::map<std::string, v1::Value> properties;
  std::map<std::string, StoredVector> vectors;
  // Known once an answer has told.
  std::optional<std::string> create_time;
};

struct StoredCollection {
  v1::Collection description;
  std::map<std::string, StoredObject> objects;

  // Null where there is none of that name; "" is "default".
  v1::VectorSpace* FindSpace(const std::string& name);
  std::set<std::string> Matching(const v1::Filter* filter) const;
};

class Model {
 public:
  template <typename Response>
  using Answer = absl::StatusOr<Response>;

  std::string Judge(const v1::CreateCollectionRequest& request,
                    const Answer<v1::CreateCollectionResponse>& answer);
  std::string Judge(const v1::GetCollectionRequest& request,
                    const Answer<v1::GetCollectionResponse>& answer);
  std::string Judge(const v1::ListCollectionsRequest& first_page,
                    const Answer<std::vector<v1::ListCollectionsResponse>>&);
  std::string Judge(const v1::UpdateCollectionRequest& request,
                    const Answer<v1::UpdateCollectionResponse>& answer);
  std::string Judge(const v1::DeleteCollectionRequest& request,
                    const Answer<v1::DeleteCollectionResponse>& answer);
  std::string Judge(const v1::GetCollectionStatsRequest& request,
                    const Answer<v1::GetCollectionStatsResponse>& answer);

  std::string Judge(const v1::InsertObjectsRequest& request,
                    const Answer<v1::InsertObjectsResponse>& answer);
  std::string Judge(const v1::UpsertObjectsRequest& request,
                    const Answer<v1::UpsertObjectsResponse>& answer);
  std::string Judge(const v1::UpdateObjectsRequest& request,
                    const Answer<v1::UpdateObjectsResponse>& answer);
  std::string Judge(const v1::DeleteObjectsRequest& request,
                    const Answer<v1::DeleteObjectsResponse>& answer);

  std::string Judge(const Import& import,
                    const Answer<std::vector<v1::ImportObjectsResponse>>&);

  std::string Judge(const v1::GetObjectsRequest& request,
                    const Answer<v1::GetObjectsResponse>& answer);
  std::string Judge(const v1::ListObjectsRequest& first_page,
                    const Answer<std::vector<v1::ListObjectsResponse>>&);
  std::string Judge(const v1::CountObjectsRequest& request,
                    const Answer<v1::CountObjectsResponse>& answer);

  std::string Judge(const v1::QueryRequest& request,
                    const Answer<v1::QueryResponse>& answer);
  std::string Judge(const v1::BatchQueryRequest& request,
                    const Answer<v1::BatchQueryResponse>& answer);

  // Answers that were compared but for what two objects of nearly one distance
  // leave open. A run in which they are many would show little.
  int64_t ambiguous() const { return ambiguous_; }

 private:
  StoredCollection* Find(const std::string& name);
  // The error codes that a query may end with; none where it must succeed.
  Codes QueryErrors(StoredCollection& collection,
                    const v1::QueryRequest& request);
  std::string JudgeResults(StoredCollection& collection,
                           const v1::QueryRequest& request,
                           const v1::QueryResponse& response);

  std::map<std::string, StoredCollection> collections_;
  int64_t ambiguous_ = 0;
};

// "" where an error of `codes` came, or none was due and none came.
std::string JudgeStatus(const Codes& codes, const absl::Status& status);

// How `actual` differs from the stored object under the projection.
std::string JudgeObject(const v1::Object& actual, const std::string& id,
                        StoredObject& expected,
                        const v1::Projection& projection);

}  // namespace diptych::storage
