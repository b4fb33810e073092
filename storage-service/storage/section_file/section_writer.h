// Writes a section file: named runs of bytes in checksummed blocks.
//
// Operation: values go into a buffer of one frame; a full frame is compressed
// and goes into a buffer of one block; a full block gets its checksum and is
// appended to the file. The table of sections comes last, so that a file is
// whole or has none. Integers are in little-endian order.
// Concurrency: none; a writer belongs to one thread.
// Limits: a frame, a block and a compressor of memory. Errors stay: after the
// first one nothing more is written, and status() says which it was.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/section_file/file_system.h"
#include "storage/section_file/section_compression.h"

namespace diptych::storage {

static_assert(std::endian::native == std::endian::little,
              "section files hold numbers as the processor does");

class SectionWriter {
 public:
  // `id` should be like no other file's.
  SectionWriter(std::unique_ptr<WritableFile> file,
                const std::array<uint64_t, 2>& id);

  // Ends the section before. Names are unique.
  void BeginSection(absl::string_view name);

  void Bytes(const void* bytes, size_t size);
  template <typename T>
  requires std::is_arithmetic_v<T>
  void Number(T value) { Bytes(&value, sizeof(value)); }
  // Seven bits a byte, the lowest first; the eighth says that more follow.
  void Varint(uint64_t value);
  // Varint length, then the bytes.
  void String(absl::string_view value) {
    Varint(value.size());
    Bytes(value.data(), value.size());
  }

  // Writes what is left and the table, and syncs the file.
  absl::Status Finish();

  const absl::Status& status() const { return status_; }
  // Of the file so far.
  uint64_t bytes() const;

 private:
  struct Section {
    std::string name;
    uint64_t offset = 0;
    uint64_t size = 0;  // in the file
    uint64_t content_size = 0;
  };

  void EndSection();
  // Compresses what there is of a frame.
  void FlushFrame();
  // Into blocks, as it is.
  void AppendToFile(const void* bytes, size_t size);
  void FlushBlock();
  uint64_t offset() const;

  const std::unique_ptr<WritableFile> file_;
  const std::array<uint64_t, 2> id_;
  FrameCompressor compressor_;
  std::string frame_;          // content
  std::string compressed_;     // the frame before
  uint64_t content_size_ = 0;  // of the section, flushed
  std::string block_;
  uint64_t blocks_ = 0;  // written
  std::vector<Section> sections_;
  absl::Status status_;
};

}  // namespace diptych::storage
