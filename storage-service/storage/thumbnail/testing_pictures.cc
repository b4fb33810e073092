#include "storage/thumbnail/testing_pictures.h"

#include <png.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace diptych::storage {

std::string PngOf(int width, int height, const std::vector<uint8_t>& pixel) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<uint32_t>(width);
  image.height = static_cast<uint32_t>(height);
  image.format = pixel.size() == 4 ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
  std::vector<uint8_t> pixels;
  for (int i = 0; i < width * height; ++i) {
    pixels.insert(pixels.end(), pixel.begin(), pixel.end());
  }
  png_alloc_size_t size = 0;
  EXPECT_NE(png_image_write_to_memory(&image, nullptr, &size, 0, pixels.data(),
                                      0, nullptr),
            0);
  std::string png(size, '\0');
  EXPECT_NE(png_image_write_to_memory(&image, png.data(), &size, 0,
                                      pixels.data(), 0, nullptr),
            0);
  png.resize(size);
  return png;
}

std::string CommittedPicture(absl::string_view part) {
  const std::filesystem::path directory =
      std::filesystem::path(std::getenv("DIPTYCH_SOURCE_DIR")) /
      "inference-service/inference/image/testdata";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!absl::StrContains(entry.path().filename().string(), part)) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  ADD_FAILURE() << "no picture named " << part;
  return "";
}

}  // namespace diptych::storage
