#include "inference/text/unigram_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/status_macros.h"
#include "inference/text/text_normalizer.h"
#include "inference/text/unicode_text.h"
#include "inference/text/unigram_model.h"

namespace diptych::inference {
namespace {

constexpr char kFile[] = "tokenizer.json";
constexpr char kSplitters[] =
    "Metaspace of U+2581, alone or behind WhitespaceSplit";
constexpr absl::string_view kSpace = "\u2581";
// Below the lowest score.
constexpr double kUnknownPenalty = 10;

enum class Prefix { kAlways, kFirst, kNever };

struct Splitting {
  bool at_white_space = false;
  bool at_replacement = true;
  Prefix prefix = Prefix::kAlways;
};

class UnigramEncoder final : public TextEncoder {
 public:
  UnigramEncoder(TextNormalizer normalizer, Splitting splitting,
                 UnigramModel model)
      : normalizer_(std::move(normalizer)),
        splitting_(splitting),
        model_(std::move(model)) {}

  absl::StatusOr<std::string> Normalize(absl::string_view text) const override {
    return normalizer_.Apply(text);
  }

  void Encode(absl::string_view text, bool at_beginning, size_t most,
              std::vector<int32_t>& ids) const override {
    if (!splitting_.at_white_space) {
      EncodePart(text, at_beginning, most, ids);
      return;
    }
    bool first = at_beginning;
    size_t word = 0;
    for (size_t at = 0; at < text.size() && ids.size() <= most;) {
      const size_t begin = at;
      if (!IsWhiteSpace(NextCharacter(text, at))) continue;
      if (begin > word) {
        EncodePart(text.substr(word, begin - word), first, most, ids);
      }
      first = false;
      word = at;
    }
    if (word < text.size() && ids.size() <= most) {
      EncodePart(text.substr(word), first, most, ids);
    }
  }

 private:
  void EncodePart(absl::string_view text, bool first, size_t most,
                  std::vector<int32_t>& ids) const {
    std::string spaced = absl::StrReplaceAll(text, {{" ", kSpace}});
    const bool wanted = splitting_.prefix == Prefix::kAlways ||
                        (splitting_.prefix == Prefix::kFirst && first);
    if (wanted && !absl::StartsWith(spaced, kSpace)) {
      spaced.insert(0, kSpace.data(), kSpace.size());
    }
    if (!splitting_.at_replacement) {
      model_.Encode(spaced, ids);
      return;
    }
    const absl::string_view all = spaced;
    for (size_t begin = 0; begin < all.size() && ids.size() <= most;) {
      const size_t end = std::min(all.find(kSpace, begin + 1), all.size());
      model_.Encode(all.substr(begin, end - begin), ids);
      begin = end;
    }
  }

