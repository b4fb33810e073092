#include "storage/engine/index_snapshot_options.h"

namespace diptych::storage {
namespace {

constexpr MetricDescription kSnapshots = {
    "diptych_storage_index_snapshots_total",
    "Index snapshots, by whether they could be written"};
constexpr MetricDescription kSeconds = {
    "diptych_storage_index_snapshot_seconds",
    "How long writing an index snapshot took"};
constexpr MetricDescription kBytes = {
    "diptych_storage_index_snapshot_written_bytes_total",
    "Bytes of the index snapshots that were written"};
constexpr MetricDescription kLoads = {
    "diptych_storage_index_loads_total",
    "Collections that were opened, by where their index came from: a snapshot, "
    "the records for want of one, the records because it was not to be "
    "trusted"};
constexpr MetricDescription kReplayed = {
    "diptych_storage_index_replayed_objects_total",
    "Objects that were indexed behind a snapshot when it was loaded"};
constexpr MetricDescription kUncovered = {
    "diptych_storage_index_snapshot_uncovered_changes",
    "Changes that no index snapshot covers yet"};
constexpr MetricDescription kAge = {
    "diptych_storage_index_snapshot_age_seconds",
    "Age of the oldest index snapshot that does not cover every change"};

}  // namespace

IndexSnapshotMetrics::IndexSnapshotMetrics(MetricsRegistry& registry)
    : written(registry.AddCounter(kSnapshots, {{"result", "written"}})),
      failed(registry.AddCounter(kSnapshots, {{"result", "failed"}})),
      seconds(registry.AddHistogram(kSeconds, DurationBuckets())),
      bytes(registry.AddCounter(kBytes)),
      loaded(registry.AddCounter(kLoads, {{"from", "snapshot"}})),
      built(registry.AddCounter(kLoads, {{"from", "records"}})),
      rejected(registry.AddCounter(kLoads,
                                   {{"from", "records_for_a_bad_snapshot"}})),
      replayed_objects(registry.AddCounter(kReplayed)),
      uncovered_changes(registry.AddGauge(kUncovered)),
      age_seconds(registry.AddGauge(kAge)) {}

}  // namespace diptych::storage
