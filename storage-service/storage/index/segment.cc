#include "storage/index/segment.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace diptych::storage {
namespace {

// Computes distances of rows in batches, asking for the vectors of the next
// batch before the last one is computed, and offers what the collector accepts.
template <typename Collector>
class RowScan {
 public:
  RowScan(const VectorRows& rows, const SegmentQuery& query,
          Collector& collector)
      : rows_(rows), query_(query), collector_(collector) {}

  void Add(size_t row) {
    if (rows_.IsDead(row)) return;
    Batch& batch = batches_[filling_];
    rows_.Prefetch(row);
    batch.rows[batch.count] = row;
    batch.addresses[batch.count] = rows_.row(row);
    if (++batch.count < kBatchRows) return;
    filling_ = 1 - filling_;
    Compute(batches_[filling_]);
  }
  // Must be called at the end; returns how many distances were computed.
  size_t Finish() {
    Compute(batches_[1 - filling_]);
    Compute(batches_[filling_]);
    return scanned_;
  }

 private:
  // Two batches of full rows fit into the first-level cache.
  static constexpr size_t kBatchRows = 8;
  struct Batch {
    size_t count = 0;
    size_t rows[kBatchRows];
    const std::byte* addresses[kBatchRows];
  };

  void Compute(Batch& batch) {
    float distances[kBatchRows];
    query_.distance->Batch(query_.row, batch.addresses, batch.count, distances);
    for (size_t i = 0; i < batch.count; ++i) {
      if (!collector_.Accepts(distances[i])) continue;
      collector_.Offer(
          {rows_.slot(batch.rows[i]), distances[i],
           query_.distance->ErrorBound(query_.row, batch.addresses[i])});
    }
    scanned_ += batch.count;
    batch.count = 0;
  }

  const VectorRows& rows_;
  const SegmentQuery& query_;
  Collector& collector_;
  Batch batches_[2];
  size_t filling_ = 0;
  size_t scanned_ = 0;
};

template <typename Collector>
void ScanMatches(const Segment& segment, size_t count,
                 const SegmentQuery& query, Collector& collector,
                 SearchStatistics& statistics) {
  const SlotSet* allowed = query.options->allowed;
  const VectorRows& rows = *segment.rows;
  RowScan<Collector> scan(rows, query, collector);
  if (allowed == nullptr) {
    for (size_t row = 0; row < count; ++row) scan.Add(row);
  } else if (segment.sealed()) {
    segment.directory->ForEachRowOf(*allowed,
                                    [&scan](size_t row) { scan.Add(row); });
  } else {
    for (size_t row = 0; row < count; ++row) {
      if (allowed->Contains(rows.slot(row))) scan.Add(row);
    }
  }
  statistics.rows_scanned += scan.Finish();
}

// False: the graph was given up.
bool SearchGraph(const Segment& segment, const SegmentQuery& query,
                 size_t matches, size_t visits_max, NearestNeighbors& nearest,
                 SearchStatistics& statistics) {
  const SearchOptions& options = *query.options;
  // Where enough is known that is nearer, a walk need not find much.
  const size_t needed =
      query.reach != nullptr && std::isfinite(query.reach->Limit())
          ? 0
          : std::min(options.k, matches);
  const HnswGraph::Walk walk = segment.graph->Search(
      query.row, query.ef, options.allowed, visits_max, options.k, query.reach);
  statistics.graph_visits += walk.visits;
  if (!walk.complete || walk.neighbors.size() < needed) {
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
  if (segment.graph != nullptr && !options.exact &&
      options.plan != SegmentPlan::kScan) {
    const SearchCosts& costs = *query.costs;
    const bool forced = options.plan == SegmentPlan::kGraph;
    const double scan_cost =
        forced ? std::numeric_limits<double>::infinity()
               : costs.scan_row * static_cast<double>(matches);
    const double graph_cost = costs.graph_visit * costs.visits_per_candidate *
                              static_cast<double>(query.ef) *
                              static_cast<double>(count) /
                              static_cast<double>(matches);
    const size_t visits_max =
        forced ? std::numeric_limits<size_t>::max()
               : static_cast<size_t>(scan_cost / costs.graph_visit) + 1;
    if (graph_cost < scan_cost &&
        SearchGraph(segment, query, matches, visits_max, nearest, statistics)) {
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
