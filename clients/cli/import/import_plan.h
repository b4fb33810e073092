// Which files of a directory become which objects.
//
// Operation: walks the directory, subdirectories included, in the order of
// their names. Each picture is an object; a text file is one too, unless a
// picture of the same stem lies beside it ("x.png", "x.txt"): then it is that
// picture's `document`. "x.json" beside either holds further properties. Files
// are not opened, but for those whose name promises nothing: they count as
// pictures when their first bytes say so. Hidden files and directories (first
// character '.') and symbolic links to directories are passed over.
// Concurrency: a free function and value types.
// Limits: one item per object in memory (some 300 bytes).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace diptych::cli {

// How an object's id is made from its main file.
enum class IdSource {
  // Path relative to the directory, with '/': "cats/tom.jpg".
  kPath,
  // Name of the file: "tom.jpg". Of files of one name only the first is
  // imported.
  kFileName,
};

// One object to be, and its files.
struct ImportItem {
  std::string id;
  // Relative to the directory, with '/'.
  std::string relative_path;
  // The picture or the text file.
  std::filesystem::path file;
  bool is_picture = false;
  // Of a picture only.
  std::optional<std::filesystem::path> document;
  std::optional<std::filesystem::path> sidecar;
  // Of all its files.
  int64_t bytes = 0;
  // Size and time of last change of all its files: another signature means
  // that the object must be sent again.
  std::string signature;
};

// Something that was not imported, and why.
struct SkippedFile {
  std::string file;
  std::string reason;
};

struct ImportPlan {
  std::vector<ImportItem> items;
  std::vector<SkippedFile> skipped;
  // Files that are neither picture nor text, nor belong to one.
  int64_t ignored_files = 0;
};

// NOT_FOUND when there is no such directory, INVALID_ARGUMENT when it is none,
// PERMISSION_DENIED when it cannot be read. What is wrong below it is reported
// in `skipped`.
absl::StatusOr<ImportPlan> PlanImport(const std::filesystem::path& directory,
                                      IdSource id_source);

}  // namespace diptych::cli
