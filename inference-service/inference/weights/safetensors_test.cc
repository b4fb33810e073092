#include "inference/weights/safetensors.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "gtest/gtest.h"
#include "inference/weights/weights.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class SafetensorsTest : public ::testing::Test {
 protected:
  // A file of this header and data; returns its path.
  std::string Write(const std::string& header, const std::string& data,
                    const std::string& name = "model.safetensors") {
    const uint64_t size = header.size();
    return WriteBytes(BytesOf(std::vector<uint64_t>{size}) + header + data,
                      name);
  }
  std::string WriteBytes(const std::string& bytes,
                         const std::string& name = "model.safetensors") {
    std::ofstream(directory_.File(name), std::ios::binary) << bytes;
    return directory_.File(name);
  }
  void ExpectRefused(const std::string& path, const std::string& message) {
    EXPECT_THAT(
        Weights::Open({path}).status(),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("model.safetensors: is malformed: " + message)));
  }
  // A header of one tensor "a".
  static std::string Header(const std::string& dtype, const std::string& shape,
                            const std::string& offsets) {
    return absl::StrCat("{\"a\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
                        ",\"data_offsets\":", offsets, "}}");
  }

  TempDirectory directory_;
};

TEST_F(SafetensorsTest, FloatsOfEveryWidthAreRead) {
  // 1, -2, the smallest subnormal half (2^-24) and the largest half (65504).
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x0001, 0x7bff};
  const std::vector<uint16_t> brains = {0x3f80, 0xc000, 0x0080, 0x0000};
  const std::vector<float> floats = {0.5f, -3.25f};
  const std::string path =
      Write(R"({"__metadata__":{"format":"pt"},)"
            R"("h":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},)"
            R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[8,16]},)"
            R"("f":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},)"
            R"("s":{"dtype":"F32","shape":[],"data_offsets":[24,28]}}   )",
            BytesOf(halves) + BytesOf(brains) + BytesOf(floats) +
                BytesOf(std::vector<float>{4.0f}));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto weights, Weights::Open({path}));
  EXPECT_TRUE(weights.Contains("h"));
  EXPECT_FALSE(weights.Contains("__metadata__"));
  EXPECT_THAT(weights.ReadFloats("h", {2, 2}),
              IsOkAndHolds(ElementsAre(1, -2, std::ldexp(1.0f, -24), 65504)));
  EXPECT_THAT(weights.ReadFloats("b", {4}),
              IsOkAndHolds(ElementsAre(1, -2, std::ldexp(1.0f, -126), 0)));
  EXPECT_THAT(weights.ReadFloats("f", {2}),
              IsOkAndHolds(ElementsAre(0.5f, -3.25f)));
  EXPECT_THAT(weights.ReadFloats("s", {}), IsOkAndHolds(ElementsAre(4.0f)));
}

TEST_F(SafetensorsTest, MissingFileIsNotFound) {
  EXPECT_THAT(Weights::Open({directory_.File("model.safetensors")}).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("model.safetensors: cannot be opened")));
}

