#include "inference/text/tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status/status_macros.h"
#include "inference/text/bpe_vocabulary.h"

namespace diptych::inference {
namespace {

constexpr char kConfig[] = "tokenizer_config.json";
constexpr char kMap[] = "special_tokens_map.json";
constexpr char kTokenizer[] = "tokenizer.json";
constexpr char kProcessors[] =
    "TemplateProcessing, BertProcessing, RobertaProcessing, a Sequence of one "
    "of them";

absl::StatusOr<Json> ReadJson(const std::string& directory, const char* name) {
  DIPTYCH_ASSIGN_OR_RETURN(const auto text, ReadTokenizerFile(directory, name));
  if (!text.has_value()) return Json::object();
  return ParseJsonObject(name, *text);
}

// "[CLS]", or {"content": "[CLS]", ...}.
std::optional<std::string> TokenText(const Json& json) {
  const Json& content = json.is_object() ? JsonAt(json, "content") : json;
  if (!content.is_string()) return std::nullopt;
  return content.get<std::string>();
}

absl::StatusOr<AddedToken> ParseAddedToken(absl::string_view file,
                                           const Json& json, int64_t id) {
  const Json& content = JsonAt(json, "content");
  if (id < 0 || !content.is_string()) {
    return UnknownJson(file, "an added token", json,
                       absl::StrCat("an object of \"content\", a text, and an "
                                    "id from 0 to ",
                                    kTokenIdsMax - 1));
  }
  AddedToken token;
  token.content = content.get<std::string>();
  token.id = static_cast<int32_t>(id);
  token.normalized = JsonAt(json, "normalized") == true;
  token.single_word = JsonAt(json, "single_word") == true;
  token.strip_before = JsonAt(json, "lstrip") == true;
  token.strip_behind = JsonAt(json, "rstrip") == true;
  return token;
}

absl::StatusOr<int32_t> IdOfEnclosing(const Json& token,
                                      const TokenIdOf& id_of) {
  const int32_t id =
      token.is_string() ? id_of(token.get_ref<const std::string&>()) : -1;
  if (id >= 0) return id;
  return UnknownJson(kTokenizer, "a token that encloses a text", token,
                     "the tokens of its vocabulary");
}

absl::StatusOr<EnclosingIds> ParseTemplate(const Json& processor,
                                           const TokenIdOf& id_of) {
  const Json& single = JsonAt(processor, "single");
  constexpr size_t kPartsMax = 16;
  EnclosingIds enclosing;
  bool text_seen = false;
  if (!single.is_array() || single.size() > kPartsMax) {
    return UnknownJson(kTokenizer, "\"post_processor\"", processor,
                       kProcessors);
  }
  for (const Json& part : single) {
    if (JsonAt(part, "Sequence").is_object() && !text_seen) {
      text_seen = true;
      continue;
    }
    DIPTYCH_ASSIGN_OR_RETURN(
        const int32_t id,
        IdOfEnclosing(JsonAt(JsonAt(part, "SpecialToken"), "id"), id_of));
    (text_seen ? enclosing.behind : enclosing.before).push_back(id);
  }
  if (!text_seen) {
    return UnknownJson(kTokenizer, "\"post_processor\"", processor,
                       kProcessors);
  }
  return enclosing;
}

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadTokenizerFile(
    const std::string& directory, const char* name) {
  const std::filesystem::path path = std::filesystem::path(directory) / name;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return std::optional<std::string>();
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " cannot be read: ", error.message()));
  }
  if (size > kTokenizerFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is larger than the allowed ",
                     kTokenizerFileBytesMax, " bytes: ", size));
  }
  std::string bytes(size, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file.good() || file.peek() != std::ifstream::traits_type::eof()) {
    return absl::InvalidArgumentError(absl::StrCat(name, " cannot be read"));
  }
  return std::optional<std::string>(std::move(bytes));
}

absl::StatusOr<TokenizerConfig> TokenizerConfig::Read(
    const std::string& directory) {
  TokenizerConfig config;
  DIPTYCH_ASSIGN_OR_RETURN(config.config_, ReadJson(directory, kConfig));
  DIPTYCH_ASSIGN_OR_RETURN(config.special_tokens_, ReadJson(directory, kMap));
  return config;
}

std::string TokenizerConfig::tokenizer_class() const {
  const Json& name = JsonAt(config_, "tokenizer_class");
  if (!name.is_string()) return "";
  return std::string(
      absl::StripSuffix(name.get_ref<const std::string&>(), "Fast"));
}

std::optional<bool> TokenizerConfig::Flag(const char* key) const {
  const Json& value = JsonAt(config_, key);
  if (!value.is_boolean()) return std::nullopt;
  return value.get<bool>();
}

