// What a tokenizer.json does to a text before it is split into words.
//
// Operation: steps, one after the other, each a component of Hugging Face
// tokenizers (normalizers/*.rs): Sequence, NFC, NFD, NFKC, NFKD, Lowercase,
// StripAccents, Strip, Replace, Prepend, Precompiled and BertNormalizer.
// Concurrency: Apply may be called from any thread, in parallel.
// Limits: kStepsMax steps; the result has at most kGrowthMax times the text's
// bytes and some more.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace diptych::inference {

class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  virtual absl::StatusOr<std::string> Apply(absl::string_view text) const = 0;
};

class TextNormalizer {
 public:
  static constexpr size_t kStepsMax = 32;
  static constexpr size_t kGrowthMax = 64;

  // Changes nothing.
  TextNormalizer() = default;

  // By "normalizer" of a tokenizer.json; null changes nothing.
  // INVALID_ARGUMENT when it is malformed or a component is not known.
  static absl::StatusOr<TextNormalizer> Parse(const nlohmann::json& json);

  // `text` is valid UTF-8. INVALID_ARGUMENT when the result grows too large.
  absl::StatusOr<std::string> Apply(absl::string_view text) const;

  void Add(std::unique_ptr<const NormalizerStep> step) {
    steps_.push_back(std::move(step));
  }

 private:
  absl::Status AddJson(const nlohmann::json& json, int depth);

  std::vector<std::unique_ptr<const NormalizerStep>> steps_;
};

}  // namespace diptych::inference
