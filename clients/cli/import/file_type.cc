#include "cli/import/file_type.h"

#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace diptych::cli {
namespace {

constexpr std::array<absl::string_view, 10> kPictureExtensions = {
    ".jpg", ".jpeg", ".png", ".webp", ".bmp",
    ".tif", ".tiff", ".gif", ".heic", ".avif"};

}  // namespace

FileKind KindByName(absl::string_view file_name) {
  const size_t dot = file_name.rfind('.');
  if (dot == absl::string_view::npos) return FileKind::kUnknown;
  const std::string extension = absl::AsciiStrToLower(file_name.substr(dot));
  if (extension == ".txt") return FileKind::kText;
  if (extension == ".json") return FileKind::kSidecar;
  for (absl::string_view known : kPictureExtensions) {
    if (extension == known) return FileKind::kPicture;
  }
  return FileKind::kUnknown;
}

absl::string_view PictureFormat(absl::string_view first_bytes) {
  using absl::StartsWith;
  if (StartsWith(first_bytes, "\xFF\xD8\xFF")) return "JPEG";
  if (StartsWith(first_bytes, "\x89PNG\r\n\x1A\n")) return "PNG";
  if (StartsWith(first_bytes, "RIFF") && first_bytes.size() >= 12 &&
      first_bytes.substr(8, 4) == "WEBP") {
    return "WebP";
  }
  if (StartsWith(first_bytes, absl::string_view("II*\0", 4)) ||
      StartsWith(first_bytes, absl::string_view("MM\0*", 4))) {
    return "TIFF";
  }
  if (StartsWith(first_bytes, "GIF8")) return "GIF";
  if (first_bytes.size() >= 12 && first_bytes.substr(4, 4) == "ftyp") {
    const absl::string_view brand = first_bytes.substr(8, 4);
    if (brand == "avif" || brand == "avis") return "AVIF";
    if (StartsWith(brand, "hei") || StartsWith(brand, "hev") ||
        brand == "mif1") {
      return "HEIC";
    }
  }
  // Two letters are a weak signature: the reserved bytes of the file header
  // must be zero too.
  if (StartsWith(first_bytes, "BM") && first_bytes.size() >= 10 &&
      first_bytes.substr(6, 4) == absl::string_view("\0\0\0\0", 4)) {
    return "BMP";
  }
  return "";
}

bool IsSupportedPicture(absl::string_view format) {
  return format == "JPEG" || format == "PNG" || format == "WebP" ||
         format == "GIF" || format == "BMP" || format == "TIFF";
}

absl::string_view ExtensionOf(absl::string_view format) {
  if (format == "JPEG") return ".jpg";
  if (format == "PNG") return ".png";
  if (format == "WebP") return ".webp";
  if (format == "GIF") return ".gif";
  if (format == "BMP") return ".bmp";
  if (format == "TIFF") return ".tif";
  return ".bin";
}

}  // namespace diptych::cli
