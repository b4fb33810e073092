#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/section_file/faulty_file_system.h"
#include "storage/section_file/section_reader.h"
#include "storage/section_file/section_writer.h"

namespace diptych::storage {
namespace {

constexpr std::array<uint64_t, 2> kId = {0x0123456789abcdef, 42};

// Numbers that no compression makes smaller.
uint64_t NumberAt(uint64_t i) { return i * 0x9e3779b97f4a7c15; }

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class SectionFileTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return directory_.path() / "file"; }

  absl::Status Write(FileSystem& files, size_t numbers) {
    auto file = files.Create(path());
    if (!file.ok()) return file.status();
    SectionWriter writer(*std::move(file), kId);
    writer.BeginSection("numbers");
    for (uint64_t i = 0; i < numbers; ++i) writer.Varint(NumberAt(i));
    writer.BeginSection("empty");
    writer.BeginSection("mixed");
    writer.String("text");
    writer.Number(-2.5);
    return writer.Finish();
  }

  static absl::Status ReadAll(const std::filesystem::path& path,
                              size_t numbers) {
    auto file = FileSystem::System().Open(path);
    if (!file.ok()) return file.status();
    auto opened = SectionFile::Open(*std::move(file));
    if (!opened.ok()) return opened.status();
    auto section = (*opened)->Section("numbers");
    if (!section.ok()) return section.status();
    for (uint64_t i = 0; i < numbers; ++i) {
      uint64_t value = 0;
      if (!section->Varint(value)) break;
      EXPECT_EQ(value, NumberAt(i));
    }
    if (!section->Finish().ok()) return section->Finish();
    section = (*opened)->Section("empty");
    if (!section.ok()) return section.status();
    if (!section->Finish().ok()) return section->Finish();
    section = (*opened)->Section("mixed");
    if (!section.ok()) return section.status();
    std::string text;
    double number = 0;
    if (section->String(text) && section->Number(number)) {
      EXPECT_EQ(text, "text");
      EXPECT_EQ(number, -2.5);
    }
    return section->Finish();
  }

