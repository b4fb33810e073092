// Turns texts and images into vectors, wherever that happens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/concurrency/call_context.h"

namespace diptych::storage {

enum class VectorizerInputKind : uint8_t { kText = 1, kImage = 2 };

// One input; the bytes belong to the caller and outlive the call. Text is
// UTF-8; an image is an encoded file (JPEG, PNG, ...).
struct VectorizerInput {
  VectorizerInputKind kind = VectorizerInputKind::kText;
  absl::string_view bytes;
};

struct Vectorization {
  // One per input, in order, all of the same length, finite.
  std::vector<std::vector<float>> vectors;
  // Name and fingerprint (a digest over the weights) of the model that made
  // them. Never empty.
  std::string model;
  std::string model_fingerprint;
};

// Operation: one call makes the vectors of up to kInputsMax inputs, texts and
// images mixed; all or none.
// Concurrency: every method may be called from any thread; calls block.
// Limits: those below; callers split.
class Vectorizer {
 public:
  static constexpr size_t kInputsMax = 256;
  static constexpr size_t kBytesMax = 48 << 20;

  virtual ~Vectorizer() = default;

  // `model` as the inference service names it; empty: its default model.
  // Errors:
  //   INVALID_ARGUMENT     an input cannot be used; FieldViolationsOf() names
  //                        each as "inputs[i]"
  //   NOT_FOUND            no such model
  //   RESOURCE_EXHAUSTED   busy, with RetryAfterOf()
  //   UNAVAILABLE          the service cannot be reached; the message names its
  //                        address
  //   DEADLINE_EXCEEDED, CANCELLED
  virtual absl::StatusOr<Vectorization> Vectorize(
      const CallContext& context, absl::string_view model,
      absl::Span<const VectorizerInput> inputs) = 0;
};

}  // namespace diptych::storage
