// Reads checked values out of a JSON configuration file. Private to the parsers
// of this folder.
//
// Operation: a value that is not given, or null, leaves its target as it is;
// one of the wrong type or range gives an error with file, key, what is allowed
// and what was found. Concurrency: as any value type. Limits: none.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/model/tower_config.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {

class ConfigReader {
 public:
  using Json = nlohmann::json;

  // INVALID_ARGUMENT when `text` is no JSON object. `file` is named in
  // messages.
  static absl::StatusOr<ConfigReader> Parse(absl::string_view text,
                                            std::string file);

  // The value of `key`; null when it is not there or null.
  const Json* Find(absl::string_view key) const;
  bool Has(absl::string_view key) const { return Find(key) != nullptr; }
  const Json& json() const { return json_; }
  const std::string& file() const { return file_; }

  // The object `key`; an empty one when it is not given.
  absl::StatusOr<ConfigReader> Object(absl::string_view key) const;

  absl::Status Integer(absl::string_view key, int64_t least, int64_t most,
                       int& value) const;
  absl::Status Boolean(absl::string_view key, bool& value) const;
  absl::Status Text(absl::string_view key, std::string& value) const;
  // A number from `least` to below `limit`.
  absl::Status Number(absl::string_view key, double least, double limit,
                      double& value) const;
  absl::Status ActivationName(absl::string_view key, Activation& value) const;

  // "FILE: "KEY" must be ALLOWED; it is GIVEN", for a key that is there or not.
  absl::Status Bad(absl::string_view key, absl::string_view allowed) const;

 private:
  ConfigReader(Json json, std::string file)
      : json_(std::move(json)), file_(std::move(file)) {}

  Json json_;
  std::string file_;
};

// The names under which one family's files keep the sizes of a transformer.
struct TransformerKeys {
  const char* hidden_size = "hidden_size";
  const char* intermediate_size = "intermediate_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* activation = "hidden_act";
};

// Sizes, activation and "layer_norm_eps".
absl::Status ReadTransformer(const ConfigReader& reader,
                             TransformerConfig& config,
                             const TransformerKeys& keys = {});

// INVALID_ARGUMENT unless the heads divide the hidden size.
absl::Status CheckHeads(const ConfigReader& reader, absl::string_view key,
                        const TransformerConfig& config);

// "image_size", "patch_size" and "num_channels".
absl::Status ReadImageSizes(const ConfigReader& reader,
                            ImageTowerConfig& config);

}  // namespace diptych::inference
