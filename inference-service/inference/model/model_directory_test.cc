#include "inference/model/model_directory.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gtest/gtest.h"
#include "inference/model/model_fingerprint.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelDirectoryTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.File(name), std::ios::binary) << text;
  }
  absl::StatusOr<ModelDirectory> Read() {
    return ReadModelDirectory(directory_.path().string());
  }

  TempDirectory directory_;
};

TEST_F(ModelDirectoryTest, FilesThatAreThereAreRead) {
  Write("config.json", "{}");
  Write("merges.txt", "a b\n");
  Write("model.safetensors", "x");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto files, Read());
  EXPECT_EQ(files.config, "{}");
  EXPECT_EQ(files.merges, "a b\n");
  EXPECT_FALSE(files.tokenizer.has_value());
  EXPECT_THAT(files.weight_files,
              ElementsAre(directory_.File("model.safetensors")));
  EXPECT_EQ(files.revision, "");
}

TEST_F(ModelDirectoryTest, MissingFilesAreNamed) {
  const auto code = absl::StatusCode::kNotFound;
  EXPECT_THAT(ReadModelDirectory(directory_.File("none")).status(),
              StatusIs(code, HasSubstr("no model directory here")));
  EXPECT_THAT(Read().status(),
              StatusIs(code, HasSubstr("config.json is missing")));
  Write("config.json", "{}");
  EXPECT_THAT(Read().status(),
              StatusIs(code, HasSubstr("model.safetensors is missing")));
  Write("model.safetensors.index.json",
        R"({"weight_map": {"a": "model-1.safetensors"}})");
  EXPECT_THAT(Read().status(),
              StatusIs(code, HasSubstr("model-1.safetensors is missing")));
}

TEST_F(ModelDirectoryTest, SafetensorsGoBeforePickles) {
  Write("config.json", "{}");
  Write("pytorch_model.bin.index.json",
        R"({"weight_map": {"a": "pytorch_model-1.bin"}})");
  EXPECT_THAT(Read().status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("pytorch_model-1.bin is missing, which "
                                 "pytorch_model.bin.index.json names")));
  Write("pytorch_model-1.bin", "x");
  EXPECT_THAT(Read()->weight_files,
              ElementsAre(directory_.File("pytorch_model-1.bin")));
  Write("pytorch_model.bin", "x");
  EXPECT_THAT(Read()->weight_files,
              ElementsAre(directory_.File("pytorch_model.bin")));
  Write("model.safetensors", "x");
  EXPECT_THAT(Read()->weight_files,
              ElementsAre(directory_.File("model.safetensors")));
}

TEST_F(ModelDirectoryTest, RevisionIsThatOfASnapshot) {
  const std::string commit = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268";
  const auto snapshot = directory_.path() / "snapshots" / commit;
  std::filesystem::create_directories(snapshot);
  std::ofstream(snapshot / "config.json") << "{}";
  std::ofstream(snapshot / "model.safetensors") << "x";
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto files,
                               ReadModelDirectory(snapshot.string()));
  EXPECT_EQ(files.revision, commit);
}

TEST_F(ModelDirectoryTest, FingerprintIsSha256OfTheFilesInOrder) {
  Write("1", "a");
  Write("2", "bc");
  // Of "abc", by FIPS 180-2 appendix B.1.
  EXPECT_THAT(
      FingerprintOfFiles({directory_.File("1"), directory_.File("2")}),
      IsOkAndHolds(
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_THAT(FingerprintOfFiles({directory_.File("3")}),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace diptych::inference
