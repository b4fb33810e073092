// SHA-256 (FIPS 180-4), by OpenSSL.
//
// Operation: of bytes at hand in one call, or piece by piece with
// Sha256Hasher. Concurrency: Sha256 may be called from any thread; one thread
// uses a hasher. Limits: none.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace diptych {

// 32 bytes.
std::string Sha256(absl::string_view bytes);

class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;

  void Update(absl::string_view bytes);

  // 32 bytes, the digest of all that Update got. Ends the hasher.
  std::string Finish();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace diptych
