#include "inference/model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

using Json = nlohmann::json;

std::string Base(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("is malformed: ", why));
}

// Bytes of one element; 0 when the type is not known.
int64_t ElementBytes(absl::string_view type) {
  if (type == "F64" || type == "I64") return 8;
  if (type == "F32" || type == "I32") return 4;
  if (type == "F16" || type == "BF16" || type == "I16") return 2;
  if (type == "I8" || type == "U8" || type == "BOOL") return 1;
  return 0;
}

// Elements times bytes; none when that overflows.
std::optional<int64_t> BytesOf(absl::Span<const int64_t> shape,
                               int64_t element_bytes) {
  int64_t bytes = element_bytes;
  for (const int64_t side : shape) {
    if (__builtin_mul_overflow(bytes, side, &bytes)) return std::nullopt;
  }
  return bytes;
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

float FloatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// IEEE 754 binary16.
float FloatOfHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return FloatOfBits(sign | 0x7f800000 | mantissa << 13);
  return FloatOfBits(sign | (exponent + 112) << 23 | mantissa << 13);
}

struct Entry {
  std::string name;
  std::string type;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

bool ReadUnsigned(const Json& json, uint64_t& value) {
  if (!json.is_number_unsigned()) return false;
  value = json.get<uint64_t>();
  return true;
}

absl::StatusOr<Entry> ParseEntry(const std::string& name, const Json& json,
                                 uint64_t data_bytes) {
  const auto bad = [&](absl::string_view why) {
    return Malformed(absl::StrCat("tensor ", name, " ", why));
  };
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    return bad("lacks \"dtype\", \"shape\" or \"data_offsets\"");
  }
  Entry entry;
  entry.name = name;
  if (!json["dtype"].is_string()) return bad("has a \"dtype\" that is no name");
  entry.type = json["dtype"].get<std::string>();
  const int64_t element_bytes = ElementBytes(entry.type);
  if (element_bytes == 0) {
    return bad(absl::StrCat("has an unknown type: ", entry.type));
  }
  const Json& shape = json["shape"];
  if (!shape.is_array()) return bad("has a \"shape\" that is no list");
  for (const Json& side : shape) {
    uint64_t value;
    if (!ReadUnsigned(side, value) || value > INT64_MAX) {
      return bad("has a \"shape\" that is no list of sizes");
    }
    entry.shape.push_back(static_cast<int64_t>(value));
  }
  const Json& offsets = json["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 ||
      !ReadUnsigned(offsets[0], entry.begin) ||
      !ReadUnsigned(offsets[1], entry.end) || entry.begin > entry.end ||
      entry.end > data_bytes) {
    return bad(absl::StrCat("lies outside the file's ", data_bytes,
                            " bytes of data: ", offsets.dump()));
  }
  const std::optional<int64_t> bytes = BytesOf(entry.shape, element_bytes);
  if (!bytes.has_value() ||
      static_cast<uint64_t>(*bytes) != entry.end - entry.begin) {
    return bad(absl::StrCat("of type ", entry.type, " and shape ",
                            ShapeText(entry.shape), " cannot have ",
                            entry.end - entry.begin, " bytes"));
  }
  return entry;
}

absl::StatusOr<std::vector<Entry>> ParseHeader(absl::string_view header,
                                               uint64_t data_bytes) {
  const Json json = Json::parse(header.begin(), header.end(), nullptr, false);
  if (!json.is_object()) return Malformed("its header is not a JSON object");
  std::vector<Entry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") continue;
    DIPTYCH_ASSIGN_OR_RETURN(Entry entry, ParseEntry(name, value, data_bytes));
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return Malformed(absl::StrCat("tensor ", entry.name,
                                    entry.begin < covered
                                        ? " overlaps another"
                                        : " leaves a hole before it"));
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    return Malformed(absl::StrCat("its tensors cover ", covered, " of ",
                                  data_bytes, " bytes of data"));
  }
  return entries;
}

}  // namespace

