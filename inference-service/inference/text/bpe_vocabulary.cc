#include "inference/text/bpe_vocabulary.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"
#include "inference/text/json_file.h"

namespace diptych::inference {
namespace {

constexpr char kBegin[] = "<|startoftext|>";
constexpr char kEnd[] = "<|endoftext|>";
constexpr char kPattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
constexpr char kPatternOfAddedTokens[] =
    R"(<\|startoftext\|>|<\|endoftext\|>|)";

absl::Status Unsupported(absl::string_view part, const Json& given) {
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer.json: ", part,
                   " is not that of a CLIP tokeniser, the only kind supported "
                   "here: ",
                   JsonExcerpt(given)));
}

absl::Status CheckNormalizer(const Json& normalizer) {
  const Json& steps = JsonAt(normalizer, "normalizers");
  const bool supported =
      JsonIsType(normalizer, "Sequence") && steps.is_array() &&
      steps.size() == 3 && JsonIsType(steps[0], "NFC") &&
      JsonIsType(steps[1], "Replace") &&
      JsonIsString(JsonAt(JsonAt(steps[1], "pattern"), "Regex"), "\\s+") &&
      JsonIsString(JsonAt(steps[1], "content"), " ") &&
      JsonIsType(steps[2], "Lowercase");
  return supported ? absl::OkStatus()
                   : Unsupported("\"normalizer\"", normalizer);
}

absl::Status ReadPreTokenizer(const Json& pre_tokenizer,
                              SpeltToken& spelt_token) {
  const Json& steps = JsonAt(pre_tokenizer, "pretokenizers");
  const bool two_steps = JsonIsType(pre_tokenizer, "Sequence") &&
                         steps.is_array() && steps.size() == 2;
  if (!two_steps || !JsonIsType(steps[0], "Split") ||
      !JsonIsString(JsonAt(steps[0], "behavior"), "Removed") ||
      JsonAt(steps[0], "invert") != true ||
      !JsonIsType(steps[1], "ByteLevel") ||
      !JsonIsOff(JsonAt(steps[1], "add_prefix_space"))) {
    return Unsupported("\"pre_tokenizer\"", pre_tokenizer);
  }
  const Json& pattern = JsonAt(JsonAt(steps[0], "pattern"), "Regex");
  if (JsonIsString(pattern, kPattern)) {
    spelt_token = SpeltToken::kPlain;
  } else if (JsonIsString(pattern,
                          absl::StrCat(kPatternOfAddedTokens, kPattern))) {
    spelt_token = JsonAt(steps[1], "use_regex") == false
                      ? SpeltToken::kOneWord
                      : SpeltToken::kThreeWords;
  } else {
    return Unsupported("the pattern of \"pre_tokenizer\"", pattern);
  }
  return absl::OkStatus();
}

