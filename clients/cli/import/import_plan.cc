#include "cli/import/import_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/import/file_type.h"
#include "cli/terminal/utf8.h"

namespace diptych::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kIdBytesMax = 256;

// Files of one stem in one directory.
struct StemGroup {
  std::vector<fs::path> pictures;
  std::optional<fs::path> text;
  std::optional<fs::path> sidecar;
};

std::string FirstBytes(const fs::path& file) {
  std::string bytes(kSignatureBytes, '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(bytes.data(), kSignatureBytes);
  bytes.resize(static_cast<size_t>(stream.gcount()));
  return bytes;
}

class Planner {
 public:
  Planner(fs::path root, IdSource id_source)
      : root_(std::move(root)), id_source_(id_source) {}

  void Walk(const fs::path& directory, const std::string& relative) {
    std::vector<fs::path> files;
    std::vector<fs::path> subdirectories;
    std::error_code error;
    fs::directory_iterator iterator(directory, error);
    for (; !error && iterator != fs::directory_iterator();
         iterator.increment(error)) {
      const fs::directory_entry& entry = *iterator;
      if (entry.path().filename().native().front() == '.') continue;
      std::error_code ignored;
      if (entry.is_directory(ignored)) {
        // A link may lead in a circle or out of the directory.
        if (!entry.is_symlink(ignored)) subdirectories.push_back(entry.path());
      } else if (entry.is_regular_file(ignored) || entry.is_symlink(ignored)) {
        files.push_back(entry.path());
      } else {
        ++plan_.ignored_files;
      }
    }
    if (error) {
      plan_.skipped.push_back(
          {relative.empty() ? "." : relative,
           absl::StrCat("directory cannot be read: ", error.message())});
    }
    std::sort(files.begin(), files.end());
    std::sort(subdirectories.begin(), subdirectories.end());
    AddFiles(files, relative);
    for (const fs::path& subdirectory : subdirectories) {
      Walk(subdirectory,
           absl::StrCat(relative, subdirectory.filename().native(), "/"));
    }
  }

  ImportPlan Take() { return std::move(plan_); }

 private:
  void AddFiles(const std::vector<fs::path>& files,
                const std::string& relative) {
    std::map<std::string, StemGroup> groups;
    for (const fs::path& file : files) {
      StemGroup& group = groups[file.stem().native()];
      switch (KindByName(file.filename().native())) {
        case FileKind::kPicture:
          group.pictures.push_back(file);
          break;
        case FileKind::kText:
          group.text = file;
          break;
        case FileKind::kSidecar:
          group.sidecar = file;
          break;
        case FileKind::kUnknown:
          if (IsSupportedPicture(PictureFormat(FirstBytes(file)))) {
            group.pictures.push_back(file);
          } else {
            ++plan_.ignored_files;
          }
          break;
      }
    }
    for (const auto& [stem, group] : groups) {
      for (const fs::path& picture : group.pictures) {
        ImportItem item;
        item.file = picture;
        item.is_picture = true;
        item.document = group.text;
        item.sidecar = group.sidecar;
        Add(std::move(item), relative);
      }
      if (!group.pictures.empty()) continue;
      if (group.text.has_value()) {
        ImportItem item;
        item.file = *group.text;
        item.sidecar = group.sidecar;
        Add(std::move(item), relative);
      } else if (group.sidecar.has_value()) {
        ++plan_.ignored_files;
      }
    }
  }

  void Add(ImportItem item, const std::string& relative) {
    const std::string name = item.file.filename().native();
    item.relative_path = absl::StrCat(relative, name);
    item.id = id_source_ == IdSource::kPath ? item.relative_path : name;
    const auto skip = [&](std::string reason) {
      plan_.skipped.push_back({item.relative_path, std::move(reason)});
    };
    if (!IsUtf8(item.id)) return skip("its name is not UTF-8; rename it");
    if (item.id.size() > kIdBytesMax) {
      return skip(absl::StrCat("its id has ", item.id.size(),
                               " bytes; at most ", kIdBytesMax,
                               " are allowed: shorten names, or import a "
                               "subdirectory"));
    }
    if (!AddStat(item, item.file) ||
        (item.document.has_value() && !AddStat(item, *item.document)) ||
        (item.sidecar.has_value() && !AddStat(item, *item.sidecar))) {
      return skip(absl::StrCat("cannot be read: ", std::strerror(errno)));
    }
    if (!ids_.insert(item.id).second) {
      return skip(absl::StrCat("another file has the id ", item.id));
    }
    plan_.items.push_back(std::move(item));
  }

  static bool AddStat(ImportItem& item, const fs::path& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) return false;
    item.bytes += status.st_size;
    absl::StrAppend(&item.signature, item.signature.empty() ? "" : " ",
                    status.st_size, "@", status.st_mtim.tv_sec, ".",
                    status.st_mtim.tv_nsec);
    // Another file in the same place of the list is another object.
    if (file != item.file) {
      absl::StrAppend(&item.signature, file.extension().native());
    }
    return true;
  }

  const fs::path root_;
  const IdSource id_source_;
  ImportPlan plan_;
  std::set<std::string> ids_;
};

}  // namespace

absl::StatusOr<ImportPlan> PlanImport(const fs::path& directory,
                                      IdSource id_source) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (!fs::exists(status)) {
    return absl::NotFoundError(
        absl::StrCat("there is no directory ", directory.native()));
  }
  if (!fs::is_directory(status)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "is not a directory; give one that holds the files to import: ",
        directory.native()));
  }
  fs::directory_iterator(directory, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat(
        "cannot read ", directory.native(), ": ", error.message()));
  }
  Planner planner(directory, id_source);
  planner.Walk(directory, "");
  return planner.Take();
}

}  // namespace diptych::cli
