// What an index benchmark measures: one index, built and searched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/concurrency/executor.h"
#include "storage/index/segmented_index.h"
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

// How many of `found` are among the kNearest that begin at `nearest`.
size_t CountFound(const std::vector<uint32_t>& found, const uint32_t* nearest,
                  size_t count = kNearest);

struct Contender {
  std::string name;
  double build_seconds = 0;  // of the processor
  size_t memory_bytes = 0;   // resident, that building has added
  // The kNearest rows found, with a breadth of ef.
  std::function<std::vector<uint32_t>(const float* query, size_t ef)> search;
  std::shared_ptr<const storage::SegmentedIndex> index;  // null: not ours
};

// Each builds in the calling thread; `data` must outlive the contender.
Contender BuildPlainHnswlib(const BenchmarkData& data,
                            const storage::HnswSettings& settings);
// Searching includes ranking the candidates by the full vectors, which lie in
// memory here and in the record store of a server.
Contender BuildOwnIndex(const BenchmarkData& data,
                        storage::VectorPrecision precision);

std::string NameOf(storage::VectorPrecision precision);

// Under cosine, empty, as a collection makes it. `executor` may be null.
std::shared_ptr<storage::SegmentedIndex> CreateIndex(
    const BenchmarkData& data, storage::VectorPrecision precision,
    Executor* executor, size_t flat_rows);
void AddRow(storage::SegmentedIndex& index, const BenchmarkData& data,
            size_t row);

// The kNearest rows; `options` needs no k.
std::vector<uint32_t> SearchRanked(const storage::SegmentedIndex& index,
                                   const BenchmarkData& data,
                                   const float* query,
                                   storage::SearchOptions options);

void CheckOk(const absl::Status& status);

// Of this process, after what is free was given back to the system.
size_t ResidentBytes();

}  // namespace diptych
