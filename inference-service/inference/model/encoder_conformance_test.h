// What every Encoder promises, as tests that each implementation registers:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, EncoderConformanceTest,
//                            ::testing::Values(EncoderUnderTest{...}));
//
// The suite lies in a header, so that one test binary holds one implementation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inference/model/cosine.h"
#include "inference/model/encoder.h"

namespace diptych::inference {

struct EncoderUnderTest {
  std::string name;
  // A model with both modalities. Called once per test.
  std::function<std::unique_ptr<const Encoder>()> make;
  int vocabulary_size = 0;
  // The family's begin and end tokens, which enclose every text.
  int32_t begin = 0;
  int32_t end = 1;
};

inline void PrintTo(const EncoderUnderTest& encoder, std::ostream* out) {
  *out << encoder.name;
}

class EncoderConformanceTest
    : public ::testing::TestWithParam<EncoderUnderTest> {
 protected:
  void SetUp() override {
    encoder_ = GetParam().make();
    ASSERT_NE(encoder_, nullptr);
  }

  const ModelInfo& info() const { return encoder_->info(); }

  // Texts of different lengths and ids; the longest fills the context.
  std::vector<TokenIds> Texts(int count) const {
    std::vector<TokenIds> texts;
    for (int i = 0; i < count; ++i) {
      const int length = i % 4 == 3 ? info().context_length : 3 + i % 5;
      TokenIds text;
      text.ids.push_back(GetParam().begin);
      while (static_cast<int>(text.ids.size()) < length - 1) {
        text.ids.push_back(
            static_cast<int32_t>(2 + (i * 31 + text.ids.size() * 7) %
                                         (GetParam().vocabulary_size - 4)));
      }
      text.ids.push_back(GetParam().end);
      texts.push_back(std::move(text));
    }
    return texts;
  }

  // Pictures of different gradients.
  std::vector<Image> Images(int count) const {
    std::vector<Image> images;
    for (int i = 0; i < count; ++i) {
      Image image(info().image_size, info().image_size);
      for (int y = 0; y < image.height(); ++y) {
        for (int x = 0; x < image.width(); ++x) {
          uint8_t* pixel = image.row(y) + x * Image::kChannels;
          pixel[0] = static_cast<uint8_t>(x * (i + 1) * 5);
          pixel[1] = static_cast<uint8_t>(y * (i + 2) * 3);
          pixel[2] = static_cast<uint8_t>(i * 40);
        }
      }
      images.push_back(std::move(image));
    }
    return images;
  }

  std::unique_ptr<const Encoder> encoder_;
};

TEST_P(EncoderConformanceTest, InfoIsComplete) {
  EXPECT_GT(info().dimension, 0);
  EXPECT_TRUE(info().has_text);
  EXPECT_TRUE(info().has_image);
  EXPECT_GT(info().context_length, 2);
  EXPECT_GT(info().image_size, 0);
  EXPECT_FALSE(info().device.empty());
  EXPECT_FALSE(info().dtype.empty());
  EXPECT_THAT(info().fingerprint, ::testing::MatchesRegex("[0-9a-f]{64}"));
}

TEST_P(EncoderConformanceTest, RowsHaveTheDimensionAndLengthOne) {
  DIPTYCH_ASSERT_OK_AND_ASSIGN(auto rows, encoder_->EncodeTexts(Texts(3)));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto image_rows,
                               encoder_->EncodeImages(Images(3)));
  rows.insert(rows.end(), image_rows.begin(), image_rows.end());
  ASSERT_EQ(rows.size(), 6u);
  for (const Embedding& row : rows) {
    ASSERT_EQ(row.size(), static_cast<size_t>(info().dimension));
    double squares = 0;
    for (const float value : row) squares += double{value} * value;
    EXPECT_NEAR(squares, 1.0, 1e-5);
  }
}

TEST_P(EncoderConformanceTest, TextBatchEqualsTextsOneByOneInOrder) {
  const std::vector<TokenIds> texts = Texts(9);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto batch, encoder_->EncodeTexts(texts));
  ASSERT_EQ(batch.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto single,
                                 encoder_->EncodeTexts({texts[i]}));
    ASSERT_EQ(single.size(), 1u);
    EXPECT_GE(Cosine(batch[i], single[0]), 0.99999) << "text " << i;
  }
  EXPECT_LT(Cosine(batch[0], batch[1]), 0.99999);
}

TEST_P(EncoderConformanceTest, ImageBatchEqualsImagesOneByOneInOrder) {
  const std::vector<Image> images = Images(5);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto batch,
                               encoder_->EncodeImages(images));
  ASSERT_EQ(batch.size(), images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto single,
                                 encoder_->EncodeImages({images[i]}));
    ASSERT_EQ(single.size(), 1u);
    EXPECT_GE(Cosine(batch[i], single[0]), 0.99999) << "image " << i;
  }
  EXPECT_LT(Cosine(batch[0], batch[1]), 0.99999);
}

TEST_P(EncoderConformanceTest, EmptyBatchGivesNothing) {
  EXPECT_THAT(encoder_->EncodeTexts({}), IsOkAndHolds(::testing::IsEmpty()));
  EXPECT_THAT(encoder_->EncodeImages({}), IsOkAndHolds(::testing::IsEmpty()));
}

TEST_P(EncoderConformanceTest, TooLongTextIsRefusedByIndex) {
  std::vector<TokenIds> texts = Texts(2);
  texts[1].ids.assign(info().context_length + 1, GetParam().end);
  EXPECT_THAT(encoder_->EncodeTexts(texts),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("text 1 has more token ids")));
}

TEST_P(EncoderConformanceTest, TextWithoutIdsIsRefused) {
  EXPECT_THAT(encoder_->EncodeTexts({TokenIds{}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("text 0 has no token ids")));
}

TEST_P(EncoderConformanceTest, IdOutsideTheVocabularyIsRefused) {
  for (const int32_t id : {-1, GetParam().vocabulary_size}) {
    TokenIds text;
    text.ids = {GetParam().begin, id, GetParam().end};
    EXPECT_THAT(encoder_->EncodeTexts({text}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::HasSubstr("outside")));
  }
}

TEST_P(EncoderConformanceTest, ImageOfAnotherSizeIsRefusedByIndex) {
  std::vector<Image> images = Images(1);
  images.emplace_back(info().image_size, info().image_size + 1);
  EXPECT_THAT(encoder_->EncodeImages(images),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("image 1 must be")));
}

TEST_P(EncoderConformanceTest, TooLargeBatchIsRefused) {
  const std::vector<TokenIds> texts(Encoder::kBatchMax + 1, Texts(1)[0]);
  EXPECT_THAT(encoder_->EncodeTexts(texts),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("too many texts")));
}

TEST_P(EncoderConformanceTest, ThreadsGetWhatOneThreadGets) {
  const std::vector<TokenIds> texts = Texts(4);
  const std::vector<Image> images = Images(2);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto text_rows,
                               encoder_->EncodeTexts(texts));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto image_rows,
                               encoder_->EncodeImages(images));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto own_text_rows = encoder_->EncodeTexts(texts);
      const auto own_image_rows = encoder_->EncodeImages(images);
      ASSERT_THAT(own_text_rows, IsOk());
      ASSERT_THAT(own_image_rows, IsOk());
      for (size_t row = 0; row < texts.size(); ++row) {
        EXPECT_GE(Cosine((*own_text_rows)[row], text_rows[row]), 0.99999);
      }
      for (size_t row = 0; row < images.size(); ++row) {
        EXPECT_GE(Cosine((*own_image_rows)[row], image_rows[row]), 0.99999);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace diptych::inference
