// What a query asks for, worked out from the documentation alone
// (docs/search.md, search_service.proto).
//
// Concurrency: one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/model_based/model.h"

namespace diptych::storage {

// An object and how far it is (or minus its score): smaller comes first.
struct RankedObject {
  std::string id;
  double value = 0;
};

// What one query, or one part of a fusion, is near to: a vector of a space, or
// words.
struct QueryTarget {
  v1::VectorSpace* space = nullptr;
  Numbers vector;
  const v1::Keyword* words = nullptr;
  double weight = 1;
};

struct QueryTargets {
  // What the query may fail with; none: it must succeed.
  Codes errors;
  std::vector<QueryTarget> parts;
  // Of all parts.
  std::set<std::string> excluded;
};

// Points into the request.
QueryTargets TargetsOf(StoredCollection& collection,
                       const v1::QueryRequest& request);

struct ExpectedRanking {
  // All that match, best first.
  std::vector<RankedObject> objects;
  // Two values lie so close together, or one so close to a limit, that
  // rounding may decide otherwise.
  bool ambiguous = false;
};

// Without grouping and diversity. `eligible` match the filter.
ExpectedRanking RankingOf(const StoredCollection& collection,
                          const v1::QueryRequest& request,
                          const QueryTargets& targets,
                          const std::set<std::string>& eligible);

// As the answer lists them.
struct ExpectedResults {
  std::vector<RankedObject> objects;
  bool ambiguous = false;
};

// Groups, picks for diversity, and cuts to offset and top_k.
ExpectedResults ResultsOf(const StoredCollection& collection,
                          const v1::QueryRequest& request,
                          const QueryTargets& targets, ExpectedRanking ranking);

}  // namespace diptych::storage
