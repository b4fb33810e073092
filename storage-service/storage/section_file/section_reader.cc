#include "storage/section_file/section_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "storage/section_file/section_format.h"

namespace diptych::storage {
namespace {

template <typename T>
T NumberAt(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SectionFile>> SectionFile::Open(
    std::unique_ptr<ReadableFile> file) {
  std::shared_ptr<SectionFile> opened(new SectionFile(std::move(file)));
  DIPTYCH_RETURN_IF_ERROR(opened->ReadHeader());
  DIPTYCH_RETURN_IF_ERROR(opened->ReadTable());
  return opened;
}

absl::Status SectionFile::ReadHeader() {
  char header[kHeaderBytes];
  DIPTYCH_RETURN_IF_ERROR(file_->Read(0, sizeof(header), header));
  if (NumberAt<uint64_t>(header) != kSectionFileMagic) {
    return absl::DataLossError("the file does not begin as such a file does");
  }
  const auto version = NumberAt<uint32_t>(header + 8);
  if (version != kSectionFileVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file is of version ", version,
                     ", this server reads version ", kSectionFileVersion));
  }
  if (NumberAt<uint32_t>(header + 12) != kBlockBytes) {
    return absl::DataLossError("the file has blocks of another size");
  }
  id_ = {NumberAt<uint64_t>(header + 16), NumberAt<uint64_t>(header + 24)};
  if (file_->size() % kBlockBytes != 0) {
    return absl::DataLossError(absl::StrCat("the file is cut: ", file_->size(),
                                            " bytes are no number of blocks"));
  }
  return absl::OkStatus();
}

absl::Status SectionFile::ReadBlock(uint64_t number, char* block) const {
  DIPTYCH_RETURN_IF_ERROR(
      file_->Read(number * kBlockBytes, kBlockBytes, block));
  if (BlockChecksum(id_, number, block) !=
      NumberAt<uint64_t>(block + kBlockPayloadBytes)) {
    return absl::DataLossError(
        absl::StrCat("the file is damaged: block ", number, " of ",
                     file_->size() / kBlockBytes, " fails its checksum"));
  }
  return absl::OkStatus();
}

absl::Status SectionFile::ReadTable() {
  const auto block = std::make_unique<char[]>(kBlockBytes);
  const uint64_t blocks = file_->size() / kBlockBytes;
  DIPTYCH_RETURN_IF_ERROR(ReadBlock(0, block.get()));
  DIPTYCH_RETURN_IF_ERROR(ReadBlock(blocks - 1, block.get()));
  const char* const footer = block.get() + kBlockPayloadBytes - kFooterBytes;
  const auto offset = NumberAt<uint64_t>(footer);
  const auto size = NumberAt<uint64_t>(footer + 8);
  const auto content_size = NumberAt<uint64_t>(footer + 16);
  const uint64_t end = blocks * kBlockPayloadBytes - kFooterBytes;
  // A file that was cut behind a whole block ends in something else.
  if (NumberAt<uint64_t>(footer + 24) != kSectionFileMagic || offset > end ||
      size > end - offset) {
    return absl::DataLossError("the file is cut: it has no table of sections");
  }
  SectionReader table(this, {offset, size, content_size});
  uint64_t count = 0;
  table.Count(count, content_size);
  for (uint64_t i = 0; i < count && table.status().ok(); ++i) {
    std::string name;
    Place place;
    if (!table.String(name) || !table.Number(place.offset) ||
        !table.Number(place.size) || !table.Number(place.content_size)) {
      break;
    }
    if (place.offset > offset || place.size > offset - place.offset) {
      table.Fail("a section lies outside of the file");
    }
    sections_.emplace(std::move(name), place);
  }
  return table.Finish();
}

std::vector<std::string> SectionFile::section_names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : sections_) names.push_back(name);
  return names;
}

