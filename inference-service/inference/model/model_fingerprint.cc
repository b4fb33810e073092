#include "inference/model/model_fingerprint.h"

#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"

namespace diptych::inference {

absl::StatusOr<std::string> FingerprintOfFiles(
    const std::vector<std::string>& files) {
  Sha256Hasher hasher;
  std::vector<char> buffer(size_t{1} << 20);
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      return absl::NotFoundError(
          absl::StrCat("weight file cannot be opened: ", path));
    }
    while (file) {
      file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
      hasher.Update({buffer.data(), static_cast<size_t>(file.gcount())});
    }
    if (file.bad()) {
      return absl::DataLossError(
          absl::StrCat("weight file cannot be read to its end: ", path));
    }
  }
  return absl::BytesToHexString(hasher.Finish());
}

}  // namespace diptych::inference
