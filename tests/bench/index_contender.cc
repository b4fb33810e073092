#include "tests/bench/index_contender.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "storage/index/distance_function.h"
#include "storage/index/nearest_neighbors.h"
#include "tests/bench/benchmark_vectors.h"
#include "tests/bench/plain_hnswlib.h"
#include "tests/bench/thread_clock.h"

namespace diptych {

using storage::Metric;
using storage::Neighbor;
using storage::SegmentedIndex;
using storage::VectorPrecision;

namespace {

// Runs `build`, and notes its time and memory.
template <typename Build>
void Measure(Contender& contender, Build build) {
  const size_t before = ResidentBytes();
  const double start = ThreadSeconds();
  build();
  contender.build_seconds = ThreadSeconds() - start;
  contender.memory_bytes = ResidentBytes() - before;
}

void PrefetchRow(const BenchmarkData& data, size_t row) {
  const char* bytes = reinterpret_cast<const char*>(data.row(row));
  for (size_t i = 0; i < data.dimension * sizeof(float); i += 64) {
    __builtin_prefetch(bytes + i);
  }
}

// As a server does it (storage/engine/candidate_ranking.h): what is surely
// farther than kNearest others is passed over.
std::vector<Neighbor> RankByFullVectors(const BenchmarkData& data,
                                        const float* query,
                                        const std::vector<Neighbor>& found) {
  constexpr size_t kAhead = 4;
  const storage::DistanceFunction distance(Metric::kCosine, data.dimension);
  storage::NearestNeighbors nearest(kNearest);
  const auto may_be_near = [&nearest](const Neighbor& neighbor) {
    return nearest.Accepts(neighbor.distance - neighbor.error);
  };
  for (size_t i = 0; i < std::min(kAhead, found.size()); ++i) {
    PrefetchRow(data, found[i].slot);
  }
  for (size_t i = 0; i < found.size(); ++i) {
    if (i + kAhead < found.size() && may_be_near(found[i + kAhead])) {
      PrefetchRow(data, found[i + kAhead].slot);
    }
    if (!may_be_near(found[i])) continue;
    const storage::Slot slot = found[i].slot;
    nearest.Offer({slot, distance(query, data.row(slot))});
  }
  return std::move(nearest).Take(std::nullopt);
}

}  // namespace

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

size_t ResidentBytes() {
  malloc_trim(0);
  size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
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

size_t CountFound(const std::vector<uint32_t>& found, const uint32_t* nearest,
                  size_t count) {
  size_t hits = 0;
  for (const uint32_t row : found) {
    hits += static_cast<size_t>(std::count(nearest, nearest + count, row));
  }
  return hits;
}

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

std::shared_ptr<SegmentedIndex> CreateIndex(const BenchmarkData& data,
                                            VectorPrecision precision,
                                            Executor* executor,
                                            size_t flat_rows) {
  storage::SegmentedIndexOptions options;
  options.index.metric = Metric::kCosine;
  options.index.dimension = static_cast<uint32_t>(data.dimension);
  options.index.precision = precision;
  options.flat_rows = flat_rows;
  auto created = SegmentedIndex::Create(options, executor);
  CheckOk(created.status());
  return *std::move(created);
}

void AddRow(SegmentedIndex& index, const BenchmarkData& data, size_t row) {
  CheckOk(index.Add(static_cast<uint32_t>(row),
                    absl::MakeConstSpan(data.row(row), data.dimension)));
}

std::vector<uint32_t> SearchRanked(const SegmentedIndex& index,
                                   const BenchmarkData& data,
                                   const float* query,
                                   storage::SearchOptions options) {
  const VectorPrecision precision = index.options().precision;
  options.k = storage::RerankCandidates(precision, kNearest);
  auto found =
      index.Search(absl::MakeConstSpan(query, data.dimension), options);
  CheckOk(found.status());
  if (precision != VectorPrecision::kFloat32) {
    *found = RankByFullVectors(data, query, *found);
  }
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < std::min(kNearest, found->size()); ++i) {
    rows.push_back((*found)[i].slot);
  }
  return rows;
}

Contender BuildOwnIndex(const BenchmarkData& data, VectorPrecision precision) {
  Contender contender;
  contender.name = NameOf(precision);
  std::shared_ptr<SegmentedIndex> index;
  Measure(contender, [&] {
    index = CreateIndex(data, precision, nullptr,
                        storage::SegmentedIndexOptions().flat_rows);
    for (size_t i = 0; i < data.row_count; ++i) AddRow(*index, data, i);
    CheckOk(index->Compact());
  });
  contender.search = [index, &data](const float* query, size_t ef) {
    storage::SearchOptions options;
    options.ef = ef;
    return SearchRanked(*index, data, query, options);
  };
  contender.index = std::move(index);
  return contender;
}

}  // namespace diptych
