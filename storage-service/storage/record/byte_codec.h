// Writes and reads the little pieces of which records are made: integers in
// little-endian order, and strings with their length before them.
//
// Concurrency: none; a writer or reader belongs to one thread.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace diptych::storage {

static_assert(std::endian::native == std::endian::little,
              "vectors are stored as the processor holds them");

// Limits: the caller sees to it that lengths fit.
class ByteWriter {
 public:
  template <std::integral T>
  void Integer(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  // IEEE 754 binary64.
  void Double(double value) { Integer(std::bit_cast<uint64_t>(value)); }
  // uint32 length, then the bytes.
  void String(absl::string_view value) {
    Integer(static_cast<uint32_t>(value.size()));
    Raw(value);
  }
  void Raw(absl::string_view value) {
    bytes_.append(value.data(), value.size());
  }

  const std::string& bytes() const { return bytes_; }
  std::string Take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Every method returns false, and leaves the reader where it is, when the bytes
// do not suffice. Nothing is read beyond them and nothing is allocated on the
// word of a length alone.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : bytes_(bytes) {}

  template <std::integral T>
  bool Integer(T& value) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return true;
  }
  bool Double(double& value) {
    uint64_t bits;
    if (!Integer(bits)) return false;
    value = std::bit_cast<double>(bits);
    return true;
  }
  // 0 or 1.
  bool Bool(bool& value) {
    if (bytes_.empty() || static_cast<uint8_t>(bytes_[0]) > 1) return false;
    value = bytes_[0] != 0;
    bytes_.remove_prefix(1);
    return true;
  }
  bool String(std::string& value) {
    absl::string_view view;
    if (!View(view)) return false;
    value.assign(view.data(), view.size());
    return true;
  }
  bool View(absl::string_view& value) {
    const absl::string_view before = bytes_;
    uint32_t size;
    if (!Integer(size)) return false;
    if (!Raw(size, value)) {
      bytes_ = before;
      return false;
    }
    return true;
  }
  bool Raw(size_t size, absl::string_view& value) {
    if (bytes_.size() < size) return false;
    value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }

  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }

 private:
  absl::string_view bytes_;
};

}  // namespace diptych::storage
