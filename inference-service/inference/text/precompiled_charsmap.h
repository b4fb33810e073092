// SentencePiece's normalisation rules, compiled into a table: which bytes a
// text may continue with, and what replaces them.
//
// Operation: reads the blob that SentencePiece writes (normalizer.cc,
// EncodePrecompiledCharsMap): 4 bytes N, little-endian; a double array of N
// bytes (https://github.com/s-yata/darts-clone), whose values are places in the
// rest; the replacements, each ended by a zero byte. Everything that a search
// could reach is checked first, because the original trusts the file.
// Concurrency: const methods may be called from any thread, in parallel.
// Limits: rules of kRuleBytesMax bytes; longer ones are not found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

class PrecompiledCharsmap {
 public:
  static constexpr size_t kRuleBytesMax = 256;

  // A rule that a text begins with.
  struct Match {
    size_t length = 0;  // 0 when there is none
    absl::string_view replacement;
  };

  // No rules.
  PrecompiledCharsmap() = default;

  // The empty blob has no rules. INVALID_ARGUMENT when it is malformed.
  static absl::StatusOr<PrecompiledCharsmap> Create(absl::string_view blob);

  Match Shortest(absl::string_view text) const { return Find(text, false); }
  Match Longest(absl::string_view text) const { return Find(text, true); }

 private:
  Match Find(absl::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace diptych::inference
