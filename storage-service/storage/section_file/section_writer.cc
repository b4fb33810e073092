#include "storage/section_file/section_writer.h"

#include <algorithm>

#include "storage/section_file/section_format.h"

namespace diptych::storage {
namespace {

// The bytes of a varint; returns how many they are.
size_t EncodeVarint(uint64_t value, char (&bytes)[10]) {
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) {
    bytes[size++] = static_cast<char>(0x80 | (value & 0x7f));
  }
  bytes[size++] = static_cast<char>(value);
  return size;
}

}  // namespace

SectionWriter::SectionWriter(std::unique_ptr<WritableFile> file,
                             const std::array<uint64_t, 2>& id)
    : file_(std::move(file)), id_(id) {
  frame_.reserve(kFrameBytes);
  block_.reserve(kBlockBytes);
  const uint32_t block_bytes = kBlockBytes;
  AppendToFile(&kSectionFileMagic, sizeof(kSectionFileMagic));
  AppendToFile(&kSectionFileVersion, sizeof(kSectionFileVersion));
  AppendToFile(&block_bytes, sizeof(block_bytes));
  AppendToFile(id_.data(), sizeof(id_));
}

uint64_t SectionWriter::offset() const {
  return blocks_ * kBlockPayloadBytes + block_.size();
}

uint64_t SectionWriter::bytes() const { return blocks_ * kBlockBytes; }

void SectionWriter::BeginSection(absl::string_view name) {
  EndSection();
  sections_.push_back({std::string(name), offset(), 0, 0});
}

void SectionWriter::EndSection() {
  FlushFrame();
  if (!sections_.empty()) {
    sections_.back().size = offset() - sections_.back().offset;
    sections_.back().content_size = content_size_;
  }
  content_size_ = 0;
}

void SectionWriter::Bytes(const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const size_t part = std::min(size, kFrameBytes - frame_.size());
    frame_.append(at, part);
    at += part;
    size -= part;
    if (frame_.size() == kFrameBytes) FlushFrame();
  }
}

void SectionWriter::Varint(uint64_t value) {
  char bytes[10];
  Bytes(bytes, EncodeVarint(value, bytes));
}

void SectionWriter::FlushFrame() {
  if (frame_.empty()) return;
  content_size_ += frame_.size();
  if (status_.ok()) status_ = compressor_.Compress(frame_, compressed_);
  frame_.clear();
  if (!status_.ok()) return;
  char size[10];
  AppendToFile(size, EncodeVarint(compressed_.size(), size));
  AppendToFile(compressed_.data(), compressed_.size());
}

void SectionWriter::AppendToFile(const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const size_t part = std::min(size, kBlockPayloadBytes - block_.size());
    block_.append(at, part);
    at += part;
    size -= part;
    if (block_.size() == kBlockPayloadBytes) FlushBlock();
  }
}

void SectionWriter::FlushBlock() {
  block_.resize(kBlockPayloadBytes);
  const uint64_t checksum = BlockChecksum(id_, blocks_, block_.data());
  block_.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
  if (status_.ok()) status_ = file_->Append(block_);
  block_.clear();
  ++blocks_;
}

absl::Status SectionWriter::Finish() {
  EndSection();
  const uint64_t table = offset();
  Varint(sections_.size());
  for (const Section& section : sections_) {
    String(section.name);
    Number(section.offset);
    Number(section.size);
    Number(section.content_size);
  }
  FlushFrame();
  const uint64_t footer[] = {table, offset() - table, content_size_,
                             kSectionFileMagic};
  static_assert(sizeof(footer) == kFooterBytes);
  if (block_.size() + kFooterBytes > kBlockPayloadBytes) FlushBlock();
  block_.resize(kBlockPayloadBytes - kFooterBytes);
  AppendToFile(footer, sizeof(footer));  // fills the block
  if (status_.ok()) status_ = file_->Sync();
  return status_;
}

}  // namespace diptych::storage
