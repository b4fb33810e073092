// The pages of LMDB's data file (see lmdb_file.h for the source).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

inline constexpr uint32_t kLmdbMagic = 0xBEEFC0DE;
inline constexpr uint32_t kLmdbDataVersion = 1;
inline constexpr uint64_t kLmdbNoPage = ~uint64_t{0};

// Flags of a page, each of which has exactly one.
inline constexpr uint16_t kLmdbBranchPage = 0x01;
inline constexpr uint16_t kLmdbLeafPage = 0x02;
inline constexpr uint16_t kLmdbOverflowPage = 0x04;
inline constexpr uint16_t kLmdbMetaPage = 0x08;

// Flags of a node.
inline constexpr uint16_t kLmdbBigData = 0x01;  // it lies in overflow pages
inline constexpr uint16_t kLmdbSubData = 0x02;  // it describes a table

// Of the table of free pages, whose keys are numbers of transactions.
inline constexpr uint16_t kLmdbIntegerKey = 0x08;

struct LmdbPageHeader {
  uint64_t number;
  uint16_t pad;
  uint16_t flags;
  // Of branches and leaves: where free space begins and ends. Of the first of
  // some overflow pages: how many there are, in both together.
  uint16_t lower;
  uint16_t upper;

  uint32_t overflow_pages() const {
    return lower | static_cast<uint32_t>(upper) << 16;
  }
};
static_assert(sizeof(LmdbPageHeader) == 16);

struct LmdbNodeHeader {
  uint16_t low;
  uint16_t high;
  uint16_t flags;
  uint16_t key_size;

  // Of a leaf's node.
  uint32_t data_size() const { return low | static_cast<uint32_t>(high) << 16; }
  // Of a branch's node.
  uint64_t child() const {
    return data_size() | static_cast<uint64_t>(flags) << 32;
  }
};
static_assert(sizeof(LmdbNodeHeader) == 8);

// A table.
struct LmdbTree {
  uint32_t pad;  // of the table of free pages: the size of a page
  uint16_t flags;
  uint16_t depth;
  uint64_t branch_pages;
  uint64_t leaf_pages;
  uint64_t overflow_pages;
  uint64_t entries;
  uint64_t root;
};
static_assert(sizeof(LmdbTree) == 48);

struct LmdbMeta {
  uint32_t magic;
  uint32_t version;
  uint64_t address;
  uint64_t map_bytes;
  LmdbTree free_pages;
  LmdbTree tables;
  uint64_t last_page;
  uint64_t transaction;
};
static_assert(sizeof(LmdbMeta) == 136);

// Owns an open data file.
class LmdbFile {
 public:
  // Size 0 when there is no file. `writable`: Write and Sync may be used.
  static absl::StatusOr<LmdbFile> Open(const std::filesystem::path& path,
                                       bool writable);
  ~LmdbFile();
  LmdbFile(LmdbFile&& other) noexcept;
  LmdbFile& operator=(LmdbFile&&) = delete;

  uint64_t size() const { return size_; }
  // DATA_LOSS: the file ends before.
  absl::Status Read(uint64_t offset, size_t size, char* bytes) const;
  absl::Status Write(uint64_t offset, absl::string_view bytes);
  absl::Status Sync();

  // Both meta pages, each in its place and sound by itself and beside the
  // other. DATA_LOSS otherwise.
  absl::StatusOr<std::array<LmdbMeta, 2>> ReadMetas() const;

 private:
  LmdbFile(int file, uint64_t size, std::filesystem::path path)
      : file_(file), size_(size), path_(std::move(path)) {}

  int file_;
  uint64_t size_;
  std::filesystem::path path_;
};

}  // namespace diptych::storage
