// When index snapshots are written, and what is measured of them.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "common/observability/metrics.h"
#include "storage/section_file/file_system.h"

namespace diptych::storage {

struct IndexSnapshotOptions {
  // Fewer changes are replayed at start. 0: no snapshot is written or read.
  uint64_t changes_min = 1'000;
  // While writes go on, a snapshot is due after this many changes and this
  // share of the objects, whichever is more, and not within `interval_min` of
  // the one before.
  uint64_t changes_max = 20'000;
  double changes_share_max = 0.25;
  absl::Duration interval_min = absl::Seconds(30);
  // After so long without a write, `changes_min` changes are enough, or as many
  // rows to which graphs have come to lead.
  absl::Duration idle = absl::Seconds(10);
  // After one that could not be written.
  absl::Duration retry = absl::Seconds(60);
  // How often it is looked whether one is due. Infinite: never, by itself.
  absl::Duration check_interval = absl::Seconds(1);
  // Must outlive the engine.
  FileSystem* files = &FileSystem::System();
};

// Concurrency: any thread.
class IndexSnapshotMetrics {
 public:
  explicit IndexSnapshotMetrics(MetricsRegistry& registry);

  Counter& written;
  Counter& failed;
  Histogram& seconds;
  Counter& bytes;
  // Of starts: collections whose index came from a snapshot, was built from
  // the records because there was none, or because it was not to be trusted.
  Counter& loaded;
  Counter& built;
  Counter& rejected;
  Counter& replayed_objects;
  // Of all collections: changes that no snapshot covers, and the greatest age
  // of a snapshot that does not cover all.
  Gauge& uncovered_changes;
  Gauge& age_seconds;
};

}  // namespace diptych::storage
