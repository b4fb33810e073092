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

class SectionFileTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return directory_.path() / "file"; }

  absl::Status Write(FileSystem& files, size_t numbers) {
    auto file = files.Create(path());
    if (!file.ok()) return file.status();
    SectionWriter writer(*std::move(file), kId);
    writer.BeginSection("numbers");
    for (uint64_t i = 0; i < numbers; ++i) writer.Varint(i * i);
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
      EXPECT_EQ(value, i * i);
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
  for (size_t bytes = (64 << 10) - 160; bytes < (64 << 10) + 8; ++bytes) {
    auto file = FileSystem::System().Create(path());
    ASSERT_THAT(file.status(), IsOk());
    SectionWriter writer(*std::move(file), kId);
    writer.BeginSection("filling");
    const std::string filling(bytes - 40, 'x');
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
  }
}

TEST_F(SectionFileTest, EveryCutIsNoticed) {
  ASSERT_THAT(Write(FileSystem::System(), 60'000), IsOk());
  const std::string whole = Content();
  ASSERT_GT(whole.size(), size_t{3} << 16);
  for (size_t size = 0; size < whole.size(); size += 4096) {
    SetContent(whole.substr(0, size));
    EXPECT_THAT(ReadAll(path(), 60'000), StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
  SetContent(whole + std::string(64 << 10, '\0'));
  EXPECT_THAT(ReadAll(path(), 60'000), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SectionFileTest, EveryFlippedBitIsNoticed) {
  ASSERT_THAT(Write(FileSystem::System(), 60'000), IsOk());
  const std::string whole = Content();
  std::mt19937_64 random(1);
  const auto check = [&](size_t at) {
    std::string flipped = whole;
    flipped[at] ^= static_cast<char>(1 << (random() % 8));
    SetContent(flipped);
    EXPECT_FALSE(ReadAll(path(), 60'000).ok()) << at;
  };
  for (size_t at = 0; at < whole.size(); at += 4096) check(at);
  for (size_t at = 0; at < 64; ++at) check(at);
  for (int i = 0; i < 100; ++i) check(random() % whole.size());
}

TEST_F(SectionFileTest, BlocksOfAnotherPlaceAreNoticed) {
  ASSERT_THAT(Write(FileSystem::System(), 60'000), IsOk());
  std::string swapped = Content();
  const std::string second = swapped.substr(1 << 16, 1 << 16);
  swapped.replace(1 << 16, 1 << 16, swapped.substr(2 << 16, 1 << 16));
  swapped.replace(2 << 16, 1 << 16, second);
  SetContent(swapped);
  EXPECT_THAT(ReadAll(path(), 60'000), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SectionFileTest, AnotherVersionIsRefused) {
  ASSERT_THAT(Write(FileSystem::System(), 10), IsOk());
  std::string newer = Content();
  newer[8] = 2;
  SetContent(newer);
  const absl::Status status = ReadAll(path(), 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("version 2"), std::string::npos) << status;
}

TEST_F(SectionFileTest, EveryFailingOperationIsReported) {
  FaultyFileSystem files;
  ASSERT_THAT(Write(files, 60'000), IsOk());
  const int64_t operations = files.operations();
  ASSERT_GT(operations, 4);
  for (int64_t n = 1; n <= operations; ++n) {
    files.FailFrom(n);
    EXPECT_THAT(Write(files, 60'000),
                StatusIs(absl::StatusCode::kResourceExhausted))
        << n;
  }
}

}  // namespace
}  // namespace diptych::storage
