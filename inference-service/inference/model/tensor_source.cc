#include "inference/model/tensor_source.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

// "x.LayerNorm.gamma" for "x.LayerNorm.weight"; "" when there is no such thing.
std::string OldSpelling(absl::string_view name) {
  absl::string_view stem = name;
  if (absl::ConsumeSuffix(&stem, "LayerNorm.weight")) {
    return absl::StrCat(stem, "LayerNorm.gamma");
  }
  if (absl::ConsumeSuffix(&stem, "LayerNorm.bias")) {
    return absl::StrCat(stem, "LayerNorm.beta");
  }
  return "";
}

}  // namespace

absl::StatusOr<WeightFolders> WeightFolders::Open(
    const std::vector<WeightFiles>& folders) {
  WeightFolders result;
  for (const WeightFiles& files : folders) {
    DIPTYCH_ASSIGN_OR_RETURN(Weights weights, Weights::Open(files.paths));
    result.folders_.push_back({files.mount, std::move(weights)});
  }
  return result;
}

std::pair<const Weights*, std::string> WeightFolders::Find(
    absl::string_view name) const {
  for (const Folder& folder : folders_) {
    absl::string_view inner = name;
    if (!absl::ConsumePrefix(&inner, folder.mount)) continue;
    if (folder.weights.Contains(inner)) {
      return {&folder.weights, std::string(inner)};
    }
    std::string old = OldSpelling(inner);
    if (!old.empty() && folder.weights.Contains(old)) {
      return {&folder.weights, std::move(old)};
    }
  }
  return {nullptr, ""};
}

bool WeightFolders::Contains(absl::string_view name) const {
  return Find(name).first != nullptr;
}

absl::StatusOr<std::vector<float>> WeightFolders::ReadFloats(
    absl::string_view name, absl::Span<const int64_t> shape) const {
  const auto [weights, inner] = Find(name);
  if (weights == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights lack tensor ", name));
  }
  return weights->ReadFloats(inner, shape);
}

PrefixedTensors PrefixedTensors::Choose(
    const TensorSource& tensors, const std::vector<std::string>& prefixes,
    absl::string_view name) {
  for (const std::string& prefix : prefixes) {
    if (tensors.Contains(absl::StrCat(prefix, name))) {
      return PrefixedTensors(tensors, prefix);
    }
  }
  return PrefixedTensors(tensors, prefixes.empty() ? "" : prefixes[0]);
}

bool PrefixedTensors::Contains(absl::string_view name) const {
  return tensors_.Contains(absl::StrCat(prefix_, name)) ||
         tensors_.Contains(name);
}

absl::StatusOr<std::vector<float>> PrefixedTensors::ReadFloats(
    absl::string_view name, absl::Span<const int64_t> shape) const {
  const std::string full = absl::StrCat(prefix_, name);
  return tensors_.ReadFloats(tensors_.Contains(full) ? full : name, shape);
}

}  // namespace diptych::inference
