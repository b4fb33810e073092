#include "inference/weights/pytorch_file.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/byte_mutator.h"
#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"
#include "inference/weights/state_dict_pickle.h"
#include "inference/weights/weights.h"

namespace diptych::inference {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string TestdataPath(const std::string& name) {
  return absl::StrCat(std::getenv("DIPTYCH_SOURCE_DIR"),
                      "/inference-service/inference/weights/testdata/", name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string LittleEndian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) {
    bytes.push_back(static_cast<char>(value >> (8 * i)));
  }
  return bytes;
}

// A zip archive; with `zip64`, the sizes and places are in zip64's fields.
class ZipWriter {
 public:
  explicit ZipWriter(bool zip64 = false) : zip64_(zip64) {}

  ZipWriter& Add(const std::string& name, const std::string& content,
                 int method = 0) {
    const std::string size = LittleEndian(content.size(), 4);
    const std::string elsewhere = LittleEndian(0xffffffff, 4);
    const std::string extra = zip64_
                                  ? LittleEndian(1, 2) + LittleEndian(24, 2) +
                                        LittleEndian(content.size(), 8) +
                                        LittleEndian(content.size(), 8) +
                                        LittleEndian(bytes_.size(), 8)
                                  : "";
    directory_ += std::string("PK\x01\x02", 4) + std::string(6, '\0') +
                  LittleEndian(static_cast<uint64_t>(method), 2) +
                  std::string(8, '\0') + (zip64_ ? elsewhere : size) +
                  (zip64_ ? elsewhere : size) + LittleEndian(name.size(), 2) +
                  LittleEndian(extra.size(), 2) + std::string(10, '\0') +
                  (zip64_ ? elsewhere : LittleEndian(bytes_.size(), 4)) + name +
                  extra;
    bytes_ += std::string("PK\x03\x04", 4) + std::string(14, '\0') + size +
              size + LittleEndian(name.size(), 2) + LittleEndian(0, 2) + name +
              content;
    ++members_;
    return *this;
  }

  std::string Finish() {
    const size_t directory = bytes_.size();
    bytes_ += directory_;
    if (zip64_) {
      const size_t end = bytes_.size();
      bytes_ += std::string("PK\x06\x06", 4) + LittleEndian(44, 8) +
                std::string(12, '\0') + LittleEndian(members_, 8) +
                LittleEndian(members_, 8) + LittleEndian(directory_.size(), 8) +
                LittleEndian(directory, 8);
      bytes_ += std::string("PK\x06\x07", 4) + std::string(4, '\0') +
                LittleEndian(end, 8) + LittleEndian(1, 4);
    }
    const uint64_t count = zip64_ ? 0xffff : members_;
    const uint64_t place = zip64_ ? 0xffffffff : directory;
    return bytes_ + std::string("PK\x05\x06", 4) + std::string(4, '\0') +
           LittleEndian(count, 2) + LittleEndian(count, 2) +
           LittleEndian(directory_.size(), 4) + LittleEndian(place, 4) +
           std::string(2, '\0');
  }

