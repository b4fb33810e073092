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
  explicit ConstantEncoder(Embedding row)
      : Encoder(InfoOf(row), 10), row_(std::move(row)) {}

 private:
  static ModelInfo InfoOf(const Embedding& row) {
    ModelInfo info;
    info.name = "constant";
    info.dimension = static_cast<int>(row.size());
    info.has_text = true;
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

TEST(EncoderTest, RowWithoutLengthIsAnError) {
  for (const float value : {0.0f, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(ConstantEncoder({value, 0}).EncodeTexts({TokenIds{{1}, false}}),
                StatusIs(absl::StatusCode::kInternal,
                         HasSubstr("not finite or has no length")));
  }
}

TEST(EncoderTest, ModalityThatTheModelLacksIsUnimplemented) {
  EXPECT_THAT(ConstantEncoder({1}).EncodeImages({}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("embeds no images: constant")));
}

}  // namespace
}  // namespace diptych::inference
