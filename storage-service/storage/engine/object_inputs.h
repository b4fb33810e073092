// What of an object goes to the inference service, and how the vectors that
// come back make the object's.
//
// Concurrency: pure functions and value types.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "storage/engine/object_vectorizer.h"
#include "storage/engine/vectorizer.h"
#include "storage/types/collection_spec.h"

namespace diptych::storage {

// Where an input came from, for error messages.
struct InputOrigin {
  size_t object;
  std::string property;
};

// The distinct inputs for one model. Their bytes belong to the objects.
struct ModelInputs {
  std::vector<VectorizerInput> inputs;
  std::vector<InputOrigin> origins;
  absl::flat_hash_map<std::pair<int, absl::string_view>, size_t> positions;
  // One per input, once they are made.
  std::vector<std::vector<float>> vectors;
  std::string fingerprint;

  // Position of the input, which is added unless it is there.
  size_t Add(VectorizerInputKind kind, absl::string_view bytes, size_t object,
             const std::string& property);
};

// One field of one object: its weight and its inputs (several of a list).
struct FieldInputs {
  double weight;
  std::vector<size_t> positions;
};

// The inputs of those fields of `space` that the object has: texts that are not
// empty, and images whose bytes are there.
std::vector<FieldInputs> CollectInputs(const VectorSpace& space,
                                       const VectorizableObject& object,
                                       ModelInputs& model);

// sum(w_f * v_f) / sum(w_f), where v_f is the mean over the inputs of a field;
// scaled to length 1 under cosine. `fields` is not empty, and their vectors are
// of one length.
std::vector<float> WeightedMean(absl::Span<const FieldInputs> fields,
                                absl::Span<const std::vector<float>> vectors,
                                Metric metric);

// Whether the vector says nothing: all zero under cosine.
bool IsZero(absl::Span<const float> vector, Metric metric);
inline constexpr char kFieldsCancelOut[] =
    "cancel each other out: the vector made of them is zero; change the texts "
    "or the weights";

}  // namespace diptych::storage
