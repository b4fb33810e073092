#include "storage/engine/object_vectorizer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/object_inputs.h"
#include "storage/engine/object_validation.h"

namespace diptych::storage {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);

// Errors of one call in the terms of the caller's request.
absl::Status Explain(const absl::Status& status, const std::string& model,
                     absl::Span<const InputOrigin> origins) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument: {
      FieldViolations violations;
      for (const FieldViolation& violation : FieldViolationsOf(status)) {
        absl::string_view field = violation.field;
        size_t position;
        if (!absl::StartsWith(field, "inputs[")) continue;
        field.remove_prefix(7);
        if (!absl::SimpleAtoi(field.substr(0, field.find(']')), &position) ||
            position >= origins.size()) {
          continue;
        }
        violations.Add(
            absl::StrCat("objects[", origins[position].object, "].properties",
                         Subscript(origins[position].property)),
            violation.description);
      }
      if (violations.empty()) {
        return Annotate(status, "vectors could not be made");
      }
      return violations.ToStatus();
    }
    case absl::StatusCode::kNotFound:
      return WithReason(
          absl::FailedPreconditionError(absl::StrCat(
              "the inference service does not serve the model of this "
              "collection; start it with that model, or bring your own "
              "vectors: ",
              model.empty() ? "its default model" : model, ": ",
              std::string(status.message()))),
          "MODEL_NOT_SERVED");
    default:
      return Annotate(status,
                      "vectors could not be made and nothing was written "
                      "(objects with own vectors, and searching by vector, "
                      "still work)");
  }
}

absl::Status Run(const CallContext& context, Vectorizer* vectorizer,
                 const std::string& name, ModelInputs& model) {
  size_t begin = 0;
  while (begin < model.inputs.size()) {
    size_t end = begin, bytes = 0;
    while (end < model.inputs.size() && end - begin < Vectorizer::kInputsMax) {
      bytes += model.inputs[end].bytes.size();
      if (end > begin && bytes > Vectorizer::kBytesMax) break;
      ++end;
    }
    auto made = vectorizer->Vectorize(
        context, name,
        absl::MakeConstSpan(model.inputs).subspan(begin, end - begin));
    if (!made.ok()) {
      return Explain(
          made.status(), name,
          absl::MakeConstSpan(model.origins).subspan(begin, end - begin));
    }
    if (made->vectors.size() != end - begin ||
        made->model_fingerprint.empty()) {
      return absl::InternalError(
          absl::StrCat("the inference service answered ", end - begin,
                       " inputs with ", made->vectors.size(), " vectors"));
    }
    if (!model.fingerprint.empty() &&
        model.fingerprint != made->model_fingerprint) {
      return WithReason(WithRetryAfter(absl::FailedPreconditionError(
                                           "the inference service changed its "
                                           "model during the call; try again"),
                                       kRetryDelay),
                        "MODEL_CHANGED");
    }
    model.fingerprint = made->model_fingerprint;
    for (std::vector<float>& vector : made->vectors) {
      if (vector.empty() || (!model.vectors.empty() &&
                             vector.size() != model.vectors[0].size())) {
        return absl::InternalError(
            "the inference service made vectors of unequal length");
      }
      model.vectors.push_back(std::move(vector));
    }
    begin = end;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status VectorizeObjects(const CallContext& context,
                              Vectorizer* vectorizer,
                              const CollectionSpec& spec,
                              absl::Span<VectorizableObject> objects,
                              std::vector<std::string>& fingerprints) {
  const size_t spaces = spec.vector_spaces.size();
  fingerprints.assign(spaces, "");
  std::map<std::string, ModelInputs> models;
  std::vector<std::vector<std::vector<FieldInputs>>> fields(objects.size());
  for (size_t i = 0; i < objects.size(); ++i) {
    objects[i].vectors.resize(spaces);
    fields[i].resize(spaces);
    for (size_t space = 0; space < spaces; ++space) {
      const VectorSpace& description = spec.vector_spaces[space];
      if (!objects[i].wanted[space] || !description.has_vectorizer) continue;
      fields[i][space] = CollectInputs(description, objects[i],
                                       models[description.vectorizer.model]);
    }
  }
  for (auto& [name, model] : models) {
    if (model.inputs.empty()) continue;
    if (vectorizer == nullptr) {
      return WithReason(
          absl::FailedPreconditionError(
              "this collection's vectors are made by an inference service, and "
              "the server has none; start it with --inference, or bring your "
              "own vectors"),
          "NO_INFERENCE_SERVICE");
    }
    DIPTYCH_RETURN_IF_ERROR(Run(context, vectorizer, name, model));
  }
  FieldViolations violations;
  for (size_t i = 0; i < objects.size(); ++i) {
    for (size_t space = 0; space < spaces; ++space) {
      if (fields[i][space].empty()) continue;
      const VectorSpace& description = spec.vector_spaces[space];
      const ModelInputs& model = models[description.vectorizer.model];
      PendingVector& pending = objects[i].vectors[space];
      pending.vector =
          WeightedMean(fields[i][space], model.vectors, description.metric);
      pending.made = true;
      fingerprints[space] = model.fingerprint;
      if (IsZero(pending.vector, description.metric)) {
        violations.Add(
            absl::StrCat("objects[", objects[i].index, "].properties"),
            kFieldsCancelOut);
      }
    }
  }
  return violations.ToStatus();
}

bool SpaceIsFedBy(const VectorSpace& space,
                  const std::vector<std::string>& names) {
  if (!space.has_vectorizer) return false;
  const auto named = [&names](const WeightedField& field) {
    return std::find(names.begin(), names.end(), field.property) != names.end();
  };
  const VectorizerSource& source = space.vectorizer;
  return std::any_of(source.text_fields.begin(), source.text_fields.end(),
                     named) ||
         std::any_of(source.image_fields.begin(), source.image_fields.end(),
                     named);
}

}  // namespace diptych::storage
