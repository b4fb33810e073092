#include "storage/index/segment.h"

#include <algorithm>
#include <limits>

namespace diptych::storage {
namespace {

constexpr size_t kPrefetchAhead = 4;

template <typename Collector>
void OfferRow(const VectorRows& rows, size_t row, const SegmentQuery& query,
              Collector& collector) {
  const float distance = (*query.distance)(query.row, rows.row(row));
  if (!collector.Accepts(distance)) return;
  collector.Offer({rows.slot(row), distance,
                   query.distance->ErrorBound(query.row, rows.row(row))});
}

// All of the first `count` rows, asking of each whether it is allowed.
template <typename Collector>
void ScanAllRows(const VectorRows& rows, size_t count,
                 const SegmentQuery& query, Collector& collector,
                 SearchStatistics& statistics) {
  const SlotSet* allowed = query.options->allowed;
  for (size_t row = 0; row < count; ++row) {
    if (rows.IsDead(row)) continue;
    if (allowed != nullptr && !allowed->Contains(rows.slot(row))) continue;
    ++statistics.rows_scanned;
    OfferRow(rows, row, query, collector);
  }
}

template <typename Collector>
void ScanRows(const VectorRows& rows, const std::vector<uint32_t>& numbers,
              const SegmentQuery& query, Collector& collector,
              SearchStatistics& statistics) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i + kPrefetchAhead < numbers.size()) {
      rows.Prefetch(numbers[i + kPrefetchAhead]);
    }
    const uint32_t row = numbers[i];
    if (rows.IsDead(row)) continue;
    ++statistics.rows_scanned;
    OfferRow(rows, row, query, collector);
  }
}

template <typename Collector>
void ScanMatches(const Segment& segment, size_t count,
                 const SegmentQuery& query, Collector& collector,
                 SearchStatistics& statistics) {
  const SlotSet* allowed = query.options->allowed;
  if (!segment.sealed() || allowed == nullptr) {
    ScanAllRows(*segment.rows, count, query, collector, statistics);
  } else {
    ScanRows(*segment.rows, segment.directory->RowsOf(*allowed), query,
             collector, statistics);
  }
}

// False: the graph was given up.
bool SearchGraph(const Segment& segment, const SegmentQuery& query,
                 size_t matches, double scan_cost, NearestNeighbors& nearest,
                 SearchStatistics& statistics) {
  const SearchOptions& options = *query.options;
  const HnswGraph::Walk walk = segment.graph->Search(
      query.row, query.ef, options.allowed,
      static_cast<size_t>(scan_cost / query.costs->graph_visit) + 1, options.k);
  statistics.graph_visits += walk.visits;
  if (!walk.complete || walk.neighbors.size() < std::min(options.k, matches)) {
    ++statistics.graph_fallbacks;
    return false;
  }
  ++statistics.graph_searches;
  for (const Neighbor& neighbor : walk.neighbors) nearest.Offer(neighbor);
  return true;
}

}  // namespace

size_t Segment::memory_bytes() const {
  return rows->memory_bytes() + (directory ? directory->memory_bytes() : 0) +
         (graph ? graph->memory_bytes() : 0);
}

void SearchSegment(const Segment& segment, size_t count,
                   const SegmentQuery& query, NearestNeighbors& nearest,
                   SearchStatistics& statistics) {
  const SearchOptions& options = *query.options;
  if (!segment.sealed()) {
    ScanMatches(segment, count, query, nearest, statistics);
    return;
  }
  // An upper bound where some of the allowed rows are dead.
  const size_t live = segment.live();
  const size_t matches =
      options.allowed == nullptr
          ? live
          : std::min(live, segment.directory->CountOf(*options.allowed));
  if (matches == 0) return;
  if (segment.graph != nullptr && !options.exact) {
    const SearchCosts& costs = *query.costs;
    const double scan_cost = costs.scan_row * static_cast<double>(matches);
    const double graph_cost = costs.graph_visit * costs.visits_per_candidate *
                              static_cast<double>(query.ef) *
                              static_cast<double>(count) /
                              static_cast<double>(matches);
    if (graph_cost < scan_cost &&
        SearchGraph(segment, query, matches, scan_cost, nearest, statistics)) {
      return;
    }
  }
  ScanMatches(segment, count, query, nearest, statistics);
}

void ScanSegment(const Segment& segment, size_t count,
                 const SegmentQuery& query, PossibleNeighbors& possible,
                 SearchStatistics& statistics) {
  ScanMatches(segment, count, query, possible, statistics);
}

}  // namespace diptych::storage
