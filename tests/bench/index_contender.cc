#include "tests/bench/index_contender.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "storage/index/distance_function.h"
#include "storage/index/nearest_neighbors.h"
#include "storage/index/segmented_index.h"
#include "tests/bench/benchmark_vectors.h"
#include "tests/bench/plain_hnswlib.h"
#include "tests/bench/thread_clock.h"

namespace diptych {
namespace {

using storage::Metric;
using storage::Neighbor;
using storage::VectorPrecision;

size_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

// Runs `build`, and notes its time and memory.
template <typename Build>
void Measure(Contender& contender, Build build) {
  const size_t before = AllocatedBytes();
  const double start = ThreadSeconds();
  build();
  contender.build_seconds = ThreadSeconds() - start;
  contender.memory_bytes = AllocatedBytes() - before;
}

std::string NameOf(VectorPrecision precision) {
  switch (precision) {
    case VectorPrecision::kBfloat16:
      return "bfloat16";
    case VectorPrecision::kInt8:
      return "int8";
    case VectorPrecision::kFloat32:
      break;
  }
  return "float32";
}

}  // namespace

BenchmarkData MakeBenchmarkData(size_t rows, size_t queries, size_t dimension) {
  BenchmarkData data;
  data.dimension = dimension;
  data.row_count = rows;
  data.query_count = queries;
  data.rows = MakeBenchmarkVectors(rows, dimension, 1);
  data.queries = MakeBenchmarkVectors(queries, dimension, 2);
  const storage::DistanceFunction distance(Metric::kCosine, dimension);
  for (size_t q = 0; q < queries; ++q) {
    storage::NearestNeighbors nearest(kNearest);
    for (size_t i = 0; i < rows; ++i) {
      nearest.Offer(
          {static_cast<uint32_t>(i), distance(data.query(q), data.row(i))});
    }
    for (const Neighbor& neighbor : std::move(nearest).Take(std::nullopt)) {
      data.nearest.push_back(neighbor.slot);
    }
  }
  return data;
}

Contender BuildPlainHnswlib(const BenchmarkData& data,
                            const storage::HnswSettings& settings) {
  Contender contender;
  contender.name = "hnswlib";
  std::shared_ptr<PlainHnswlib> index;
  Measure(contender, [&] {
    index = std::make_shared<PlainHnswlib>(data.dimension, data.row_count,
                                           settings.max_neighbors,
                                           settings.ef_construction);
    for (size_t i = 0; i < data.row_count; ++i) {
      index->Add(static_cast<uint32_t>(i), data.row(i));
    }
  });
  contender.search = [index](const float* query, size_t ef) {
    return index->Search(query, kNearest, ef);
  };
  return contender;
}

Contender BuildOwnIndex(const BenchmarkData& data,
                        const storage::HnswSettings& settings,
                        VectorPrecision precision) {
  Contender contender;
  contender.name = NameOf(precision);
  std::shared_ptr<storage::SegmentedIndex> index;
  Measure(contender, [&] {
    storage::SegmentedIndexOptions options;
    options.index.metric = Metric::kCosine;
    options.index.dimension = static_cast<uint32_t>(data.dimension);
    options.index.hnsw = settings;
    options.index.precision = precision;
    auto created = storage::SegmentedIndex::Create(options, nullptr);
    CheckOk(created.status());
    index = *std::move(created);
    for (size_t i = 0; i < data.row_count; ++i) {
      CheckOk(index->Add(static_cast<uint32_t>(i),
                         absl::MakeConstSpan(data.row(i), data.dimension)));
    }
    CheckOk(index->Compact());
  });
  const storage::DistanceFunction distance(Metric::kCosine, data.dimension);
  contender.search = [index, distance, precision, &data](const float* query,
                                                         size_t ef) {
    storage::SearchOptions options;
    options.k = storage::RerankCandidates(precision, kNearest);
    options.ef = ef;
    auto found =
        index->Search(absl::MakeConstSpan(query, data.dimension), options);
    CheckOk(found.status());
    if (precision != VectorPrecision::kFloat32) {
      for (const Neighbor& neighbor : *found) {
        const char* row =
            reinterpret_cast<const char*>(data.row(neighbor.slot));
        for (size_t i = 0; i < data.dimension * sizeof(float); i += 64) {
          __builtin_prefetch(row + i);
        }
      }
      for (Neighbor& neighbor : *found) {
        neighbor.distance = distance(query, data.row(neighbor.slot));
      }
      std::sort(found->begin(), found->end());
    }
    std::vector<uint32_t> rows;
    for (size_t i = 0; i < std::min(kNearest, found->size()); ++i) {
      rows.push_back((*found)[i].slot);
    }
    return rows;
  };
  return contender;
}

}  // namespace diptych
