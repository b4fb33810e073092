#include "storage/thumbnail/jpeg_codec.h"

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

// Needs size_t and FILE declared before it.
#include <jpeglib.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::storage {
namespace {

constexpr int kQuality = 85;

// libjpeg reports an error by calling error_exit, which must not return: it
// jumps back into Run. No object with a destructor lives in the frames between.
class ErrorManager {
 public:
  ErrorManager() {
    jpeg_std_error(&base_);
    base_.error_exit = [](j_common_ptr info) {
      auto* errors = reinterpret_cast<ErrorManager*>(info->err);
      info->err->format_message(info, errors->message_);
      std::longjmp(errors->jump_, 1);
    };
    // Prints nothing.
    base_.emit_message = [](j_common_ptr, int) {};
  }

  // Runs `step`; false when libjpeg failed inside it.
  template <typename Step>
  bool Run(Step step) {
    if (setjmp(jump_) != 0) return false;
    step();
    return true;
  }

  [[noreturn]] void Fail(const char* message) {
    std::snprintf(message_, sizeof(message_), "%s", message);
    std::longjmp(jump_, 1);
  }

  jpeg_error_mgr* base() { return &base_; }
  const char* message() const { return message_; }

 private:
  jpeg_error_mgr base_;  // first: libjpeg knows this address only
  std::jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = "";
};

class Decoder {
 public:
  Decoder(absl::string_view bytes, int pixels)
      : bytes_(bytes), pixels_(pixels) {
    info_.err = errors_.base();
    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number >
          kJpegScansMax) {
        reinterpret_cast<ErrorManager*>(info->err)->Fail("too many scans");
      }
    };
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool Start() {
    return errors_.Run([this] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, reinterpret_cast<const uint8_t*>(bytes_.data()),
                   bytes_.size());
      jpeg_read_header(&info_, TRUE);
      if (info_.num_components != 1 && info_.num_components != 3 &&
          info_.num_components != 4) {
        errors_.Fail("it has neither 1, 3 nor 4 components");
      }
      info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_RGB;
      const auto longer =
          static_cast<int>(std::max(info_.image_width, info_.image_height));
      info_.scale_num = 1;
      info_.scale_denom = 8;
      while (info_.scale_denom > 1 &&
             longer / static_cast<int>(info_.scale_denom) < pixels_) {
        info_.scale_denom /= 2;
      }
      jpeg_start_decompress(&info_);
    });
  }

  // `line` holds a row of CMYK.
  bool ReadRows(Picture& picture, uint8_t* line) {
    return errors_.Run([this, &picture, line] {
      while (info_.output_scanline < info_.output_height) {
        uint8_t* row = picture.row(static_cast<int>(info_.output_scanline));
        JSAMPROW target = info_.output_components == 4 ? line : row;
        jpeg_read_scanlines(&info_, &target, 1);
        if (info_.output_components == 4) CmykToRgb(line, picture.width, row);
      }
      jpeg_finish_decompress(&info_);
    });
  }

  int width() const { return static_cast<int>(info_.output_width); }
  int height() const { return static_cast<int>(info_.output_height); }
  const char* message() const { return errors_.message(); }

 private:
  static void CmykToRgb(const uint8_t* cmyk, int pixels, uint8_t* rgb) {
    for (int i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
      for (int channel = 0; channel < 3; ++channel) {
        rgb[channel] = static_cast<uint8_t>(cmyk[channel] * cmyk[3] / 255);
      }
    }
  }

  const absl::string_view bytes_;
  const int pixels_;
  ErrorManager errors_;
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
};

class Encoder {
 public:
  Encoder() { info_.err = errors_.base(); }
  ~Encoder() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  bool Run(const Picture& picture) {
    return errors_.Run([this, &picture] {
      jpeg_create_compress(&info_);
      jpeg_mem_dest(&info_, &bytes_, &size_);
      info_.image_width = static_cast<JDIMENSION>(picture.width);
      info_.image_height = static_cast<JDIMENSION>(picture.height);
      info_.input_components = 3;
      info_.in_color_space = JCS_RGB;
      jpeg_set_defaults(&info_);
      jpeg_set_quality(&info_, kQuality, TRUE);
      info_.optimize_coding = TRUE;
      jpeg_start_compress(&info_, TRUE);
      while (info_.next_scanline < info_.image_height) {
        auto* row = const_cast<JSAMPROW>(
            picture.row(static_cast<int>(info_.next_scanline)));
        jpeg_write_scanlines(&info_, &row, 1);
      }
      jpeg_finish_compress(&info_);
    });
  }

  std::string bytes() const {
    return {reinterpret_cast<const char*>(bytes_), size_};
  }
  const char* message() const { return errors_.message(); }

 private:
  ErrorManager errors_;
  jpeg_compress_struct info_{};
  uint8_t* bytes_ = nullptr;  // malloc's
  unsigned long size_ = 0;
};

}  // namespace

absl::StatusOr<Picture> DecodeJpegSmall(absl::string_view bytes, int pixels) {
  Decoder decoder(bytes, pixels);
  const auto failure = [&decoder] {
    return absl::InvalidArgumentError(
        absl::StrCat("the JPEG is malformed: ", decoder.message()));
  };
  if (!decoder.Start()) return failure();
  Picture picture(decoder.width(), decoder.height());
  std::vector<uint8_t> line(size_t{4} * decoder.width());
  if (!decoder.ReadRows(picture, line.data())) return failure();
  return picture;
}

absl::StatusOr<std::string> EncodeJpeg(const Picture& picture) {
  Encoder encoder;
  if (!encoder.Run(picture)) {
    return absl::InternalError(absl::StrCat(
        "the thumbnail could not be encoded: ", encoder.message()));
  }
  return encoder.bytes();
}

}  // namespace diptych::storage
