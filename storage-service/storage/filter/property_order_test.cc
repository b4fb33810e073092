#include "storage/filter/property_order.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "storage/filter/filter_evaluator.h"
#include "storage/filter/property_index.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;

class PropertyOrderTest : public ::testing::Test {
 protected:
  void Add(const std::string& id, Properties properties) {
    objects_[next_] = {id, properties};
    ASSERT_THAT(index_.Add(next_, id, properties), IsOk());
    ++next_;
  }
  void Remove(Slot slot) {
    const auto& [id, properties] = objects_.at(slot);
    ASSERT_THAT(index_.Remove(slot, id, properties), IsOk());
    objects_.erase(slot);
  }
  std::vector<std::string> List(bool descending,
                                const Filter* filter = nullptr) {
    auto entries = index_.List(filter, "p", descending, std::nullopt, 1000);
    EXPECT_THAT(entries, IsOk());
    std::vector<std::string> ids;
    for (const auto& entry : *entries) ids.push_back(entry.position.id);
    return ids;
  }

  struct Held {
    std::string id;
    Properties properties;
  };
  std::map<Slot, Held> objects_;
  Slot next_ = 0;
  PropertyIndex index_{[this](Slot slot) -> absl::StatusOr<Properties> {
    return objects_.at(slot).properties;
  }};
};

TEST_F(PropertyOrderTest, KindsAndValuesHaveOneOrderAndWhatHasNoneComesLast) {
  const std::string prefix(256, 'x');
  Add("absent", {});
  Add("null", {{"p", std::monostate()}});
  Add("nan", {{"p", std::nan("")}});
  Add("list", {{"p", std::vector<int64_t>{1}}});
  Add("place", {{"p", GeoPoint{1, 2}}});
  Add("late", {{"p", Timestamp{2}}});
  Add("early", {{"p", Timestamp{-2}}});
  Add("text-b", {{"p", "b"}});
  Add("text-B", {{"p", "B"}});
  Add("text-x1", {{"p", prefix + "b"}});  // equal by their first 256 bytes
  Add("text-x0", {{"p", prefix + "c"}});
  Add("text-x2", {{"p", prefix}});
  Add("text-y", {{"p", "y"}});
  Add("text-w", {{"p", std::string(300, 'w')}});
  Add("true", {{"p", true}});
  Add("false", {{"p", false}});
  Add("one-b", {{"p", 1.0}});
  Add("one-a", {{"p", int64_t{1}}});
  Add("half", {{"p", 0.5}});
  Add("minus-infinity", {{"p", -std::numeric_limits<double>::infinity()}});
  Add("great", {{"p", std::numeric_limits<int64_t>::max()}});
  EXPECT_THAT(List(false),
              ElementsAre("false", "true", "minus-infinity", "half", "one-a",
                          "one-b", "great", "text-B", "text-b", "text-w",
                          "text-x0", "text-x1", "text-x2", "text-y", "early",
                          "late", "absent", "list", "nan", "null", "place"));
  EXPECT_THAT(List(true),
              ElementsAre("late", "early", "text-y", "text-x0", "text-x1",
                          "text-x2", "text-w", "text-b", "text-B", "great",
                          "one-a", "one-b", "half", "minus-infinity", "true",
                          "false", "absent", "list", "nan", "null", "place"));
}

