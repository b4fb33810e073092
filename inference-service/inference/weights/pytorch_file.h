// A file of torch.save (pytorch_model.bin).
//
// Operation: the zip archive of torch 1.6 and later: <name>/data.pkl says which
// tensors there are (state_dict_pickle.h; no code in it is run), and
// <name>/data/<key> holds the elements of each storage. Every tensor is checked
// against its storage before it is handed out. The older format without an
// archive is refused. Source: torch/serialization.py. Concurrency: a free
// function. Limits: those of zip_archive.h and state_dict_pickle.h.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "inference/weights/tensor_view.h"

namespace diptych::inference {

// Whether a file of these `bytes` is one, in either format, rather than
// safetensors.
bool LooksLikePytorchFile(absl::string_view bytes);

// The tensors of a file of these `bytes`, which the views point into, in no
// order; each name once, of one given twice the last counts, as in Python.
// INVALID_ARGUMENT when it is malformed or holds what is not allowed.
absl::StatusOr<std::vector<TensorView>> ParsePytorchFile(
    absl::string_view bytes);

}  // namespace diptych::inference
