// Whether bytes are UTF-8, which texts and names in protocol buffers must be.
//
// Concurrency: a pure function. Limits: below 2 GiB.
#pragma once

#include "absl/strings/string_view.h"

namespace diptych::cli {

bool IsUtf8(absl::string_view bytes);

}  // namespace diptych::cli
