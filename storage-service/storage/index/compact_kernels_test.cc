#include "storage/index/compact_kernels.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

TEST(CompactKernelsTest, EveryInt8KernelIsExactAtEveryLengthAndAlignment) {
  std::mt19937 random(1);
  for (const NamedInt8Kernel& kernel : AvailableInt8Kernels()) {
    for (size_t count = 0; count <= 300; ++count) {
      // What lies beyond the end must not count.
      std::vector<int8_t> a(count + 64), b(count + 64);
      for (int8_t& x : a) x = static_cast<int8_t>(random() % 255 - 127);
      for (int8_t& x : b) x = static_cast<int8_t>(random() % 255 - 127);
      const size_t shift = random() % 3;
      int32_t expected = 0, sum_of_b = 0;
      for (size_t i = shift; i < shift + count; ++i) {
        expected += int32_t{a[i]} * b[i];
        sum_of_b += b[i];
      }
      EXPECT_EQ(kernel.dot(a.data() + shift, b.data() + shift, count, sum_of_b),
                expected)
          << kernel.name << " " << count;
    }
  }
}

TEST(CompactKernelsTest, EveryInt8BatchKernelAgreesWithOneRowAtATime) {
  std::mt19937 random(4);
  const NamedInt8Kernel reference = AvailableInt8Kernels().back();
  for (const NamedInt8Kernel& kernel : AvailableInt8Kernels()) {
    for (const size_t count : {1, 63, 64, 65, 128, 192, 512, 576, 2048, 2112}) {
      const size_t sum_offset = (count + 3) / 4 * 4;
      std::vector<int8_t> query(count);
      for (int8_t& x : query) x = static_cast<int8_t>(random() % 255 - 127);
      std::vector<std::vector<std::byte>> rows(5);
      std::vector<const std::byte*> addresses;
      std::vector<int32_t> expected;
      for (std::vector<std::byte>& row : rows) {
        row.resize(sum_offset + sizeof(int32_t));
        auto* components = reinterpret_cast<int8_t*>(row.data());
        int32_t sum = 0;
        for (size_t i = 0; i < count; ++i) {
          components[i] = static_cast<int8_t>(random() % 255 - 127);
          sum += components[i];
        }
        std::memcpy(row.data() + sum_offset, &sum, sizeof(sum));
        addresses.push_back(row.data());
        expected.push_back(reference.dot(query.data(), components, count, sum));
      }
      std::vector<int32_t> products(rows.size());
      kernel.batch(query.data(), addresses.data(), rows.size(), count,
                   sum_offset, products.data());
      EXPECT_EQ(products, expected) << kernel.name << " " << count;
    }
  }
}

TEST(CompactKernelsTest, Int8SumsDoNotOverflowAtTheLargestDimension) {
  const size_t count = 16'384;
  for (const int sign : {1, -1}) {
    const std::vector<int8_t> a(count, 127);
    const std::vector<int8_t> b(count, static_cast<int8_t>(sign * 127));
    for (const NamedInt8Kernel& kernel : AvailableInt8Kernels()) {
      EXPECT_EQ(kernel.dot(a.data(), b.data(), count, sign * 127 * 16'384),
                sign * 127 * 127 * 16'384)
          << kernel.name;
    }
  }
}

TEST(CompactKernelsTest, EveryBfloat16KernelAgreesWithTheExactSum) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const NamedBfloat16Kernel& kernel : AvailableBfloat16Kernels()) {
    for (size_t count = 0; count <= 300; ++count) {
      std::vector<uint16_t> a(count + 64), b(count + 64);
      for (uint16_t& x : a) x = ToBfloat16(normal(random));
      for (uint16_t& x : b) x = ToBfloat16(normal(random));
      const size_t shift = random() % 3;
      double expected = 0;
      for (size_t i = shift; i < shift + count; ++i) {
        expected += static_cast<double>(FromBfloat16(a[i])) *
                    static_cast<double>(FromBfloat16(b[i]));
      }
      EXPECT_NEAR(kernel.dot(a.data() + shift, b.data() + shift, count),
                  expected, 1e-4)
          << kernel.name << " " << count;
    }
  }
}

TEST(CompactKernelsTest, PortableKernelsAreAlwaysThere) {
  EXPECT_EQ(AvailableInt8Kernels().back().name, "portable");
  EXPECT_EQ(AvailableBfloat16Kernels().back().name, "portable");
}

TEST(CompactKernelsTest, Bfloat16RoundsToNearestEvenAndStaysFinite) {
  EXPECT_EQ(ToBfloat16(1.0f), 0x3F80);
  EXPECT_EQ(ToBfloat16(-2.0f), 0xC000);
  EXPECT_EQ(ToBfloat16(1.0f + 1.0f / 256), 0x3F80);  // a tie, down to even
  EXPECT_EQ(ToBfloat16(1.0f + 3.0f / 256), 0x3F82);  // a tie, up to even
  EXPECT_EQ(FromBfloat16(0x3F82), 1.0f + 1.0f / 64);
  const float largest = std::numeric_limits<float>::max();
  EXPECT_TRUE(std::isfinite(FromBfloat16(ToBfloat16(largest))));
  EXPECT_LT(FromBfloat16(ToBfloat16(-largest)), -3e38f);
}

}  // namespace
}  // namespace diptych::storage
