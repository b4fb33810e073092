#include "storage/engine/uuid.h"

#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_format.h"

namespace diptych::storage {

std::string MakeUuidV7(absl::Time now) {
  thread_local absl::BitGen random;
  const uint64_t milliseconds =
      static_cast<uint64_t>(absl::ToUnixMillis(now)) & 0xffffffffffff;
  const uint64_t a = absl::Uniform<uint64_t>(random);
  const uint64_t b = absl::Uniform<uint64_t>(random);
  return absl::StrFormat("%08x-%04x-7%03x-%04x-%012x", milliseconds >> 16,
                         milliseconds & 0xffff, a & 0xfff,
                         0x8000 | (b >> 48 & 0x3fff), b & 0xffffffffffff);
}

}  // namespace diptych::storage
