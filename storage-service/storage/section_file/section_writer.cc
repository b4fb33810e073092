#include "storage/section_file/section_writer.h"

#include <algorithm>

#include "storage/section_file/section_format.h"

namespace diptych::storage {

SectionWriter::SectionWriter(std::unique_ptr<WritableFile> file,
                             const std::array<uint64_t, 2>& id)
    : file_(std::move(file)), id_(id) {
  block_.reserve(kBlockBytes);
  Number(kSectionFileMagic);
  Number(kSectionFileVersion);
  Number(static_cast<uint32_t>(kBlockBytes));
  Number(id_[0]);
  Number(id_[1]);
}

uint64_t SectionWriter::offset() const {
  return blocks_ * kBlockPayloadBytes + block_.size();
}

uint64_t SectionWriter::bytes() const { return blocks_ * kBlockBytes; }

void SectionWriter::BeginSection(absl::string_view name) {
  EndSection();
  sections_.push_back({std::string(name), offset(), 0});
}

void SectionWriter::EndSection() {
  if (!sections_.empty()) {
    sections_.back().size = offset() - sections_.back().offset;
  }
}

void SectionWriter::Bytes(const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const size_t part = std::min(size, kBlockPayloadBytes - block_.size());
    block_.append(at, part);
    at += part;
    size -= part;
    if (block_.size() == kBlockPayloadBytes) FlushBlock();
  }
}

void SectionWriter::Varint(uint64_t value) {
  char bytes[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) {
    bytes[size++] = static_cast<char>(0x80 | (value & 0x7f));
  }
  bytes[size++] = static_cast<char>(value);
  Bytes(bytes, size);
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
  }
  const uint64_t table_bytes = offset() - table;
  if (block_.size() + kFooterBytes > kBlockPayloadBytes) FlushBlock();
  block_.resize(kBlockPayloadBytes - kFooterBytes);
  Number(table);
  Number(table_bytes);
  Number(kSectionFileMagic);  // fills the block
  if (status_.ok()) status_ = file_->Sync();
  return status_;
}

}  // namespace diptych::storage