TEST_F(SafetensorsTest, TruncatedAndLyingFilesAreRefused) {
  ExpectRefused(WriteBytes(""), "it is empty");
  ExpectRefused(WriteBytes("1234567"), "it is shorter than 8 bytes");
  ExpectRefused(WriteBytes(std::string(8, '\xff') + "{}"),
                "it is truncated or no safetensors file");
  ExpectRefused(WriteBytes(std::string("\x09\0\0\0\0\0\0\0{}", 10)),
                "it is truncated");
  ExpectRefused(Write("[]", ""), "its header is not a JSON object");
  ExpectRefused(Write("{\"a\":{}}", ""), "tensor a lacks");
  const std::string data(8, '\0');
  ExpectRefused(Write(Header("F32", "[3]", "[0,12]"), data),
                "tensor a lies outside the file's 8 bytes of data");
  ExpectRefused(Write(Header("F32", "[2]", "[8,0]"), data),
                "tensor a lies outside");
  ExpectRefused(Write(Header("F32", "[2]", "[-1,8]"), data),
                "tensor a lies outside");
  ExpectRefused(Write(Header("F32", "[3]", "[0,8]"), data),
                "tensor a of type F32 and shape [3] cannot have 8 bytes");
  ExpectRefused(Write(Header("F32", "[-2]", "[0,8]"), data),
                "tensor a has a \"shape\"");
  ExpectRefused(
      Write(Header("F32", "[4294967296,4294967296,4]", "[0,8]"), data),
      "tensor a of type F32");
  ExpectRefused(Write(Header("F8_E4M3", "[8]", "[0,8]"), data),
                "tensor a has an unknown type: F8_E4M3");
  ExpectRefused(Write(Header("F32", "[1]", "[0,4]"), data),
                "its tensors cover 4 of 8 bytes of data");
  ExpectRefused(Write(Header("F32", "[1]", "[4,8]"), data),
                "tensor a leaves a hole before it");
  ExpectRefused(
      Write(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
            data),
      "tensor b overlaps another");
}

TEST_F(SafetensorsTest, TensorOfAnotherShapeOrTypeIsRefused) {
  const std::string path =
      Write(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("i":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}})",
            std::string(16, '\0'));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto weights, Weights::Open({path}));
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(weights.ReadFloats("a", {1, 2}),
              StatusIs(code, HasSubstr("tensor a must have shape [1,2] by "
                                       "config.json; it has [2]")));
  EXPECT_THAT(
      weights.ReadFloats("i", {1}),
      StatusIs(code, HasSubstr("must be of type F64, F32, F16 or BF16; it "
                               "is I64")));
  EXPECT_THAT(weights.ReadFloats("c", {1}),
              StatusIs(code, HasSubstr("the weights lack tensor c")));
}

TEST_F(SafetensorsTest, ValueThatIsNotFiniteIsRefused) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(),
                            -std::numeric_limits<float>::infinity()}) {
    const std::string path = Write(Header("F32", "[2]", "[0,8]"),
                                   BytesOf(std::vector<float>{1, value}));
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto weights, Weights::Open({path}));
    EXPECT_THAT(
        weights.ReadFloats("a", {2}),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("tensor a holds a value that is not finite")));
  }
}

TEST_F(SafetensorsTest, ShardsAreOneSetOfTensors) {
  const std::string a =
      Write(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            BytesOf(std::vector<float>{1}), "1.safetensors");
  const std::string b =
      Write(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            BytesOf(std::vector<float>{2}), "2.safetensors");
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto weights, Weights::Open({a, b}));
  EXPECT_THAT(weights.ReadFloats("b", {1}), IsOkAndHolds(ElementsAre(2)));
  EXPECT_THAT(Weights::Open({a, a}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("another file holds tensor a too")));
}

TEST(WeightsIndexTest, FilesAreNamedOnceAndSorted) {
  EXPECT_THAT(
      ParseWeightsIndex("model.safetensors.index.json",
                        R"({"metadata": {}, "weight_map": {"a": "2.safetensors",
              "b": "1.safetensors", "c": "2.safetensors"}})"),
      IsOkAndHolds(ElementsAre("1.safetensors", "2.safetensors")));
}

TEST(WeightsIndexTest, FilesElsewhereAreRefused) {
  for (const char* name : {"../x", "/etc/passwd", "a/b", "..", ""}) {
    EXPECT_THAT(ParseWeightsIndex(
                    "model.safetensors.index.json",
                    absl::StrCat(R"({"weight_map": {"a": ")", name, "\"}}")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("names a file outside the directory")));
  }
  EXPECT_THAT(
      ParseWeightsIndex("model.safetensors.index.json", "{}"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("weight_map")));
}

}  // namespace
}  // namespace diptych::inference
