#include "storage/engine/vector_reader.h"

#include <optional>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"
#include "storage/record/memory_record_store.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAreArray;

constexpr uint32_t kDimension = 300;  // three pieces

std::vector<float> VectorOf(float first) {
  std::vector<float> vector(kDimension);
  for (uint32_t i = 0; i < kDimension; ++i) {
    vector[i] = first + static_cast<float>(i);
  }
  return vector;
}

class VectorReaderTest : public ::testing::Test {
 protected:
  void Put(Slot slot, const std::vector<std::vector<float>>& vectors) {
    ObjectRecord object;
    object.id = std::to_string(slot);
    for (size_t i = 0; i < vectors.size(); ++i) {
      object.vectors.push_back({static_cast<uint8_t>(i),
                                static_cast<uint32_t>(vectors[i].size()),
                                false});
    }
    ASSERT_THAT(store_.RunWrite([&](WriteTransaction& transaction) {
      return PutObject(transaction, slot, object, vectors);
    }),
                IsOk());
  }
  void Erase(Slot slot, uint8_t space, uint16_t piece) {
    ASSERT_THAT(store_.RunWrite([&](WriteTransaction& transaction) {
      return transaction.Delete(Table::kVectors, VectorKey(slot, space, piece))
          .status();
    }),
                IsOk());
  }

  MemoryRecordStore store_;
};

TEST_F(VectorReaderTest, ReadsTheVectorsOfItsSpaceInAnyOrder) {
  Put(3, {VectorOf(1), VectorOf(2)});
  Put(7, {VectorOf(3), VectorOf(4)});
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store_.BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto reader,
                               VectorReader::Make(*read, 1, kDimension));
  for (const auto& [slot, first] :
       {std::pair<Slot, float>{7, 4}, {3, 2}, {3, 2}, {7, 4}}) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto vector, reader.Read(slot));
    ASSERT_TRUE(vector.has_value());
    EXPECT_THAT(*vector, ElementsAreArray(VectorOf(first)));
  }
}

TEST_F(VectorReaderTest, FindsNothingWhereThereIsNoVector) {
  Put(3, {VectorOf(1)});
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store_.BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto reader,
                               VectorReader::Make(*read, 0, kDimension));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto before, reader.Read(2));
  EXPECT_FALSE(before.has_value());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto behind, reader.Read(4));
  EXPECT_FALSE(behind.has_value());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto other,
                               VectorReader::Make(*read, 1, kDimension));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto other_space, other.Read(3));
  EXPECT_FALSE(other_space.has_value());
}

TEST_F(VectorReaderTest, AMissingPieceOrAnotherDimensionIsDataLoss) {
  Put(3, {VectorOf(1)});
  Put(4, {VectorOf(2)});
  Put(5, {VectorOf(3)});
  Erase(3, 0, 1);
  Erase(4, 0, 2);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto read, store_.BeginRead());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto reader,
                               VectorReader::Make(*read, 0, kDimension));
  EXPECT_EQ(reader.Read(3).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reader.Read(4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(reader.Read(5), IsOk());
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto shorter,
                               VectorReader::Make(*read, 0, kDimension - 1));
  EXPECT_EQ(shorter.Read(5).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace diptych::storage
