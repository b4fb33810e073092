#include "cli/commands/saved_image.h"

#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

constexpr char kPng[] = "\x89PNG\r\n\x1A\n";

TEST(SavedImageTest, IdWithExtensionIsThePath) {
  EXPECT_EQ(SavedImagePath("cats/tom.JPG", "image", kPng), "cats/tom.JPG");
}

TEST(SavedImageTest, ExtensionComesFromTheBytesOtherwise) {
  EXPECT_EQ(SavedImagePath("0190-ab", "image", kPng), "0190-ab.png");
  EXPECT_EQ(SavedImagePath("v1.2", "image", "?"), "v1.2.bin");
}

TEST(SavedImageTest, OtherPropertiesAreAddedToTheName) {
  EXPECT_EQ(SavedImagePath("a.png", "back", kPng), "a-back.png");
  EXPECT_EQ(SavedImagePath("a.png", "x/../y", kPng), "a-x_.._y.png");
}

TEST(SavedImageTest, NoIdLeadsOutOfTheDirectory) {
  EXPECT_EQ(SavedImagePath("../../etc/passwd", "image", kPng),
            "_/_/etc/passwd.png");
  EXPECT_EQ(SavedImagePath("/etc/passwd", "image", kPng), "_/etc/passwd.png");
  EXPECT_EQ(SavedImagePath("..", "image", kPng), "_.png");
  EXPECT_EQ(SavedImagePath("a\nb", "image", kPng), "a_b.png");
}

}  // namespace
}  // namespace diptych::cli
