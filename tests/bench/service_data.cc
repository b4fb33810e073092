#include "tests/bench/service_data.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/index/distance_function.h"
#include "storage/index/nearest_neighbors.h"
#include "tests/bench/benchmark_vectors.h"

namespace diptych {
namespace {

constexpr char kIdPrefix[] = "object-";
constexpr size_t kRegions = 16;
constexpr uint32_t kBuckets = 1000;
// Of what no filter asks for.
constexpr int32_t kNoFilterMatches = 1'000'000;

// A hash whose values look random (https://github.com/skeeto/hash-prospector).
uint32_t Mixed(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

int32_t ValueOf(const ServiceData& data, const FilterCase& filter, size_t row) {
  return filter.property == "bucket" ? data.buckets[row] : data.regions[row];
}

bool Matches(const ServiceData& data, const FilterCase& filter, size_t row) {
  return filter.property.empty() || ValueOf(data, filter, row) < filter.limit;
}

// The true neighbours of one query, for every filter that it is asked with.
void FindNearest(const storage::DistanceFunction& distance, size_t query,
                 ServiceData& data) {
  std::vector<storage::NearestNeighbors> nearest;
  for (const FilterCase& filter : data.filters) {
    nearest.emplace_back(std::max<size_t>(1, filter.width));
  }
  for (size_t row = 0; row < data.row_count; ++row) {
    const float found = distance(data.query(query), data.row(row));
    for (size_t f = 0; f < nearest.size(); ++f) {
      if (query < data.filters[f].queries &&
          Matches(data, data.filters[f], row)) {
        nearest[f].Offer({static_cast<uint32_t>(row), found});
      }
    }
  }
  for (size_t f = 0; f < nearest.size(); ++f) {
    FilterCase& filter = data.filters[f];
    if (query >= filter.queries) continue;
    size_t place = query * filter.width;
    for (const auto& neighbor : std::move(nearest[f]).Take(std::nullopt)) {
      filter.nearest[place++] = neighbor.slot;
    }
  }
}

}  // namespace

ServiceData MakeServiceData(size_t rows, size_t spare, size_t queries,
                            size_t filtered_queries, size_t dimension) {
  ServiceData data;
  data.dimension = dimension;
  data.row_count = rows;
  data.spare_count = spare;
  data.query_count = queries;
  data.rows = MakeBenchmarkVectors(rows + spare, dimension, 1);
  data.queries = MakeBenchmarkVectors(queries, dimension, 2);
  const storage::DistanceFunction distance(storage::Metric::kCosine, dimension);
  const std::vector<float> places =
      MakeBenchmarkVectors(kRegions, dimension, 3);
  for (size_t row = 0; row < rows + spare; ++row) {
    if (row >= rows) {
      data.buckets.push_back(kNoFilterMatches);
      data.regions.push_back(kNoFilterMatches);
      continue;
    }
    data.buckets.push_back(
        static_cast<int32_t>(Mixed(static_cast<uint32_t>(row)) % kBuckets));
    std::pair<float, int32_t> best(1e30F, 0);
    for (size_t place = 0; place < kRegions; ++place) {
      best = std::min(
          best, {distance(data.row(row), &places[place * dimension]), place});
    }
    data.regions.push_back(best.second);
  }
  data.filters = {{"none", "", 0, 0, queries, 0, {}},
                  {"0.1 %", "bucket", 1, 0, filtered_queries, 0, {}},
                  {"1 %", "bucket", 10, 0, filtered_queries, 0, {}},
                  {"10 %", "bucket", 100, 0, filtered_queries, 0, {}},
                  {"50 %", "bucket", 500, 0, filtered_queries, 0, {}},
                  {"correlated", "region", 1, 0, filtered_queries, 0, {}}};
  for (FilterCase& filter : data.filters) {
    for (size_t row = 0; row < rows; ++row) {
      filter.matches += Matches(data, filter, row);
    }
    filter.width = std::min(kServiceNearest, filter.matches);
    filter.nearest.resize(filter.queries * filter.width);
  }
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency());
       ++i) {
    threads.emplace_back([&] {
      for (size_t query; (query = next++) < queries;) {
        FindNearest(distance, query, data);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return data;
}

std::string ServiceObjectId(size_t row) { return absl::StrCat(kIdPrefix, row); }

uint32_t ServiceRowOf(const std::string& id) {
  return static_cast<uint32_t>(
      std::strtoul(id.c_str() + sizeof(kIdPrefix) - 1, nullptr, 10));
}

std::string ServiceTitle(const ServiceData& data, size_t row) {
  return absl::StrCat("Item ", row, " of region ", data.regions[row]);
}

size_t ServiceObjectBytes(const ServiceData& data, size_t row) {
  constexpr size_t kNames = sizeof("bucketregiontitle") - 1;
  return data.dimension * sizeof(float) + ServiceObjectId(row).size() + kNames +
         2 * sizeof(int64_t) + ServiceTitle(data, row).size();
}

}  // namespace diptych
