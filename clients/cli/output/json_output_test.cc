#include "cli/output/json_output.h"

#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

TEST(JsonOutputTest, PropertiesAreSortedByName) {
  storage::v1::Object object;
  object.set_id("a");
  for (const char* name : {"z", "b", "m"}) {
    (*object.mutable_properties())[name].set_integer_value(1);
  }
  EXPECT_EQ(ObjectToJson(object).dump(),
            "{\"id\":\"a\",\"properties\":{\"b\":1,\"m\":1,\"z\":1}}");
}

TEST(JsonOutputTest, ResultCarriesOnlyWhatIsSet) {
  storage::v1::QueryResult result;
  result.mutable_object()->set_id("a");
  result.set_distance(0);
  EXPECT_EQ(QueryResultToJson(result, 1).dump(),
            "{\"rank\":1,\"distance\":0.0,\"id\":\"a\",\"properties\":{}}");
}

TEST(JsonOutputTest, SpaceWithoutVectorizerSaysNull) {
  storage::v1::Collection collection;
  collection.set_name("c");
  auto* space = collection.add_vector_spaces();
  space->set_name("default");
  space->set_metric(storage::v1::METRIC_SQUARED_L2);
  const Json json = CollectionToJson(collection);
  EXPECT_EQ(json["vector_spaces"][0]["metric"], "l2");
  EXPECT_TRUE(json["vector_spaces"][0]["vectorizer"].is_null());
}

TEST(JsonOutputTest, WeightZeroIsSaidAsOne) {
  storage::v1::Collection collection;
  collection.add_vector_spaces()
      ->mutable_vectorizer()
      ->add_text_fields()
      ->set_property("title");
  const Json json = CollectionToJson(collection);
  EXPECT_EQ(json["vector_spaces"][0]["vectorizer"]["text_fields"][0]["weight"],
            1.0);
}

}  // namespace
}  // namespace diptych::cli