// A file, read-only in memory.
class Safetensors::MappedFile {
 public:
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(
      const std::string& path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      return absl::ErrnoToStatus(errno, "cannot be opened");
    }
    struct stat information;
    if (fstat(descriptor, &information) != 0 || !S_ISREG(information.st_mode) ||
        information.st_size == 0) {
      close(descriptor);
      return Malformed("it is empty or not a file");
    }
    const auto size = static_cast<size_t>(information.st_size);
    void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    close(descriptor);
    if (address == MAP_FAILED) {
      return absl::ErrnoToStatus(errno, "cannot be mapped into memory");
    }
    return std::unique_ptr<MappedFile>(new MappedFile(address, size));
  }
  ~MappedFile() { munmap(address_, size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::string_view bytes() const {
    return {static_cast<const char*>(address_), size_};
  }

 private:
  MappedFile(void* address, size_t size) : address_(address), size_(size) {}

  void* const address_;
  const size_t size_;
};

Safetensors::Safetensors(Safetensors&&) noexcept = default;
Safetensors& Safetensors::operator=(Safetensors&&) noexcept = default;
Safetensors::~Safetensors() = default;

absl::StatusOr<Safetensors> Safetensors::Open(
    const std::vector<std::string>& files) {
  Safetensors weights;
  for (const std::string& file : files) {
    if (absl::Status status = weights.AddFile(file); !status.ok()) {
      return Annotate(status, Base(file));
    }
  }
  return weights;
}

absl::Status Safetensors::AddFile(const std::string& path) {
  DIPTYCH_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                           MappedFile::Open(path));
  const absl::string_view bytes = file->bytes();
  if (bytes.size() < 8) return Malformed("it is shorter than 8 bytes");
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) {
    header_bytes = header_bytes << 8 | static_cast<uint8_t>(bytes[i]);
  }
  if (header_bytes > kHeaderBytesMax || header_bytes > bytes.size() - 8) {
    return Malformed(absl::StrCat(
        "it is truncated or no safetensors file: it says that its header has ",
        header_bytes, " bytes, but has ", bytes.size(), " in all"));
  }
  const absl::string_view data = bytes.substr(8 + header_bytes);
  DIPTYCH_ASSIGN_OR_RETURN(
      std::vector<Entry> entries,
      ParseHeader(bytes.substr(8, header_bytes), data.size()));
  for (Entry& entry : entries) {
    Tensor tensor{std::move(entry.type), std::move(entry.shape),
                  data.substr(entry.begin, entry.end - entry.begin)};
    if (!tensors_.emplace(entry.name, std::move(tensor)).second) {
      return Malformed(
          absl::StrCat("another file holds tensor ", entry.name, " too"));
    }
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

bool Safetensors::Contains(absl::string_view name) const {
  return tensors_.contains(name);
}

absl::StatusOr<std::vector<float>> Safetensors::ReadFloats(
    absl::string_view name, absl::Span<const int64_t> shape) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights lack tensor ", name));
  }
  const Tensor& tensor = it->second;
  if (absl::MakeConstSpan(tensor.shape) != shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " must have shape ", ShapeText(shape),
                     " by config.json; it has ", ShapeText(tensor.shape)));
  }
  const char* from = tensor.bytes.data();
  std::vector<float> values;
  // memcpy throughout: the format does not align tensors.
  if (tensor.type == "F32") {
    values.resize(tensor.bytes.size() / 4);
    std::memcpy(values.data(), from, tensor.bytes.size());
  } else if (tensor.type == "F16" || tensor.type == "BF16") {
    const bool half = tensor.type == "F16";
    values.resize(tensor.bytes.size() / 2);
    for (float& value : values) {
      uint16_t bits;
      std::memcpy(&bits, from, sizeof(bits));
      from += sizeof(bits);
      value = half ? FloatOfHalf(bits)
                   : FloatOfBits(static_cast<uint32_t>(bits) << 16);
    }
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name,
                     " must be of type F32, F16 or BF16; it is ", tensor.type));
  }
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name,
                       " holds a value that is not finite (NaN or infinity)"));
    }
  }
  return values;
}

absl::StatusOr<std::vector<std::string>> ParseSafetensorsIndex(
    absl::string_view text) {
  const auto bad = [](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.safetensors.index.json ", why));
  };
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") ||
      !json["weight_map"].is_object()) {
    return bad("is not a JSON object with a \"weight_map\"");
  }
  std::set<std::string> files;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string()) return bad("names a file that is no text");
    const std::string name = file.get<std::string>();
    if (name.empty() || name.find('/') != std::string::npos ||
        name.find("..") != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return bad(absl::StrCat("names a file outside the directory: ", name));
    }
    files.insert(name);
  }
  if (files.empty()) return bad("names no file");
  return std::vector<std::string>(files.begin(), files.end());
}

}  // namespace diptych::inference
