// What Encoder itself promises of any tower; encoder_conformance_test.h has the
// rest.
#include "inference/model/encoder.h"

#include <limits>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

// Embeds texts only, all to the same row.
class ConstantEncoder final : public Encoder {
 public:
  explicit ConstantEncoder(Embedding row, bool normalizes = true)
      : Encoder(InfoOf(row, normalizes), 10), row_(std::move(row)) {}

 private:
  static ModelInfo InfoOf(const Embedding& row, bool normalizes) {
    ModelInfo info;
    info.name = "constant";
    info.dimension = static_cast<int>(row.size());
    info.has_text = true;
    info.normalizes_texts = normalizes;
    info.context_length = 4;
    return info;
  }
  absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds> texts) const override {
    return std::vector<Embedding>(texts.size(), row_);
  }
  absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image>) const override {
    return absl::InternalError("not asked");
  }

  const Embedding row_;
};

TEST(EncoderTest, RowsAreNormalised) {
  EXPECT_THAT(ConstantEncoder({3, -4}).EncodeTexts({TokenIds{{1}, false}}),
              IsOkAndHolds(
                  ::testing::ElementsAre(::testing::ElementsAre(0.6f, -0.8f))));
}

TEST(EncoderTest, RowsKeepTheirLengthWhereTheModelSaysSo) {
  const ConstantEncoder encoder({3, -4}, /*normalizes=*/false);
  EXPECT_FALSE(encoder.info().normalized());
  EXPECT_THAT(encoder.EncodeTexts({TokenIds{{1}, false}}),
              IsOkAndHolds(
                  ::testing::ElementsAre(::testing::ElementsAre(3.0f, -4.0f))));
}

TEST(EncoderTest, RowWithoutLengthIsAnError) {
  for (const float value : {0.0f, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
    for (const bool normalizes : {false, true}) {
      EXPECT_THAT(ConstantEncoder({value, 0}, normalizes)
                      .EncodeTexts({TokenIds{{1}, false}}),
                  StatusIs(absl::StatusCode::kInternal,
                           HasSubstr("not finite or has no length")));
    }
  }
}

TEST(EncoderTest, ModalityThatTheModelLacksIsUnimplemented) {
  EXPECT_THAT(ConstantEncoder({1}).EncodeImages({}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("embeds no images: constant")));
}

}  // namespace
}  // namespace diptych::inference
