#include "inference/model/tensor_source.h"

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TensorSourceTest : public ::testing::Test {
 protected:
  // A safetensors file of one tensor of one number.
  std::string Write(const std::string& file, const std::string& tensor,
                    float value) {
    const std::string header = "{\"" + tensor +
                               "\":{\"dtype\":\"F32\",\"shape\":[1],"
                               "\"data_offsets\":[0,4]}}";
    const uint64_t size = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &size, 8);
    bytes += header;
    bytes.append(reinterpret_cast<const char*>(&value), 4);
    std::ofstream(directory_.File(file), std::ios::binary) << bytes;
    return directory_.File(file);
  }

  TempDirectory directory_;
};

TEST_F(TensorSourceTest, FoldersAreToldApartByTheirMount) {
  const std::string root = Write("a.safetensors", "linear.weight", 1);
  const std::string dense = Write("b.safetensors", "linear.weight", 2);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto folders,
      WeightFolders::Open({{{root}, ""}, {{dense}, "2_Dense/"}}));
  EXPECT_THAT(folders.ReadFloats("linear.weight", {1}),
              IsOkAndHolds(ElementsAre(1)));
  EXPECT_THAT(folders.ReadFloats("2_Dense/linear.weight", {1}),
              IsOkAndHolds(ElementsAre(2)));
  EXPECT_FALSE(folders.Contains("3_Dense/linear.weight"));
  EXPECT_THAT(folders.ReadFloats("3_Dense/linear.weight", {1}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("lack tensor 3_Dense/linear.weight")));
}

TEST_F(TensorSourceTest, OldestBertFilesSpellNormalisationsOtherwise) {
  const std::string file = Write("a.safetensors", "x.LayerNorm.gamma", 3);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto folders,
                               WeightFolders::Open({{{file}, ""}}));
  EXPECT_THAT(folders.ReadFloats("x.LayerNorm.weight", {1}),
              IsOkAndHolds(ElementsAre(3)));
  EXPECT_FALSE(folders.Contains("x.LayerNorm.bias"));
  EXPECT_FALSE(folders.Contains("x.weight"));
}

TEST_F(TensorSourceTest, PrefixIsTheOneThatTheWeightsHave) {
  const std::string file = Write("a.safetensors", "bert.embeddings", 4);
  const std::string other = Write("b.safetensors", "head", 5);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto folders,
                               WeightFolders::Open({{{file, other}, ""}}));
  const auto tensors =
      PrefixedTensors::Choose(folders, {"", "bert."}, "embeddings");
  EXPECT_TRUE(tensors.Contains("embeddings"));
  EXPECT_THAT(tensors.ReadFloats("embeddings", {1}),
              IsOkAndHolds(ElementsAre(4)));
  EXPECT_THAT(tensors.ReadFloats("head", {1}), IsOkAndHolds(ElementsAre(5)));
  EXPECT_THAT(tensors.ReadFloats("none", {1}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("lack tensor none")));
}

}  // namespace
}  // namespace diptych::inference
