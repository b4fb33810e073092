#include "inference/text/gemma_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status/status_macros.h"
#include "inference/text/byte_fallback_encoder.h"
#include "inference/text/text_normalizer.h"

namespace diptych::inference {
namespace {

constexpr char kFile[] = "tokenizer.json";

using Ids = absl::flat_hash_map<std::string, int32_t>;

class GemmaEncoder final : public TextEncoder {
 public:
  GemmaEncoder(TextNormalizer normalizer, ByteFallbackEncoder encoder)
      : normalizer_(std::move(normalizer)), encoder_(std::move(encoder)) {}

  absl::StatusOr<std::string> Normalize(absl::string_view text) const override {
    return normalizer_.Apply(text);
  }
  void Encode(absl::string_view text, bool /*at_beginning*/, size_t /*most*/,
              std::vector<int32_t>& ids) const override {
    encoder_.Encode(text, ids);
  }

 private:
  const TextNormalizer normalizer_;
  const ByteFallbackEncoder encoder_;
};

absl::StatusOr<Ids> ParseIds(const Json& model,
                             const std::vector<AddedToken>& added_tokens,
                             const TokenizerOptions& options) {
  Ids ids;
  const Json& vocab = JsonAt(model, "vocab");
  if (!vocab.is_object()) {
    return UnknownJson(kFile, "\"vocab\"", vocab,
                       "an object of tokens and ids");
  }
  ids.reserve(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    const int64_t id = JsonWhole(value, kTokenIdsMax - 1);
    if (id < 0) {
      return UnknownJson(kFile, "a token's id", value,
                         absl::StrCat("0 to ", kTokenIdsMax - 1));
    }
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token, static_cast<int32_t>(id)));
    ids.emplace(token, static_cast<int32_t>(id));
  }
  for (const AddedToken& token : added_tokens) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token.content, token.id));
  }
  return ids;
}

// A merge is "a b", or ["a", "b"] since tokenizers 0.20.
absl::StatusOr<MergeTable> ParseMerges(const Json& merges, const Ids& ids) {
  if (!merges.is_array()) {
    return UnknownJson(kFile, "\"merges\"", merges, "a list of pairs");
  }
  MergeTable table;
  table.Reserve(merges.size());
  int32_t rank = 0;
  for (const Json& merge : merges) {
    std::vector<std::string> pair;
    if (merge.is_string()) {
      pair = absl::StrSplit(merge.get_ref<const std::string&>(), ' ');
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      pair = {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    const auto id_of = [&](const std::string& token) {
      const auto it = ids.find(token);
      return it == ids.end() ? -1 : it->second;
    };
    const bool whole = pair.size() == 2;
    const int32_t left = whole ? id_of(pair[0]) : -1;
    const int32_t right = whole ? id_of(pair[1]) : -1;
    const int32_t id = whole ? id_of(pair[0] + pair[1]) : -1;
    if (left < 0 || right < 0 || id < 0) {
      return UnknownJson(kFile, absl::StrCat("merge ", rank), merge,
                         "two tokens that are one together");
    }
    table.Add(left, right, rank++, id);
  }
  return table;
}

absl::Status CheckComponents(const Json& tokenizer) {
  const Json& model = JsonAt(tokenizer, "model");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = JsonAt(model, key);
    if (!value.is_null() && !JsonIsString(value, "")) {
      return UnknownJson(kFile, absl::StrCat("\"", key, "\""), value, "none");
    }
  }
  const Json& dropout = JsonAt(model, "dropout");
  if (!dropout.is_null() && dropout != 0.0) {
    return UnknownJson(kFile, "\"dropout\"", dropout, "none");
  }
  if (!JsonIsOff(JsonAt(model, "ignore_merges"))) {
    return UnknownJson(kFile, "\"ignore_merges\"",
                       JsonAt(model, "ignore_merges"), "false");
  }
  // Splits at spaces, of which the normaliser has left none.
  const Json& splitter = JsonAt(tokenizer, "pre_tokenizer");
  const bool no_split =
      splitter.is_null() ||
      (JsonIsType(splitter, "Split") &&
       JsonIsString(JsonAt(JsonAt(splitter, "pattern"), "String"), " ") &&
       JsonIsString(JsonAt(splitter, "behavior"), "MergedWithPrevious") &&
       JsonIsOff(JsonAt(splitter, "invert")));
  if (!no_split) {
    return UnknownJson(kFile, "\"pre_tokenizer\" of a Gemma tokeniser",
                       splitter, "none, Split at \" \"");
  }
  const Json& normalizer = JsonAt(tokenizer, "normalizer");
  const Json& steps = JsonAt(normalizer, "normalizers");
  const Json& last =
      steps.is_array() && !steps.empty() ? steps.back() : normalizer;
  const bool spaces =
      JsonIsType(last, "Replace") &&
      JsonIsString(JsonAt(JsonAt(last, "pattern"), "String"), " ") &&
      JsonIsString(JsonAt(last, "content"), "\u2581");
  return spaces ? absl::OkStatus()
                : UnknownJson(kFile, "\"normalizer\" of a Gemma tokeniser",
                              normalizer, "Replace of \" \" by U+2581");
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeGemmaTokenizer(
    const Json& tokenizer, const TokenizerConfig& config,
    const TokenizerOptions& options) {
  DIPTYCH_RETURN_IF_ERROR(CheckComponents(tokenizer));
  const Json& model = JsonAt(tokenizer, "model");
  TokenizerSettings settings;
  DIPTYCH_ASSIGN_OR_RETURN(settings.added_tokens,
                           ParseAddedTokens(JsonAt(tokenizer, "added_tokens")));
  DIPTYCH_ASSIGN_OR_RETURN(Ids ids,
                           ParseIds(model, settings.added_tokens, options));
  DIPTYCH_ASSIGN_OR_RETURN(MergeTable merges,
                           ParseMerges(JsonAt(model, "merges"), ids));
  const TokenIdOf id_of = [&](absl::string_view token) {
    const auto it = ids.find(token);
    if (it != ids.end()) return it->second;
    for (const AddedToken& added : settings.added_tokens) {
      if (added.content == token) return added.id;
    }
    return -1;
  };
  const Json& unknown = JsonAt(model, "unk_token");
  const int32_t unknown_id =
      unknown.is_string() ? id_of(unknown.get_ref<const std::string&>()) : -1;
  if (unknown_id < 0) {
    return UnknownJson(kFile, "\"unk_token\"", unknown, "a token");
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      settings.enclosing,
      ParsePostProcessor(JsonAt(tokenizer, "post_processor"), id_of));
  DIPTYCH_RETURN_IF_ERROR(EncloseByFlags(config, id_of, settings.enclosing));
  settings.pad_id =
      PadId(config, tokenizer, id_of, std::max(id_of("<pad>"), 0));
  DIPTYCH_ASSIGN_OR_RETURN(settings.context_length,
                           config.ContextLength(options.context_length));
  DIPTYCH_ASSIGN_OR_RETURN(
      TextNormalizer normalizer,
      TextNormalizer::Parse(JsonAt(tokenizer, "normalizer")));
  return PipelineTokenizer::Create(
      std::make_unique<GemmaEncoder>(
          std::move(normalizer),
          ByteFallbackEncoder(std::move(ids), std::move(merges), unknown_id)),
      std::move(settings));
}

}  // namespace diptych::inference
