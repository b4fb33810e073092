// Random steps for a model-based run.
//
// Operation: seeded. Steps are drawn without looking at what is stored, from
// pools so small that most meet something: four collections, 60 ids, texts and
// pictures that return. A few are wrong on purpose.
// Concurrency: one thread.
// Limits: for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/filter/random_filters.h"
#include "tests/model_based/operation.h"

namespace diptych::storage {

class RandomOperations {
 public:
  explicit RandomOperations(uint64_t seed);

  Operation Next();

 private:
  size_t Below(size_t end) { return random_.Below(end); }
  bool Chance(double share) { return random_.Chance(share); }

  std::string CollectionName();
  v1::CreateCollectionRequest CreateCollection();
  v1::UpdateCollectionRequest UpdateCollection();

  // random_requests.cc
  std::string Text();
  std::string Id();
  v1::Vector Vector();
  v1::Projection Projection();
  v1::Object Object();
  template <typename Request>
  Request Write();
  Import ImportSome();
  v1::DeleteObjectsRequest Delete();
  v1::GetObjectsRequest Get();
  ListAllObjects List();

  std::string Space();
  v1::Move Move(double force_max);
  v1::NearText NearText();
  v1::NearObject NearObject();
  v1::Mix Mix();
  v1::Recommend Recommend();
  v1::Keyword Keyword();
  // Some kind of query, into a QueryRequest or a FusionPart.
  template <typename Part>
  void ChooseKind(Part& part);
  v1::QueryRequest Query();
  v1::BatchQueryRequest BatchQuery();

  // Both forms of one filter, half of the time.
  template <typename Request>
  void AddFilter(Request& request);

  RandomFilters random_;
};

}  // namespace diptych::storage
