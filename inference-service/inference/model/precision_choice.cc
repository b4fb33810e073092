#include "inference/model/precision_choice.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/status_macros.h"

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

// The embeddings of texts, then of images.
absl::StatusOr<std::vector<Embedding>> Embed(const Encoder& encoder,
                                             const PrecisionSample& sample) {
  std::vector<Embedding> rows;
  if (encoder.info().has_text) {
    DIPTYCH_ASSIGN_OR_RETURN(rows, encoder.EncodeTexts(sample.texts));
  }
  if (encoder.info().has_image) {
    DIPTYCH_ASSIGN_OR_RETURN(std::vector<Embedding> images,
                             encoder.EncodeImages(sample.images));
    std::move(images.begin(), images.end(), std::back_inserter(rows));
  }
  return rows;
}

// Rows have length 1.
double LeastCosine(const std::vector<Embedding>& a,
                   const std::vector<Embedding>& b) {
  double least = 1;
  for (size_t i = 0; i < a.size(); ++i) {
    double cosine = 0;
    for (size_t j = 0; j < a[i].size(); ++j) {
      cosine += double{a[i][j]} * b[i][j];
    }
    least = std::min(least, cosine);
  }
  return least;
}

}  // namespace

absl::StatusOr<PrecisionRequest> ParsePrecision(absl::string_view text) {
  if (text == "auto") return PrecisionRequest();
  if (text == "fp32") return PrecisionRequest(Precision::kFloat32);
  if (text == "bf16") return PrecisionRequest(Precision::kBfloat16);
  if (text == "int8") return PrecisionRequest(Precision::kInt8);
  return absl::InvalidArgumentError(
      absl::StrCat("precision must be auto, fp32, bf16 or int8; it is ", text));
}

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

absl::StatusOr<PrecisionChoice> ChoosePrecision(
    PrecisionRequest request, std::vector<PrecisionSpeed> speeds,
    const PrecisionSample& sample, const MakeEncoder& make) {
  const auto float32 = std::find_if(
      speeds.begin(), speeds.end(), [](const PrecisionSpeed& speed) {
        return speed.precision == Precision::kFloat32;
      });
  const double float32_speed = float32->giga_operations;
  const auto unwanted = [&](const PrecisionSpeed& speed) {
    return request.has_value() ? speed.precision != *request
                               : speed.precision == Precision::kFloat32 ||
                                     speed.giga_operations <= float32_speed;
  };
  std::vector<PrecisionSpeed> tried = speeds;
  tried.erase(std::remove_if(tried.begin(), tried.end(), unwanted),
              tried.end());
  if (request.has_value() && tried.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "precision ", PrecisionName(*request),
        " is asked for, but this processor has no instructions for it; use "
        "--precision auto, fp32 or int8"));
  }
  std::sort(tried.begin(), tried.end(),
            [](const PrecisionSpeed& a, const PrecisionSpeed& b) {
              return a.giga_operations > b.giga_operations;
            });

  PrecisionChoice choice;
  DIPTYCH_ASSIGN_OR_RETURN(choice.encoder, make(Precision::kFloat32));
  if (request == Precision::kFloat32) {
    choice.reason = "asked for";
    return choice;
  }
  for (const PrecisionSpeed& speed : speeds) {
    if (!request.has_value() && speed.precision != Precision::kFloat32 &&
        speed.giga_operations <= float32_speed) {
      absl::StrAppend(&choice.reason, PrecisionName(speed.precision),
                      " is no faster than float32 on this processor; ");
    }
  }
  if (!tried.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(const std::vector<Embedding> wanted,
                             Embed(*choice.encoder, sample));
    for (const PrecisionSpeed& speed : tried) {
      choice.encoder.reset();
      DIPTYCH_ASSIGN_OR_RETURN(choice.encoder, make(speed.precision));
      DIPTYCH_ASSIGN_OR_RETURN(const std::vector<Embedding> rows,
                               Embed(*choice.encoder, sample));
      choice.least_cosine = LeastCosine(rows, wanted);
      absl::StrAppendFormat(
          &choice.reason,
          "%s has a least cosine of %.5f to float32 over %d texts and images "
          "and multiplies %.1f times as fast; ",
          PrecisionName(speed.precision), choice.least_cosine, rows.size(),
          speed.giga_operations / float32_speed);
      if (request.has_value() || choice.least_cosine >= kPrecisionCosineMin) {
        choice.precision = speed.precision;
        absl::StrAppend(&choice.reason,
                        request.has_value() ? "asked for" : "it will do");
        return choice;
      }
    }
    choice.encoder.reset();
    choice.least_cosine = 1;
    DIPTYCH_ASSIGN_OR_RETURN(choice.encoder, make(Precision::kFloat32));
  }
  absl::StrAppend(&choice.reason, "float32 remains");
  return choice;
}

}  // namespace diptych::inference
