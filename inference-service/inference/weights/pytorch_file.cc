#include "inference/weights/pytorch_file.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"
#include "inference/weights/state_dict_pickle.h"
#include "inference/weights/zip_archive.h"

namespace diptych::inference {
namespace {

constexpr size_t kSidesMax = 16;

using Members = absl::flat_hash_map<std::string, absl::string_view>;

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("is malformed: ", why));
}

// Row by row without gaps: the strides say nothing.
bool IsContiguous(const PickledTensor& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

absl::StatusOr<TensorView> View(PickledTensor tensor, const Members& members,
                                const std::string& folder) {
  const auto bad = [&](absl::string_view why) {
    return Malformed(
        absl::StrCat("tensor ", absl::Utf8SafeCEscape(tensor.name), " ", why));
  };
  const auto storage =
      members.find(absl::StrCat(folder, "data/", tensor.storage));
  if (storage == members.end()) {
    return bad(absl::StrCat("lies in a storage that is not there: ",
                            absl::Utf8SafeCEscape(tensor.storage)));
  }
  const int64_t element_bytes = ElementBytes(tensor.type);
  const auto elements =
      static_cast<int64_t>(storage->second.size()) / element_bytes;
  if (tensor.storage_elements < 0 || tensor.storage_elements > elements ||
      tensor.offset < 0 || tensor.offset > tensor.storage_elements) {
    return bad(
        absl::StrCat("begins outside its storage of ", elements, " elements"));
  }
  if (tensor.shape.size() > kSidesMax) {
    return bad(absl::StrCat("has more than ", kSidesMax, " sides"));
  }
  bool empty = false;
  // The last element's distance from the first.
  int64_t last = 0;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t reach;
    if (tensor.shape[i] < 0 || tensor.strides[i] < 0) {
      return bad("has a negative size or stride");
    }
    if (tensor.shape[i] == 0) {
      empty = true;
      continue;
    }
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i],
                               &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return bad("reaches beyond all numbers");
    }
  }
  const std::optional<int64_t> bytes =
      BytesOfShape(tensor.shape, element_bytes);
  // A stride of 0 repeats elements, and could make much of little.
  if (!bytes.has_value() ||
      *bytes > static_cast<int64_t>(storage->second.size())) {
    return bad(absl::StrCat(
        "of type ", tensor.type, " and shape ", ShapeText(tensor.shape),
        " is larger than its storage of ", storage->second.size(), " bytes"));
  }
  if (!empty && last >= tensor.storage_elements - tensor.offset) {
    return bad(absl::StrCat("ends outside its storage of ",
                            tensor.storage_elements, " elements"));
  }
  const bool contiguous = IsContiguous(tensor);
  TensorView view;
  view.name = std::move(tensor.name);
  view.type = std::move(tensor.type);
  view.shape = std::move(tensor.shape);
  if (!contiguous && !empty) view.strides = std::move(tensor.strides);
  view.bytes = storage->second.substr(
      static_cast<size_t>(tensor.offset * element_bytes),
      static_cast<size_t>(empty ? 0 : (last + 1) * element_bytes));
  return view;
}

}  // namespace

bool LooksLikePytorchFile(absl::string_view bytes) {
  // A pickle begins with PROTO; a safetensors file with the size of its header,
  // whose upper bytes are zero.
  const bool pickle = bytes.size() > 8 && bytes[0] == '\x80' && bytes[1] >= 2 &&
                      bytes[1] <= 5 && (bytes[6] != 0 || bytes[7] != 0);
  return LooksLikeZip(bytes) || pickle;
}

absl::StatusOr<std::vector<TensorView>> ParsePytorchFile(
    absl::string_view bytes) {
  if (!LooksLikeZip(bytes)) {
    return absl::InvalidArgumentError(
        "is no zip archive, so it was written by torch before 1.6 or is no "
        "file of torch.save; load and save it with a newer torch, or take a "
        "revision of the model with safetensors");
  }
  DIPTYCH_ASSIGN_OR_RETURN(const Members members, ParseZipArchive(bytes));
  std::string folder;
  absl::string_view pickle;
  int pickles = 0;
  for (const auto& [name, content] : members) {
    absl::string_view rest = name;
    if (!absl::ConsumeSuffix(&rest, "data.pkl")) continue;
    if (rest.empty() || rest.find('/') != rest.size() - 1) continue;
    ++pickles;
    folder = std::string(rest);
    pickle = content;
  }
  if (pickles != 1) {
    return Malformed(absl::StrCat("it holds ", pickles,
                                  " members <name>/data.pkl instead of one"));
  }
  const auto order = members.find(absl::StrCat(folder, "byteorder"));
  if (order != members.end() && order->second != "little") {
    return Malformed("its numbers are not little-endian");
  }
  DIPTYCH_ASSIGN_OR_RETURN(std::vector<PickledTensor> pickled,
                           ParseStateDictPickle(pickle));
  absl::flat_hash_map<std::string, TensorView> tensors;
  for (PickledTensor& tensor : pickled) {
    DIPTYCH_ASSIGN_OR_RETURN(TensorView view,
                             View(std::move(tensor), members, folder));
    std::string name = view.name;
    tensors.insert_or_assign(std::move(name), std::move(view));
  }
  std::vector<TensorView> views;
  views.reserve(tensors.size());
  for (auto& [name, view] : tensors) views.push_back(std::move(view));
  return views;
}

}  // namespace diptych::inference