absl::Status CheckPostProcessor(const Json& processor,
                                const BpeVocabulary& vocabulary) {
  const Json begin = {kBegin, vocabulary.begin_id};
  const Json end = {kEnd, vocabulary.end_id};
  const bool roberta = JsonIsType(processor, "RobertaProcessing") &&
                       JsonAt(processor, "cls") == begin &&
                       JsonAt(processor, "sep") == end;
  const auto special = [](const char* token) {
    return Json{{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  };
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const bool from_template =
      JsonIsType(processor, "TemplateProcessing") &&
      JsonAt(processor, "single") ==
          Json::array({special(kBegin), text, special(kEnd)});
  return roberta || from_template
             ? absl::OkStatus()
             : Unsupported("\"post_processor\"", processor);
}

absl::Status CheckModel(const Json& model) {
  const Json& prefix = JsonAt(model, "continuing_subword_prefix");
  if (!JsonIsType(model, "BPE")) {
    return Unsupported("the type of \"model\"", JsonAt(model, "type"));
  }
  if (!JsonIsString(JsonAt(model, "end_of_word_suffix"), "</w>")) {
    return Unsupported("\"end_of_word_suffix\"",
                       JsonAt(model, "end_of_word_suffix"));
  }
  if (!prefix.is_null() && !JsonIsString(prefix, "")) {
    return Unsupported("\"continuing_subword_prefix\"", prefix);
  }
  if (!JsonAt(model, "dropout").is_null() && JsonAt(model, "dropout") != 0.0) {
    return Unsupported("\"dropout\"", JsonAt(model, "dropout"));
  }
  for (const char* key : {"fuse_unk", "byte_fallback", "ignore_merges"}) {
    if (!JsonIsOff(JsonAt(model, key))) {
      return Unsupported(absl::StrCat("\"", key, "\""), JsonAt(model, key));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadIds(const Json& vocab, absl::string_view file,
                     BpeVocabulary& vocabulary) {
  if (!vocab.is_object() ||
      vocab.size() > static_cast<size_t>(BpeVocabulary::kVocabularyMax)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": the vocabulary must be an object of at most ",
                     BpeVocabulary::kVocabularyMax, " tokens"));
  }
  for (const auto& [token, id] : vocab.items()) {
    const int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (value < 0 || value >= BpeVocabulary::kVocabularyMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": a token's id must be a number from 0 to ",
                       BpeVocabulary::kVocabularyMax - 1, "; token ", token));
    }
    vocabulary.ids.emplace(token, static_cast<int32_t>(value));
  }
  return absl::OkStatus();
}

absl::Status AddMerge(absl::string_view line, absl::string_view file,
                      BpeVocabulary& vocabulary) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": a merge must be two tokens: ", line));
  }
  vocabulary.merges.emplace_back(parts[0], parts[1]);
  return absl::OkStatus();
}

// A merge is "a b", or ["a", "b"] since tokenizers 0.20.
absl::Status ReadMerges(const Json& merges, BpeVocabulary& vocabulary) {
  if (!merges.is_array()) {
    return Unsupported("\"merges\"", merges);
  }
  for (const Json& merge : merges) {
    const bool pair = merge.is_array() && merge.size() == 2 &&
                      merge[0].is_string() && merge[1].is_string();
    if (pair) {
      vocabulary.merges.emplace_back(merge[0].get<std::string>(),
                                     merge[1].get<std::string>());
    } else if (merge.is_string()) {
      DIPTYCH_RETURN_IF_ERROR(AddMerge(merge.get_ref<const std::string&>(),
                                       "tokenizer.json", vocabulary));
    } else {
      return Unsupported("an element of \"merges\"", merge);
    }
  }
  return absl::OkStatus();
}

absl::Status ReadAddedTokens(const Json& tokens, BpeVocabulary& vocabulary) {
  if (!tokens.is_array()) return Unsupported("\"added_tokens\"", tokens);
  for (const Json& token : tokens) {
    const Json& content = JsonAt(token, "content");
    const Json& id = JsonAt(token, "id");
    if (!content.is_string() || !id.is_number_unsigned() ||
        id.get<uint64_t>() >= BpeVocabulary::kVocabularyMax ||
        content.get_ref<const std::string&>().empty() ||
        !JsonIsOff(JsonAt(token, "lstrip")) ||
        !JsonIsOff(JsonAt(token, "rstrip")) ||
        !JsonIsOff(JsonAt(token, "single_word"))) {
      return Unsupported("an element of \"added_tokens\"", token);
    }
    vocabulary.added_tokens.push_back({content.get<std::string>(),
                                       id.get<int32_t>(),
                                       JsonAt(token, "normalized") == true});
    vocabulary.ids.emplace(content.get<std::string>(), id.get<int32_t>());
  }
  return absl::OkStatus();
}

