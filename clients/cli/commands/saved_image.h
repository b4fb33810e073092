// Where `diptych get --save-images DIR` puts a picture.
//
// Concurrency: a pure function. Limits: none.
#pragma once

#include <filesystem>
#include <string>

#include "absl/strings/string_view.h"

namespace diptych::cli {

// A path relative to DIR, made of the object's id: its parts at '/' become
// directories, empty parts, "." and ".." and bytes that no file name may hold
// become '_', so that no id leads out of DIR. A property other than "image" is
// added to the stem ("a-back.png"). An id without the extension of a picture
// gets that of the picture's format.
std::filesystem::path SavedImagePath(absl::string_view id,
                                     absl::string_view property,
                                     absl::string_view bytes);

}  // namespace diptych::cli
