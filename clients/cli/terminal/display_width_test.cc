#include "cli/terminal/display_width.h"

#include "gtest/gtest.h"

namespace diptych::cli {
namespace {

TEST(DisplayWidthTest, CountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("sofa"), 4);
  EXPECT_EQ(DisplayWidth("Kätzchen"), 8);
  EXPECT_EQ(DisplayWidth("猫の写真"), 8);
  // e followed by a combining acute accent.
  EXPECT_EQ(DisplayWidth("e\xCC\x81"), 1);
  EXPECT_EQ(DisplayWidth("\xFF"), 1);
}

TEST(DisplayWidthTest, PrintableDisarmsEscapeSequences) {
  EXPECT_EQ(Printable("a\x1b[2Jb"), "a\xEF\xBF\xBD[2Jb");
  EXPECT_EQ(Printable("two\nlines\tand"), "two lines and");
  EXPECT_EQ(Printable("caf\xE9"), "caf\xEF\xBF\xBD");
  // C1 control sequence introducer, as UTF-8.
  EXPECT_EQ(Printable("\xC2\x9B"), "\xEF\xBF\xBD");
}

TEST(DisplayWidthTest, FitsByColumnsAndNeverSplitsACharacter) {
  EXPECT_EQ(FitToWidth("short", 5), "short");
  EXPECT_EQ(FitToWidth("longer", 5), "long…");
  // Two columns each: only one fits beside the ellipsis.
  EXPECT_EQ(FitToWidth("猫の写真", 4), "猫…");
}

}  // namespace
}  // namespace diptych::cli
