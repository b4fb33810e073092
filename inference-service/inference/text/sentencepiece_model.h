// What a SentencePiece model file says: its pieces and its normalisation.
//
// Operation: reads the fields of the serialised ModelProto that encoding needs
// (https://github.com/google/sentencepiece, src/sentencepiece_model.proto),
// without Protocol Buffers, and checks them: the original trusts the file.
// Concurrency: value types and a free function.
// Limits: kTokenIdsMax pieces of kPieceBytesMax bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

enum class PieceType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct SentencePieceModel {
  static constexpr size_t kPieceBytesMax = 1024;

  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };
  enum class Kind { kUnigram = 1, kBpe = 2 };

  // A piece's id is its place.
  std::vector<Piece> pieces;
  int32_t unknown_id = 0;
  Kind kind = Kind::kUnigram;
  bool byte_fallback = false;
  // See precompiled_charsmap.h; "" for none.
  std::string charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// The model in a file of these `bytes`. INVALID_ARGUMENT when it is malformed,
// a piece is no UTF-8 or occurs twice, a score is not finite, or the model is
// of another kind (words, characters, white space as a suffix).
absl::StatusOr<SentencePieceModel> ParseSentencePieceModel(
    absl::string_view bytes);

}  // namespace diptych::inference
