#include "storage/filter/property_index.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "storage/filter/filter_evaluator.h"
#include "storage/filter/filter_expression.h"
#include "storage/filter/filter_validation.h"
#include "storage/filter/random_filters.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

// Objects by slot, and the index over them.
class PropertyIndexTest : public ::testing::Test {
 protected:
  struct Object {
    std::string id;
    Properties properties;
  };

  absl::Status Add(Slot slot, const std::string& id,
                   const Properties& properties) {
    const absl::Status status = index_.Add(slot, id, properties);
    if (status.ok()) objects_[slot] = {id, properties};
    return status;
  }
  void Remove(Slot slot) {
    const auto object = objects_.find(slot);
    EXPECT_THAT(
        index_.Remove(slot, object->second.id, object->second.properties),
        IsOk());
    objects_.erase(object);
  }
  SlotSet Find(absl::string_view expression) {
    auto filter = ParseFilterExpression(expression, Limits());
    EXPECT_THAT(filter, IsOk());
    auto found = index_.Evaluate(*filter);
    EXPECT_THAT(found, IsOk());
    return *std::move(found);
  }

  std::map<Slot, Object> objects_;
  size_t reads_ = 0;
  PropertyIndex index_{[this](Slot slot) -> absl::StatusOr<Properties> {
    ++reads_;
    return objects_.at(slot).properties;
  }};
};

TEST_F(PropertyIndexTest, AgreesWithTheEvaluatorOnRandomFilters) {
  size_t partial = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    RandomFilters random(seed);
    for (int i = 0; i < 40; ++i) {
      const Slot slot = static_cast<Slot>(random.Below(60));
      if (objects_.count(slot) > 0) {
        Remove(slot);
      } else {
        const std::string id =
            random.Chance(0.1) ? random.Id() : absl::StrCat("object-", slot);
        Add(slot, id, random.MakeProperties()).IgnoreError();
      }
    }
    for (int i = 0; i < 200; ++i) {
      const Filter filter = random.MakeFilter();
      ASSERT_THAT(ValidateFilter(filter, Limits()), IsOk());
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const FilterEvaluator evaluator,
                                   FilterEvaluator::Create(filter));
      SlotSet expected;
      for (const auto& [slot, object] : objects_) {
        if (evaluator.Matches(object.id, object.properties)) {
          expected.Add(slot);
        }
      }
      DIPTYCH_ASSERT_OK_AND_ASSIGN(const SlotSet found,
                                   index_.Evaluate(filter));
      ASSERT_EQ(found.ToVector(), expected.ToVector())
          << "seed " << seed << ": " << FormatFilter(filter);
      partial += !expected.empty() && expected.Count() < objects_.size();
    }
  }
  // The pools are such that filters tell objects apart.
  EXPECT_GT(partial, 1500u);
  while (!objects_.empty()) Remove(objects_.begin()->first);
  EXPECT_EQ(index_.size(), 0u);
}

TEST_F(PropertyIndexTest, IntegersAndDoublesCompareExactly) {
  const int64_t beyond = (int64_t{1} << 53) + 1;
  ASSERT_THAT(Add(1, "a", {{"n", beyond}}), IsOk());
  ASSERT_THAT(Add(2, "b", {{"n", 9007199254740992.0}}), IsOk());
  EXPECT_EQ(Find("n == 9007199254740992"), SlotSet{2});
  EXPECT_EQ(Find("n == 9007199254740993"), SlotSet{1});
  EXPECT_EQ(Find("n > 9007199254740992.0"), SlotSet{1});
  EXPECT_EQ(Find("n < 9007199254740993"), SlotSet{2});
}

TEST_F(PropertyIndexTest, NegationsMatchObjectsWithoutTheProperty) {
  ASSERT_THAT(Add(1, "a", {{"colour", std::string("red")}}), IsOk());
  ASSERT_THAT(Add(2, "b", {{"colour", std::monostate()}}), IsOk());
  ASSERT_THAT(Add(3, "c", {}), IsOk());
  EXPECT_EQ(Find("colour != 'red'"), (SlotSet{2, 3}));
  EXPECT_EQ(Find("colour NOT IN ['red']"), (SlotSet{2, 3}));
  EXPECT_EQ(Find("unheard != 1"), (SlotSet{1, 2, 3}));
  EXPECT_EQ(Find("colour IS NULL"), (SlotSet{2, 3}));
  EXPECT_EQ(Find("colour IS NOT NULL"), SlotSet{1});
}

TEST_F(PropertyIndexTest, LongTextsAreReadOnlyWhenTheirContentDecides) {
  const std::string text(1000, 'x');
  ASSERT_THAT(Add(1, "a", {{"t", text}}), IsOk());
  ASSERT_THAT(Add(2, "b", {{"t", text + "!"}}), IsOk());
  ASSERT_THAT(Add(3, "c", {{"t", std::string("short")}}), IsOk());
  EXPECT_EQ(Find("t == 'short'"), SlotSet{3});
  EXPECT_EQ(Find("t IS NOT NULL"), (SlotSet{1, 2, 3}));
  EXPECT_EQ(reads_, 0u);
  EXPECT_EQ(Find(absl::StrCat("t == '", text, "'")), SlotSet{1});
  EXPECT_EQ(reads_, 1u);  // the other has another hash
  EXPECT_EQ(Find("t CONTAINS '!'"), SlotSet{2});
  EXPECT_EQ(Find("t > 'xx'"), (SlotSet{1, 2}));
  reads_ = 0;
  EXPECT_EQ(Find("t MATCHES 'x!' AND id IN ['a', 'c']"), SlotSet());
  EXPECT_EQ(reads_, 1u);  // only what the cheap condition left
}

TEST_F(PropertyIndexTest, MemoryOfLongTextsIsBounded) {
  ASSERT_THAT(Add(1, "a", {{"t", std::string(100'000, 'x')}}), IsOk());
  EXPECT_LT(index_.memory_bytes(), 10'000u);
}

TEST_F(PropertyIndexTest, RefusesWhatIsThereOrIsNot) {
  ASSERT_THAT(Add(1, "a", {{"n", int64_t{1}}}), IsOk());
  EXPECT_THAT(Add(1, "b", {}), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Add(2, "a", {}), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(index_.Remove(2, "a", {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(index_.Remove(1, "b", {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(index_.All(), SlotSet{1});
}

TEST_F(PropertyIndexTest, ErrorsOfTheReaderArePassedOn) {
  PropertyIndex index([](Slot) { return absl::DataLossError("unreadable"); });
  ASSERT_THAT(index.Add(1, "a", {{"t", std::string(300, 'x')}}), IsOk());
  const Filter filter = {ContainsFilter{"t", std::string("x")}};
  EXPECT_THAT(index.Evaluate(filter), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace diptych::storage
