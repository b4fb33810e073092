#include "cli/import/file_type.h"

#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

TEST(FileTypeTest, NamesAreReadWithoutCase) {
  EXPECT_EQ(KindByName("a.JPG"), FileKind::kPicture);
  EXPECT_EQ(KindByName("a.b.tiff"), FileKind::kPicture);
  EXPECT_EQ(KindByName("a.Txt"), FileKind::kText);
  EXPECT_EQ(KindByName("a.json"), FileKind::kSidecar);
  EXPECT_EQ(KindByName("a"), FileKind::kUnknown);
  EXPECT_EQ(KindByName("a.png.part"), FileKind::kUnknown);
}

TEST(FileTypeTest, SignaturesNameTheFormat) {
  using absl::string_view;
  EXPECT_EQ(PictureFormat("\xFF\xD8\xFF\xE0"), "JPEG");
  EXPECT_EQ(PictureFormat("\x89PNG\r\n\x1A\n"), "PNG");
  EXPECT_EQ(PictureFormat("RIFF1234WEBPVP8 "), "WebP");
  EXPECT_EQ(PictureFormat("RIFF1234WAVEfmt "), "");
  EXPECT_EQ(PictureFormat(string_view("II*\0", 4)), "TIFF");
  EXPECT_EQ(PictureFormat(string_view("MM\0*", 4)), "TIFF");
  EXPECT_EQ(PictureFormat(string_view("BM1234\0\0\0\0", 10)), "BMP");
  EXPECT_EQ(PictureFormat("BMW is a car"), "");
  EXPECT_EQ(PictureFormat(string_view("\0\0\0\x18"
                                      "ftypavif",
                                      12)),
            "AVIF");
  EXPECT_EQ(PictureFormat(string_view("\0\0\0\x18"
                                      "ftypheic",
                                      12)),
            "HEIC");
  EXPECT_EQ(PictureFormat("GIF89a"), "GIF");
  EXPECT_EQ(PictureFormat(""), "");
}

TEST(FileTypeTest, OnlyWhatTheServicesDecodeIsSupported) {
  EXPECT_TRUE(IsSupportedPicture("WebP"));
  EXPECT_TRUE(IsSupportedPicture("GIF"));
  EXPECT_FALSE(IsSupportedPicture("AVIF"));
  EXPECT_FALSE(IsSupportedPicture(""));
}

}  // namespace
}  // namespace diptych::cli
