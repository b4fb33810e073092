#include "storage/index/vector_rows.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

TEST(VectorRowsTest, RowsStayWhereTheyAreAcrossChunks) {
  constexpr size_t kCount = 70'000;  // three chunks, the last in part
  VectorRows rows(sizeof(uint64_t), kCount);
  std::vector<const std::byte*> addresses;
  for (uint64_t i = 0; i < kCount; ++i) {
    const uint64_t value = i * 0x9E3779B97F4A7C15;
    rows.Append(static_cast<Slot>(kCount - i), &value);
    addresses.push_back(rows.row(i));
  }
  EXPECT_EQ(rows.count(), kCount);
  for (uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(rows.row(i), addresses[i]);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(addresses[i]) % 64, 0u);
    uint64_t value;
    std::memcpy(&value, rows.row(i), sizeof(value));
    ASSERT_EQ(value, i * 0x9E3779B97F4A7C15);
    ASSERT_EQ(rows.slot(i), kCount - i);
  }
  EXPECT_TRUE(rows.MarkDead(40'000));
  EXPECT_FALSE(rows.MarkDead(40'000));
  EXPECT_EQ(rows.dead_count(), 1u);
}

}  // namespace
}  // namespace diptych::storage
