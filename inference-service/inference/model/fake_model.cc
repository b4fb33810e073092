#include "inference/model/fake_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace diptych::inference {
namespace {

constexpr int kVocabularySize = 1 << 20;
constexpr int32_t kBegin = 0;
constexpr int32_t kEnd = 1;
constexpr int32_t kFirstWord = 2;
// The grid of mean colours has kGrid x kGrid cells.
constexpr int kGrid = 4;
constexpr uint64_t kTextSeed = 1;
constexpr uint64_t kImageSeed = 2;

// splitmix64 (https://prng.di.unimi.it/splitmix64.c): every bit of the result
// depends on every bit of the argument.
uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// FNV-1a, which unlike absl::Hash is the same in every process.
uint64_t HashOf(absl::string_view word) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : word) {
    hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

// Adds `weight` times the fixed direction number `key` to `row`.
void AddDirection(uint64_t key, double weight, Embedding& row) {
  for (size_t i = 0; i < row.size(); ++i) {
    const uint64_t random = Mix(Mix(key) + i);
    const double unit = static_cast<double>(random >> 11) / (uint64_t{1} << 53);
    row[i] += static_cast<float>(weight * (2 * unit - 1));
  }
}

class FakeTokenizer final : public Tokenizer {
 public:
  explicit FakeTokenizer(int context_length)
      : context_length_(context_length) {}

  absl::StatusOr<TokenIds> Tokenize(absl::string_view text) const override {
    if (text.size() > kTextBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("text is longer than the allowed ", kTextBytesMax,
                       " bytes: ", text.size()));
    }
    TokenIds result;
    result.ids.push_back(kBegin);
    for (const absl::string_view word :
         absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty())) {
      if (static_cast<int>(result.ids.size()) == context_length_ - 1) {
        result.truncated = true;
        break;
      }
      const uint64_t hash = Mix(HashOf(absl::AsciiStrToLower(word)));
      result.ids.push_back(
          kFirstWord +
          static_cast<int32_t>(hash % (kVocabularySize - kFirstWord)));
    }
    result.ids.push_back(kEnd);
    return result;
  }

  int context_length() const override { return context_length_; }
  int32_t pad_id() const override { return kEnd; }

 private:
  const int context_length_;
};

class FakeImagePreprocessor final : public ImagePreprocessor {
 public:
  explicit FakeImagePreprocessor(int size) : size_(size) {}

  absl::StatusOr<Image> Preprocess(const Image& image) const override {
    if (image.empty()) {
      return absl::InvalidArgumentError("image has no pixels");
    }
    Image result(size_, size_);
    for (int y = 0; y < size_; ++y) {
      const uint8_t* from =
          image.row(static_cast<int>(int64_t{y} * image.height() / size_));
      uint8_t* to = result.row(y);
      for (int x = 0; x < size_; ++x) {
        const int64_t column = int64_t{x} * image.width() / size_;
        std::copy_n(from + column * Image::kChannels, Image::kChannels,
                    to + x * Image::kChannels);
      }
    }
    return result;
  }

 private:
  const int size_;
};

class FakeEncoder final : public Encoder {
 public:
  explicit FakeEncoder(ModelInfo model_info)
      : Encoder(std::move(model_info), kVocabularySize) {}

 private:
  absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds> texts) const override {
    std::vector<Embedding> rows;
    for (const TokenIds& text : texts) {
      Embedding row(info().dimension);
      for (const int32_t id : text.ids) {
        // Begin and end keep the empty text from having no direction, and weigh
        // too little to make two texts alike.
        const double weight = id < kFirstWord ? 0.01 : 1.0;
        AddDirection(kTextSeed << 32 | static_cast<uint32_t>(id), weight, row);
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

  absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image> images) const override {
    std::vector<Embedding> rows;
    for (const Image& image : images) {
      std::vector<double> sums(kGrid * kGrid * Image::kChannels);
      for (int y = 0; y < image.height(); ++y) {
        const uint8_t* pixels = image.row(y);
        for (int x = 0; x < image.width(); ++x) {
          const int cell =
              y * kGrid / image.height() * kGrid + x * kGrid / image.width();
          for (int channel = 0; channel < Image::kChannels; ++channel) {
            sums[cell * Image::kChannels + channel] += *pixels++ / 127.5 - 1.0;
          }
        }
      }
      Embedding row(info().dimension);
      // A constant direction: the picture that is grey all over has one too.
      AddDirection(kImageSeed << 32, 0.01, row);
      const double cell_pixels =
          std::max(1, image.width() * image.height() / (kGrid * kGrid));
      for (size_t i = 0; i < sums.size(); ++i) {
        AddDirection(kImageSeed << 32 | (i + 1), sums[i] / cell_pixels, row);
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }
};

}  // namespace

Model MakeFakeModel(const FakeModelOptions& options) {
  ModelInfo info;
  info.name = options.name;
  info.family = "fake";
  info.dimension = options.dimension;
  info.has_text = true;
  info.has_image = true;
  info.context_length = options.context_length;
  info.image_size = options.image_size;
  info.normalizes_texts = options.normalized;
  info.normalizes_images = options.normalized;
  info.device = "cpu";
  info.dtype = "float32";
  // No weights to hash: what the embeddings depend on, in the same form.
  for (uint64_t part = 0; part < 4; ++part) {
    const uint64_t shape = static_cast<uint64_t>(options.dimension) << 32 |
                           static_cast<uint32_t>(options.image_size);
    absl::StrAppend(&info.fingerprint,
                    absl::Hex(Mix(Mix(shape) + part), absl::kZeroPad16));
  }
  Model model;
  model.tokenizer = std::make_unique<FakeTokenizer>(options.context_length);
  model.image_preprocessor =
      std::make_unique<FakeImagePreprocessor>(options.image_size);
  model.encoder = std::make_unique<FakeEncoder>(std::move(info));
  return model;
}

}  // namespace diptych::inference
