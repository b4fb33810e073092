#include "inference/model/model_directory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/weights/weights.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::optional<std::string>> ReadText(const fs::path& directory,
                                                    const char* name) {
  const fs::path path = directory / name;
  std::error_code error;
  if (!fs::exists(path, error)) return std::optional<std::string>();
  const auto size = fs::file_size(path, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " cannot be read: ", error.message()));
  }
  if (size > ModelDirectory::kTextFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is larger than the allowed ",
                     ModelDirectory::kTextFileBytesMax, " bytes: ", size));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad() || text.size() != size) {
    return absl::InvalidArgumentError(absl::StrCat(name, " cannot be read"));
  }
  return std::optional<std::string>(std::move(text));
}

absl::StatusOr<std::vector<std::string>> FindWeights(const fs::path& path) {
  // safetensors first: it is checked faster, and holds nothing but tensors.
  for (const std::string file : {"model.safetensors", "pytorch_model.bin"}) {
    std::error_code error;
    if (fs::exists(path / file, error)) {
      return std::vector<std::string>{(path / file).string()};
    }
    const std::string index_file = file + ".index.json";
    DIPTYCH_ASSIGN_OR_RETURN(const auto index,
                             ReadText(path, index_file.c_str()));
    if (!index.has_value()) continue;
    DIPTYCH_ASSIGN_OR_RETURN(std::vector<std::string> shards,
                             ParseWeightsIndex(index_file, *index));
    for (std::string& shard : shards) {
      if (!fs::exists(path / shard, error)) {
        return absl::NotFoundError(
            absl::StrCat(shard, " is missing, which ", index_file, " names"));
      }
      shard = (path / shard).string();
    }
    return shards;
  }
  return absl::NotFoundError(
      "model.safetensors is missing, and so is pytorch_model.bin; either will "
      "do, also as shards with an .index.json");
}

std::string RevisionOf(const fs::path& path) {
  const fs::path full = fs::weakly_canonical(path);
  const std::string name = full.filename().string();
  const bool commit =
      name.size() == 40 && std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isxdigit(static_cast<unsigned char>(c));
      });
  const bool snapshot = full.parent_path().filename() == "snapshots";
  return commit && snapshot ? name : "";
}

}  // namespace

absl::StatusOr<ModelDirectory> ReadModelDirectory(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return absl::NotFoundError(
        absl::StrCat("there is no model directory here: ", path));
  }
  ModelDirectory directory;
  directory.path = path;
  DIPTYCH_ASSIGN_OR_RETURN(auto config, ReadText(path, "config.json"));
  if (!config.has_value()) {
    return absl::NotFoundError("config.json is missing");
  }
  directory.config = *std::move(config);
  DIPTYCH_ASSIGN_OR_RETURN(directory.preprocessor_config,
                           ReadText(path, "preprocessor_config.json"));
  DIPTYCH_ASSIGN_OR_RETURN(directory.tokenizer,
                           ReadText(path, "tokenizer.json"));
  DIPTYCH_ASSIGN_OR_RETURN(directory.tokenizer_config,
                           ReadText(path, "tokenizer_config.json"));
  DIPTYCH_ASSIGN_OR_RETURN(directory.vocabulary, ReadText(path, "vocab.json"));
  DIPTYCH_ASSIGN_OR_RETURN(directory.merges, ReadText(path, "merges.txt"));
  DIPTYCH_ASSIGN_OR_RETURN(directory.weight_files, FindWeights(path));
  directory.revision = RevisionOf(path);
  return directory;
}

}  // namespace diptych::inference
