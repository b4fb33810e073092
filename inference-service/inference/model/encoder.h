// Token ids and preprocessed pictures to embeddings: the towers of one model.
//
// Operation: EncodeTexts and EncodeImages check their input, let the family
// compute the projections, and normalise each row to length 1 (L2) unless
// info() says that the model's are left as they are. Checking and normalising
// happen here and nowhere else, so every family behaves alike.
// A row does not depend on the other inputs of its batch beyond rounding
// (cosine at least 0.99999). Concurrency: every method may be called from any
// thread, in parallel. Limits: at most kBatchMax inputs per call.
#pragma once

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "inference/types/image.h"
#include "inference/types/model_info.h"
#include "inference/types/token_ids.h"

namespace diptych::inference {

// info().dimension floats; of L2 length 1 where info() says so.
using Embedding = std::vector<float>;

class Encoder {
 public:
  static constexpr int kBatchMax = 1024;

  virtual ~Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // Constant over the encoder's life.
  const ModelInfo& info() const { return info_; }

  // One embedding per text, in order; none for an empty batch.
  //
  // UNIMPLEMENTED    the model has no text tower
  // INVALID_ARGUMENT more than kBatchMax texts; or a text with no ids, with
  // more
  //                  than context_length ids, or with an id outside the
  //                  vocabulary
  // INTERNAL         the tower gave a row that is not finite or has no length
  absl::StatusOr<std::vector<Embedding>> EncodeTexts(
      absl::Span<const TokenIds> texts) const;

  // One embedding per picture, in order; none for an empty batch. The pictures
  // are preprocessed: image_size x image_size pixels of 8-bit RGB. Rescaling
  // and normalising by the model's mean and deviation is done inside.
  //
  // UNIMPLEMENTED    the model has no image tower
  // INVALID_ARGUMENT more than kBatchMax pictures, or one of another size
  // INTERNAL         as above
  absl::StatusOr<std::vector<Embedding>> EncodeImages(
      absl::Span<const Image> images) const;

 protected:
  // `vocabulary_size` is the count of valid ids: 0 <= id < vocabulary_size.
  Encoder(ModelInfo info, int vocabulary_size)
      : info_(std::move(info)), vocabulary_size_(vocabulary_size) {}

 private:
  // The projections, unnormalised: one row of info().dimension floats per
  // input, in order. Called with at least one input, all of them checked.
  virtual absl::StatusOr<std::vector<Embedding>> ProjectTexts(
      absl::Span<const TokenIds> texts) const = 0;
  virtual absl::StatusOr<std::vector<Embedding>> ProjectImages(
      absl::Span<const Image> images) const = 0;

  const ModelInfo info_;
  const int vocabulary_size_;
};

}  // namespace diptych::inference
