#include "storage/engine/object_vectorizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/object_validation.h"

namespace diptych::storage {
namespace {

// Where an input came from, for error messages.
struct InputOrigin {
  size_t object;
  std::string property;
};

// The distinct inputs for one model.
struct ModelInputs {
  std::vector<VectorizerInput> inputs;
  std::vector<InputOrigin> origins;
  absl::flat_hash_map<std::pair<int, absl::string_view>, size_t> positions;
  std::vector<std::vector<float>> vectors;
  std::string fingerprint;

  size_t Add(VectorizerInputKind kind, absl::string_view bytes, size_t object,
             const std::string& property) {
    const auto [found, added] = positions.try_emplace(
        std::pair(static_cast<int>(kind), bytes), inputs.size());
    if (added) {
      inputs.push_back({kind, bytes});
      origins.push_back({object, property});
    }
    return found->second;
  }
};

// One field of one object: its share and its inputs.
struct FieldInputs {
  double weight;
  std::vector<size_t> positions;
};

std::vector<absl::string_view> TextsOf(const Properties& properties,
                                       const std::string& name) {
  std::vector<absl::string_view> texts;
  const auto found = properties.find(name);
  if (found == properties.end()) return texts;
  if (const auto* text = std::get_if<std::string>(&found->second)) {
    if (!text->empty()) texts.push_back(*text);
  } else if (const auto* list =
                 std::get_if<std::vector<std::string>>(&found->second)) {
    for (const std::string& element : *list) {
      if (!element.empty()) texts.push_back(element);
    }
  }
  return texts;
}

std::vector<FieldInputs> CollectInputs(const VectorSpace& space,
                                       const VectorizableObject& object,
                                       ModelInputs& model) {
  std::vector<FieldInputs> fields;
  for (const WeightedField& field : space.vectorizer.text_fields) {
    FieldInputs inputs{field.weight, {}};
    for (absl::string_view text : TextsOf(*object.properties, field.property)) {
      inputs.positions.push_back(model.Add(VectorizerInputKind::kText, text,
                                           object.index, field.property));
    }
    if (!inputs.positions.empty()) fields.push_back(std::move(inputs));
  }
  for (const WeightedField& field : space.vectorizer.image_fields) {
    const auto found = object.images->find(field.property);
    if (found == object.images->end()) continue;
    fields.push_back({field.weight,
                      {model.Add(VectorizerInputKind::kImage, found->second,
                                 object.index, field.property)}});
  }
  return fields;
}

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
      return absl::FailedPreconditionError(absl::StrCat(
          "the inference service does not serve the model of this collection; "
          "start it with that model, or bring your own vectors: ",
          model.empty() ? "its default model" : model, ": ",
          std::string(status.message())));
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
      return absl::FailedPreconditionError(
          "the inference service changed its model during the call; try again");
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

std::vector<float> WeightedMean(absl::Span<const FieldInputs> fields,
                                const ModelInputs& model, Metric metric) {
  const size_t dimension = model.vectors[fields[0].positions[0]].size();
  std::vector<double> sum(dimension, 0.0);
  double weights = 0;
  for (const FieldInputs& field : fields) {
    weights += field.weight;
    const double share = field.weight / field.positions.size();
    for (size_t position : field.positions) {
      for (size_t i = 0; i < dimension; ++i) {
        sum[i] += share * model.vectors[position][i];
      }
    }
  }
  double scale = 1.0 / weights;
  if (metric == Metric::kCosine) {
    double square = 0;
    for (double value : sum) square += value * value;
    // A zero sum is left as it is; the caller refuses it.
    scale = square > 0 ? 1.0 / std::sqrt(square) : 0.0;
  }
  std::vector<float> mean(dimension);
  for (size_t i = 0; i < dimension; ++i) {
    mean[i] = static_cast<float>(sum[i] * scale);
  }
  return mean;
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
      return absl::FailedPreconditionError(
          "this collection's vectors are made by an inference service, and the "
          "server has none; start it with --inference, or bring your own "
          "vectors");
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
          WeightedMean(fields[i][space], model, description.metric);
      pending.made = true;
      fingerprints[space] = model.fingerprint;
      if (description.metric == Metric::kCosine &&
          std::all_of(pending.vector.begin(), pending.vector.end(),
                      [](float value) { return value == 0; })) {
        violations.Add(
            absl::StrCat("objects[", objects[i].index, "].properties"),
            "cancel each other out: the vector made of them is zero; change "
            "the texts or the weights");
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
