// How a camera was held: EXIF's orientation, as a file says it.
//
// Operation: the tag 0x0112 of the first directory, in a JPEG's APP1 segment,
// a PNG's eXIf chunk, a WebP's EXIF chunk, or a TIFF itself. Sources: CIPA
// DC-008 (EXIF 2.32), chapter 4.6; PNG specification 1.2, extension eXIf; WebP
// container specification.
// Concurrency: free functions without state.
// Limits: reads no byte outside what it is given.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/image/image_header.h"

namespace diptych {

// 1 to 8; 1, which is upright, when the file does not say.
int ReadOrientation(absl::string_view bytes, ImageFormat format);

// Whether an upright picture is as wide as the stored one is high: 5 to 8.
bool SwapsSides(int orientation);

// Writes `stored`, 8-bit RGB in rows of `width` pixels without padding,
// mirrored and turned so that it is upright to `upright`, which has as many
// bytes and is elsewhere. 1 and what is no orientation change nothing. As
// Pillow's ImageOps.exif_transpose does.
void CopyUpright(const uint8_t* stored, int width, int height, int orientation,
                 uint8_t* upright);

}  // namespace diptych
