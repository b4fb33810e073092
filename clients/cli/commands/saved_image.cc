#include "cli/commands/saved_image.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/import/file_type.h"

namespace diptych::cli {

std::filesystem::path SavedImagePath(absl::string_view id,
                                     absl::string_view property,
                                     absl::string_view bytes) {
  std::filesystem::path path;
  for (absl::string_view part : absl::StrSplit(id, '/')) {
    std::string name(part);
    for (char& c : name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '_';
    }
    if (name.empty() || name == "." || name == "..") name = "_";
    path /= name;
  }
  std::string extension = path.extension().native();
  if (KindByName(path.filename().native()) == FileKind::kPicture) {
    path.replace_extension();
  } else {
    extension = std::string(ExtensionOf(PictureFormat(bytes)));
  }
  std::string name = path.filename().native();
  if (property != "image") {
    std::string suffix(property);
    for (char& c : suffix) {
      if (static_cast<unsigned char>(c) < 0x20 || c == '/' || c == 0x7F) {
        c = '_';
      }
    }
    absl::StrAppend(&name, "-", suffix);
  }
  return path.replace_filename(absl::StrCat(name, extension));
}

}  // namespace diptych::cli
