#include "common/memory/heap_trimmer.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych {
namespace {

constexpr size_t kMebibyte = 1 << 20;

class HeapTrimmerTest : public ::testing::Test {
 protected:
  // Of which trimming gives back what is above `in_use_`.
  size_t resident_ = 0, in_use_ = 0;
  int trimmed_ = 0;
  MetricsRegistry metrics_;
  HeapTrimmer trimmer_{metrics_,
                       {[this] { return resident_; },
                        [this] {
                          ++trimmed_;
                          resident_ = in_use_;
                        }}};
};

TEST_F(HeapTrimmerTest, TrimsWhatHasGrownSinceTheLastTime) {
  resident_ = 100 * kMebibyte;
  in_use_ = 40 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 1);
  EXPECT_THAT(
      metrics_.TextExposition(),
      ::testing::HasSubstr("\ndiptych_memory_trimmed_bytes_total 62914560\n"));
  resident_ = 47 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 1);
  resident_ = 48 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 2);
}

TEST_F(HeapTrimmerTest, ASixteenthOfALargeHeapIsLeft) {
  resident_ = in_use_ = 8000 * kMebibyte;
  trimmer_.TrimIfGrown();
  resident_ = 8499 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 1);
  resident_ = 8500 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 2);
}

TEST_F(HeapTrimmerTest, WhatShrankByItselfMayNotGrowBackUnseen) {
  resident_ = in_use_ = 500 * kMebibyte;
  trimmer_.TrimIfGrown();
  resident_ = 100 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 1);
  resident_ = 400 * kMebibyte;
  trimmer_.TrimIfGrown();
  EXPECT_EQ(trimmed_, 2);
}

TEST(SystemHeapTest, FreePagesBetweenOthersAreGivenBack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have a heap of their own";
#endif
  const HeapTrimmer::Heap heap = HeapTrimmer::Heap::System();
  std::vector<std::unique_ptr<char[]>> blocks(1000);
  for (auto& block : blocks) {
    // Written by make_unique, so resident.
    block = std::make_unique<char[]>(64 << 10);
  }
  for (size_t i = 0; i + 1 < blocks.size(); ++i) blocks[i].reset();
  const size_t before = heap.resident_bytes();
  heap.trim();
  EXPECT_LT(heap.resident_bytes() + 50 * kMebibyte, before);
}

}  // namespace
}  // namespace diptych
