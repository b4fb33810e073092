#include "inference/model/model_fingerprint.h"

#include <openssl/evp.h>

#include <fstream>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace diptych::inference {

absl::StatusOr<std::string> FingerprintOfFiles(
    const std::vector<std::string>& files) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool ok = context != nullptr &&
            EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  std::vector<char> buffer(size_t{1} << 20);
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      return absl::NotFoundError(
          absl::StrCat("weight file cannot be opened: ", path));
    }
    while (file) {
      file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
      ok = ok && EVP_DigestUpdate(context.get(), buffer.data(),
                                  static_cast<size_t>(file.gcount())) == 1;
    }
    if (file.bad()) {
      return absl::DataLossError(
          absl::StrCat("weight file cannot be read to its end: ", path));
    }
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  ok = ok && EVP_DigestFinal_ex(context.get(), digest, &length) == 1;
  if (!ok) return absl::InternalError("OpenSSL cannot compute SHA-256");
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), length));
}

}  // namespace diptych::inference
