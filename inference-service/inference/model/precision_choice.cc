#include "inference/model/precision_choice.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

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

absl::StatusOr<PrecisionChoice> ChoosePrecision(
    PrecisionRequest request, absl::Span<const PrecisionSpeed> speeds,
    const PrecisionSample& sample, const MakeEncoder& make) {
  const auto float32 = std::find_if(
      speeds.begin(), speeds.end(), [](const PrecisionSpeed& speed) {
        return speed.precision == Precision::kFloat32;
      });
  const double float32_speed = float32->giga_operations;
  PrecisionChoice choice;
  std::vector<PrecisionSpeed> tried;
  for (const PrecisionSpeed& speed : speeds) {
    if (request.has_value()) {
      if (speed.precision == *request) tried.push_back(speed);
    } else if (speed.giga_operations > float32_speed) {
      tried.push_back(speed);
    } else if (speed.precision != Precision::kFloat32) {
      absl::StrAppend(&choice.reason, PrecisionName(speed.precision),
                      " is no faster than float32 on this processor; ");
    }
  }
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

  DIPTYCH_ASSIGN_OR_RETURN(choice.encoder, make(Precision::kFloat32));
  if (request == Precision::kFloat32) {
    choice.reason = "asked for";
    return choice;
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
