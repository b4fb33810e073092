#include "inference/image/png_chunks.h"

#include <string>

#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

const std::string kSignature = "\x89PNG\r\n\x1a\n";

std::string Chunk(const std::string& type, const std::string& data) {
  return std::string(3, '\0') + static_cast<char>(data.size()) + type + data +
         "CRC.";
}

TEST(PngChunksTest, ProfilesAndTextsAreLeftOut) {
  EXPECT_EQ(KeepPixelChunks(kSignature + Chunk("IHDR", "head") +
                            Chunk("iCCP", "profile") + Chunk("PLTE", "p") +
                            Chunk("tRNS", "t") + Chunk("zTXt", "bomb") +
                            Chunk("IDAT", "data") + Chunk("IEND", "")),
            kSignature + Chunk("IHDR", "head") + Chunk("PLTE", "p") +
                Chunk("tRNS", "t") + Chunk("IDAT", "data") + Chunk("IEND", ""));
}

TEST(PngChunksTest, CutOffChunkIsKeptForTheDecoderToRefuse) {
  const std::string cut = kSignature + Chunk("IHDR", "head") +
                          std::string("\0\0\1\0IDAT", 8) + "and no more";
  EXPECT_EQ(KeepPixelChunks(cut), cut);
  for (size_t length = 0; length < cut.size(); ++length) {
    EXPECT_LE(KeepPixelChunks(cut.substr(0, length)).size(), length);
  }
}

}  // namespace
}  // namespace diptych::inference
