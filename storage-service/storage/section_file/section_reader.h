// Reads section files.
//
// Operation: opening checks the header, the size and the table of sections. A
// section is read from its first byte to its last, a frame at a time; every
// block that it touches is checked as it is come to, so that whoever reads all
// sections has checked every byte of the file.
// Concurrency: a SectionFile may be used from any thread; a SectionReader
// belongs to one.
// Errors: DATA_LOSS for whatever is not what the writer wrote;
// FAILED_PRECONDITION for a file of another version; those of the file system.
// RESOURCE_EXHAUSTED: no memory for decompression. Nothing is read beyond a
// section, and a length within it is believed only as far as the table, which
// is checked, says that there is content.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/section_file/file_system.h"
#include "storage/section_file/section_compression.h"

namespace diptych::storage {

class SectionReader;

class SectionFile {
 public:
  static absl::StatusOr<std::shared_ptr<const SectionFile>> Open(
      std::unique_ptr<ReadableFile> file);

  const std::array<uint64_t, 2>& id() const { return id_; }
  uint64_t bytes() const { return file_->size(); }
  std::vector<std::string> section_names() const;
  // DATA_LOSS: there is no such section. Must not outlive the file.
  absl::StatusOr<SectionReader> Section(absl::string_view name) const;

  // Reads everything.
  absl::Status Verify() const;

 private:
  friend class SectionReader;
  struct Place {
    uint64_t offset = 0;
    uint64_t size = 0;  // in the file
    uint64_t content_size = 0;
  };

  explicit SectionFile(std::unique_ptr<ReadableFile> file)
      : file_(std::move(file)) {}
  absl::Status ReadHeader();
  absl::Status ReadTable();
  // One block, checked; `block` gets kBlockBytes.
  absl::Status ReadBlock(uint64_t number, char* block) const;

  const std::unique_ptr<ReadableFile> file_;
  std::array<uint64_t, 2> id_ = {};
  std::map<std::string, Place, std::less<>> sections_;
};

// Every method returns false where the section has not that much left or a
// block is damaged; then it stays false, and status() says why.
class SectionReader {
 public:
  bool Bytes(void* bytes, size_t size);
  template <typename T>
  requires std::is_arithmetic_v<T>
  bool Number(T& value) { return Bytes(&value, sizeof(value)); }
  bool Varint(uint64_t& value);
  // A Varint that must not be greater than `most`.
  bool Count(uint64_t& value, uint64_t most);
  bool String(std::string& value);

  // Of the content.
  uint64_t remaining() const { return remaining_; }
  // Where the content, though whole, has not the form that was expected.
  // Returns false.
  bool Fail(absl::string_view why);
  // OK after all was read; DATA_LOSS where some is left or something failed.
  absl::Status Finish();
  const absl::Status& status() const { return status_; }

 private:
  friend class SectionFile;
  SectionReader(const SectionFile* file, const SectionFile::Place& place)
      : file_(file),
        offset_(place.offset),
        end_(place.offset + place.size),
        remaining_(place.content_size) {}

  // The next frame's content.
  bool ReadFrame();
  // From the file, as it is.
  bool ReadFromFile(void* bytes, size_t size);

  const SectionFile* file_;
  uint64_t offset_;  // in the file
  uint64_t end_;
  uint64_t block_number_ = ~uint64_t{0};
  std::unique_ptr<char[]> block_;
  std::unique_ptr<FrameDecompressor> decompressor_;
  std::unique_ptr<char[]> frame_;
  size_t frame_at_ = 0;
  size_t frame_size_ = 0;
  std::string compressed_;
  uint64_t remaining_;  // of the content, what lies in the frame included
  absl::Status status_;
};

}  // namespace diptych::storage