absl::StatusOr<SectionReader> SectionFile::Section(
    absl::string_view name) const {
  const auto found = sections_.find(name);
  if (found == sections_.end()) {
    return absl::DataLossError(
        absl::StrCat("the file lacks the section ", name));
  }
  return SectionReader(this, found->second);
}

absl::Status SectionFile::Verify() const {
  const auto block = std::make_unique<char[]>(kBlockBytes);
  for (uint64_t number = 0; number < file_->size() / kBlockBytes; ++number) {
    DIPTYCH_RETURN_IF_ERROR(ReadBlock(number, block.get()));
  }
  return absl::OkStatus();
}

bool SectionReader::Bytes(void* bytes, size_t size) {
  if (!status_.ok()) return false;
  if (size > remaining_) return Fail("a section ends early");
  char* to = static_cast<char*>(bytes);
  while (size > 0) {
    if (frame_at_ == frame_size_ && !ReadFrame()) return false;
    const size_t part = std::min(size, frame_size_ - frame_at_);
    std::memcpy(to, frame_.get() + frame_at_, part);
    to += part;
    frame_at_ += part;
    remaining_ -= part;
    size -= part;
  }
  return true;
}

bool SectionReader::ReadFrame() {
  if (decompressor_ == nullptr) {
    decompressor_ = std::make_unique<FrameDecompressor>();
    frame_.reset(new char[kFrameBytes]);
  }
  uint64_t size = 0;
  uint8_t byte = 0x80;
  for (int shift = 0; shift < 32 && byte >= 0x80; shift += 7) {
    if (!ReadFromFile(&byte, 1)) return false;
    size |= uint64_t{byte & 0x7fu} << shift;
  }
  if (size > CompressedBytesMax(kFrameBytes)) {
    return Fail("a compressed part is larger than it can be");
  }
  compressed_.resize(size);
  if (!ReadFromFile(compressed_.data(), size)) return false;
  auto content =
      decompressor_->Decompress(compressed_, frame_.get(), kFrameBytes);
  if (!content.ok()) {
    status_ = content.status();
    return false;
  }
  if (*content == 0 || *content > remaining_) {
    return Fail("a compressed part holds more or less than it should");
  }
  frame_at_ = 0;
  frame_size_ = *content;
  return true;
}

bool SectionReader::ReadFromFile(void* bytes, size_t size) {
  if (size > end_ - offset_) return Fail("a section ends early");
  char* to = static_cast<char*>(bytes);
  while (size > 0) {
    const uint64_t number = offset_ / kBlockPayloadBytes;
    if (number != block_number_) {
      if (block_ == nullptr) block_.reset(new char[kBlockBytes]);
      status_ = file_->ReadBlock(number, block_.get());
      if (!status_.ok()) return false;
      block_number_ = number;
    }
    const size_t within = offset_ % kBlockPayloadBytes;
    const size_t part = std::min(size, kBlockPayloadBytes - within);
    std::memcpy(to, block_.get() + within, part);
    to += part;
    offset_ += part;
    size -= part;
  }
  return true;
}

bool SectionReader::Varint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t byte;
    if (!Number(byte)) return false;
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return Fail("a number has too many bytes");
}

bool SectionReader::Count(uint64_t& value, uint64_t most) {
  if (!Varint(value)) return false;
  return value <= most || Fail("a count is greater than it can be");
}

bool SectionReader::String(std::string& value) {
  uint64_t size;
  if (!Count(size, remaining())) return false;
  value.resize(size);
  return Bytes(value.data(), size);
}

bool SectionReader::Fail(absl::string_view why) {
  if (status_.ok()) {
    status_ = absl::DataLossError(
        absl::StrCat("the file's content has not its form: ", why));
  }
  return false;
}

absl::Status SectionReader::Finish() {
  if (status_.ok() && (remaining_ > 0 || offset_ != end_)) {
    Fail("a section is too long");
  }
  return status_;
}

}  // namespace diptych::storage
