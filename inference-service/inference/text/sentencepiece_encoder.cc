#include "inference/text/sentencepiece_encoder.h"

#include <algorithm>
#include <cfloat>
#include <cstddef>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"
#include "inference/text/merge_table.h"
#include "inference/text/text_normalizer.h"
#include "inference/text/tokenizer.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {
namespace {

constexpr absl::string_view kSpace = "\u2581";
constexpr double kUnknownPenalty = 10;

absl::StatusOr<UnigramModel> MakeUnigram(const SentencePieceModel& model) {
  if (model.byte_fallback) {
    return absl::InvalidArgumentError(
        "the SentencePiece model is a unigram model with byte fallback, which "
        "is not known here");
  }
  // The original's initial values: the highest score is never negative.
  float lowest = FLT_MAX;
  float highest = FLT_MIN;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    if (piece.type != PieceType::kNormal) continue;
    lowest = std::min(lowest, piece.score);
    highest = std::max(highest, piece.score);
  }
  UnigramVocabulary vocabulary;
  vocabulary.float32 = true;
  vocabulary.unknown_id = model.unknown_id;
  vocabulary.unknown_score = lowest - static_cast<float>(kUnknownPenalty);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    double score = static_cast<double>(piece.score);
    if (piece.type == PieceType::kUserDefined) {
      score =
          static_cast<double>(static_cast<float>(piece.text.size()) * highest) -
          0.1;
    } else if (piece.type != PieceType::kNormal) {
      continue;
    }
    vocabulary.pieces.push_back({piece.text, static_cast<int32_t>(id), score});
  }
  return UnigramModel::Create(std::move(vocabulary));
}

// Every way to make a piece of two others is a merge; the pieces with higher
// scores are made first, of equal ones the leftmost.
absl::StatusOr<ByteFallbackEncoder> MakeBpe(const SentencePieceModel& model) {
  absl::flat_hash_map<std::string, int32_t> ids;
  std::vector<float> scores;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    if (piece.type == PieceType::kUnused) {
      return absl::InvalidArgumentError(
          "the SentencePiece model is a BPE model with unused pieces, which is "
          "not known here");
    }
    const bool byte = piece.type == PieceType::kByte && model.byte_fallback;
    if (piece.type != PieceType::kNormal && !byte) continue;
    ids.emplace(piece.text, static_cast<int32_t>(id));
    if (!byte) scores.push_back(piece.score);
  }
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  MergeTable merges;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    if (piece.type != PieceType::kNormal) continue;
    const auto rank = std::lower_bound(scores.begin(), scores.end(),
                                       piece.score, std::greater<>()) -
                      scores.begin();
    const absl::string_view text = piece.text;
    for (size_t at = 0; at < text.size();) {
      NextCharacter(text, at);
      const auto left = ids.find(text.substr(0, at));
      const auto right = ids.find(text.substr(at));
      if (at == text.size() || left == ids.end() || right == ids.end()) {
        continue;
      }
      merges.Add(left->second, right->second, static_cast<int32_t>(rank),
                 static_cast<int32_t>(id));
    }
  }
  return ByteFallbackEncoder(std::move(ids), std::move(merges),
                             model.unknown_id);
}

}  // namespace

absl::StatusOr<SentencePieceEncoder> SentencePieceEncoder::Create(
    const SentencePieceModel& model, bool add_dummy_prefix) {
  SentencePieceEncoder encoder;
  DIPTYCH_ASSIGN_OR_RETURN(encoder.charsmap_,
                           PrecompiledCharsmap::Create(model.charsmap));
  std::vector<std::pair<std::string, int32_t>> user_defined;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type != PieceType::kUserDefined) continue;
    user_defined.emplace_back(model.pieces[id].text, static_cast<int32_t>(id));
  }
  DIPTYCH_ASSIGN_OR_RETURN(encoder.user_defined_,
                           TokenTrie::Create(std::move(user_defined)));
  encoder.add_dummy_prefix_ = add_dummy_prefix;
  encoder.remove_extra_whitespaces_ = model.remove_extra_whitespaces;
  encoder.escape_whitespaces_ = model.escape_whitespaces;
  if (model.kind == SentencePieceModel::Kind::kUnigram) {
    DIPTYCH_ASSIGN_OR_RETURN(UnigramModel unigram, MakeUnigram(model));
    encoder.unigram_.emplace(std::move(unigram));
  } else {
    DIPTYCH_ASSIGN_OR_RETURN(ByteFallbackEncoder bpe, MakeBpe(model));
    encoder.bpe_.emplace(std::move(bpe));
  }
  return encoder;
}

PrecompiledCharsmap::Match SentencePieceEncoder::NextPart(
    absl::string_view text) const {
  if (const size_t length = user_defined_.LongestPrefix(text).second;
      length > 0) {
    return {length, text.substr(0, length)};
  }
  const PrecompiledCharsmap::Match match = charsmap_.Longest(text);
  if (match.length > 0) {
    // A rule of bytes inside a character would leave half of it.
    const bool whole =
        match.length == text.size() ||
        (static_cast<uint8_t>(text[match.length]) & 0xc0) != 0x80;
    if (whole) return match;
  }
  size_t length = 0;
  NextCharacter(text, length);
  return {length, text.substr(0, length)};
}

absl::StatusOr<std::string> SentencePieceEncoder::Normalize(
    absl::string_view text) const {
  const absl::string_view space = escape_whitespaces_ ? kSpace : " ";
  if (remove_extra_whitespaces_) {
    while (!text.empty()) {
      const PrecompiledCharsmap::Match part = NextPart(text);
      if (part.replacement != " ") break;
      text.remove_prefix(part.length);
    }
  }
  std::string normalized;
  if (text.empty()) return normalized;
  if (add_dummy_prefix_) absl::StrAppend(&normalized, space);
  bool after_space = remove_extra_whitespaces_;
  while (!text.empty()) {
    const PrecompiledCharsmap::Match part = NextPart(text);
    absl::string_view replacement = part.replacement;
    while (after_space && absl::ConsumePrefix(&replacement, " ")) {
    }
    for (const char byte : replacement) {
      if (byte == ' ') {
        absl::StrAppend(&normalized, space);
      } else {
        normalized.push_back(byte);
      }
    }
    if (!replacement.empty()) after_space = absl::EndsWith(replacement, " ");
    if (!remove_extra_whitespaces_) after_space = false;
    text.remove_prefix(part.length);
    if (normalized.size() >
        Tokenizer::kTextBytesMax * TextNormalizer::kGrowthMax) {
      return absl::InvalidArgumentError(
          "text grows too large when normalised; shorten it");
    }
  }
  if (remove_extra_whitespaces_) {
    absl::string_view rest = normalized;
    while (absl::ConsumeSuffix(&rest, space)) {
    }
    normalized.resize(rest.size());
  }
  return normalized;
}

void SentencePieceEncoder::Encode(absl::string_view text,
                                  std::vector<int32_t>& ids) const {
  if (unigram_.has_value()) {
    unigram_->Encode(text, ids);
    return;
  }
  // Merges do not reach over a user-defined piece.
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto [id, length] = user_defined_.LongestPrefix(text.substr(at));
    if (id < 0) {
      NextCharacter(text, at);
      continue;
    }
    bpe_->Encode(text.substr(done, at - done), ids);
    ids.push_back(id);
    at += length;
    done = at;
  }
  bpe_->Encode(text.substr(done), ids);
}

}  // namespace diptych::inference