std::string TokenizerConfig::Token(const char* key,
                                   absl::string_view otherwise) const {
  for (const Json* file : {&config_, &special_tokens_}) {
    if (auto token = TokenText(JsonAt(*file, key)); token.has_value()) {
      return *std::move(token);
    }
  }
  return std::string(otherwise);
}

absl::StatusOr<int> TokenizerConfig::ContextLength(int most) const {
  DIPTYCH_ASSIGN_OR_RETURN(const auto length,
                           ModelMaxLength(JsonAt(config_, "model_max_length")));
  return std::min(most, length.value_or(most));
}

absl::StatusOr<std::vector<AddedToken>> TokenizerConfig::AddedTokensGiven()
    const {
  std::vector<AddedToken> tokens;
  const Json& decoder = JsonAt(config_, "added_tokens_decoder");
  if (!decoder.is_object()) return tokens;
  for (const auto& [key, value] : decoder.items()) {
    int64_t id;
    if (!absl::SimpleAtoi(key, &id) || id >= kTokenIdsMax) id = -1;
    DIPTYCH_ASSIGN_OR_RETURN(AddedToken token,
                             ParseAddedToken(kConfig, value, id));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json& json) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) {
    return UnknownJson(kTokenizer, "\"added_tokens\"", json, "a list");
  }
  for (const Json& value : json) {
    const int64_t id = JsonWhole(JsonAt(value, "id"), kTokenIdsMax - 1);
    DIPTYCH_ASSIGN_OR_RETURN(AddedToken token,
                             ParseAddedToken(kTokenizer, value, id));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

absl::StatusOr<EnclosingIds> ParsePostProcessor(const Json& processor,
                                                const TokenIdOf& id_of) {
  EnclosingIds enclosing;
  if (processor.is_null()) return enclosing;
  const Json& processors = JsonAt(processor, "processors");
  if (JsonIsType(processor, "Sequence") && processors.is_array() &&
      processors.size() == 1) {
    // JSON is not nested deep (json_file.h).
    return ParsePostProcessor(processors[0], id_of);
  }
  if (JsonIsType(processor, "TemplateProcessing")) {
    return ParseTemplate(processor, id_of);
  }
  if (JsonIsType(processor, "BertProcessing") ||
      JsonIsType(processor, "RobertaProcessing")) {
    const auto token = [&](const char* key) -> const Json& {
      const Json& pair = JsonAt(processor, key);
      return pair.is_array() && !pair.empty() ? pair[0] : pair;
    };
    DIPTYCH_ASSIGN_OR_RETURN(const int32_t before,
                             IdOfEnclosing(token("cls"), id_of));
    DIPTYCH_ASSIGN_OR_RETURN(const int32_t behind,
                             IdOfEnclosing(token("sep"), id_of));
    enclosing.before = {before};
    enclosing.behind = {behind};
    return enclosing;
  }
  return UnknownJson(kTokenizer, "\"post_processor\"", processor, kProcessors);
}

absl::Status EncloseByFlags(const TokenizerConfig& config,
                            const TokenIdOf& id_of, EnclosingIds& enclosing) {
  const auto begin = config.Flag("add_bos_token");
  const auto end = config.Flag("add_eos_token");
  if (!begin.has_value() && !end.has_value()) return absl::OkStatus();
  enclosing = {};
  const auto add = [&](const char* key, absl::string_view otherwise,
                       std::vector<int32_t>& ids) -> absl::Status {
    const std::string token = config.Token(key, otherwise);
    ids.push_back(id_of(token));
    return ids.back() >= 0
               ? absl::OkStatus()
               : absl::InvalidArgumentError(absl::StrCat(
                     kConfig, ": \"", key,
                     "\" is no token: ", absl::Utf8SafeCEscape(token)));
  };
  if (begin.value_or(true)) {
    DIPTYCH_RETURN_IF_ERROR(add("bos_token", "<bos>", enclosing.before));
  }
  if (end.value_or(false)) {
    DIPTYCH_RETURN_IF_ERROR(add("eos_token", "<eos>", enclosing.behind));
  }
  return absl::OkStatus();
}

int32_t PadId(const TokenizerConfig& config, const Json& tokenizer,
              const TokenIdOf& id_of, int32_t otherwise) {
  const int32_t named = id_of(config.Token("pad_token", ""));
  if (named >= 0) return named;
  const int64_t given = JsonWhole(
      JsonAt(JsonAt(tokenizer, "padding"), "pad_id"), kTokenIdsMax - 1);
  return given >= 0 ? static_cast<int32_t>(given) : otherwise;
}

}  // namespace diptych::inference