// Sorted by hand: kind, value, id.
TEST_F(PropertyOrderTest, PagesOfAnySizeAreTheSortedWhole) {
  std::mt19937 random(11);
  const auto value = [&random]() -> PropertyValue {
    switch (random() % 8) {
      case 0:
        return random() % 2 == 0;
      case 1:
        return static_cast<int64_t>(random() % 6);
      case 2:
        return static_cast<double>(random() % 12) / 2;
      case 3:
        return absl::StrCat("t", random() % 6);
      case 4:
        return std::string(256 + random() % 2,
                           static_cast<char>('s' + random() % 3));
      case 5:
        return Timestamp{static_cast<int64_t>(random() % 4)};
      case 6:
        return std::vector<std::string>{"t1"};
      default:
        return std::monostate();
    }
  };
  for (int i = 0; i < 400; ++i) {
    Properties properties{{"n", static_cast<int64_t>(random() % 3)}};
    if (random() % 6 != 0) properties["p"] = value();
    Add(absl::StrCat("id", random() % 1000, "-", i), std::move(properties));
    if (i % 5 == 4) Remove(objects_.begin()->first);
  }
  const Filter some{CompareFilter{"n", CompareOperator::kLess, int64_t{2}}};
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const FilterEvaluator evaluator,
                               FilterEvaluator::Create(some));
  for (const bool descending : {false, true}) {
    for (const Filter* filter : {static_cast<const Filter*>(nullptr), &some}) {
      using Key = std::tuple<int, double, std::string>;
      std::vector<std::pair<Key, std::string>> expected;
      for (const auto& [slot, object] : objects_) {
        if (filter != nullptr &&
            !evaluator.Matches(object.id, object.properties)) {
          continue;
        }
        Key key{9, 0, ""};
        const auto found = object.properties.find("p");
        const PropertyValue held =
            found == object.properties.end() ? PropertyValue() : found->second;
        if (const auto* flag = std::get_if<bool>(&held)) key = {0, *flag, ""};
        if (const auto* whole = std::get_if<int64_t>(&held)) {
          key = {1, static_cast<double>(*whole), ""};
        }
        if (const auto* real = std::get_if<double>(&held)) {
          key = {1, *real, ""};
        }
        if (const auto* text = std::get_if<std::string>(&held)) {
          key = {2, 0, text->substr(0, 256)};
        }
        if (const auto* time = std::get_if<Timestamp>(&held)) {
          key = {3, static_cast<double>(time->unix_microseconds), ""};
        }
        expected.emplace_back(key, object.id);
      }
      std::sort(expected.begin(), expected.end(),
                [descending](const auto& a, const auto& b) {
                  const bool last_a = std::get<0>(a.first) == 9;
                  const bool last_b = std::get<0>(b.first) == 9;
                  if (last_a != last_b) return last_b;
                  if (a.first != b.first) {
                    return descending ? b.first < a.first : a.first < b.first;
                  }
                  return a.second < b.second;
                });
      for (const size_t size : {1u, 7u, 1000u}) {
        std::vector<std::string> ids;
        std::optional<OrderPosition> after;
        while (true) {
          DIPTYCH_ASSERT_OK_AND_ASSIGN(
              const auto page,
              index_.List(filter, "p", descending, after, size));
          for (const OrderedSlot& entry : page) {
            ids.push_back(entry.position.id);
            EXPECT_EQ(objects_.at(entry.slot).id, entry.position.id);
          }
          if (page.size() < size) break;
          after = page.back().position;
        }
        ASSERT_EQ(ids.size(), expected.size());
        for (size_t i = 0; i < ids.size(); ++i) {
          ASSERT_EQ(ids[i], expected[i].second) << i << " of pages of " << size;
        }
      }
    }
  }
}

TEST_F(PropertyOrderTest, IdsComeInTheirOrderBehindAnyOfThem) {
  for (int i = 0; i < 200; ++i) {
    Add(absl::StrCat("id", 1000 + (i * 37) % 200),
        {{"n", static_cast<int64_t>(i % 50)}});
  }
  // Few and many of all: sorted, and met on the way.
  for (const int64_t below : {1, 2, 40, 50}) {
    const Filter filter{CompareFilter{"n", CompareOperator::kLess, below}};
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const SlotSet slots, index_.Evaluate(filter));
    std::vector<std::string> expected;
    slots.ForEach([&](Slot slot) { expected.push_back(objects_[slot].id); });
    std::sort(expected.begin(), expected.end());
    for (const size_t size : {3u, 200u}) {
      std::vector<std::string> ids;
      std::string after;
      while (true) {
        DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto page,
                                     index_.List(&filter, after, size));
        for (const auto& entry : page) ids.push_back(entry.position.id);
        if (page.size() < size) break;
        after = page.back().position.id;
      }
      EXPECT_EQ(ids, expected);
    }
  }
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto all,
                               index_.List(nullptr, "id1198", 9));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].position.id, "id1199");
}

}  // namespace
}  // namespace diptych::storage
