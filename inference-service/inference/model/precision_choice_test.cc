#include "inference/model/precision_choice.h"

#include <cmath>
#include <memory>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Pictures only: its embeddings are turned by an angle whose cosine to those of
// float32 is `cosine`.
class TurnedEncoder final : public Encoder {
 public:
  TurnedEncoder(Precision precision, double cosine)
      : Encoder(Info(precision), 1), cosine_(cosine) {}

 private:
  static ModelInfo Info(Precision precision) {
    ModelInfo info;
    info.has_image = true;
    info.image_size = 8;
    info.dimension = 2;
    info.dtype = PrecisionName(precision);
    return info;
  }
  absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds>) const override {
    return absl::UnimplementedError("no texts");
  }
  absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image> images) const override {
    return std::vector<Embedding>(
        images.size(), {static_cast<float>(cosine_),
                        static_cast<float>(std::sqrt(1 - cosine_ * cosine_))});
  }

  const double cosine_;
};

class PrecisionChoiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<PrecisionChoice> Choose(PrecisionRequest request,
                                         std::vector<PrecisionSpeed> speeds) {
    return ChoosePrecision(
        request, std::move(speeds), MakePrecisionSample(nullptr, 8),
        [this](Precision precision)
            -> absl::StatusOr<std::unique_ptr<const Encoder>> {
          made_.push_back(precision);
          const double cosine = precision == Precision::kFloat32    ? 1
                                : precision == Precision::kBfloat16 ? bfloat16_
                                                                    : int8_;
          return std::make_unique<TurnedEncoder>(precision, cosine);
        });
  }

  double bfloat16_ = 0.99999;
  double int8_ = 0.9995;
  std::vector<Precision> made_;
};

const std::vector<PrecisionSpeed> kAllFaster = {{Precision::kFloat32, 100},
                                                {Precision::kBfloat16, 200},
                                                {Precision::kInt8, 400}};

TEST_F(PrecisionChoiceTest, AutoTakesTheFastestThatIsCloseEnough) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const PrecisionChoice choice,
                               Choose({}, kAllFaster));
  EXPECT_EQ(choice.precision, Precision::kInt8);
  EXPECT_EQ(choice.encoder->info().dtype, "int8");
  EXPECT_NEAR(choice.least_cosine, 0.9995, 1e-6);
  EXPECT_THAT(choice.reason, HasSubstr("0.99950"));
  EXPECT_THAT(made_, ElementsAre(Precision::kFloat32, Precision::kInt8));
}

TEST_F(PrecisionChoiceTest, AutoFallsBackWhereTheFastestFallsShort) {
  int8_ = 0.998;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(PrecisionChoice choice, Choose({}, kAllFaster));
  EXPECT_EQ(choice.precision, Precision::kBfloat16);
  EXPECT_THAT(choice.reason, HasSubstr("int8 has a least cosine of 0.99800"));
  bfloat16_ = 0.9;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(choice, Choose({}, kAllFaster));
  EXPECT_EQ(choice.precision, Precision::kFloat32);
  EXPECT_EQ(choice.encoder->info().dtype, "float32");
  EXPECT_EQ(choice.least_cosine, 1);
}

TEST_F(PrecisionChoiceTest, AutoLeavesOutWhatIsNoFaster) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const PrecisionChoice choice,
      Choose({}, {{Precision::kFloat32, 100}, {Precision::kBfloat16, 60}}));
  EXPECT_EQ(choice.precision, Precision::kFloat32);
  EXPECT_THAT(choice.reason, HasSubstr("bfloat16 is no faster"));
  EXPECT_THAT(made_, ElementsAre(Precision::kFloat32));
}

TEST_F(PrecisionChoiceTest, WhatIsAskedForIsTakenWithItsFigure) {
  int8_ = 0.98;
  DIPTYCH_ASSERT_OK_AND_ASSIGN(PrecisionChoice choice,
                               Choose(Precision::kInt8, kAllFaster));
  EXPECT_EQ(choice.precision, Precision::kInt8);
  EXPECT_NEAR(choice.least_cosine, 0.98, 1e-6);
  made_.clear();
  DIPTYCH_ASSERT_OK_AND_ASSIGN(choice, Choose(Precision::kFloat32, kAllFaster));
  EXPECT_EQ(choice.precision, Precision::kFloat32);
  EXPECT_THAT(made_, ElementsAre(Precision::kFloat32));
}

TEST_F(PrecisionChoiceTest, WhatTheProcessorCannotIsRefused) {
  EXPECT_THAT(Choose(Precision::kBfloat16, {{Precision::kFloat32, 100}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("precision bfloat16 is asked for, but this "
                                 "processor has no instructions for it")));
  EXPECT_TRUE(made_.empty());
}

TEST(ParsePrecisionTest, TakesTheFourNamesAndRefusesOthers) {
  EXPECT_THAT(ParsePrecision("auto"), IsOkAndHolds(PrecisionRequest()));
  EXPECT_THAT(ParsePrecision("fp32"), IsOkAndHolds(Precision::kFloat32));
  EXPECT_THAT(ParsePrecision("bf16"), IsOkAndHolds(Precision::kBfloat16));
  EXPECT_THAT(ParsePrecision("int8"), IsOkAndHolds(Precision::kInt8));
  EXPECT_THAT(ParsePrecision("fp16"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("auto, fp32, bf16 or int8")));
}

}  // namespace
}  // namespace diptych::inference
