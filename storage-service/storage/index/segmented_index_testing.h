// Makes and compares segmented indexes. For tests.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "common/concurrency/executor.h"
#include "common/testing/status_matchers.h"
#include "storage/index/segmented_index.h"

namespace diptych::storage {

// Ends the test's process when `options` are not valid.
inline std::unique_ptr<SegmentedIndex> CreateSegmentedIndex(
    const SegmentedIndexOptions& options, Executor* executor) {
  auto index = SegmentedIndex::Create(options, executor);
  EXPECT_THAT(index, IsOk());
  return *std::move(index);
}

// How many objects are in both answers.
inline size_t CommonSlots(const std::vector<Neighbor>& a,
                          const std::vector<Neighbor>& b) {
  size_t common = 0;
  for (const Neighbor& x : a) {
    for (const Neighbor& y : b) common += x.slot == y.slot;
  }
  return common;
}

}  // namespace diptych::storage