 private:
  const bool zip64_;
  std::string bytes_;
  std::string directory_;
  uint64_t members_ = 0;
};

// Pieces of a pickle.
std::string Text(const std::string& text) {
  return "X" + LittleEndian(text.size(), 4) + text;
}
std::string Number(int64_t value) {
  return "\x8a\x08" + LittleEndian(static_cast<uint64_t>(value), 8);
}
std::string Tuple(const std::string& elements) { return "(" + elements + "t"; }

// A dictionary of one tensor "a" in storage "0" of 4 floats.
std::string TensorPickle(int64_t offset, const std::string& shape,
                         const std::string& strides,
                         const std::string& key = "0") {
  const std::string storage = Tuple(Text("storage") + "ctorch\nFloatStorage\n" +
                                    Text(key) + Text("cpu") + Number(4)) +
                              "Q";
  return std::string("\x80\x02}") + Text("a") +
         "ctorch._utils\n_rebuild_tensor_v2\n" +
         Tuple(storage + Number(offset) + Tuple(shape) + Tuple(strides) +
               "\x89}") +
         "Rs.";
}

std::string FileOf(const std::string& pickle) {
  return ZipWriter()
      .Add("m/data.pkl", pickle)
      .Add("m/data/0", std::string(16, '\0'))
      .Finish();
}

void ExpectRefused(const std::string& bytes, const std::string& message) {
  EXPECT_THAT(
      ParsePytorchFile(bytes).status(),
      StatusIs(kInvalid, AllOf(HasSubstr(message), Not(HasSubstr("\n")))));
}

TEST(PytorchFileTest, WhatTorchSavedIsRead) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const Weights weights,
                               Weights::Open({TestdataPath("state_dict.bin")}));
  EXPECT_THAT(weights.Names(),
              ElementsAre("base", "bias", "brain", "bytes", "double", "empty",
                          "flags", "half", "inner.a", "parameter", "part",
                          "positions", "scalar", "transposed", "weight"));
  EXPECT_THAT(weights.ReadFloats("weight", {2, 3}),
              IsOkAndHolds(ElementsAre(0, 1, 2, 3, 4, 5)));
  EXPECT_THAT(weights.ReadFloats("bias", {2}),
              IsOkAndHolds(ElementsAre(0.5, -0.5)));
  EXPECT_THAT(weights.ReadFloats("base", {3, 4}),
              IsOkAndHolds(ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)));
  // Two views of the same storage.
  EXPECT_THAT(weights.ReadFloats("transposed", {4, 3}),
              IsOkAndHolds(ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)));
  EXPECT_THAT(weights.ReadFloats("part", {2}),
              IsOkAndHolds(ElementsAre(6, 10)));
  EXPECT_THAT(weights.ReadFloats("parameter", {1}),
              IsOkAndHolds(ElementsAre(7)));
  EXPECT_THAT(weights.ReadFloats("scalar", {}),
              IsOkAndHolds(ElementsAre(4.25)));
  EXPECT_THAT(weights.ReadFloats("empty", {0, 5}), IsOkAndHolds(ElementsAre()));
  for (const char* name : {"half", "brain"}) {
    EXPECT_THAT(weights.ReadFloats(name, {2}),
                IsOkAndHolds(ElementsAre(1, -2)));
  }
  EXPECT_THAT(weights.ReadFloats("double", {2}),
              IsOkAndHolds(ElementsAre(0.25, 1000)));
  EXPECT_THAT(weights.ReadFloats("inner.a", {1}), IsOkAndHolds(ElementsAre(9)));
  EXPECT_EQ(weights.Find("positions")->type, "I64");
  EXPECT_EQ(weights.Find("bytes")->type, "U8");
  EXPECT_EQ(weights.Find("flags")->type, "BOOL");
  EXPECT_EQ(weights.Find("epoch"), nullptr);
}

TEST(PytorchFileTest, FormatBeforeTorch16IsRefused) {
  EXPECT_THAT(Weights::Open({TestdataPath("legacy.bin")}).status(),
              StatusIs(kInvalid, HasSubstr("legacy.bin: is no zip archive")));
}

TEST(PytorchFileTest, Zip64IsRead) {
  const std::string bytes =
      ZipWriter(true)
          .Add("m/data.pkl", TensorPickle(1, Number(3), Number(1)))
          .Add("m/data/0", std::string("\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40"
                                       "\x40",
                                       16))
          .Finish();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto tensors, ParsePytorchFile(bytes));
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_THAT(FloatsOf(tensors[0]), IsOkAndHolds(ElementsAre(1, 2, 3)));
}

TEST(PytorchFileTest, CodeIsNamedAndNotRun) {
  const std::string run = "(" + Text("touch x") + "tR.";
  ExpectRefused(FileOf("\x80\x02"
                       "cos\nsystem\n" +
                       run),
                "is refused: its pickle names os.system");
  ExpectRefused(FileOf("\x80\x02"
                       "cbuiltins\neval\n" +
                       run),
                "names builtins.eval");
  ExpectRefused(
      FileOf("\x80\x04" + Text("posix") + Text("system") + "\x93" + run),
      "names posix.system");
  ExpectRefused(FileOf("\x80\x02"
                       "ctorch\nload\n" +
                       run),
                "names torch.load");
  // INST and OBJ make objects without GLOBAL.
  ExpectRefused(FileOf("\x80\x02(ios\nsystem\n."), "has opcode 0x69");
  ExpectRefused(FileOf("\x80\x02(o."), "has opcode 0x6f");
  // Names are shown without line breaks or control characters.
  ExpectRefused(FileOf("\x80\x04" + Text("a\nb") + Text("\x1b[0m") + "\x93."),
                "names a\\nb.\\033[0m");
  // What is allowed cannot be called with anything else.
  ExpectRefused(FileOf("\x80\x02"
                       "ccollections\nOrderedDict\n" +
                       run),
                "calls what cannot be called so");
  ExpectRefused(FileOf("\x80\x02"
                       "ctorch\nFloatStorage\n" +
                       run),
                "calls what cannot be called so");
}

