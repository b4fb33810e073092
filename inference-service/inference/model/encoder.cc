#include "inference/model/encoder.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

absl::Status CheckBatch(size_t count, absl::string_view inputs) {
  if (count <= static_cast<size_t>(Encoder::kBatchMax)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("too many ", inputs, " in one batch; at most ",
                   Encoder::kBatchMax, " are allowed: ", count));
}

absl::Status CheckText(const TokenIds& text, size_t index, int context_length,
                       int vocabulary_size) {
  if (text.ids.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text ", index, " has no token ids"));
  }
  if (text.ids.size() > static_cast<size_t>(context_length)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "text ", index, " has more token ids than the model's context of ",
        context_length, ": ", text.ids.size()));
  }
  for (const int32_t id : text.ids) {
    if (id < 0 || id >= vocabulary_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("text ", index, " has a token id outside the ",
                       vocabulary_size, " of the vocabulary: ", id));
    }
  }
  return absl::OkStatus();
}

// Scales `row` to length 1 if `normalize` says so, and checks it in any case.
// The sum is in double: a row of a thousand large floats must not lose its last
// digits.
absl::Status Normalize(bool normalize, Embedding& row) {
  double squares = 0;
  for (const float value : row) squares += static_cast<double>(value) * value;
  if (!std::isfinite(squares) || squares <= 0) {
    return absl::InternalError(
        "the model gave an embedding that is not finite or has no length; its "
        "weights may be damaged");
  }
  if (!normalize) return absl::OkStatus();
  const double scale = 1.0 / std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(value * scale);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Embedding>> NormalizeAll(
    bool normalize, absl::StatusOr<std::vector<Embedding>> rows) {
  if (!rows.ok()) return rows;
  for (Embedding& row : *rows) {
    DIPTYCH_RETURN_IF_ERROR(Normalize(normalize, row));
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::vector<Embedding>> Encoder::EncodeTexts(
    absl::Span<const TokenIds> texts) const {
  if (!info_.has_text) {
    return absl::UnimplementedError(
        absl::StrCat("this model embeds no texts: ", info_.name));
  }
  DIPTYCH_RETURN_IF_ERROR(CheckBatch(texts.size(), "texts"));
  for (size_t i = 0; i < texts.size(); ++i) {
    DIPTYCH_RETURN_IF_ERROR(
        CheckText(texts[i], i, info_.context_length, vocabulary_size_));
  }
  if (texts.empty()) return std::vector<Embedding>();
  return NormalizeAll(info_.normalizes_texts, ProjectTexts(texts));
}

absl::StatusOr<std::vector<Embedding>> Encoder::EncodeImages(
    absl::Span<const Image> images) const {
  if (!info_.has_image) {
    return absl::UnimplementedError(
        absl::StrCat("this model embeds no images: ", info_.name));
  }
  DIPTYCH_RETURN_IF_ERROR(CheckBatch(images.size(), "images"));
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].width() != info_.image_size ||
        images[i].height() != info_.image_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "image ", i, " must be preprocessed to ", info_.image_size, "x",
          info_.image_size, " pixels; it has ", images[i].width(), "x",
          images[i].height()));
    }
  }
  if (images.empty()) return std::vector<Embedding>();
  return NormalizeAll(info_.normalizes_images, ProjectImages(images));
}

}  // namespace diptych::inference
