// Undoes how a camera was held (common/image/exif_orientation.h says how).
//
// Operation: as Pillow's ImageOps.exif_transpose does. Source: CIPA DC-008
// (EXIF 2.32), chapter 4.6.
// Concurrency: a free function without state.
// Limits: none of its own.
#pragma once

#include "inference/types/image.h"

namespace diptych::inference {

// `image` mirrored and turned so that it is upright. 1 and what is no
// orientation change nothing; 5 to 8 swap width and height.
Image Upright(Image image, int orientation);

}  // namespace diptych::inference
