#include "inference/weights/state_dict_pickle.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/weights/pickle_machine.h"

namespace diptych::inference {
namespace {

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("is malformed: its pickle ", why));
}

// Appends the tensors of `dictionary`, whose names begin with `prefix`.
// `entries` bounds the work where one dictionary is in another many times.
absl::Status Collect(const PickleMachine& machine, PickleValue dictionary,
                     const std::string& prefix, int depth, size_t& entries,
                     std::vector<PickledTensor>& tensors) {
  constexpr int kDepthMax = 3;
  constexpr size_t kEntriesMax = 1 << 18;
  for (const auto& [key, value] : machine.At(dictionary).items) {
    if (++entries > kEntriesMax) {
      return Malformed(absl::StrCat("holds more than the allowed ", kEntriesMax,
                                    " entries"));
    }
    if (key.kind != PickleKind::kText) continue;
    const std::string name = absl::StrCat(prefix, machine.At(key).text);
    if (value.kind == PickleKind::kTensor) {
      tensors.push_back(machine.At(value).tensor);
      tensors.back().name = name;
    } else if (value.kind == PickleKind::kDictionary && depth < kDepthMax) {
      DIPTYCH_RETURN_IF_ERROR(Collect(machine, value, absl::StrCat(name, "."),
                                      depth + 1, entries, tensors));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PickledTensor>> ParseStateDictPickle(
    absl::string_view pickle) {
  if (pickle.size() > kPickleBytesMax) {
    return Malformed(absl::StrCat("is larger than the allowed ",
                                  kPickleBytesMax, " bytes: ", pickle.size()));
  }
  PickleMachine machine(pickle);
  DIPTYCH_ASSIGN_OR_RETURN(const PickleValue result, machine.Run());
  if (result.kind != PickleKind::kDictionary) {
    return Malformed("makes no dictionary of tensors");
  }
  std::vector<PickledTensor> tensors;
  size_t entries = 0;
  DIPTYCH_RETURN_IF_ERROR(Collect(machine, result, "", 0, entries, tensors));
  return tensors;
}

}  // namespace diptych::inference
