#include "inference/model/model_directory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status/status_macros.h"
#include "inference/weights/weights.h"

namespace diptych::inference {
namespace {

namespace fs = std::filesystem;

// safetensors first: it is checked faster, and holds nothing but tensors.
constexpr absl::string_view kWeights[] = {"model.safetensors",
                                          "pytorch_model.bin"};
constexpr absl::string_view kOpenClipWeights[] = {
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin"};

}  // namespace

absl::StatusOr<ModelDirectory> ModelDirectory::Open(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return absl::NotFoundError(
        absl::StrCat("there is no model directory here: ", path));
  }
  return ModelDirectory(path);
}

std::string ModelDirectory::PathOf(absl::string_view file) const {
  return (fs::path(path_) / std::string(file)).string();
}

bool ModelDirectory::Has(absl::string_view file) const {
  std::error_code error;
  return fs::exists(PathOf(file), error);
}

absl::StatusOr<std::optional<std::string>> ModelDirectory::Read(
    absl::string_view name) const {
  if (!Has(name)) return std::optional<std::string>();
  const std::string path = PathOf(name);
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " cannot be read: ", error.message()));
  }
  if (size > kTextFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is larger than the allowed ", kTextFileBytesMax,
                     " bytes: ", size));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad() || text.size() != size) {
    return absl::InvalidArgumentError(absl::StrCat(name, " cannot be read"));
  }
  return std::optional<std::string>(std::move(text));
}

absl::StatusOr<std::string> ModelDirectory::ReadNeeded(
    absl::string_view file) const {
  DIPTYCH_ASSIGN_OR_RETURN(std::optional<std::string> text, Read(file));
  if (!text.has_value()) {
    return absl::NotFoundError(absl::StrCat(file, " is missing"));
  }
  return *std::move(text);
}

absl::StatusOr<std::vector<std::string>> ModelDirectory::FindWeights() const {
  for (const absl::string_view weights : kWeights) {
    if (Has(weights)) return std::vector<std::string>{PathOf(weights)};
    const std::string index_file = absl::StrCat(weights, ".index.json");
    DIPTYCH_ASSIGN_OR_RETURN(const auto index, Read(index_file));
    if (!index.has_value()) continue;
    DIPTYCH_ASSIGN_OR_RETURN(std::vector<std::string> shards,
                             ParseWeightsIndex(index_file, *index));
    for (std::string& shard : shards) {
      if (!Has(shard)) {
        return absl::NotFoundError(
            absl::StrCat(shard, " is missing, which ", index_file, " names"));
      }
      shard = PathOf(shard);
    }
    return shards;
  }
  return absl::NotFoundError(
      "model.safetensors is missing, and so is pytorch_model.bin; either will "
      "do, also as shards with an .index.json");
}

absl::StatusOr<std::vector<std::string>> ModelDirectory::FindOpenClipWeights()
    const {
  for (const absl::string_view file : kOpenClipWeights) {
    if (Has(file)) return std::vector<std::string>{PathOf(file)};
  }
  return absl::NotFoundError(
      absl::StrCat("weights are missing; one of these will do: ",
                   absl::StrJoin(kOpenClipWeights, ", ")));
}

absl::StatusOr<ModelDirectory> ModelDirectory::Subdirectory(
    absl::string_view name) const {
  if (name.empty() || name == ".") return *this;
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == ".." || part.find('\0') != part.npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("the path of a module leads outside the directory: ",
                       absl::Utf8SafeCEscape(name)));
    }
  }
  std::error_code error;
  if (!fs::is_directory(PathOf(name), error)) {
    return absl::NotFoundError(
        absl::StrCat("folder ", absl::Utf8SafeCEscape(name), " is missing"));
  }
  return ModelDirectory(PathOf(name));
}

std::string ModelDirectory::Revision() const {
  const fs::path full = fs::weakly_canonical(path_);
  const std::string name = full.filename().string();
  const bool commit =
      name.size() == 40 && std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isxdigit(static_cast<unsigned char>(c));
      });
  const bool snapshot = full.parent_path().filename() == "snapshots";
  return commit && snapshot ? name : "";
}

}  // namespace diptych::inference
