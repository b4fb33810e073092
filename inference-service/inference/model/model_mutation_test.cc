// A thousand damaged model directories: each is read as something that is
// known, or refused with one line; none does anything else. DIPTYCH_MUTATIONS
// takes more.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "common/testing/byte_mutator.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/model/model_description.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;

// Text of the files by their path.
using Directory = std::map<std::string, std::string>;

std::vector<Directory> WholeDirectories() {
  const std::string sizes =
      R"("hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2,
         "num_attention_heads": 4)";
  const std::string processor =
      R"({"image_processor_type": "CLIPImageProcessor", "crop_size": 224,
          "size": {"height": 224, "width": 224}, "resample": 3,
          "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})";
  std::vector<Directory> directories;
  for (const char* type : {"clip", "metaclip_2", "chinese_clip", "siglip"}) {
    directories.push_back(
        {{"config.json", R"({"model_type": ")" + std::string(type) +
                             R"(", "text_config": {)" + sizes +
                             R"(, "hidden_act": "gelu", "eos_token_id": 2},
                                 "vision_config": {)" +
                             sizes + R"(, "patch_size": 16}})"},
         {"preprocessor_config.json", processor},
         {"model.safetensors", ""}});
  }
  for (const char* type : {"bert", "xlm-roberta"}) {
    directories.push_back(
        {{"config.json", R"({"model_type": ")" + std::string(type) + R"(", )" +
                             sizes + R"(, "type_vocab_size": 2})"},
         {"modules.json",
          R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
              {"path": "1_Pooling",
               "type": "sentence_transformers.models.Pooling"},
              {"path": "2_Dense",
               "type": "sentence_transformers.models.Dense"}])"},
         {"sentence_bert_config.json", R"({"max_seq_length": 32})"},
         {"1_Pooling/config.json", R"({"pooling_mode_mean_tokens": true})"},
         {"2_Dense/config.json",
          R"({"in_features": 64, "out_features": 32, "bias": true,
              "activation_function": "torch.nn.modules.activation.Tanh"})"},
         {"2_Dense/model.safetensors", ""},
         {"model.safetensors.index.json",
          R"({"weight_map": {"a": "model-1.safetensors"}})"},
         {"model-1.safetensors", ""}});
  }
  for (const char* text :
       {R"({"context_length": 77, "width": 64, "heads": 4, "layers": 2})",
        R"({"hf_model_name": "xlm-roberta-base", "proj": "mlp",
            "pooler_type": "mean_pooler"})"}) {
    directories.push_back(
        {{"open_clip_config.json",
          R"({"model_cfg": {"embed_dim": 32, "quick_gelu": true,
                            "vision_cfg": {"image_size": 64, "layers": 2,
                                           "width": 64, "head_width": 16,
                                           "mlp_ratio": 4.9231,
                                           "patch_size": 16},
                            "text_cfg": )" +
              std::string(text) +
              R"(}, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3],
                                       "std": [0.4, 0.5, 0.6],
                                       "interpolation": "bicubic",
                                       "resize_mode": "squash"}})"},
         {"open_clip_model.safetensors", ""}});
  }
  return directories;
}

void Write(const fs::path& root, const Directory& directory) {
  fs::remove_all(root);
  for (const auto& [name, text] : directory) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary) << text;
  }
}

const std::vector<std::string> kPieces = {
    "null", "true", "-1",   "0",   "1e400", "99999999999999999999",
    "\"\"", "[]",   "{}",   "\"",  "[",     "}",
    "..",   "\xff", "\\u0", "nan", ",",     "\"path\": \"../..\""};

// One damage to one file.
void Mutate(ByteMutator& mutator, Directory& directory) {
  auto file = directory.begin();
  std::advance(file, mutator.Below(directory.size()));
  std::string& text = file->second;
  switch (mutator.Below(6)) {
    case 0:
      directory.erase(file);
      break;
    case 1: {
      // Another value where one stands.
      const size_t colon =
          text.find(':', text.empty() ? 0 : mutator.Below(text.size()));
      const size_t end = text.find_first_of(",}]", colon);
      if (end != std::string::npos) {
        text.replace(colon + 1, end - colon - 1,
                     kPieces[mutator.Below(kPieces.size())]);
      }
      break;
    }
    default:
      mutator.Damage(text);
  }
}

TEST(ModelMutationTest, DamagedDirectoriesAreKnownOrRefusedWithOneLine) {
  const TempDirectory temporary;
  const fs::path root = temporary.path() / "model";
  const std::vector<Directory> whole = WholeDirectories();
  for (const Directory& directory : whole) {
    Write(root, directory);
    EXPECT_THAT(DescribeModel(root.string()).status(), IsOk());
  }
  ByteMutator mutator(20260101, kPieces);
  const int mutations = MutationCount(1000);
  int refused = 0;
  for (int i = 0; i < mutations; ++i) {
    Directory directory = whole[i % whole.size()];
    const int damages = 1 + i % 3;
    for (int damage = 0; damage < damages && !directory.empty(); ++damage) {
      Mutate(mutator, directory);
    }
    Write(root, directory);
    const auto model = DescribeModel(root.string());
    if (model.ok()) {
      EXPECT_TRUE(model->text.has_value() || model->image.has_value());
      EXPECT_GT(model->dimension(), 0);
      continue;
    }
    ++refused;
    EXPECT_TRUE(model.status().code() == absl::StatusCode::kInvalidArgument ||
                model.status().code() == absl::StatusCode::kNotFound)
        << model.status();
    EXPECT_FALSE(model.status().message().empty());
    EXPECT_EQ(model.status().message().find('\n'), absl::string_view::npos)
        << model.status();
  }
  // The damages are real ones.
  EXPECT_GT(refused, mutations / 4);
}

}  // namespace
}  // namespace diptych::inference
