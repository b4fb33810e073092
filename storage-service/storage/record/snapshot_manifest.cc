#include "storage/record/snapshot_manifest.h"

#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/hash/sha256.h"
#include "common/status/status_macros.h"
#include "storage/record/key_codec.h"
#include "storage/record/record_codec.h"

namespace diptych::storage {
namespace {

constexpr char kFirstWord[] = "diptych-snapshot";
constexpr size_t kDigestDigits = 64;

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("the manifest of the snapshot is damaged: ", what));
}

bool IsSnapshotPath(absl::string_view path) {
  if (path == CatalogFileInSnapshot()) return true;
  uint64_t id;
  return absl::ConsumePrefix(&path, "collections/") &&
         absl::ConsumeSuffix(&path, "/data.mdb") &&
         ParseCollectionDirectoryName(path, id);
}

// The rest of a line that begins with `word` and a space.
absl::StatusOr<absl::string_view> ValueOf(absl::string_view line,
                                          absl::string_view word) {
  if (absl::ConsumePrefix(&line, word) && absl::ConsumePrefix(&line, " ")) {
    return line;
  }
  return Malformed(absl::StrCat("a line does not begin with ", word));
}

absl::StatusOr<uint32_t> VersionOf(absl::string_view line,
                                   absl::string_view word, uint32_t newest) {
  DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view value, ValueOf(line, word));
  uint32_t version;
  if (!absl::SimpleAtoi(value, &version) || version == 0) {
    return Malformed("no version");
  }
  if (version <= newest) return version;
  return absl::FailedPreconditionError(absl::StrCat(
      "the snapshot was written by a newer version of the server, whose ", word,
      " is ", version, "; this one reads up to ", newest));
}

absl::StatusOr<SnapshotFile> ParseFile(absl::string_view line) {
  const std::vector<std::string> parts =
      absl::StrSplit(line, absl::MaxSplits(' ', 3));
  SnapshotFile file;
  if (parts.size() != 4 || parts[0] != "file" ||
      parts[1].size() != kDigestDigits ||
      !absl::SimpleAtoi(parts[2], &file.size_bytes)) {
    return Malformed("a line does not describe a file");
  }
  file.sha256 = absl::HexStringToBytes(parts[1]);
  file.path = parts[3];
  if (!IsSnapshotPath(file.path)) {
    return Malformed("it names a file that no snapshot has");
  }
  return file;
}

}  // namespace

std::string CatalogFileInSnapshot() { return "catalog/data.mdb"; }

std::string CollectionFileInSnapshot(uint64_t collection_id) {
  return absl::StrCat("collections/", CollectionDirectoryName(collection_id),
                      "/data.mdb");
}

std::string FormatSnapshotManifest(const SnapshotManifest& manifest) {
  std::string text =
      absl::StrCat(kFirstWord, " ", kSnapshotFormatVersion, "\nstorage-format ",
                   manifest.storage_format, "\ncreated-micros ",
                   manifest.create_time.unix_microseconds, "\n");
  for (const SnapshotFile& file : manifest.files) {
    absl::StrAppend(&text, "file ", absl::BytesToHexString(file.sha256), " ",
                    file.size_bytes, " ", file.path, "\n");
  }
  return absl::StrCat(text, "end ", absl::BytesToHexString(Sha256(text)), "\n");
}

absl::StatusOr<SnapshotManifest> ParseSnapshotManifest(absl::string_view text) {
  const size_t end = text.rfind("end ");
  if (!absl::StartsWith(text, kFirstWord) || end == absl::string_view::npos) {
    return Malformed("it is not one, or it is cut short");
  }
  // First, since a newer version may be sealed otherwise.
  DIPTYCH_RETURN_IF_ERROR(VersionOf(text.substr(0, text.find('\n')), kFirstWord,
                                    kSnapshotFormatVersion)
                              .status());
  const absl::string_view sealed = text.substr(0, end);
  if (text.substr(end) !=
      absl::StrCat("end ", absl::BytesToHexString(Sha256(sealed)), "\n")) {
    return Malformed("its own checksum does not match");
  }
  std::vector<std::string> lines = absl::StrSplit(sealed, '\n');
  lines.pop_back();  // behind the last line's end
  if (lines.size() < 3) return Malformed("lines are missing");
  SnapshotManifest manifest;
  DIPTYCH_ASSIGN_OR_RETURN(
      manifest.storage_format,
      VersionOf(lines[1], "storage-format", kStorageFormatVersion));
  DIPTYCH_ASSIGN_OR_RETURN(const absl::string_view created,
                           ValueOf(lines[2], "created-micros"));
  if (!absl::SimpleAtoi(created, &manifest.create_time.unix_microseconds)) {
    return Malformed("no time of creation");
  }
  std::set<std::string> paths;
  for (size_t i = 3; i < lines.size(); ++i) {
    DIPTYCH_ASSIGN_OR_RETURN(SnapshotFile file, ParseFile(lines[i]));
    if (!paths.insert(file.path).second) {
      return Malformed("it names a file twice");
    }
    manifest.files.push_back(std::move(file));
  }
  if (!paths.contains(CatalogFileInSnapshot())) {
    return Malformed("it names no catalog");
  }
  return manifest;
}

}  // namespace diptych::storage
