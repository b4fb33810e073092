// The segments of an index as bytes (docs/storage_format.md).
//
// Operation: a segment with a graph is written as it lies, its dead rows too,
// because the graph leads through them; of the others, only the live rows. What
// a live row holds follows from the full vector, which the record store has, so
// it is not written but encoded anew from a VectorSource; dead rows, whose
// vectors nobody else has, are written. A row whose vector the source lacks is
// of a slot that was removed since, or whose record is damaged; it is dead, and
// takes the row of a neighbour, so that walks lead on through it.
// Concurrency: pure functions; loading starts threads of its own.
// Limits: the memory of the index that is loaded.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/index/distance_function.h"
#include "storage/index/segment.h"
#include "storage/index/slot_set.h"
#include "storage/index/vector_index.h"
#include "storage/index/vector_source.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"

namespace diptych::storage {

struct LoadedSegments {
  Segments built;
  // Rows without a graph, oldest first.
  std::vector<std::unique_ptr<VectorRows>> fresh;
  // Those whose vectors the source lacked.
  SlotSet missing;

  std::vector<const VectorRows*> FreshRows() const;
};

// As SegmentedIndex::Save and Load.
void SaveSegments(const VectorIndexOptions& options,
                  const VectorEncoding& encoding, const Segments& segments,
                  const SlotSet& live, SectionWriter& writer);
absl::StatusOr<LoadedSegments> LoadSegments(const VectorIndexOptions& options,
                                            const DistanceFunction& distance,
                                            const SlotSet& live,
                                            VectorSource& source,
                                            SectionReader& reader);

}  // namespace diptych::storage
