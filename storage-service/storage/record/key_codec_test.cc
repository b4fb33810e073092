#include "storage/record/key_codec.h"

#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

TEST(KeyCodecTest, SlotKeysSortAsTheirNumbers) {
  EXPECT_LT(SlotKey(0), SlotKey(1));
  EXPECT_LT(SlotKey(255), SlotKey(256));
  EXPECT_LT(SlotKey(65535), SlotKey(4294967295u));
  EXPECT_EQ(SlotKey(0x01020304), std::string("\x01\x02\x03\x04", 4));
}

TEST(KeyCodecTest, SlotKeysComeBack) {
  for (uint32_t slot : {0u, 1u, 255u, 256u, 4294967295u}) {
    uint32_t parsed = 7;
    ASSERT_TRUE(ParseSlotKey(SlotKey(slot), parsed));
    EXPECT_EQ(parsed, slot);
  }
  uint32_t slot;
  EXPECT_FALSE(ParseSlotKey("abc", slot));
  EXPECT_FALSE(ParseSlotKey("abcde", slot));
}

TEST(KeyCodecTest, VectorKeysKeepAnObjectsPiecesTogether) {
  EXPECT_LT(VectorKey(1, 0, 3), VectorKey(1, 1, 0));
  EXPECT_LT(VectorKey(1, 15, 65535), VectorKey(2, 0, 0));
  EXPECT_EQ(VectorKey(1, 2, 3), std::string("\0\0\0\x01\x02\0\x03", 7));
}

TEST(KeyCodecTest, DirectoryNamesComeBackAndOthersAreRefused) {
  EXPECT_EQ(CollectionDirectoryName(0xab), "00000000000000ab");
  uint64_t id = 0;
  ASSERT_TRUE(ParseCollectionDirectoryName("ffffffffffffffff", id));
  EXPECT_EQ(id, ~uint64_t{0});
  EXPECT_FALSE(ParseCollectionDirectoryName("00000000000000AB", id));
  EXPECT_FALSE(ParseCollectionDirectoryName("ab", id));
  EXPECT_FALSE(ParseCollectionDirectoryName("0000000000000g00", id));
}

}  // namespace
}  // namespace diptych::storage
