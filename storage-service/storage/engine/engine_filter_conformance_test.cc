// What every engine must do: searching under a filter.
#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "storage/engine/engine_conformance.h"

namespace diptych::storage {
namespace {

// At any share, and however far from the query the matches lie.
TEST_P(EngineConformanceTest, AFilterNeverLeavesFewerThanTopKWhileEnoughMatch) {
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  constexpr int kObjects = 2000;
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < kObjects; ++i) {
    // Ever farther from the query, and in no direction of its own.
    std::vector<float> vector(8);
    for (float& x : vector) x = normal(random) + static_cast<float>(i) / 100;
    objects.push_back(Point(
        absl::StrCat("id", i), std::move(vector),
        {{"far", int64_t{i}}, {"any", static_cast<int64_t>(random() % 1000)}}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  ASSERT_THAT(engine_->AwaitIndexing({}, "objects"), IsOk());
  for (const double share : {0.001, 0.01, 0.1, 0.5}) {
    for (const Filter& filter :
         {Filter{CompareFilter{"any", CompareOperator::kLess, share * 1000}},
          Filter{CompareFilter{"far", CompareOperator::kGreaterOrEqual,
                               (1 - share) * kObjects}},
          Filter{CompareFilter{"far", CompareOperator::kLess,
                               share * kObjects}}}) {
      DIPTYCH_ASSERT_OK_AND_ASSIGN(
          const uint64_t matches,
          engine_->CountObjects({}, {"objects", filter}));
      for (const uint32_t top_k : {1u, 10u, 100u}) {
        SearchRequest request =
            Near("objects", std::vector<float>(8, 0), top_k);
        request.filter = filter;
        EXPECT_EQ(Search(request).size(), std::min<uint64_t>(top_k, matches))
            << share;
      }
    }
  }
}

}  // namespace
}  // namespace diptych::storage