absl::Status FindBeginAndEnd(absl::string_view file,
                             BpeVocabulary& vocabulary) {
  const auto begin = vocabulary.ids.find(kBegin);
  const auto end = vocabulary.ids.find(kEnd);
  if (begin == vocabulary.ids.end() || end == vocabulary.ids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": the vocabulary has no ", kBegin, " or no ", kEnd,
                     ", so it is not CLIP's"));
  }
  vocabulary.begin_id = begin->second;
  vocabulary.end_id = end->second;
  vocabulary.unknown_id = end->second;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BpeVocabulary> ParseTokenizerJson(absl::string_view text) {
  DIPTYCH_ASSIGN_OR_RETURN(const Json json,
                           ParseJsonObject("tokenizer.json", text));
  BpeVocabulary vocabulary;
  const Json& model = JsonAt(json, "model");
  DIPTYCH_RETURN_IF_ERROR(CheckModel(model));
  DIPTYCH_RETURN_IF_ERROR(CheckNormalizer(JsonAt(json, "normalizer")));
  DIPTYCH_RETURN_IF_ERROR(
      ReadPreTokenizer(JsonAt(json, "pre_tokenizer"), vocabulary.spelt_token));
  DIPTYCH_RETURN_IF_ERROR(
      ReadIds(JsonAt(model, "vocab"), "tokenizer.json", vocabulary));
  DIPTYCH_RETURN_IF_ERROR(ReadMerges(JsonAt(model, "merges"), vocabulary));
  DIPTYCH_RETURN_IF_ERROR(
      ReadAddedTokens(JsonAt(json, "added_tokens"), vocabulary));
  DIPTYCH_RETURN_IF_ERROR(FindBeginAndEnd("tokenizer.json", vocabulary));
  DIPTYCH_RETURN_IF_ERROR(
      CheckPostProcessor(JsonAt(json, "post_processor"), vocabulary));
  const Json& unknown = JsonAt(model, "unk_token");
  if (!unknown.is_null()) {
    const auto it = unknown.is_string()
                        ? vocabulary.ids.find(unknown.get<std::string>())
                        : vocabulary.ids.end();
    if (it == vocabulary.ids.end()) {
      return Unsupported("\"unk_token\"", unknown);
    }
    vocabulary.unknown_id = it->second;
  }
  return vocabulary;
}

absl::StatusOr<BpeVocabulary> ParseVocabularyFiles(absl::string_view vocab_json,
                                                   absl::string_view merges) {
  BpeVocabulary vocabulary;
  DIPTYCH_ASSIGN_OR_RETURN(const Json vocab,
                           ParseJsonObject("vocab.json", vocab_json));
  DIPTYCH_RETURN_IF_ERROR(ReadIds(vocab, "vocab.json", vocabulary));
  bool first_line = true;
  for (absl::string_view line : absl::StrSplit(merges, '\n')) {
    line = absl::StripSuffix(line, "\r");
    const bool heading = first_line && absl::StartsWith(line, "#version");
    first_line = false;
    if (heading || line.empty()) continue;
    DIPTYCH_RETURN_IF_ERROR(AddMerge(line, "merges.txt", vocabulary));
  }
  DIPTYCH_RETURN_IF_ERROR(FindBeginAndEnd("vocab.json", vocabulary));
  // As in the tokenizer.json that OpenAI published with the same files; the
  // pattern is that of transformers' CLIPConverter.
  vocabulary.added_tokens = {{kBegin, vocabulary.begin_id, true},
                             {kEnd, vocabulary.end_id, false}};
  return vocabulary;
}

absl::StatusOr<std::optional<int>> ParseModelMaxLength(absl::string_view text) {
  DIPTYCH_ASSIGN_OR_RETURN(const Json json,
                           ParseJsonObject("tokenizer_config.json", text));
  return ModelMaxLength(JsonAt(json, "model_max_length"));
}

absl::StatusOr<std::optional<int>> ModelMaxLength(const Json& length) {
  if (length.is_null()) return std::optional<int>();
  const double value = length.is_number() ? length.get<double>() : 0;
  if (!(value >= 1)) {
    return absl::InvalidArgumentError(
        "tokenizer_config.json: \"model_max_length\" must be a positive "
        "number");
  }
  if (value > std::numeric_limits<int>::max()) return std::optional<int>();
  return std::optional<int>(static_cast<int>(value));
}

}  // namespace diptych::inference
