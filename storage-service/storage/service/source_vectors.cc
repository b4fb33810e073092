#include "storage/service/source_vectors.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::storage {
namespace {

struct ModelInput {
  const QuerySources::Input* input;
  const SpaceQuery* query;
};

absl::Status CheckCanVectorize(const ServiceEnvironment& environment,
                               const VectorSpace& space) {
  if (!space.has_vectorizer) {
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "the vector space \"", space.name,
                          "\" has no vectorizer, so it cannot be searched by "
                          "text or picture; search it by near_vector "
                          "or near_object")),
                      "NO_VECTORIZER");
  }
  if (environment.vectorizer == nullptr) {
    return WithReason(absl::FailedPreconditionError(
                          "this server runs without an inference service; "
                          "start it with --inference, or search by "
                          "near_vector or near_object"),
                      "NO_INFERENCE_SERVICE");
  }
  return absl::OkStatus();
}

// Vectorizer errors name "inputs[i]"; the caller knows its own fields.
absl::Status WithFieldsOfQuery(const absl::Status& status,
                               absl::Span<const ModelInput> inputs) {
  const std::vector<FieldViolation> named = FieldViolationsOf(status);
  if (named.empty()) return status;
  FieldViolations violations;
  for (const FieldViolation& violation : named) {
    const absl::string_view field = violation.field;
    size_t index = 0;
    const bool known =
        absl::StartsWith(field, "inputs[") &&
        absl::SimpleAtoi(field.substr(7, field.find(']') - 7), &index) &&
        index < inputs.size();
    violations.Add(known ? inputs[index].input->field : inputs[0].query->path,
                   violation.description);
  }
  return violations.ToStatus();
}

// One call of the vectorizer.
absl::Status VectorizeTogether(const ServiceEnvironment& environment,
                               const CallContext& call,
                               const std::string& model,
                               absl::Span<const ModelInput> inputs,
                               SourceVectors& vectors) {
  std::vector<VectorizerInput> wanted;
  wanted.reserve(inputs.size());
  for (const ModelInput& item : inputs)
    wanted.push_back({item.input->kind, *item.input->bytes});
  auto made = environment.vectorizer->Vectorize(call, model, wanted);
  if (!made.ok()) return WithFieldsOfQuery(made.status(), inputs);
  std::string& fingerprint = vectors.model_fingerprints[model];
  if (!fingerprint.empty() && fingerprint != made->model_fingerprint) {
    return absl::UnavailableError(
        "the inference service changed its model during the query; try again");
  }
  fingerprint = made->model_fingerprint;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const VectorSpace& space = inputs[i].query->space;
    std::vector<float>& vector = made->vectors[i];
    if (space.dimension != 0 && vector.size() != space.dimension) {
      return WithReason(
          absl::FailedPreconditionError(absl::StrCat(
              "the inference service's model makes vectors of another length "
              "than those of the space; point the server at an inference "
              "service with the model of the collection, or search by vector: "
              "the space \"",
              space.name, "\" has ", space.dimension, " dimensions, the model ",
              vector.size())),
          "MODEL_MISMATCH");
    }
    vectors.of_input[inputs[i].input->bytes] = std::move(vector);
  }
  return absl::OkStatus();
}

absl::Status VectorizeInputs(const ServiceEnvironment& environment,
                             const CallContext& call,
                             absl::Span<const SpaceQuery> queries,
                             SourceVectors& vectors) {
  std::map<std::string, std::vector<ModelInput>> by_model;
  for (const SpaceQuery& query : queries) {
    if (query.sources.inputs.empty()) continue;
    DIPTYCH_RETURN_IF_ERROR(CheckCanVectorize(environment, query.space));
    for (const QuerySources::Input& input : query.sources.inputs)
      by_model[query.space.vectorizer.model].push_back({&input, &query});
  }
  for (const auto& [model, inputs] : by_model) {
    size_t begin = 0, bytes = 0;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const size_t size = inputs[i].input->bytes->size();
      if (i > begin && (i - begin == Vectorizer::kInputsMax ||
                        bytes + size > Vectorizer::kBytesMax)) {
        DIPTYCH_RETURN_IF_ERROR(VectorizeTogether(
            environment, call, model,
            absl::MakeConstSpan(inputs).subspan(begin, i - begin), vectors));
        begin = i;
        bytes = 0;
      }
      bytes += size;
    }
    DIPTYCH_RETURN_IF_ERROR(
        VectorizeTogether(environment, call, model,
                          absl::MakeConstSpan(inputs).subspan(begin), vectors));
  }
  return absl::OkStatus();
}

absl::Status ReadObjects(Engine& engine, const CallContext& call,
                         const std::string& collection,
                         absl::Span<const SpaceQuery> queries,
                         SourceVectors& vectors) {
  // By id, with the first field that names it.
  std::map<std::string, std::string> fields;
  for (const SpaceQuery& query : queries) {
    for (const QuerySources::StoredObject& object : query.sources.objects)
      fields.emplace(*object.id, object.field);
  }
  if (fields.empty()) return absl::OkStatus();
  GetObjectsRequest request;
  request.collection = collection;
  request.projection.all_properties = false;
  request.projection.vectors = true;
  for (const auto& [id, field] : fields) request.ids.push_back(id);
  DIPTYCH_ASSIGN_OR_RETURN(GetObjectsResult got,
                           engine.GetObjects(call, request));
  if (!got.missing_ids.empty()) {
    const std::string& id = got.missing_ids.front();
    return ResourceNotFound(
        "object", id,
        absl::StrCat(fields.at(id),
                     ": the collection has no object of this id: ", id));
  }
  for (ObjectView& view : got.objects)
    vectors.of_object[view.object.id] = std::move(view.object.vectors);
  for (const SpaceQuery& query : queries) {
    for (const QuerySources::StoredObject& object : query.sources.objects) {
      if (vectors.of_object.at(*object.id).contains(query.space.name)) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          object.field, ": the object has no vector in the space \"",
          query.space.name,
          "\"; choose another object or space: ", *object.id));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SourceVectors> FetchSources(
    const ServiceEnvironment& environment, const CallContext& call,
    const std::string& collection, absl::Span<const SpaceQuery> queries) {
  SourceVectors vectors;
  // The engine first: an object that is missing costs no work of the model's.
  DIPTYCH_RETURN_IF_ERROR(
      ReadObjects(environment.engine, call, collection, queries, vectors));
  DIPTYCH_RETURN_IF_ERROR(VectorizeInputs(environment, call, queries, vectors));
  return vectors;
}

}  // namespace diptych::storage
