// Byte pair encoding of characters, where one that is no token becomes the
// tokens of its bytes.
//
// Operation: a text's characters are looked up, then joined by merges
// (merge_table.h). Without tokens for all bytes of a character it is unknown;
// unknown characters side by side are one id.
// Concurrency: Encode may be called from any thread, in parallel.
// Limits: time grows with n log n of a text's n characters.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "inference/text/merge_table.h"

namespace diptych::inference {

class ByteFallbackEncoder {
 public:
  // `ids` are all tokens; those of bytes are spelt "<0x00>" to "<0xFF>".
  ByteFallbackEncoder(absl::flat_hash_map<std::string, int32_t> ids,
                      MergeTable merges, int32_t unknown_id);

  // Appends the ids of `text`, which is valid UTF-8.
  void Encode(absl::string_view text, std::vector<int32_t>& ids) const;

 private:
  absl::flat_hash_map<std::string, int32_t> ids_;
  MergeTable merges_;
  int32_t unknown_id_;
  std::array<int32_t, 256> byte_ids_;
};

}  // namespace diptych::inference
