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
  std::error_code error;
  if (fs::exists(path / "model.safetensors", error)) {
    return std::vector<std::string>{(path / "model.safetensors").string()};
  }
  DIPTYCH_ASSIGN_OR_RETURN(const auto index,
                           ReadText(path, "model.safetensors.index.json"));
  if (!index.has_value()) {
    return absl::NotFoundError(
        fs::exists(path / "pytorch_model.bin", error)
            ? "model.safetensors is missing; pytorch_model.bin is there, but "
              "is a pickle, which is not read: choose a revision of the model "
              "with safetensors"
            : "model.safetensors is missing");
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      std::vector<std::string> files,
      ParseWeightsIndex("model.safetensors.index.json", *index));
  for (std::string& file : files) {
    if (!fs::exists(path / file, error)) {
      return absl::NotFoundError(absl::StrCat(
          file, " is missing, which model.safetensors.index.json names"));
    }
    file = (path / file).string();
  }
  return files;
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
