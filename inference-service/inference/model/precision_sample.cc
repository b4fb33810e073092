#include "inference/model/precision_sample.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {
namespace {

constexpr absl::string_view kSampleTexts[] = {
    "a photo of a cat",
    "dog",
    "a red bicycle leaning against a brick wall in the morning sun",
    "Two people walk along the beach at sunset, their shoes in their hands.",
    "product photo: leather sofa, brown, three seats, 2.10 m",
    "snow-covered mountains behind a lake, aerial view",
    "How do I reset the password of my account?",
    "ein altes Haus mit blauen Fensterläden am Fluss",
    "une tasse de café sur une table en bois",
    "一只猫坐在窗台上",
    "The quarterly report shows that revenue grew by 12 % while costs stayed "
    "level; the board expects the trend to continue until the end of the year, "
    "provided that demand abroad does not weaken and prices remain stable.",
    "",
};

// Numbers that look random, the same everywhere.
class Noise {
 public:
  explicit Noise(uint32_t seed) : state_(seed * 2654435761u + 1) {}
  // 0 to 1.
  double Next() {
    state_ = state_ * 1664525u + 1013904223u;
    return (state_ >> 8) / double{1 << 24};
  }

 private:
  uint32_t state_;
};

uint8_t ToByte(double value) {
  return static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
}

// Waves of all sizes, the larger the stronger, as in photographs; in most
// pictures with shapes before them.
Image SampleImage(int number, int size) {
  constexpr int kWaves = 24;
  constexpr double kTurn = 6.283185307179586;
  struct Wave {
    double across, down, phase, strength[Image::kChannels];
  };
  struct Shape {
    double x, y, radius;
    bool round;
    double colour[Image::kChannels];
  };
  Noise noise(static_cast<uint32_t>(number));
  std::vector<Wave> waves(kWaves);
  for (int i = 0; i < kWaves; ++i) {
    Wave& wave = waves[i];
    const double frequency = 0.5 * std::pow(1.2, i);
    const double angle = kTurn * noise.Next();
    wave.across = frequency * std::cos(angle);
    wave.down = frequency * std::sin(angle);
    wave.phase = kTurn * noise.Next();
    const double common = noise.Next() - 0.5;
    for (double& strength : wave.strength) {
      strength = 110 * (common + 0.5 * (noise.Next() - 0.5)) / (1 + frequency);
    }
  }
  std::vector<Shape> shapes(number % 3 == 0 ? 0 : 2 + number);
  for (Shape& shape : shapes) {
    shape.x = noise.Next();
    shape.y = noise.Next();
    shape.radius = 0.05 + 0.2 * noise.Next();
    shape.round = noise.Next() < 0.5;
    for (double& colour : shape.colour) colour = 255 * noise.Next();
  }
  Image image(size, size);
  for (int row = 0; row < size; ++row) {
    for (int column = 0; column < size; ++column) {
      const double x = (column + 0.5) / size;
      const double y = (row + 0.5) / size;
      double colour[Image::kChannels] = {120, 118, 110};
      for (const Wave& wave : waves) {
        const double value =
            std::sin(kTurn * (wave.across * x + wave.down * y) + wave.phase);
        for (int i = 0; i < Image::kChannels; ++i) {
          colour[i] += wave.strength[i] * value;
        }
      }
      for (const Shape& shape : shapes) {
        const double right = std::abs(x - shape.x);
        const double below = std::abs(y - shape.y);
        const double distance =
            shape.round ? std::hypot(right, below) : std::max(right, below);
        if (distance < shape.radius) {
          std::copy_n(shape.colour, Image::kChannels, colour);
        }
      }
      uint8_t* const pixel = image.row(row) + column * Image::kChannels;
      const double grain = 8 * (noise.Next() - 0.5);
      for (int i = 0; i < Image::kChannels; ++i) {
        pixel[i] = ToByte(colour[i] + grain);
      }
    }
  }
  return image;
}

}  // namespace

PrecisionSample MakePrecisionSample(const Tokenizer* tokenizer,
                                    int image_size) {
  PrecisionSample sample;
  if (tokenizer != nullptr) {
    for (const absl::string_view text : kSampleTexts) {
      absl::StatusOr<TokenIds> ids = tokenizer->Tokenize(text);
      // A tokeniser may have nothing for the empty text.
      if (ids.ok() && !ids->ids.empty()) {
        sample.texts.push_back(*std::move(ids));
      }
    }
  }
  if (image_size > 0) {
    for (int i = 0; i < kSampleImages; ++i) {
      sample.images.push_back(SampleImage(i, image_size));
    }
  }
  return sample;
}

}  // namespace diptych::inference
