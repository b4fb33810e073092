// The form of a section file (docs/storage_format.md), for its writer and its
// reader.
#pragma once

#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace diptych::storage {

inline constexpr size_t kBlockBytes = 64 << 10;
inline constexpr size_t kBlockPayloadBytes = kBlockBytes - sizeof(uint64_t);
inline constexpr uint64_t kSectionFileMagic = 0x3130584844545044;  // "DPTDHX01"
inline constexpr uint32_t kSectionFileVersion = 2;
// Of content in one compressed frame, at most.
inline constexpr size_t kFrameBytes = 128 << 10;
// At the start of the first block's payload.
inline constexpr size_t kHeaderBytes = 8 + 4 + 4 + 16;
// At the end of the last block's payload: where the table of sections lies.
inline constexpr size_t kFooterBytes = 8 + 8 + 8 + 8;

using FileId = std::array<uint64_t, 2>;

// Of a block of one file at one place: a block that is moved, or left over from
// another file, is noticed.
inline uint64_t BlockChecksum(const FileId& id, uint64_t number,
                              const char* payload) {
  const uint64_t place[] = {id[0], id[1], number};
  return XXH3_64bits_withSeed(payload, kBlockPayloadBytes,
                              XXH3_64bits(place, sizeof(place)));
}

}  // namespace diptych::storage
