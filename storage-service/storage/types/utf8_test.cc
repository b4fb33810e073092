#include "storage/types/utf8.h"

#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

TEST(Utf8Test, EveryLengthIsAccepted) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("a"));
  EXPECT_TRUE(IsValidUtf8("\xc3\xa4"));
  EXPECT_TRUE(IsValidUtf8("\xe4\xb8\xad"));
  EXPECT_TRUE(IsValidUtf8("\xf0\x9f\x98\x80"));
  EXPECT_TRUE(IsValidUtf8(absl::string_view("a\0b", 3)));
}

TEST(Utf8Test, WhatIsNotUtf8IsRefused) {
  EXPECT_FALSE(IsValidUtf8("\x80"));              // continuation alone
  EXPECT_FALSE(IsValidUtf8("\xc3"));              // cut
  EXPECT_FALSE(IsValidUtf8("\xc3z"));             // no continuation
  EXPECT_FALSE(IsValidUtf8("\xc0\xaf"));          // overlong
  EXPECT_FALSE(IsValidUtf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(IsValidUtf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(IsValidUtf8("\xff"));
}

}  // namespace
}  // namespace diptych::storage
