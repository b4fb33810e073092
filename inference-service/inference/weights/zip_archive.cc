#include "inference/weights/zip_archive.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

constexpr absl::string_view kLocalHeader("PK\x03\x04", 4);
constexpr absl::string_view kCentralHeader("PK\x01\x02", 4);
constexpr absl::string_view kEnd("PK\x05\x06", 4);
constexpr absl::string_view kEnd64("PK\x06\x06", 4);
constexpr absl::string_view kEnd64Locator("PK\x06\x07", 4);
constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kCentralHeaderBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kEnd64LocatorBytes = 20;
constexpr size_t kCommentBytesMax = 65535;
// Says that zip64's field holds the value.
constexpr uint32_t kElsewhere = 0xffffffff;

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("is malformed: the zip archive ", why));
}

// Little-endian; the caller has checked the place.
uint64_t Number(absl::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i > 0; --i) {
    value = value << 8 | static_cast<uint8_t>(bytes[at + i - 1]);
  }
  return value;
}

// Whether `size` bytes at `at` lie in `bytes`.
bool Holds(absl::string_view bytes, uint64_t at, uint64_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

struct Directory {
  uint64_t members = 0;
  uint64_t begin = 0;
};

absl::StatusOr<Directory> FindDirectory(absl::string_view bytes) {
  if (bytes.size() < kEndBytes) return Malformed("is too short");
  const size_t tail = std::min(bytes.size(), kEndBytes + kCommentBytesMax);
  const size_t found =
      bytes.substr(0, bytes.size() - kEndBytes + kEnd.size()).rfind(kEnd);
  if (found == absl::string_view::npos || found < bytes.size() - tail) {
    return Malformed("has no end record; the file may be truncated");
  }
  Directory directory{Number(bytes, found + 10, 2),
                      Number(bytes, found + 16, 4)};
  if (found < kEnd64LocatorBytes) return directory;
  const size_t locator = found - kEnd64LocatorBytes;
  if (!absl::StartsWith(bytes.substr(locator), kEnd64Locator)) {
    return directory;
  }
  const uint64_t end64 = Number(bytes, locator + 8, 8);
  if (!Holds(bytes, end64, kEnd64Bytes) ||
      !absl::StartsWith(bytes.substr(end64), kEnd64)) {
    return Malformed("has no zip64 end record where it says");
  }
  return Directory{Number(bytes, end64 + 32, 8), Number(bytes, end64 + 48, 8)};
}

struct Member {
  uint64_t stored_size;
  uint64_t size;
  uint64_t begin;
};

// Replaces the values that are elsewhere by those of zip64's extra field.
absl::Status ReadZip64(absl::string_view extra, Member& member) {
  while (extra.size() >= 4) {
    const uint64_t tag = Number(extra, 0, 2);
    const uint64_t size = Number(extra, 2, 2);
    if (!Holds(extra, 4, size)) break;
    absl::string_view field = extra.substr(4, size);
    extra.remove_prefix(4 + size);
    if (tag != 1) continue;
    for (uint64_t* value : {&member.size, &member.stored_size, &member.begin}) {
      if (*value != kElsewhere) continue;
      if (field.size() < 8) return Malformed("has a zip64 field too short");
      *value = Number(field, 0, 8);
      field.remove_prefix(8);
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> ContentOf(absl::string_view bytes,
                                            absl::string_view name,
                                            const Member& member) {
  if (!Holds(bytes, member.begin, kLocalHeaderBytes) ||
      !absl::StartsWith(bytes.substr(member.begin), kLocalHeader)) {
    return Malformed(absl::StrCat("has no header of member ",
                                  absl::Utf8SafeCEscape(name),
                                  " where it says"));
  }
  const uint64_t before = kLocalHeaderBytes +
                          Number(bytes, member.begin + 26, 2) +
                          Number(bytes, member.begin + 28, 2);
  if (member.size != member.stored_size ||
      !Holds(bytes, member.begin + before, member.size)) {
    return Malformed(absl::StrCat("has a member that does not lie in it: ",
                                  absl::Utf8SafeCEscape(name)));
  }
  return bytes.substr(member.begin + before, member.size);
}

}  // namespace

bool LooksLikeZip(absl::string_view bytes) {
  return absl::StartsWith(bytes, kLocalHeader) || absl::StartsWith(bytes, kEnd);
}

absl::StatusOr<absl::flat_hash_map<std::string, absl::string_view>>
ParseZipArchive(absl::string_view bytes) {
  DIPTYCH_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(bytes));
  if (directory.members > kZipMembersMax) {
    return Malformed(absl::StrCat("has more than the allowed ", kZipMembersMax,
                                  " members: ", directory.members));
  }
  absl::flat_hash_map<std::string, absl::string_view> members;
  uint64_t at = directory.begin;
  for (uint64_t i = 0; i < directory.members; ++i) {
    if (!Holds(bytes, at, kCentralHeaderBytes) ||
        !absl::StartsWith(bytes.substr(at), kCentralHeader)) {
      return Malformed("has a directory that ends early");
    }
    const uint64_t name_size = Number(bytes, at + 28, 2);
    const uint64_t extra_size = Number(bytes, at + 30, 2);
    const uint64_t comment_size = Number(bytes, at + 32, 2);
    if (!Holds(bytes, at + kCentralHeaderBytes,
               name_size + extra_size + comment_size)) {
      return Malformed("has a directory that ends early");
    }
    const std::string name(bytes.substr(at + kCentralHeaderBytes, name_size));
    if (Number(bytes, at + 10, 2) != 0 || (Number(bytes, at + 8, 2) & 1) != 0) {
      return Malformed(absl::StrCat(
          "has a compressed or encrypted member, which torch.save does not "
          "write: ",
          absl::Utf8SafeCEscape(name)));
    }
    Member member{Number(bytes, at + 20, 4), Number(bytes, at + 24, 4),
                  Number(bytes, at + 42, 4)};
    DIPTYCH_RETURN_IF_ERROR(ReadZip64(
        bytes.substr(at + kCentralHeaderBytes + name_size, extra_size),
        member));
    DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view content,
                             ContentOf(bytes, name, member));
    if (!members.emplace(name, content).second) {
      return Malformed(
          absl::StrCat("has a member twice: ", absl::Utf8SafeCEscape(name)));
    }
    at += kCentralHeaderBytes + name_size + extra_size + comment_size;
  }
  return members;
}

}  // namespace diptych::inference
