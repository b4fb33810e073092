#include "storage/filter/excerpt.h"

#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

TEST(ExcerptTest, CutsBetweenCharacters) {
  EXPECT_EQ(Excerpt("short"), "short");
  const std::string text = "a" + std::string(40, 'x') +
                           "\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6"
                           "\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6\xC3\xB6";
  const std::string excerpt = Excerpt(text);
  EXPECT_EQ(excerpt.substr(excerpt.size() - 3), "...");
  EXPECT_EQ(FindInvalidUtf8(excerpt), excerpt.size());
  EXPECT_EQ(excerpt.size(), 63u + 3u);
}

TEST(ExcerptTest, FindsWhatIsNoUtf8) {
  EXPECT_EQ(FindInvalidUtf8("a\xC3\xB6\xE2\x82\xAC\xF0\x9F\x98\x80"), 10u);
  EXPECT_EQ(FindInvalidUtf8("ab\xFFz"), 2u);
  EXPECT_EQ(FindInvalidUtf8("ab\xC3"), 2u);            // cut off
  EXPECT_EQ(FindInvalidUtf8("\xC0\x80"), 0u);          // overlong
  EXPECT_EQ(FindInvalidUtf8("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(FindInvalidUtf8("\xF5\x80\x80\x80"), 0u);  // beyond U+10FFFF
}

}  // namespace
}  // namespace diptych::storage
