// Directories that sentence-transformers writes: modules.json and what it
// names.
//
// Operation: the modules are a chain. CLIPModel is a whole CLIP; Transformer is
// a text tower, to which Pooling and Dense are added; Normalize is what every
// encoder does anyway. Any other module, and any mode that is not known, is
// named in the error. Source: sentence-transformers 5.1, models/*.py.
// Concurrency: value types and free functions. Limits: kModulesMax modules.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/model/tower_config.h"

namespace diptych::inference {

struct SentenceModule {
  static constexpr int kModulesMax = 16;

  enum class Type { kClip, kTransformer, kPooling, kDense, kNormalize };
  Type type = Type::kTransformer;
  // Its folder, relative to modules.json; "" is that of modules.json itself.
  std::string path;
};

// The chain of modules.json; CLIPModel or Transformer comes first and only
// there. INVALID_ARGUMENT when it is malformed or a module is not known.
absl::StatusOr<std::vector<SentenceModule>> ParseSentenceModules(
    absl::string_view json);

// Sets how `tower` pools. INVALID_ARGUMENT when `json`, the module's
// config.json, is malformed or has another mode than the mean or the first
// token.
absl::Status ApplyPooling(absl::string_view json, TextTowerConfig& tower);

// Adds a layer to the head of `tower`, whose tensors lie below "`mount`".
// INVALID_ARGUMENT when `json`, the module's config.json, is malformed, does
// not fit what comes before, or has an activation that is not known.
absl::Status ApplyDense(absl::string_view json, absl::string_view mount,
                        TextTowerConfig& tower);

}  // namespace diptych::inference
