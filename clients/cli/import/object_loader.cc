#include "cli/import/object_loader.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/import/file_type.h"
#include "cli/output/json_value.h"
#include "cli/terminal/utf8.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"

namespace diptych::cli {
namespace {

using storage::v1::Object;

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& file,
                                     int64_t bytes_max) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return absl::UnavailableError(
        absl::StrCat("cannot be read: ", std::strerror(errno)));
  }
  // The size on disk decides how much is read, so that a huge file costs
  // nothing.
  stream.seekg(0, std::ios::end);
  const int64_t size = stream.tellg();
  if (size > bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", BytesText(size), "; at most ",
                     BytesText(bytes_max), " are allowed"));
  }
  std::string bytes(static_cast<size_t>(std::max<int64_t>(size, 0)), '\0');
  stream.seekg(0);
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (stream.bad() ||
      stream.gcount() != static_cast<std::streamsize>(bytes.size())) {
    return absl::UnavailableError(
        "cannot be read to its end; it may be changing");
  }
  if (bytes.empty()) return absl::InvalidArgumentError("is empty");
  return bytes;
}

absl::StatusOr<std::string> ReadPicture(const std::filesystem::path& file) {
  DIPTYCH_ASSIGN_OR_RETURN(std::string bytes, ReadFile(file, kPictureBytesMax));
  const absl::string_view format =
      PictureFormat(absl::string_view(bytes).substr(0, kSignatureBytes));
  if (format.empty()) {
    return absl::InvalidArgumentError(
        "is not a picture: its first bytes are not those of JPEG, PNG, WebP, "
        "GIF, BMP or TIFF");
  }
  if (!IsSupportedPicture(format)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "is ", format, "; convert it to JPEG, PNG, WebP, GIF, BMP or TIFF"));
  }
  return bytes;
}

absl::StatusOr<std::string> ReadText(const std::filesystem::path& file) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string bytes,
                           ReadFile(file, kTextBytesMax));
  const absl::string_view text = absl::StripPrefix(bytes, "\xEF\xBB\xBF");
  if (!IsUtf8(text)) {
    return absl::InvalidArgumentError(
        "is not UTF-8; convert it, e.g. with "
        "iconv");
  }
  return std::string(text);
}

absl::Status AddSidecar(const std::filesystem::path& file, Object& object) {
  DIPTYCH_ASSIGN_OR_RETURN(const std::string text,
                           ReadFile(file, kSidecarBytesMax));
  DIPTYCH_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        "is not a JSON object; give {\"property\": value, ...}");
  }
  for (const auto& [name, element] : json.items()) {
    if (name == "image") {
      return absl::InvalidArgumentError(
          "property \"image\" is the picture's own; choose another name");
    }
    auto value = ValueFromJson(element);
    if (!value.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("property \"", name, "\" ", value.status().message()));
    }
    (*object.mutable_properties())[name] = *std::move(value);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Object> LoadObject(const ImportItem& item) {
  Object object;
  object.set_id(item.id);
  auto& properties = *object.mutable_properties();
  const std::filesystem::path relative(item.relative_path);
  properties["path"].set_text_value(item.relative_path);
  properties["file_name"].set_text_value(relative.filename().native());
  properties["folder"].set_text_value(relative.parent_path().native());
  if (item.is_picture) {
    DIPTYCH_ASSIGN_OR_RETURN(
        *properties["image"].mutable_image_value()->mutable_data(),
        ReadPicture(item.file));
    if (item.document.has_value()) {
      auto text = ReadText(*item.document);
      if (!text.ok()) {
        return Annotate(text.status(), item.document->filename().native());
      }
      properties["document"].set_text_value(*std::move(text));
    }
  } else {
    DIPTYCH_ASSIGN_OR_RETURN(*properties["document"].mutable_text_value(),
                             ReadText(item.file));
  }
  if (item.sidecar.has_value()) {
    DIPTYCH_RETURN_IF_ERROR(Annotate(AddSidecar(*item.sidecar, object),
                                     item.sidecar->filename().native()));
  }
  return object;
}

}  // namespace diptych::cli
