// The identity of a model's weights.
//
// Operation: SHA-256 over the weight files' bytes, one after the other in the
// given order; of a single file it is what sha256sum prints. Two models with
// the same fingerprint and configuration give the same embeddings. Concurrency:
// a free function. Limits: reads the files once, as a stream (about 1 GB/s
// where the processor has SHA instructions).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace diptych::inference {

// 64 lower-case hexadecimal digits. NOT_FOUND when a file cannot be opened,
// DATA_LOSS when one cannot be read to its end.
absl::StatusOr<std::string> FingerprintOfFiles(
    const std::vector<std::string>& files);

}  // namespace diptych::inference
