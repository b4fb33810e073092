// What an index benchmark measures: one index, built and searched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/types/collection_spec.h"

namespace diptych {

struct BenchmarkData {
  size_t dimension = 0;
  size_t row_count = 0;
  size_t query_count = 0;
  std::vector<float> rows;     // of length 1
  std::vector<float> queries;  // of length 1
  // Rows of the kNearest nearest to each query, query after query.
  std::vector<uint32_t> nearest;

  const float* row(size_t i) const { return &rows[i * dimension]; }
  const float* query(size_t i) const { return &queries[i * dimension]; }
};

constexpr size_t kNearest = 10;

// Rows, queries and the true neighbours, found by comparing all.
BenchmarkData MakeBenchmarkData(size_t rows, size_t queries, size_t dimension);

struct Contender {
  std::string name;
  double build_seconds = 0;  // of the processor
  size_t memory_bytes = 0;   // as malloc counts it
  // The kNearest rows found, with a breadth of ef.
  std::function<std::vector<uint32_t>(const float* query, size_t ef)> search;
};

// Each builds in the calling thread; `data` must outlive the contender.
Contender BuildPlainHnswlib(const BenchmarkData& data,
                            const storage::HnswSettings& settings);
// Searching includes ranking the candidates by the full vectors, which lie in
// memory here and in the record store of a server.
Contender BuildOwnIndex(const BenchmarkData& data,
                        const storage::HnswSettings& settings,
                        storage::VectorPrecision precision);

}  // namespace diptych
