#include <algorithm>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include "absl/strings/str_format.h"
#include "storage/index/distance_function.h"
#include "storage/index/nearest_neighbors.h"
#include "tests/bench/index_parts.h"
#include "tests/bench/thread_clock.h"

namespace diptych {
namespace {

using storage::SegmentPlan;
using storage::SlotSet;

constexpr double kShares[] = {0.001, 0.01, 0.1, 0.5};
constexpr size_t kQueriesMax = 100;
constexpr size_t kRegions = 200;
constexpr SegmentPlan kPlans[] = {SegmentPlan::kCheapest, SegmentPlan::kScan,
                                  SegmentPlan::kGraph};

SlotSet RowsAtRandom(size_t rows, double share) {
  std::mt19937_64 random(11);
  std::bernoulli_distribution in(share);
  SlotSet set;
  for (size_t row = 0; row < rows; ++row) {
    if (in(random)) set.Add(static_cast<uint32_t>(row));
  }
  return set;
}

// For each row, the nearest of kRegions rows.
std::vector<size_t> RegionOfRows(const BenchmarkData& data) {
  std::mt19937_64 random(12);
  const storage::DistanceFunction distance(storage::Metric::kCosine,
                                           data.dimension);
  std::vector<const std::byte*> centers;
  for (size_t i = 0; i < kRegions; ++i) {
    centers.push_back(reinterpret_cast<const std::byte*>(
        data.row(random() % data.row_count)));
  }
  std::vector<size_t> regions;
  std::vector<float> distances(kRegions);
  for (size_t row = 0; row < data.row_count; ++row) {
    distance.Batch(data.row(row), centers.data(), kRegions, distances.data());
    regions.push_back(static_cast<size_t>(
        std::min_element(distances.begin(), distances.end()) -
        distances.begin()));
  }
  return regions;
}

// Whole regions, the last one in part, so that most queries lie elsewhere.
SlotSet RowsOfRegions(const std::vector<size_t>& regions, double share) {
  const auto wanted =
      static_cast<size_t>(share * static_cast<double>(regions.size()));
  SlotSet set;
  size_t count = 0;
  for (size_t region = 0; region < kRegions; ++region) {
    for (size_t row = 0; row < regions.size(); ++row) {
      if (regions[row] != region) continue;
      if (count == wanted) return set;
      set.Add(static_cast<uint32_t>(row));
      ++count;
    }
  }
  return set;
}

// The true nearest of each query, query after query.
std::vector<std::vector<uint32_t>> NearestOf(const BenchmarkData& data,
                                             size_t queries,
                                             const SlotSet& allowed) {
  const storage::DistanceFunction distance(storage::Metric::kCosine,
                                           data.dimension);
  std::vector<std::vector<uint32_t>> all;
  for (size_t q = 0; q < queries; ++q) {
    storage::NearestNeighbors nearest(kNearest);
    allowed.ForEach([&](uint32_t row) {
      nearest.Offer({row, distance(data.query(q), data.row(row))});
    });
    std::vector<uint32_t> rows;
    for (const auto& neighbor : std::move(nearest).Take(std::nullopt)) {
      rows.push_back(neighbor.slot);
    }
    all.push_back(std::move(rows));
  }
  return all;
}

struct PlanFigures {
  double seconds = std::numeric_limits<double>::infinity();  // best round
  double recall = 0;
  size_t incomplete = 0;  // answers
};

}  // namespace

std::string MeasureFilters(const storage::SegmentedIndex& index,
                           const BenchmarkData& data, int rounds) {
  const size_t queries = std::min(data.query_count, kQueriesMax);
  const std::vector<size_t> regions = RegionOfRows(data);
  std::printf(
      "\nfiltered (%s): microseconds per query\n"
      "         filter   matches |  chosen (graph)  recall short |   scan |"
      "   graph  recall | better/chosen\n",
      NameOf(index.options().precision).c_str());
  double recall_min = 1, ratio_min = std::numeric_limits<double>::infinity();
  size_t incomplete = 0;
  for (const bool correlated : {false, true}) {
    for (const double share : kShares) {
      const SlotSet allowed = correlated ? RowsOfRegions(regions, share)
                                         : RowsAtRandom(data.row_count, share);
      const auto nearest = NearestOf(data, queries, allowed);
      const size_t expected = std::min(kNearest, allowed.Count());
      PlanFigures figures[std::size(kPlans)];
      storage::SearchStatistics statistics;
      for (int round = 0; round < rounds; ++round) {
        double seconds[std::size(kPlans)] = {};
        for (PlanFigures& plan : figures) plan.recall = 0;
        // One plan after the other, so that none finds in the caches what
        // another has read for the same query.
        for (size_t p = 0; p < std::size(kPlans); ++p) {
          for (size_t q = 0; q < queries; ++q) {
            storage::SearchOptions options;
            options.allowed = &allowed;
            options.plan = kPlans[p];
            if (p == 0 && round == 0) options.statistics = &statistics;
            const double start = ThreadSeconds();
            const auto rows = SearchRanked(index, data, data.query(q), options);
            seconds[p] += ThreadSeconds() - start;
            figures[p].recall += static_cast<double>(
                CountFound(rows, nearest[q].data(), nearest[q].size()));
            if (round == 0) figures[p].incomplete += rows.size() < expected;
          }
        }
        for (size_t p = 0; p < std::size(kPlans); ++p) {
          figures[p].seconds = std::min(figures[p].seconds, seconds[p]);
          figures[p].recall /= static_cast<double>(queries * expected);
        }
      }
      const PlanFigures& chosen = figures[0];
      const double ratio =
          std::min(figures[1].seconds, figures[2].seconds) / chosen.seconds;
      const auto micros = [&](const PlanFigures& plan) {
        return 1e6 * plan.seconds / static_cast<double>(queries);
      };
      std::printf(
          "%6.1f %% %7s %8zu | %7.1f (%4.0f%%) %7.4f %5zu | %6.1f | %7.1f "
          "%7.4f | %.2f\n",
          100 * share, correlated ? "regions" : "random", allowed.Count(),
          micros(chosen),
          100.0 * static_cast<double>(statistics.graph_searches) /
              static_cast<double>(queries),
          chosen.recall, chosen.incomplete, micros(figures[1]),
          micros(figures[2]), figures[2].recall, ratio);
      std::fflush(stdout);
      recall_min = std::min(recall_min, chosen.recall);
      ratio_min = std::min(ratio_min, ratio);
      incomplete += chosen.incomplete;
    }
  }
  return absl::StrFormat(
      "\"filter_recall_min\":%.4f,\"filter_plan_ratio_min\":%.3f,"
      "\"filter_incomplete_answers\":%d",
      recall_min, ratio_min, incomplete);
}

}  // namespace diptych
