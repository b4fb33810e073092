#include "storage/service/collection_conversion.h"

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

v1::Collection Parse(const char* text) {
  v1::Collection collection;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &collection))
      << text;
  return collection;
}

TEST(CollectionConversionTest, NothingButANameIsTheDefault) {
  FieldViolations violations;
  EXPECT_EQ(CollectionSpecFromProto(Parse(R"(name: "photos")"), "collection",
                                    violations),
            DefaultCollectionSpec("photos"));
  EXPECT_TRUE(violations.empty());
}

TEST(CollectionConversionTest, SettingsRoundTrip) {
  Collection collection;
  collection.id = 7;
  collection.uid = "0190163d-8694-739b-aea5-966c26f8ad91";
  collection.create_time = {1'700'000'000'000'000};
  collection.spec = DefaultCollectionSpec("products");
  collection.spec.metadata["owner"] = std::string("shop");
  VectorSpace own;
  own.name = "own";
  own.metric = Metric::kSquaredL2;
  own.dimension = 512;
  own.hnsw = {32, 128, 64};
  own.precision = VectorPrecision::kInt8;
  collection.spec.vector_spaces.push_back(own);
  own.name = "half";
  own.precision = VectorPrecision::kBfloat16;
  collection.spec.vector_spaces.push_back(own);
  collection.spec.vector_spaces[0].vectorizer.text_fields = {{"title", 0.25},
                                                             {"text", 1.0}};
  FieldViolations violations;
  EXPECT_EQ(CollectionSpecFromProto(CollectionToProto(collection), "collection",
                                    violations),
            collection.spec);
  EXPECT_TRUE(violations.empty());
}

TEST(CollectionConversionTest, FaultsAreNamedByTheirPath) {
  const char* const cases[][2] = {
      {R"(name: "a" vector_spaces { metric: 9 })",
       "collection.vector_spaces[0].metric is 9"},
      {R"(name: "a" vector_spaces { dimension: -1 })",
       "collection.vector_spaces[0].dimension is -1"},
      {R"(name: "a" vector_spaces { hnsw { ef_search: -5 } })",
       "collection.vector_spaces[0].hnsw.ef_search is -5"},
      {R"(name: "a" vector_spaces { precision: 9 })",
       "collection.vector_spaces[0].precision is 9"},
      {R"(name: "a" metadata { key: "x" value { image_value { data: "x" } } })",
       "collection.metadata[\"x\"] is a picture"},
  };
  for (const auto& c : cases) {
    FieldViolations violations;
    CollectionSpecFromProto(Parse(c[0]), "collection", violations);
    EXPECT_THAT(violations.ToStatus().message(), HasSubstr(c[1])) << c[0];
  }
}

}  // namespace
}  // namespace diptych::storage
