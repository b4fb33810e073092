#include "inference/image/webp_decoder.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::inference {
namespace {

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("WebP image is malformed or truncated", why));
}

struct DemuxerDeleter {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

}  // namespace

absl::StatusOr<Image> DecodeWebp(absl::string_view bytes) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(bytes.data()),
                         bytes.size()};
  const std::unique_ptr<WebPDemuxer, DemuxerDeleter> demuxer(WebPDemux(&data));
  if (demuxer == nullptr) return Malformed("");
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) {
    return Malformed(": it has no frame");
  }
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> release(
      &frame, WebPDemuxReleaseIterator);
  const auto width =
      static_cast<int>(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH));
  const auto height =
      static_cast<int>(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT));
  if (width < 1 || height < 1 || frame.x_offset < 0 || frame.y_offset < 0 ||
      frame.width > width - frame.x_offset ||
      frame.height > height - frame.y_offset) {
    return Malformed(": its frame lies outside its canvas");
  }
  int frame_width = 0;
  int frame_height = 0;
  if (WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &frame_width,
                  &frame_height) == 0 ||
      frame_width != frame.width || frame_height != frame.height) {
    return Malformed(": its frame has another size than announced");
  }
  Image image(width, height);
  uint8_t* const first =
      image.row(frame.y_offset) + Image::kChannels * frame.x_offset;
  const size_t room =
      static_cast<size_t>(image.data() + image.pixels().size() - first);
  if (WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, first, room,
                        Image::kChannels * width) == nullptr) {
    return Malformed("");
  }
  return image;
}

}  // namespace diptych::inference
