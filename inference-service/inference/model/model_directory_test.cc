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
  ModelDirectory Open() {
    return *ModelDirectory::Open(directory_.path().string());
  }

  TempDirectory directory_;
};

TEST_F(ModelDirectoryTest, FilesThatAreThereAreRead) {
  Write("config.json", "{}");
  const ModelDirectory files = Open();
  EXPECT_THAT(files.ReadNeeded("config.json"), IsOkAndHolds("{}"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto missing, files.Read("merges.txt"));
  EXPECT_FALSE(missing.has_value());
  EXPECT_THAT(files.ReadNeeded("merges.txt").status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("merges.txt is missing")));
  EXPECT_EQ(files.Revision(), "");
  EXPECT_THAT(ModelDirectory::Open(directory_.File("none")).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no model directory here")));
}

TEST_F(ModelDirectoryTest, SafetensorsGoBeforePickles) {
  const auto code = absl::StatusCode::kNotFound;
  const ModelDirectory files = Open();
  EXPECT_THAT(files.FindWeights().status(),
              StatusIs(code, HasSubstr("model.safetensors is missing")));
  Write("pytorch_model.bin.index.json",
        R"({"weight_map": {"a": "pytorch_model-1.bin"}})");
  EXPECT_THAT(files.FindWeights().status(),
              StatusIs(code, HasSubstr("pytorch_model-1.bin is missing, which "
                                       "pytorch_model.bin.index.json names")));
  for (const std::string file :
       {"pytorch_model-1.bin", "pytorch_model.bin", "model.safetensors"}) {
    Write(file, "x");
    EXPECT_THAT(files.FindWeights(),
                IsOkAndHolds(ElementsAre(directory_.File(file))));
  }
}

TEST_F(ModelDirectoryTest, WeightsMayBeShards) {
  const ModelDirectory files = Open();
  Write("pytorch_model.bin", "x");
  Write("model.safetensors.index.json",
        R"({"weight_map": {"a": "model-1.safetensors"}})");
  EXPECT_THAT(files.FindWeights().status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("model-1.safetensors is missing")));
  Write("model-1.safetensors", "x");
  EXPECT_THAT(
      files.FindWeights(),
      IsOkAndHolds(ElementsAre(directory_.File("model-1.safetensors"))));
}

TEST_F(ModelDirectoryTest, OpenClipWeightsHaveTheirOwnNames) {
  const ModelDirectory files = Open();
  Write("model.safetensors", "x");
  EXPECT_THAT(files.FindOpenClipWeights().status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("open_clip_model.safetensors, open_clip_")));
  for (const std::string file :
       {"open_clip_pytorch_model.bin", "open_clip_pytorch_model.safetensors",
        "open_clip_model.safetensors"}) {
    Write(file, "x");
    EXPECT_THAT(files.FindOpenClipWeights(),
                IsOkAndHolds(ElementsAre(directory_.File(file))));
  }
}

TEST_F(ModelDirectoryTest, SubdirectoryStaysInside) {
  const ModelDirectory files = Open();
  std::filesystem::create_directories(directory_.path() / "a/b");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto inner, files.Subdirectory("a/b"));
  EXPECT_EQ(inner.path(), directory_.File("a/b"));
  EXPECT_THAT(files.Subdirectory(""), IsOk());
  for (const char* name : {"..", "a/../..", "/tmp", "a//b"}) {
    EXPECT_THAT(files.Subdirectory(name).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("leads outside")))
        << name;
  }
  EXPECT_THAT(files.Subdirectory("c").status(),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ModelDirectoryTest, RevisionIsThatOfASnapshot) {
  const std::string commit = "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268";
  const auto snapshot = directory_.path() / "snapshots" / commit;
  std::filesystem::create_directories(snapshot);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto files,
                               ModelDirectory::Open(snapshot.string()));
  EXPECT_EQ(files.Revision(), commit);
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
