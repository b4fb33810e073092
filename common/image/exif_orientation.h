// How a camera was held: EXIF's orientation, as a file says it.
//
// Operation: the tag 0x0112 of the first directory, in a JPEG's APP1 segment,
// a PNG's eXIf chunk, a WebP's EXIF chunk, or a TIFF itself. Sources: CIPA
// DC-008 (EXIF 2.32), chapter 4.6; PNG specification 1.2, extension eXIf; WebP
// container specification.
// Concurrency: a free function without state.
// Limits: reads no byte outside `bytes`.
#pragma once

#include "absl/strings/string_view.h"
#include "common/image/image_header.h"

namespace diptych {

// 1 to 8; 1, which is upright, when the file does not say.
int ReadOrientation(absl::string_view bytes, ImageFormat format);

}  // namespace diptych