  const TextNormalizer normalizer_;
  const Splitting splitting_;
  const UnigramModel model_;
};

absl::StatusOr<Splitting> ParseSplitting(const Json& json) {
  Splitting splitting;
  const Json* metaspace = &json;
  const Json& steps = JsonAt(json, "pretokenizers");
  if (JsonIsType(json, "Sequence") && steps.is_array()) {
    const size_t count = steps.size();
    if (count == 2 && JsonIsType(steps[0], "WhitespaceSplit")) {
      splitting.at_white_space = true;
      metaspace = &steps[1];
    } else if (count == 1) {
      metaspace = &steps[0];
    }
  }
  const bool known = JsonIsType(*metaspace, "Metaspace") &&
                     JsonIsString(JsonAt(*metaspace, "replacement"), kSpace);
  const Json& scheme = JsonAt(*metaspace, "prepend_scheme");
  if (JsonIsString(scheme, "first")) {
    splitting.prefix = Prefix::kFirst;
  } else if (JsonIsString(scheme, "never") ||
             (scheme.is_null() &&
              JsonAt(*metaspace, "add_prefix_space") == false)) {
    splitting.prefix = Prefix::kNever;
  } else if (!scheme.is_null() && !JsonIsString(scheme, "always")) {
    return UnknownJson(kFile, "\"prepend_scheme\"", scheme,
                       "always, first, never");
  }
  splitting.at_replacement = JsonAt(*metaspace, "split") != false;
  if (known) return splitting;
  return UnknownJson(kFile, "\"pre_tokenizer\" of a unigram tokeniser", json,
                     kSplitters);
}

absl::StatusOr<UnigramVocabulary> ParseVocabulary(const Json& model) {
  const Json& pieces = JsonAt(model, "vocab");
  const int64_t unknown = JsonWhole(JsonAt(model, "unk_id"), kTokenIdsMax - 1);
  if (!pieces.is_array() || pieces.size() > kTokenIdsMax || unknown < 0 ||
      static_cast<size_t>(unknown) >= pieces.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        kFile, ": a unigram model must have a \"vocab\" of at most ",
        kTokenIdsMax, " pieces and an \"unk_id\" among them"));
  }
  if (!JsonIsOff(JsonAt(model, "byte_fallback"))) {
    return UnknownJson(kFile, "\"byte_fallback\" of a unigram model",
                       JsonAt(model, "byte_fallback"), "false");
  }
  UnigramVocabulary vocabulary;
  vocabulary.unknown_id = static_cast<int32_t>(unknown);
  vocabulary.pieces.reserve(pieces.size());
  double lowest = std::numeric_limits<double>::max();
  for (const Json& piece : pieces) {
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() ||
        !piece[1].is_number() || !std::isfinite(piece[1].get<double>())) {
      return UnknownJson(kFile, "a piece of the vocabulary", piece,
                         "a text with a score");
    }
    const auto score = piece[1].get<double>();
    lowest = std::min(lowest, score);
    vocabulary.pieces.push_back({piece[0].get<std::string>(),
                                 static_cast<int32_t>(vocabulary.pieces.size()),
                                 score});
  }
  vocabulary.unknown_score = lowest - kUnknownPenalty;
  return vocabulary;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeUnigramTokenizer(
    const Json& tokenizer, const TokenizerConfig& config,
    const TokenizerOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(UnigramVocabulary vocabulary,
                           ParseVocabulary(JsonAt(tokenizer, "model")));
  TokenizerSettings settings;
  DIPTYCH_ASSIGN_OR_RETURN(settings.added_tokens,
                           ParseAddedTokens(JsonAt(tokenizer, "added_tokens")));
  absl::flat_hash_map<std::string, int32_t> ids;
  for (const UnigramPiece& piece : vocabulary.pieces) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(piece.text, piece.id));
    ids.emplace(piece.text, piece.id);
  }
  for (const AddedToken& token : settings.added_tokens) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token.content, token.id));
    ids.emplace(token.content, token.id);
  }
  const TokenIdOf id_of = [&](absl::string_view token) {
    const auto it = ids.find(token);
    return it == ids.end() ? -1 : it->second;
  };
  DIPTYCH_ASSIGN_OR_RETURN(
      settings.enclosing,
      ParsePostProcessor(JsonAt(tokenizer, "post_processor"), id_of));
  settings.pad_id =
      PadId(config, tokenizer, id_of, std::max(id_of("<pad>"), 0));
  DIPTYCH_ASSIGN_OR_RETURN(settings.context_length,
                           config.ContextLength(options.context_length));
  DIPTYCH_ASSIGN_OR_RETURN(
      TextNormalizer normalizer,
      TextNormalizer::Parse(JsonAt(tokenizer, "normalizer")));
  DIPTYCH_ASSIGN_OR_RETURN(const Splitting splitting,
                           ParseSplitting(JsonAt(tokenizer, "pre_tokenizer")));
  DIPTYCH_ASSIGN_OR_RETURN(UnigramModel model,
                           UnigramModel::Create(std::move(vocabulary)));
  return PipelineTokenizer::Create(
      std::make_unique<UnigramEncoder>(std::move(normalizer), splitting,
                                       std::move(model)),
      std::move(settings));
}

}  // namespace diptych::inference
