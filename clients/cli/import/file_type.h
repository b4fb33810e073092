// What a file is, by its name and its first bytes.
//
// Format: the signatures of JPEG, PNG, WebP (RIFF), GIF, BMP and TIFF, which
// are what the services decode; HEIC and AVIF are recognised in order to name
// them in an error.
// Concurrency: pure functions.
// Limits: looks at 16 bytes at most.
#pragma once

#include "absl/strings/string_view.h"

namespace diptych::cli {

// What a name promises.
enum class FileKind {
  // .jpg .jpeg .png .webp .gif .bmp .tif .tiff, and .heic .avif, which are
  // pictures that cannot be imported.
  kPicture,
  // .txt
  kText,
  // .json
  kSidecar,
  // Anything else: its first bytes decide.
  kUnknown,
};

// Case does not matter.
FileKind KindByName(absl::string_view file_name);

inline constexpr int kSignatureBytes = 16;

// "JPEG", "PNG", "WebP", "BMP", "TIFF", "GIF", "HEIC", "AVIF", or "" for
// anything else.
absl::string_view PictureFormat(absl::string_view first_bytes);

// Whether the services decode it.
bool IsSupportedPicture(absl::string_view format);

// ".jpg", ".png", ...; ".bin" for a format without a known name.
absl::string_view ExtensionOf(absl::string_view format);

}  // namespace diptych::cli
