// Chroma's `where` and `where_document`, operator by operator: the table of
// docs/filters.md.
#include <string>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "storage/filter/filter_evaluator.h"
#include "storage/filter/filter_expression.h"
#include "storage/filter/property_index.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAreArray;

struct Stored {
  std::string id;
  Properties properties;
};

const std::vector<Stored>& Objects() {
  static const auto* const objects = new std::vector<Stored>{
      {"a",
       {{"n", int64_t{5}},
        {"tags", std::vector<std::string>{"red", "blue"}},
        {"document", "a red sofa"}}},
      {"b", {{"n", 7.5}, {"colour", "red"}, {"document", "A blue chair"}}},
      {"c", {{"colour", "blue"}}}};
  return *objects;
}

struct Row {
  const char* chroma;
  const char* expression;
  std::vector<std::string> matches;
};

const std::vector<Row>& Rows() {
  static const auto* const rows = new std::vector<Row>{
      {R"({"n": {"$eq": 5}})", "n == 5", {"a"}},
      {R"({"n": {"$ne": 5}})", "n != 5", {"b", "c"}},
      {R"({"n": {"$gt": 5}})", "n > 5", {"b"}},
      {R"({"n": {"$gte": 5}})", "n >= 5", {"a", "b"}},
      {R"({"n": {"$lt": 7.5}})", "n < 7.5", {"a"}},
      {R"({"n": {"$lte": 7.5}})", "n <= 7.5", {"a", "b"}},
      {R"({"colour": {"$in": ["red", "green"]}})",
       "colour IN ['red', 'green']",
       {"b"}},
      {R"({"colour": {"$nin": ["red", "green"]}})",
       "colour NOT IN ['red', 'green']",
       {"a", "c"}},
      {R"({"tags": {"$contains": "red"}})", "tags CONTAINS 'red'", {"a"}},
      {R"({"tags": {"$contains": "re"}})", "tags CONTAINS 're'", {}},
      {R"({"tags": {"$not_contains": "red"}})",
       "tags NOT CONTAINS 'red'",
       {"b", "c"}},
      {R"({"$and": [{"n": {"$gt": 5}}, {"colour": "red"}]})",
       "n > 5 AND colour == 'red'",
       {"b"}},
      {R"({"$or": [{"n": 5}, {"colour": "blue"}]})",
       "n == 5 OR colour == 'blue'",
       {"a", "c"}},
      {R"({"$contains": "a"})", "document CONTAINS 'a'", {"a", "b"}},
      {R"({"$contains": "a red"})", "document CONTAINS 'a red'", {"a"}},
      {R"({"$contains": "A RED"})", "document CONTAINS 'A RED'", {}},
      {R"({"$not_contains": "red"})",
       "document NOT CONTAINS 'red'",
       {"b", "c"}},
      {R"({"$regex": "^A"})", "document MATCHES '^A'", {"b"}},
      {R"({"$not_regex": "^A"})", "document NOT MATCHES '^A'", {"a", "c"}},
      {R"(where n > 1, where_document {"$contains": "sofa"})",
       "n > 1 AND document CONTAINS 'sofa'",
       {"a"}},
      {R"(ids=["a", "b"])", "id IN ['a', 'b']", {"a", "b"}},
  };
  return *rows;
}

TEST(ChromaFiltersTest, EveryOperatorMatchesWhatChromasDoes) {
  PropertyIndex index([](Slot slot) -> absl::StatusOr<Properties> {
    return Objects()[slot].properties;
  });
  for (Slot slot = 0; slot < Objects().size(); ++slot) {
    ASSERT_THAT(index.Add(slot, Objects()[slot].id, Objects()[slot].properties),
                IsOk());
  }
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.chroma);
    DIPTYCH_ASSERT_OK_AND_ASSIGN(
        const Filter filter, ParseFilterExpression(row.expression, Limits()));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const FilterEvaluator evaluator,
                                 FilterEvaluator::Create(filter));
    std::vector<std::string> evaluated, indexed;
    for (const Stored& object : Objects()) {
      if (evaluator.Matches(object.id, object.properties)) {
        evaluated.push_back(object.id);
      }
    }
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const SlotSet slots, index.Evaluate(filter));
    slots.ForEach([&](Slot slot) { indexed.push_back(Objects()[slot].id); });
    EXPECT_THAT(evaluated, ElementsAreArray(row.matches));
    EXPECT_THAT(indexed, ElementsAreArray(row.matches));
  }
}

}  // namespace
}  // namespace diptych::storage
