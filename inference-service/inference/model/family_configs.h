// The configuration files of the model families that are known.
//
// Operation: each function turns one kind of file into the towers it describes.
// What a file does not give has the defaults of the library that wrote it (the
// newer save_pretrained writes only differences). Sources: transformers 4.57,
// configuration_*.py and modeling_*.py; open_clip 2.29, model.py, hf_model.py.
// Concurrency: free functions. Limits: towers of at most 128 layers, and sizes
// that the functions check; shapes are checked when weights are read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/image/preprocessor_config.h"
#include "inference/model/config_reader.h"
#include "inference/model/tower_config.h"

namespace diptych::inference {

// Hugging Face's config.json of any known "model_type". INVALID_ARGUMENT when
// `json` is no object, is of another family (which is named, with those that
// are known), or has a value of the wrong type or range.
absl::StatusOr<TowersConfig> ParseModelConfig(absl::string_view json);

// model_type clip, metaclip_2 and chinese_clip, and the types of one tower
// (clip_text_model, clip_vision_model, ...), which have its configuration at
// the top.
absl::StatusOr<TowersConfig> ParseClipConfig(const ConfigReader& config,
                                             absl::string_view model_type);

// model_type siglip, siglip_text_model and siglip_vision_model: SigLIP, and
// SigLIP 2 where it reads images of one size.
absl::StatusOr<TowersConfig> ParseSiglipConfig(const ConfigReader& config,
                                               absl::string_view model_type);

// model_type bert, distilbert, roberta and xlm-roberta, pooled by the mean of
// all tokens, which is what sentence-transformers makes of them unless told.
absl::StatusOr<TowersConfig> ParseBertConfig(const ConfigReader& config,
                                             absl::string_view model_type);

// The names of a layer's tensors in CLIP and SigLIP; `tower` is "text_model" or
// "vision_model".
LayerTensors ClipLayers(absl::string_view tower);

// The configuration of a tower, `key` being "text_config" or "vision_config". A
// legacy "text_config_dict" that is not null replaces it.
absl::StatusOr<ConfigReader> TowerOf(const ConfigReader& config,
                                     const char* key);

// BERT's tower with Hugging Face's names and the defaults of BertConfig.
TextTowerConfig BertTower();
// RoBERTa's, and so XLM-R's: begins at another position.
TextTowerConfig RobertaTower();

struct OpenClipConfig {
  TowersConfig towers;
  PreprocessorConfig preprocessor;
};

// OpenCLIP's open_clip_config.json. INVALID_ARGUMENT as above; a component that
// changes what is computed and is not known is named.
absl::StatusOr<OpenClipConfig> ParseOpenClipConfig(absl::string_view json);

}  // namespace diptych::inference
