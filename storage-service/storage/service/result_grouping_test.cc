#include "storage/service/result_grouping.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::vector<size_t>> PositionsOf(const ResultGrouping& grouping) {
  std::vector<std::vector<size_t>> positions;
  for (const ResultGrouping::Group& group : grouping.groups())
    positions.push_back(group.positions);
  return positions;
}

TEST(ResultGroupingTest, KeepsTheBestOfEachValueInTheOrderOfTheFirst) {
  ResultGrouping grouping(2, 2);
  const PropertyValue a = std::string("a"), b = std::string("b"),
                      c = std::string("c");
  grouping.Add(0, &b);
  grouping.Add(1, &a);
  grouping.Add(2, &b);
  grouping.Add(3, &b);
  grouping.Add(4, &c);
  EXPECT_FALSE(grouping.Full());
  grouping.Add(5, &a);
  EXPECT_TRUE(grouping.Full());
  EXPECT_THAT(PositionsOf(grouping),
              ElementsAre(ElementsAre(0, 2), ElementsAre(1, 5)));
}

TEST(ResultGroupingTest, ValuesThatAFilterFindsEqualAreOneGroup) {
  ResultGrouping grouping(10, 10);
  const std::vector<PropertyValue> values = {
      int64_t{1}, 1.0,   std::string("1"), true, 1.5, Timestamp{1}, 0.0,
      -0.0,       1e300, int64_t{0}};
  for (size_t i = 0; i < values.size(); ++i) grouping.Add(i, &values[i]);
  EXPECT_THAT(PositionsOf(grouping),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3),
                          ElementsAre(4), ElementsAre(5), ElementsAre(6, 7, 9),
                          ElementsAre(8)));
}

TEST(ResultGroupingTest, WhatHasNoSingleValueIsLeftOut) {
  ResultGrouping grouping(1, 1);
  const std::vector<PropertyValue> values = {
      std::monostate(), GeoPoint{1, 2}, ImageReference(),
      std::vector<std::string>{"a"}, std::vector<int64_t>{1}};
  grouping.Add(0, nullptr);
  for (const PropertyValue& value : values) grouping.Add(1, &value);
  EXPECT_THAT(grouping.groups(), IsEmpty());
  EXPECT_FALSE(grouping.Full());
}

}  // namespace
}  // namespace diptych::storage
