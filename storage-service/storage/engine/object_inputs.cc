#include "storage/engine/object_inputs.h"

#include <algorithm>
#include <cmath>
#include <variant>

namespace diptych::storage {
namespace {

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

}  // namespace

size_t ModelInputs::Add(VectorizerInputKind kind, absl::string_view bytes,
                        size_t object, const std::string& property) {
  const auto [found, added] = positions.try_emplace(
      std::pair(static_cast<int>(kind), bytes), inputs.size());
  if (added) {
    inputs.push_back({kind, bytes});
    origins.push_back({object, property});
  }
  return found->second;
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

std::vector<float> WeightedMean(absl::Span<const FieldInputs> fields,
                                absl::Span<const std::vector<float>> vectors,
                                Metric metric) {
  const size_t dimension = vectors[fields[0].positions[0]].size();
  std::vector<double> sum(dimension, 0.0);
  double weights = 0;
  for (const FieldInputs& field : fields) {
    weights += field.weight;
    const double share = field.weight / field.positions.size();
    for (size_t position : field.positions) {
      for (size_t i = 0; i < dimension; ++i) {
        sum[i] += share * vectors[position][i];
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

bool IsZero(absl::Span<const float> vector, Metric metric) {
  return metric == Metric::kCosine &&
         std::all_of(vector.begin(), vector.end(),
                     [](float value) { return value == 0; });
}

}  // namespace diptych::storage
