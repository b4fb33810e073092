// What every engine must do: listing in the order of a property.
#include "absl/strings/str_cat.h"
#include "storage/engine/engine_conformance.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(EngineConformanceTest, AnOrderThatIsLackingIsSaid) {
  if (engine_->capabilities().ordered_listing) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ListObjectsRequest request;
  request.collection = "objects";
  request.order_by = OrderBy{"x", false};
  EXPECT_THAT(engine_->ListObjects({}, request),
              StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_P(EngineConformanceTest, AnOrderedPageTokenBelongsToItsOrder) {
  if (!engine_->capabilities().ordered_listing) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(Write("objects", {Point("a", {1}), Point("b", {1})}), IsOk());
  ListObjectsRequest request;
  request.collection = "objects";
  request.order_by = OrderBy{"x", false};
  request.page_size = 1;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto page,
                               engine_->ListObjects({}, request));
  ASSERT_NE(page.next_page_token, "");
  request.page_token = page.next_page_token;
  EXPECT_THAT(engine_->ListObjects({}, request), IsOk());
  const auto expect_refused = [&] {
    EXPECT_THAT(engine_->ListObjects({}, request),
                StatusIs(absl::StatusCode::kInvalidArgument));
  };
  request.order_by->descending = true;
  expect_refused();
  request.order_by = OrderBy{"y", false};
  expect_refused();
  request.order_by.reset();
  expect_refused();
  request.order_by = OrderBy{"", false};
  request.page_token.clear();
  expect_refused();
}

TEST_P(EngineConformanceTest, ListsInTheOrderOfAProperty) {
  if (!engine_->capabilities().ordered_listing) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  ASSERT_THAT(Write("objects",
                    {Point("five", {1}, {{"x", int64_t{5}}, {"even", false}}),
                     Point("two-b", {1}, {{"x", 2.0}, {"even", true}}),
                     Point("two-a", {1}, {{"x", int64_t{2}}, {"even", true}}),
                     Point("word", {1}, {{"x", "word"}, {"even", true}}),
                     Point("list", {1}, {{"x", std::vector<int64_t>{1}}}),
                     Point("none", {1}, {{"even", true}})}),
              IsOk());
  const auto list = [&](bool descending, std::optional<Filter> filter) {
    ListObjectsRequest request;
    request.collection = "objects";
    request.filter = std::move(filter);
    request.order_by = OrderBy{"x", descending};
    request.page_size = 2;
    std::vector<std::string> ids;
    do {
      auto page = engine_->ListObjects({}, request);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      for (const auto& view : page->objects) ids.push_back(view.object.id);
      request.page_token = page->next_page_token;
    } while (!request.page_token.empty());
    return ids;
  };
  EXPECT_THAT(list(false, std::nullopt),
              ElementsAre("two-a", "two-b", "five", "word", "list", "none"));
  EXPECT_THAT(list(true, std::nullopt),
              ElementsAre("word", "five", "two-a", "two-b", "list", "none"));
  EXPECT_THAT(list(true, Equals("even", true)),
              ElementsAre("word", "two-a", "two-b", "none"));
  EXPECT_THAT(list(false, Equals("even", std::string("no"))), IsEmpty());
}

// Every kind of value goes through a token, and a token of a value too long.
TEST_P(EngineConformanceTest, OrderedPagesOfOneCoverEveryKindOfValue) {
  if (!engine_->capabilities().ordered_listing) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  const std::string text(400, 'x');
  ASSERT_THAT(
      Write(
          "objects",
          {Point("0", {1}, {{"x", false}}), Point("1", {1}, {{"x", true}}),
           Point("2", {1}, {{"x", int64_t{-7}}}), Point("3", {1}, {{"x", 0.5}}),
           Point("4", {1}, {{"x", "a"}}), Point("5", {1}, {{"x", text}}),
           Point("6", {1}, {{"x", text + "a"}}),
           Point("7", {1}, {{"x", Timestamp{-5}}}), Point("8", {1}),
           Point("9", {1}, {{"x", std::monostate()}})}),
      IsOk());
  ListObjectsRequest request;
  request.collection = "objects";
  request.order_by = OrderBy{"x", false};
  request.page_size = 1;
  for (int i = 0; i < 10; ++i) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto page,
                                 engine_->ListObjects({}, request));
    ASSERT_EQ(page.objects.size(), 1u);
    EXPECT_EQ(page.objects[0].object.id, absl::StrCat(i));
    EXPECT_LT(page.next_page_token.size(), 1000u);
    request.page_token = page.next_page_token;
  }
  EXPECT_EQ(request.page_token, "");
}

// Pages go on behind the last object's place, whatever became of it.
TEST_P(EngineConformanceTest, OrderedPagesGoOnThroughChanges) {
  if (!engine_->capabilities().ordered_listing) GTEST_SKIP();
  ASSERT_THAT(CreateOwn("objects"), IsOk());
  std::vector<ObjectWrite> objects;
  for (int64_t i = 0; i < 10; ++i) {
    objects.push_back(Point(absl::StrCat("id", i), {1}, {{"x", i}}));
  }
  ASSERT_THAT(Write("objects", objects), IsOk());
  ListObjectsRequest request;
  request.collection = "objects";
  request.order_by = OrderBy{"x", false};
  request.page_size = 3;
  const auto next = [&] {
    std::vector<std::string> ids;
    auto page = engine_->ListObjects({}, request);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return ids;
    for (const auto& view : page->objects) ids.push_back(view.object.id);
    request.page_token = page->next_page_token;
    return ids;
  };
  EXPECT_THAT(next(), ElementsAre("id0", "id1", "id2"));
  // The last one given goes, one not yet given goes, one comes in between, one
  // moves from behind to the front and so is not given.
  DeleteObjectsRequest gone;
  gone.collection = "objects";
  gone.ids = {"id2", "id4"};
  ASSERT_THAT(engine_->DeleteObjects({}, gone), IsOk());
  ASSERT_THAT(Write("objects", {Point("new", {1}, {{"x", 2.5}}),
                                Point("id9", {1}, {{"x", int64_t{-1}}}),
                                Point("id3", {1}, {{"x", int64_t{3}}})}),
              IsOk());
  EXPECT_THAT(next(), ElementsAre("new", "id3", "id5"));
  EXPECT_THAT(next(), ElementsAre("id6", "id7", "id8"));
  EXPECT_EQ(request.page_token, "");
}

}  // namespace
}  // namespace diptych::storage
