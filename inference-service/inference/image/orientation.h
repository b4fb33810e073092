// How a camera was held: EXIF's orientation, read and undone.
//
// Operation: the tag 0x0112 of the first directory, in a JPEG's APP1 segment,
// a PNG's eXIf chunk, a WebP's EXIF chunk, or a TIFF itself. Sources: CIPA
// DC-008 (EXIF 2.32), chapter 4.6; PNG specification 1.2, extension eXIf; WebP
// container specification. Turning is what Pillow's ImageOps.exif_transpose
// does.
// Concurrency: free functions without state.
// Limits: reads no byte outside `bytes`.
#pragma once

#include "absl/strings/string_view.h"
#include "inference/image/image_header.h"
#include "inference/types/image.h"

namespace diptych::inference {

// 1 to 8; 1, which is upright, when the file does not say.
int ReadOrientation(absl::string_view bytes, ImageFormat format);

// `image` mirrored and turned so that it is upright. 1 and what is no
// orientation change nothing; 5 to 8 swap width and height.
Image Upright(Image image, int orientation);

}  // namespace diptych::inference
