#include "inference/image/png_decoder.h"

#include <png.h>

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "inference/image/png_chunks.h"

namespace diptych::inference {
namespace {

// libpng reports an error by calling OnError, which must not return: it jumps
// back into Run. No object with a destructor lives in the frames between.
class PngReader {
 public:
  explicit PngReader(absl::string_view bytes) : rest_(bytes) {}
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // Runs `step`; false when libpng failed inside it.
  template <typename Step>
  bool Run(Step step) {
    if (setjmp(jump_) != 0) return false;
    step();
    return true;
  }

  void Start() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError,
                                  [](png_structp, png_const_charp) {});
    if (png_ == nullptr) Fail("libpng could not be set up");
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) Fail("libpng could not be set up");
    png_set_read_fn(png_, this, OnRead);
    png_read_info(png_, info_);
    const bool grey = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY;
    grey16_ = grey && png_get_bit_depth(png_, info_) == 16;
    if (!grey16_) {
      // 16 bits become their high byte, without rounding.
      png_set_strip_16(png_);
      png_set_palette_to_rgb(png_);
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_strip_alpha(png_);
      png_set_gray_to_rgb(png_);
    }
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    const size_t expected =
        size_t{png_get_image_width(png_, info_)} * (grey16_ ? 2 : 3);
    if (png_get_rowbytes(png_, info_) != expected) {
      Fail("its rows have an unexpected length");
    }
  }

  // `row_at` gives the memory of each row.
  template <typename RowAt>
  void ReadRows(RowAt row_at) {
    for (int pass = 0; pass < passes_; ++pass) {
      for (int y = 0; y < height(); ++y) {
        png_read_row(png_, row_at(y), nullptr);
      }
    }
    png_read_end(png_, nullptr);
  }

  bool grey16() const { return grey16_; }
  int width() const {
    return static_cast<int>(png_get_image_width(png_, info_));
  }
  int height() const {
    return static_cast<int>(png_get_image_height(png_, info_));
  }
  const char* message() const { return message_; }

 private:
  [[noreturn]] void Fail(const char* message) {
    std::snprintf(message_, sizeof(message_), "%s", message);
    std::longjmp(jump_, 1);
  }

  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    static_cast<PngReader*>(png_get_error_ptr(png))->Fail(message);
  }

  static void OnRead(png_structp png, png_bytep to, size_t count) {
    auto& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader.rest_.size()) reader.Fail("the data ends early");
    std::memcpy(to, reader.rest_.data(), count);
    reader.rest_.remove_prefix(count);
  }

  absl::string_view rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  bool grey16_ = false;
  int passes_ = 1;
  std::jmp_buf jump_;
  char message_[200] = "";
};

// Pillow reads 16-bit grey as 32-bit integers and clips those to 8 bits.
void Grey16ToRgb(const uint8_t* grey, int pixels, uint8_t* rgb) {
  for (int i = 0; i < pixels; ++i, grey += 2, rgb += 3) {
    rgb[0] = rgb[1] = rgb[2] = grey[0] != 0 ? 255 : grey[1];
  }
}

}  // namespace

absl::StatusOr<Image> DecodePng(absl::string_view bytes) {
  const std::string kept = KeepPixelChunks(bytes);
  PngReader reader(kept);
  const auto failure = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "PNG image is malformed or truncated: ", reader.message()));
  };
  if (!reader.Run([&] { reader.Start(); })) return failure();
  Image image(reader.width(), reader.height());
  std::vector<uint8_t> grey;
  const size_t grey_row = size_t{2} * reader.width();
  if (reader.grey16()) grey.resize(grey_row * reader.height());
  const bool read = reader.Run([&] {
    reader.ReadRows([&](int y) {
      return reader.grey16() ? grey.data() + grey_row * y : image.row(y);
    });
  });
  if (!read) return failure();
  if (reader.grey16()) {
    for (int y = 0; y < image.height(); ++y) {
      Grey16ToRgb(grey.data() + grey_row * y, image.width(), image.row(y));
    }
  }
  return image;
}

}  // namespace diptych::inference
