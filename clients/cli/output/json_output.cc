#include "cli/output/json_output.h"

#include <map>

namespace diptych::cli {
namespace {

using storage::v1::Collection;
using storage::v1::Object;
using storage::v1::VectorSpace;

Json FieldsToJson(
    const google::protobuf::RepeatedPtrField<storage::v1::WeightedField>&
        fields) {
  Json result = Json::array();
  for (const auto& field : fields) {
    // 0 stands for 1.
    const double weight = field.weight() == 0 ? 1.0 : field.weight();
    result.push_back(Json{{"property", field.property()}, {"weight", weight}});
  }
  return result;
}

Json VectorSpaceToJson(const VectorSpace& space) {
  Json result{{"name", space.name()},
              {"metric", MetricName(space.metric())},
              {"dimension", space.dimension()}};
  if (space.has_vectorizer()) {
    result["vectorizer"] =
        Json{{"model", space.vectorizer().model()},
             {"text_fields", FieldsToJson(space.vectorizer().text_fields())},
             {"image_fields", FieldsToJson(space.vectorizer().image_fields())}};
  } else {
    result["vectorizer"] = nullptr;
  }
  if (!space.model_fingerprint().empty()) {
    result["model_fingerprint"] = space.model_fingerprint();
  }
  return result;
}

// Protobuf maps have no order of their own.
template <typename Map>
std::map<std::string, const typename Map::mapped_type*> Sorted(const Map& map) {
  std::map<std::string, const typename Map::mapped_type*> sorted;
  for (const auto& [key, value] : map) sorted[key] = &value;
  return sorted;
}

Json PropertiesToJson(
    const google::protobuf::Map<std::string, storage::v1::Value>& properties) {
  Json result = Json::object();
  for (const auto& [name, value] : Sorted(properties)) {
    result[name] = ValueToJson(*value);
  }
  return result;
}

}  // namespace

Json ObjectToJson(const Object& object) {
  Json result{{"id", object.id()},
              {"properties", PropertiesToJson(object.properties())}};
  if (!object.vectors().empty()) {
    Json vectors = Json::object();
    for (const auto& [name, vector] : Sorted(object.vectors())) {
      Json numbers = Json::array();
      for (float number : vector->dense().values()) numbers.push_back(number);
      vectors[name] = std::move(numbers);
    }
    result["vectors"] = std::move(vectors);
  }
  if (object.has_create_time()) {
    result["create_time"] = TimestampText(object.create_time());
  }
  if (object.has_update_time()) {
    result["update_time"] = TimestampText(object.update_time());
  }
  return result;
}

Json QueryResultToJson(const storage::v1::QueryResult& result, int rank) {
  Json json = Json::object({{"rank", rank}});
  if (result.has_distance()) json["distance"] = result.distance();
  if (result.has_certainty()) json["certainty"] = result.certainty();
  if (result.has_score()) json["score"] = result.score();
  const Json object = ObjectToJson(result.object());
  for (const auto& [key, value] : object.items()) {
    json[key] = value;
  }
  return json;
}

Json CollectionToJson(const Collection& collection) {
  Json spaces = Json::array();
  for (const VectorSpace& space : collection.vector_spaces()) {
    spaces.push_back(VectorSpaceToJson(space));
  }
  Json result{{"name", collection.name()},
              {"uid", collection.uid()},
              {"vector_spaces", std::move(spaces)},
              {"metadata", PropertiesToJson(collection.metadata())}};
  if (collection.has_create_time()) {
    result["create_time"] = TimestampText(collection.create_time());
  }
  if (collection.has_update_time()) {
    result["update_time"] = TimestampText(collection.update_time());
  }
  return result;
}

Json StatsToJson(const storage::v1::CollectionStats& stats) {
  Json spaces = Json::array();
  for (const auto& space : stats.vector_spaces()) {
    spaces.push_back(Json{{"name", space.name()},
                          {"vectors", space.vectors()},
                          {"dimension", space.dimension()},
                          {"index_state", IndexStateName(space.index_state())},
                          {"index_bytes", space.index_bytes()},
                          {"model_fingerprint", space.model_fingerprint()}});
  }
  return Json{{"objects", stats.objects()},
              {"images", stats.images()},
              {"disk_bytes", stats.disk_bytes()},
              {"vector_spaces", std::move(spaces)}};
}

std::string MetricName(storage::v1::Metric metric) {
  switch (metric) {
    case storage::v1::METRIC_SQUARED_L2:
      return "l2";
    case storage::v1::METRIC_INNER_PRODUCT:
      return "ip";
    default:
      return "cosine";
  }
}

std::string IndexStateName(storage::v1::IndexState state) {
  switch (state) {
    case storage::v1::INDEX_STATE_READY:
      return "ready";
    case storage::v1::INDEX_STATE_BUILDING:
      return "building";
    default:
      return "unknown";
  }
}

}  // namespace diptych::cli