  std::string Content() const {
    std::ifstream file(path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void SetContent(const std::string& content) {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << content;
  }

  TempDirectory directory_;
};

TEST_F(SectionFileTest, GivesBackWhatWasWritten) {
  for (const size_t numbers : {0, 1, 1000, 100'000}) {
    ASSERT_THAT(Write(FileSystem::System(), numbers), IsOk());
    EXPECT_THAT(ReadAll(path(), numbers), IsOk()) << numbers;
  }
}

// The table of sections may end anywhere in a block, and begin in another one.
TEST_F(SectionFileTest, TableMayLieAcrossBlocks) {
  for (size_t bytes = (64 << 10) - 130; bytes < (64 << 10) + 8; ++bytes) {
    auto file = FileSystem::System().Create(path());
    ASSERT_THAT(file.status(), IsOk());
    SectionWriter writer(*std::move(file), kId);
    writer.BeginSection("filling");
    const std::string filling = RandomBytes(bytes - 40);
    writer.Bytes(filling.data(), filling.size());
    ASSERT_THAT(writer.Finish(), IsOk());
    auto readable = FileSystem::System().Open(path());
    ASSERT_THAT(readable.status(), IsOk());
    auto opened = SectionFile::Open(*std::move(readable));
    ASSERT_THAT(opened.status(), IsOk());
    EXPECT_THAT((*opened)->Verify(), IsOk());
    auto section = (*opened)->Section("filling");
    ASSERT_THAT(section.status(), IsOk());
    EXPECT_EQ(section->remaining(), filling.size());
    std::string read(filling.size(), '\0');
    EXPECT_TRUE(section->Bytes(read.data(), read.size()));
    EXPECT_EQ(read, filling);
    EXPECT_THAT(section->Finish(), IsOk());
  }
}

// Frames that fill, overfill and do not fill their size.
TEST_F(SectionFileTest, WhatIsRegularIsWrittenSmall) {
  for (const size_t bytes : {1, (128 << 10) - 1, 128 << 10, 1 << 20}) {
    auto file = FileSystem::System().Create(path());
    ASSERT_THAT(file.status(), IsOk());
    SectionWriter writer(*std::move(file), kId);
    writer.BeginSection("regular");
    const std::string regular(bytes, 'x');
    writer.Bytes(regular.data(), regular.size());
    ASSERT_THAT(writer.Finish(), IsOk());
    EXPECT_EQ(std::filesystem::file_size(path()), 64u << 10);
    auto readable = FileSystem::System().Open(path());
    ASSERT_THAT(readable.status(), IsOk());
    auto opened = SectionFile::Open(*std::move(readable));
    ASSERT_THAT(opened.status(), IsOk());
    auto section = (*opened)->Section("regular");
    ASSERT_THAT(section.status(), IsOk());
    std::string read(bytes, '\0');
    EXPECT_TRUE(section->Bytes(read.data(), bytes));
    EXPECT_EQ(read, regular);
    EXPECT_THAT(section->Finish(), IsOk());
    char more;
    EXPECT_FALSE(section->Bytes(&more, 1));
  }
}

TEST_F(SectionFileTest, EveryCutIsNoticed) {
  ASSERT_THAT(Write(FileSystem::System(), 25'000), IsOk());
  const std::string whole = Content();
  ASSERT_GT(whole.size(), size_t{3} << 16);
  for (size_t size = 0; size < whole.size(); size += 4096) {
    SetContent(whole.substr(0, size));
    EXPECT_THAT(ReadAll(path(), 25'000), StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
  SetContent(whole + std::string(64 << 10, '\0'));
  EXPECT_THAT(ReadAll(path(), 25'000), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SectionFileTest, EveryFlippedBitIsNoticed) {
  ASSERT_THAT(Write(FileSystem::System(), 25'000), IsOk());
  const std::string whole = Content();
  std::mt19937_64 random(1);
  const auto check = [&](size_t at) {
    std::string flipped = whole;
    flipped[at] ^= static_cast<char>(1 << (random() % 8));
    SetContent(flipped);
    EXPECT_FALSE(ReadAll(path(), 25'000).ok()) << at;
  };
  for (size_t at = 0; at < whole.size(); at += 4096) check(at);
  for (size_t at = 0; at < 64; ++at) check(at);
  for (int i = 0; i < 100; ++i) check(random() % whole.size());
}

TEST_F(SectionFileTest, BlocksOfAnotherPlaceAreNoticed) {
  ASSERT_THAT(Write(FileSystem::System(), 25'000), IsOk());
  std::string swapped = Content();
  const std::string second = swapped.substr(1 << 16, 1 << 16);
  swapped.replace(1 << 16, 1 << 16, swapped.substr(2 << 16, 1 << 16));
  swapped.replace(2 << 16, 1 << 16, second);
  SetContent(swapped);
  EXPECT_THAT(ReadAll(path(), 25'000), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SectionFileTest, AnotherVersionIsRefused) {
  ASSERT_THAT(Write(FileSystem::System(), 10), IsOk());
  std::string newer = Content();
  newer[8] = 3;
  SetContent(newer);
  const absl::Status status = ReadAll(path(), 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("version 3"), std::string::npos) << status;
}

TEST_F(SectionFileTest, EveryFailingOperationIsReported) {
  FaultyFileSystem files;
  ASSERT_THAT(Write(files, 25'000), IsOk());
  const int64_t operations = files.operations();
  ASSERT_GT(operations, 4);
  for (int64_t n = 1; n <= operations; ++n) {
    files.FailFrom(n);
    EXPECT_THAT(Write(files, 25'000),
                StatusIs(absl::StatusCode::kResourceExhausted))
        << n;
  }
}

}  // namespace
}  // namespace diptych::storage
