#include "inference/text/wordpiece_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/text_normalizer.h"
#include "inference/text/wordpiece_encoder.h"

namespace diptych::inference {
namespace {

constexpr char kFile[] = "tokenizer.json";

TokenIdOf IdOf(const WordpieceVocabulary& vocabulary) {
  return [&vocabulary](absl::string_view token) {
    const auto it = vocabulary.ids.find(token);
    return it == vocabulary.ids.end() ? -1 : it->second;
  };
}

absl::StatusOr<WordpieceVocabulary> ParseModel(const Json& model) {
  WordpieceVocabulary vocabulary;
  const Json& ids = JsonAt(model, "vocab");
  if (!ids.is_object()) {
    return UnknownJson(kFile, "\"vocab\"", ids, "an object of tokens and ids");
  }
  for (const auto& [token, value] : ids.items()) {
    const int64_t id = JsonWhole(value, kTokenIdsMax - 1);
    if (id < 0) {
      return UnknownJson(kFile, absl::StrCat("the id of token ", token), value,
                         absl::StrCat("0 to ", kTokenIdsMax - 1));
    }
    vocabulary.ids.emplace(token, static_cast<int32_t>(id));
  }
  if (const Json& token = JsonAt(model, "unk_token"); token.is_string()) {
    vocabulary.unknown_token = token.get<std::string>();
  }
  if (const Json& prefix = JsonAt(model, "continuing_subword_prefix");
      prefix.is_string()) {
    vocabulary.prefix = prefix.get<std::string>();
  }
  if (const Json& most = JsonAt(model, "max_input_chars_per_word");
      !most.is_null()) {
    vocabulary.word_characters_max = static_cast<int>(
        JsonWhole(most, WordpieceVocabulary::kWordCharactersMax));
  }
  return vocabulary;
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Make(
    const WordpieceVocabulary& vocabulary, TextNormalizer normalizer,
    TokenizerSettings settings, const TokenizerConfig& config,
    const TokenizerOptions& options) {
  for (const auto& [token, id] : vocabulary.ids) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token, id));
  }
  for (const AddedToken& token : settings.added_tokens) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token.content, token.id));
  }
  DIPTYCH_ASSIGN_OR_RETURN(settings.context_length,
                           config.ContextLength(options.context_length));
  DIPTYCH_ASSIGN_OR_RETURN(
      auto encoder,
      WordpieceEncoder::Create(vocabulary, std::move(normalizer)));
  return PipelineTokenizer::Create(std::move(encoder), std::move(settings));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeWordpieceTokenizer(
    const Json& tokenizer, const TokenizerConfig& config,
    const TokenizerOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(WordpieceVocabulary vocabulary,
                           ParseModel(JsonAt(tokenizer, "model")));
  const Json& splitter = JsonAt(tokenizer, "pre_tokenizer");
  if (!JsonIsType(splitter, "BertPreTokenizer")) {
    return UnknownJson(kFile, "\"pre_tokenizer\" of a WordPiece tokeniser",
                       splitter, "BertPreTokenizer");
  }
  Json steps = JsonAt(tokenizer, "normalizer");
  if (JsonIsType(steps, "BertNormalizer")) {
    // BertTokenizerFast lets the configuration have the last word.
    if (const auto flag = config.Flag("do_lower_case"); flag.has_value()) {
      steps["lowercase"] = *flag;
    }
    if (const auto flag = config.Flag("strip_accents"); flag.has_value()) {
      steps["strip_accents"] = *flag;
    }
    if (const auto flag = config.Flag("tokenize_chinese_chars");
        flag.has_value()) {
      steps["handle_chinese_chars"] = *flag;
    }
  }
  DIPTYCH_ASSIGN_OR_RETURN(TextNormalizer normalizer,
                           TextNormalizer::Parse(steps));
  TokenizerSettings settings;
  DIPTYCH_ASSIGN_OR_RETURN(settings.added_tokens,
                           ParseAddedTokens(JsonAt(tokenizer, "added_tokens")));
  for (const AddedToken& token : settings.added_tokens) {
    vocabulary.ids.try_emplace(token.content, token.id);
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      settings.enclosing,
      ParsePostProcessor(JsonAt(tokenizer, "post_processor"),
                         IdOf(vocabulary)));
  settings.pad_id = PadId(config, tokenizer, IdOf(vocabulary), 0);
  return Make(vocabulary, std::move(normalizer), std::move(settings), config,
              options);
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeWordpieceTokenizer(
    absl::string_view text, const TokenizerConfig& config,
    const TokenizerOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(WordpieceVocabulary vocabulary,
                           ParseWordpieceVocabulary(text));
  vocabulary.unknown_token = config.Token("unk_token", "[UNK]");
  const bool lowercase = config.Flag("do_lower_case").value_or(true);
  const Json steps = {
      {"type", "BertNormalizer"},
      {"lowercase", lowercase},
      {"strip_accents", config.Flag("strip_accents").value_or(lowercase)},
      {"handle_chinese_chars",
       config.Flag("tokenize_chinese_chars").value_or(true)}};
  DIPTYCH_ASSIGN_OR_RETURN(TextNormalizer normalizer,
                           TextNormalizer::Parse(steps));
  const TokenIdOf id_of = IdOf(vocabulary);
  TokenizerSettings settings;
  DIPTYCH_ASSIGN_OR_RETURN(settings.added_tokens, config.AddedTokensGiven());
  const std::pair<const char*, const char*> special_tokens[] = {
      {"unk_token", "[UNK]"},
      {"sep_token", "[SEP]"},
      {"pad_token", "[PAD]"},
      {"cls_token", "[CLS]"},
      {"mask_token", "[MASK]"}};
  for (const auto& [key, otherwise] : special_tokens) {
    AddedToken token;
    token.content = config.Token(key, otherwise);
    token.id = id_of(token.content);
    if (token.id >= 0) settings.added_tokens.push_back(std::move(token));
  }
  const std::string begin = config.Token("cls_token", "[CLS]");
  const std::string end = config.Token("sep_token", "[SEP]");
  if (id_of(begin) < 0 || id_of(end) < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "vocab.txt lacks ", begin, " or ", end, ", which enclose a text"));
  }
  settings.enclosing = {{id_of(begin)}, {id_of(end)}};
  settings.pad_id = std::max(id_of(config.Token("pad_token", "[PAD]")), 0);
  return Make(vocabulary, std::move(normalizer), std::move(settings), config,
              options);
}

}  // namespace diptych::inference
