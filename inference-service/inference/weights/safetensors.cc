#include "inference/weights/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "nlohmann/json.hpp"

namespace diptych::inference {
namespace {

using Json = nlohmann::json;

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("is malformed: ", why));
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
    return Malformed(
        absl::StrCat("tensor ", absl::Utf8SafeCEscape(name), " ", why));
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
  const std::optional<int64_t> bytes = BytesOfShape(entry.shape, element_bytes);
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
      return Malformed(
          absl::StrCat("tensor ", absl::Utf8SafeCEscape(entry.name),
                       entry.begin < covered ? " overlaps another"
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

absl::StatusOr<std::vector<TensorView>> ParseSafetensors(
    absl::string_view bytes) {
  if (bytes.size() < 8) return Malformed("it is shorter than 8 bytes");
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) {
    header_bytes = header_bytes << 8 | static_cast<uint8_t>(bytes[i]);
  }
  if (header_bytes > kSafetensorsHeaderBytesMax ||
      header_bytes > bytes.size() - 8) {
    return Malformed(absl::StrCat(
        "it is truncated or no safetensors file: it says that its header has ",
        header_bytes, " bytes, but has ", bytes.size(), " in all"));
  }
  const absl::string_view data = bytes.substr(8 + header_bytes);
  DIPTYCH_ASSIGN_OR_RETURN(
      std::vector<Entry> entries,
      ParseHeader(bytes.substr(8, header_bytes), data.size()));
  std::vector<TensorView> tensors;
  tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    tensors.push_back({std::move(entry.name),
                       std::move(entry.type),
                       std::move(entry.shape),
                       {},
                       data.substr(entry.begin, entry.end - entry.begin)});
  }
  return tensors;
}

}  // namespace diptych::inference
