#include "storage/index/segment_maintenance.h"

#include <map>

namespace diptych::storage {
namespace {

// The power of merge_factor, times flat_rows, that a size is nearest below.
int TierOf(size_t live, const SegmentedIndexOptions& options) {
  int tier = 0;
  for (size_t size = options.flat_rows * options.merge_factor; size <= live;
       size *= options.merge_factor) {
    ++tier;
  }
  return tier;
}

// At most merge_factor of `candidates` that together are not too large; empty
// if that is fewer than `count_min`.
std::vector<size_t> Group(const std::vector<size_t>& candidates,
                          size_t count_min, const Segments& segments,
                          const SegmentedIndexOptions& options) {
  std::vector<size_t> group;
  size_t rows = 0;
  for (const size_t position : candidates) {
    if (group.size() == options.merge_factor) break;
    const size_t live = segments[position].live();
    if (rows + live > options.segment_rows_max) continue;
    rows += live;
    group.push_back(position);
  }
  if (group.size() < count_min) group.clear();
  return group;
}

}  // namespace

MaintenanceJob NextMaintenanceJob(const Segments& segments,
                                  const SegmentedIndexOptions& options) {
  std::vector<size_t> flat;
  std::map<int, std::vector<size_t>> tiers;
  for (size_t position = 0; position < segments.size(); ++position) {
    const Segment& segment = segments[position];
    if (!segment.sealed()) continue;
    if (segment.live() == 0) return {{position}, true};
    if (segment.graph == nullptr) {
      flat.push_back(position);
    } else if (segment.dead_share() > options.dead_share_max) {
      return {{position}, true};
    } else {
      tiers[TierOf(segment.live(), options)].push_back(position);
    }
  }
  if (!flat.empty()) {
    std::vector<size_t> group =
        Group(flat, options.merge_factor, segments, options);
    if (!group.empty()) return {std::move(group), true};
    const Segment& oldest = segments[flat.front()];
    return {{flat.front()}, oldest.dead_share() > options.dead_share_max};
  }
  for (const auto& [tier, members] : tiers) {
    if (members.size() < options.merge_factor) continue;
    std::vector<size_t> group =
        Group(members, options.merge_factor, segments, options);
    if (!group.empty()) return {std::move(group), true};
  }
  return {};
}

MaintenanceJob NextCompactionJob(const Segments& segments,
                                 const SegmentedIndexOptions& options) {
  std::vector<size_t> group;
  size_t rows = 0;
  bool needed = false;
  for (size_t position = 0; position < segments.size(); ++position) {
    const Segment& segment = segments[position];
    if (!segment.sealed()) continue;
    if (!group.empty() && rows + segment.live() > options.segment_rows_max) {
      if (needed || group.size() > 1) break;
      group.clear();
      rows = 0;
    }
    group.push_back(position);
    rows += segment.live();
    needed =
        needed || segment.graph == nullptr || segment.rows->dead_count() > 0;
  }
  if (!needed && group.size() < 2) return {};
  const bool as_it_lies =
      group.size() == 1 && segments[group[0]].rows->dead_count() == 0;
  return {std::move(group), !as_it_lies};
}

}  // namespace diptych::storage
