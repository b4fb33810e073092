// Which segments an index should rebuild next.
//
// Operation: looks at the sealed segments, oldest first: those without a live
// row go; flat ones get a graph, several at once when building lags behind;
// those with too many dead rows are rewritten; several graphs of about one size
// become one.
// Concurrency: pure functions.
// Limits: a rewritten segment has at most segment_rows_max rows, unless a
// single one had more.
#pragma once

#include <cstddef>
#include <vector>

#include "storage/index/segment.h"
#include "storage/index/segmented_index.h"

namespace diptych::storage {

struct MaintenanceJob {
  // Positions in the list of segments, ascending; none: nothing to do.
  std::vector<size_t> inputs;
  // False: the one input gets a graph over the rows as they lie. True: the
  // inputs are replaced by one segment of their live rows.
  bool rewrite = false;
};

MaintenanceJob NextMaintenanceJob(const Segments& segments,
                                  const SegmentedIndexOptions& options);

// Like NextMaintenanceJob, but leaves no segment flat, no row dead and as few
// segments as segment_rows_max allows.
MaintenanceJob NextCompactionJob(const Segments& segments,
                                 const SegmentedIndexOptions& options);

}  // namespace diptych::storage
