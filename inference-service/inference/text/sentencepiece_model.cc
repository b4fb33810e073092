#include "inference/text/sentencepiece_model.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/tokenizer_files.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {
namespace {

absl::Status Malformed(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the SentencePiece model is malformed: ", why));
}

// The fields of one message of Protocol Buffers, one after the other.
class FieldReader {
 public:
  explicit FieldReader(absl::string_view message) : rest_(message) {}

  // Moves to the next field; false at the end or where the message breaks off,
  // which ok() tells apart.
  bool Next() {
    if (rest_.empty() || !ok_) return false;
    uint64_t key;
    if (!Varint(key)) return Fail();
    number_ = key >> 3;
    switch (key & 7) {
      case 0:
        return Varint(value_) || Fail();
      case 1:
        return Take(8, bytes_) || Fail();
      case 2: {
        uint64_t size;
        return (Varint(size) && Take(size, bytes_)) || Fail();
      }
      case 5:
        return Take(4, bytes_) || Fail();
      default:
        return Fail();
    }
  }

  bool ok() const { return ok_; }
  uint64_t number() const { return number_; }
  uint64_t value() const { return value_; }
  absl::string_view bytes() const { return bytes_; }

 private:
  bool Fail() { return ok_ = false; }
  bool Take(uint64_t size, absl::string_view& bytes) {
    if (size > rest_.size()) return false;
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    value_ = 0;
    return true;
  }
  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        bytes_ = {};
        return true;
      }
    }
    return false;
  }

  absl::string_view rest_;
  absl::string_view bytes_;
  uint64_t number_ = 0;
  uint64_t value_ = 0;
  bool ok_ = true;
};

absl::Status ReadPiece(absl::string_view message, SentencePieceModel& model) {
  SentencePieceModel::Piece piece;
  FieldReader field(message);
  while (field.Next()) {
    if (field.number() == 1) {
      piece.text = std::string(field.bytes());
    } else if (field.number() == 2 && field.bytes().size() == 4) {
      std::memcpy(&piece.score, field.bytes().data(), 4);
    } else if (field.number() == 3) {
      if (field.value() < 1 || field.value() > 6) {
        return Malformed(absl::StrCat("piece ", model.pieces.size(),
                                      " is of type ", field.value()));
      }
      piece.type = static_cast<PieceType>(field.value());
    }
  }
  if (!field.ok() || piece.text.empty() ||
      piece.text.size() > SentencePieceModel::kPieceBytesMax ||
      ValidUtf8Prefix(piece.text) < piece.text.size() ||
      !std::isfinite(piece.score)) {
    return Malformed(absl::StrCat(
        "piece ", model.pieces.size(), " must be UTF-8 of 1 to ",
        SentencePieceModel::kPieceBytesMax, " bytes with a finite score"));
  }
  if (model.pieces.size() == kTokenIdsMax) {
    return Malformed(
        absl::StrCat("it has more than the allowed ", kTokenIdsMax, " pieces"));
  }
  model.pieces.push_back(std::move(piece));
  return absl::OkStatus();
}

absl::Status ReadTrainerSpec(absl::string_view message,
                             SentencePieceModel& model) {
  FieldReader field(message);
  while (field.Next()) {
    if (field.number() == 3) {
      if (field.value() != 1 && field.value() != 2) {
        return absl::InvalidArgumentError(
            absl::StrCat("the SentencePiece model is of type ", field.value(),
                         "; known: 1 (unigram), 2 (BPE)"));
      }
      model.kind = static_cast<SentencePieceModel::Kind>(field.value());
    } else if (field.number() == 24 && field.value() != 0) {
      return absl::InvalidArgumentError(
          "the SentencePiece model treats white space as a suffix, which is "
          "not known here");
    } else if (field.number() == 35) {
      model.byte_fallback = field.value() != 0;
    }
  }
  return field.ok() ? absl::OkStatus()
                    : Malformed("its training settings break off");
}

absl::Status ReadNormalizerSpec(absl::string_view message,
                                SentencePieceModel& model) {
  FieldReader field(message);
  while (field.Next()) {
    if (field.number() == 2) {
      model.charsmap = std::string(field.bytes());
    } else if (field.number() == 3) {
      model.add_dummy_prefix = field.value() != 0;
    } else if (field.number() == 4) {
      model.remove_extra_whitespaces = field.value() != 0;
    } else if (field.number() == 5) {
      model.escape_whitespaces = field.value() != 0;
    }
  }
  return field.ok() ? absl::OkStatus()
                    : Malformed("its normalisation breaks off");
}

}  // namespace

absl::StatusOr<SentencePieceModel> ParseSentencePieceModel(
    absl::string_view bytes) {
  SentencePieceModel model;
  FieldReader field(bytes);
  while (field.Next()) {
    if (field.number() == 1) {
      DIPTYCH_RETURN_IF_ERROR(ReadPiece(field.bytes(), model));
    } else if (field.number() == 2) {
      DIPTYCH_RETURN_IF_ERROR(ReadTrainerSpec(field.bytes(), model));
    } else if (field.number() == 3) {
      DIPTYCH_RETURN_IF_ERROR(ReadNormalizerSpec(field.bytes(), model));
    }
  }
  if (!field.ok()) return Malformed("it breaks off or is another file");
  absl::flat_hash_set<absl::string_view> seen;
  int unknown = 0;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (!seen.insert(model.pieces[id].text).second) {
      return Malformed(absl::StrCat("piece ", id, " occurs twice"));
    }
    if (model.pieces[id].type != PieceType::kUnknown) continue;
    ++unknown;
    model.unknown_id = static_cast<int32_t>(id);
  }
  if (unknown != 1) {
    return Malformed(
        absl::StrCat("it has ", unknown, " unknown pieces instead of one"));
  }
  return model;
}

}  // namespace diptych::inference
