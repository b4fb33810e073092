#include "inference/image/jpeg_decoder.h"

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

// Needs size_t and FILE declared before it.
#include <jpeglib.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "inference/image/cmyk.h"

namespace diptych::inference {
namespace {

// libjpeg reports an error by calling error_exit, which must not return: it
// jumps back into Run. No object with a destructor lives in the frames between.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void Fail(j_common_ptr info, const char* message) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(errors->message, sizeof(errors->message), "%s", message);
  std::longjmp(errors->jump, 1);
}

void OnError(j_common_ptr info) {
  char message[JMSG_LENGTH_MAX];
  info->err->format_message(info, message);
  Fail(info, message);
}

// Warnings are of data that Pillow decodes too, and silently.
void OnMessage(j_common_ptr, int) {}

boolean OnInputEnd(j_decompress_ptr info) {
  Fail(reinterpret_cast<j_common_ptr>(info), "the data ends early");
}

void OnProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number >
      kJpegScansMax) {
    Fail(info, "too many scans");
  }
}

// Adobe stores inks inverted, and Pillow assumes that of every JPEG.
void InvertedCmykToRgb(const uint8_t* cmyk, int pixels, uint8_t* rgb) {
  const auto inverted = [&](int i) {
    return static_cast<uint8_t>(255 - cmyk[i]);
  };
  for (int i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    CmykToRgb({inverted(0), inverted(1), inverted(2), inverted(3)}, rgb);
  }
}

void GreyToRgb(const uint8_t* grey, int pixels, uint8_t* rgb) {
  for (int i = 0; i < pixels; ++i, rgb += 3) {
    rgb[0] = rgb[1] = rgb[2] = grey[i];
  }
}

class JpegReader {
 public:
  explicit JpegReader(absl::string_view bytes) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = OnError;
    errors_.base.emit_message = OnMessage;
    progress_.progress_monitor = OnProgress;
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = OnInputEnd;
    source_.skip_input_data = [](j_decompress_ptr info, long count) {
      if (count <= 0) return;
      if (static_cast<size_t>(count) > info->src->bytes_in_buffer) {
        OnInputEnd(info);
      }
      info->src->next_input_byte += count;
      info->src->bytes_in_buffer -= static_cast<size_t>(count);
    };
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Runs `step`; false when libjpeg failed inside it.
  template <typename Step>
  bool Run(Step step) {
    if (setjmp(errors_.jump) != 0) return false;
    step();
    return true;
  }

  void Start() {
    jpeg_create_decompress(&info_);
    info_.src = &source_;
    info_.progress = &progress_;
    jpeg_read_header(&info_, TRUE);
    switch (info_.num_components) {
      case 1:
        info_.out_color_space = JCS_GRAYSCALE;
        break;
      case 3:
        info_.out_color_space = JCS_RGB;
        break;
      case 4:
        info_.out_color_space = JCS_CMYK;
        break;
      default:
        Fail(reinterpret_cast<j_common_ptr>(&info_),
             "it has neither 1, 3 nor 4 components");
    }
    jpeg_start_decompress(&info_);
  }

  // `line` holds one decoded row.
  void ReadRows(uint8_t* line, Image& image) {
    while (info_.output_scanline < info_.output_height) {
      uint8_t* row = image.row(static_cast<int>(info_.output_scanline));
      JSAMPROW target = info_.num_components == 3 ? row : line;
      jpeg_read_scanlines(&info_, &target, 1);
      if (info_.num_components == 1) GreyToRgb(line, image.width(), row);
      if (info_.num_components == 4)
        InvertedCmykToRgb(line, image.width(), row);
    }
    jpeg_finish_decompress(&info_);
  }

  int width() const { return static_cast<int>(info_.output_width); }
  int height() const { return static_cast<int>(info_.output_height); }
  int components() const { return info_.num_components; }
  const char* message() const { return errors_.message; }

 private:
  jpeg_decompress_struct info_{};
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_source_mgr source_{};
};

}  // namespace

absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes) {
  JpegReader reader(bytes);
  const auto failure = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "JPEG image is malformed or truncated: ", reader.message()));
  };
  if (!reader.Run([&] { reader.Start(); })) return failure();
  Image image(reader.width(), reader.height());
  std::vector<uint8_t> line(static_cast<size_t>(reader.width()) *
                            reader.components());
  if (!reader.Run([&] { reader.ReadRows(line.data(), image); })) {
    return failure();
  }
  return image;
}

}  // namespace diptych::inference
