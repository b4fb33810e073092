#include "inference/image/orientation.h"

#include "common/image/exif_orientation.h"

namespace diptych::inference {

Image Upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swapped = SwapsSides(orientation);
  Image upright(swapped ? image.height() : image.width(),
                swapped ? image.width() : image.height());
  CopyUpright(image.data(), image.width(), image.height(), orientation,
              upright.data());
  return upright;
}

}  // namespace diptych::inference
