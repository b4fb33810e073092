#include "inference/weights/weights.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/weights/pytorch_file.h"
#include "inference/weights/safetensors.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {

using Json = nlohmann::json;

absl::StatusOr<Weights> Weights::Open(const std::vector<std::string>& files) {
  Weights weights;
  for (const std::string& file : files) {
    if (absl::Status status = weights.AddFile(file); !status.ok()) {
      return Annotate(status, std::filesystem::path(file).filename().string());
    }
  }
  return weights;
}

absl::Status Weights::AddFile(const std::string& path) {
  DIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                           MappedFile::Open(path));
  DIPTYCH_ASSIGN_OR_RETURN(std::vector<TensorView> tensors,
                           LooksLikePytorchFile(file->bytes())
                               ? ParsePytorchFile(file->bytes())
                               : ParseSafetensors(file->bytes()));
  for (TensorView& tensor : tensors) {
    std::string name = tensor.name;
    const auto [it, added] =
        tensors_.try_emplace(std::move(name), std::move(tensor));
    if (!added) {
      return absl::InvalidArgumentError(
          absl::StrCat("is malformed: another file holds tensor ",
                       absl::Utf8SafeCEscape(it->first), " too"));
    }
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

bool Weights::Contains(absl::string_view name) const {
  return tensors_.contains(name);
}

const TensorView* Weights::Find(absl::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

std::vector<std::string> Weights::Names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<float>> Weights::ReadFloats(
    absl::string_view name, absl::Span<const int64_t> shape) const {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights lack tensor ", name));
  }
  if (absl::MakeConstSpan(tensor->shape) != shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " must have shape ", ShapeText(shape),
                     " by config.json; it has ", ShapeText(tensor->shape)));
  }
  return FloatsOf(*tensor);
}

absl::StatusOr<std::vector<std::string>> ParseWeightsIndex(
    absl::string_view file, absl::string_view text) {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(file, " ", why));
  };
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") ||
      !json["weight_map"].is_object()) {
    return bad("is not a JSON object with a \"weight_map\"");
  }
  std::set<std::string> files;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string()) return bad("names a file that is no text");
    const std::string name = shard.get<std::string>();
    if (name.empty() || name.find('/') != std::string::npos ||
        name.find("..") != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return bad(absl::StrCat("names a file outside the directory: ", name));
    }
    files.insert(name);
  }
  if (files.empty()) return bad("names no file");
  return std::vector<std::string>(files.begin(), files.end());
}

}  // namespace diptych::inference