TEST(PytorchFileTest, TensorsAreHeldAgainstTheirStorage) {
  const auto two = [](int64_t a, int64_t b) { return Number(a) + Number(b); };
  EXPECT_THAT(ParsePytorchFile(FileOf(TensorPickle(0, two(2, 2), two(2, 1)))),
              IsOk());
  ExpectRefused(FileOf(TensorPickle(0, two(2, 3), two(3, 1))),
                "tensor a of type F32 and shape [2,3] is larger");
  ExpectRefused(FileOf(TensorPickle(1, two(2, 2), two(2, 1))),
                "tensor a ends outside its storage of 4");
  ExpectRefused(FileOf(TensorPickle(0, two(2, 2), two(3, 1))),
                "tensor a ends outside its storage of 4");
  ExpectRefused(FileOf(TensorPickle(-1, two(1, 1), two(1, 1))),
                "tensor a begins outside");
  ExpectRefused(FileOf(TensorPickle(5, two(0, 1), two(1, 1))),
                "tensor a begins outside");
  ExpectRefused(FileOf(TensorPickle(3, two(2, 1), two(-3, 1))),
                "tensor a has a negative size or stride");
  ExpectRefused(FileOf(TensorPickle(0, two(-1, 1), two(1, 1))),
                "tensor a has a negative size or stride");
  ExpectRefused(FileOf(TensorPickle(0, two(int64_t{1} << 40, int64_t{1} << 40),
                                    two(int64_t{1} << 40, 1))),
                "tensor a reaches beyond all numbers");
  // A stride of 0 would make a terabyte of four floats.
  ExpectRefused(FileOf(TensorPickle(0, two(int64_t{1} << 38, 1), two(0, 0))),
                "is larger than its storage of 16 bytes");
  ExpectRefused(FileOf(TensorPickle(0, two(2, 2), Number(1))),
                "makes a tensor without a shape");
  ExpectRefused(FileOf(TensorPickle(0, two(2, 2), two(2, 1), "../x")),
                "lies in a storage that is not there: ../x");
}

TEST(PytorchFileTest, MalformedPicklesAreRefused) {
  ExpectRefused(FileOf(""), "its pickle ends early");
  ExpectRefused(FileOf("\x80\x01."), "is of protocol 1");
  ExpectRefused(FileOf("\x80\x02]."), "makes no dictionary of tensors");
  ExpectRefused(FileOf("\x80\x02."), "takes what is not there");
  ExpectRefused(FileOf("\x80\x02t."), "takes a mark that is not there");
  ExpectRefused(FileOf("\x80\x02h\x05."), "recalls what it never kept");
  ExpectRefused(FileOf("\x80\x02}(K"), "ends early");
  ExpectRefused(FileOf("\x80\x02}K\x01Q."), "is no storage");
  ExpectRefused(FileOf("\x80\x02" + std::string(kPickleStackMax + 1, 'N')),
                "values at once");
  // A dictionary in itself ends somewhere.
  EXPECT_THAT(
      ParsePytorchFile(FileOf("\x80\x02}q" + std::string(1, '\0') + Text("a") +
                              "h" + std::string(1, '\0') + "s.")),
      IsOk());
}

TEST(PytorchFileTest, MalformedArchivesAreRefused) {
  const std::string good = FileOf(TensorPickle(0, Number(4), Number(1)));
  ExpectRefused(good.substr(0, good.size() - 1), "has no end record");
  ExpectRefused(good.substr(0, 4), "is too short");
  ExpectRefused(ZipWriter().Add("m/other", "").Finish(),
                "it holds 0 members <name>/data.pkl");
  ExpectRefused(
      ZipWriter().Add("m/data.pkl", ".").Add("n/data.pkl", ".").Finish(),
      "it holds 2 members");
  ExpectRefused(ZipWriter().Add("m/data.pkl", "", 8).Finish(),
                "has a compressed or encrypted member");
  ExpectRefused(ZipWriter().Add("a", "").Add("a", "").Finish(),
                "has a member twice");
  ExpectRefused(
      ZipWriter().Add("m/data.pkl", "}.").Add("m/byteorder", "big").Finish(),
      "not little-endian");
}

// DIPTYCH_MUTATIONS=1000000 looks longer.
TEST(PytorchFileTest, MutatedFilesAreReadOrRefused) {
  const int rounds = MutationCount(1000);
  const std::string good = ReadFile(TestdataPath("state_dict.bin"));
  ByteMutator mutator(1);
  const size_t pickle = good.find("data.pkl");
  ASSERT_NE(pickle, std::string::npos);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = good;
    const size_t changes = 1 + mutator.Below(4);
    for (size_t i = 0; i < changes && !bytes.empty(); ++i) {
      // Half of them in the pickle or the directory, where they matter most.
      const size_t from = std::min(pickle, bytes.size() - 1);
      const size_t places[] = {
          mutator.Below(bytes.size()),
          from + mutator.Below(std::min<size_t>(2000, bytes.size() - from)),
          bytes.size() - 1 -
              mutator.Below(std::min<size_t>(1500, bytes.size()))};
      mutator.DamageAt(places[mutator.Below(3)], bytes);
    }
    const auto tensors = ParsePytorchFile(bytes);
    if (!tensors.ok()) {
      ++refused;
      EXPECT_THAT(tensors.status(), StatusIs(kInvalid, Not(HasSubstr("\n"))));
      continue;
    }
    for (const TensorView& tensor : *tensors) {
      // Every byte that a reader touches lies in the file.
      (void)FloatsOf(tensor).status();
    }
  }
  EXPECT_GT(refused, rounds / 4);
}

}  // namespace
}  // namespace diptych::inference
