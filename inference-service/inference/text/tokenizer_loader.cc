#include "inference/text/tokenizer_loader.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "inference/text/bpe_vocabulary.h"
#include "inference/text/clip_tokenizer.h"
#include "inference/text/gemma_tokenizer.h"
#include "inference/text/sentencepiece_tokenizer.h"
#include "inference/text/tokenizer_files.h"
#include "inference/text/unigram_tokenizer.h"
#include "inference/text/wordpiece_tokenizer.h"

namespace diptych::inference {
namespace {

using Result = absl::StatusOr<std::unique_ptr<const Tokenizer>>;

constexpr char kKnown[] =
    "CLIP's BPE (tokenizer.json, or vocab.json and merges.txt), WordPiece "
    "(tokenizer.json or vocab.txt), SentencePiece unigram (tokenizer.json, "
    "sentencepiece.bpe.model of XLMRobertaTokenizer or spiece.model of "
    "SiglipTokenizer), Gemma's BPE (tokenizer.json, or tokenizer.model of "
    "GemmaTokenizer)";

Result MakeClip(absl::StatusOr<BpeVocabulary> vocabulary,
                const TokenizerConfig& config,
                const TokenizerOptions& options) {
  if (!vocabulary.ok()) return vocabulary.status();
  for (const auto& [token, id] : vocabulary->ids) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token, id));
  }
  DIPTYCH_ASSIGN_OR_RETURN(const int context_length,
                           config.ContextLength(options.context_length));
  return ClipTokenizer::Create(*std::move(vocabulary), context_length);
}

// Old files do not say their model's type.
std::string TypeOf(const Json& model) {
  const Json& type = JsonAt(model, "type");
  if (type.is_string()) return type.get<std::string>();
  if (!type.is_null()) return JsonExcerpt(type);
  if (model.contains("merges")) return "BPE";
  return model.contains("unk_id") ? "Unigram" : "WordPiece";
}

Result LoadFromJson(const std::string& text, const TokenizerConfig& config,
                    const TokenizerOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(const Json tokenizer,
                           ParseJsonObject("tokenizer.json", text));
  const Json& model = JsonAt(tokenizer, "model");
  if (!model.is_object()) {
    return UnknownJson("tokenizer.json", "\"model\"", model, kKnown);
  }
  const std::string type = TypeOf(model);
  if (type == "WordPiece") {
    return MakeWordpieceTokenizer(tokenizer, config, options);
  }
  if (type == "Unigram") {
    return MakeUnigramTokenizer(tokenizer, config, options);
  }
  if (type == "BPE" && JsonAt(model, "byte_fallback") == true) {
    return MakeGemmaTokenizer(tokenizer, config, options);
  }
  if (type == "BPE") {
    return MakeClip(ParseTokenizerJson(text), config, options);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer.json: the model's type is ", type,
                   "; known kinds of tokenisers: ", kKnown));
}

// A model file, whose convention the configuration's class must confirm.
struct ModelFile {
  const char* name;
  const char* tokenizer_class;
  // Whether the class is taken for granted when it is not given.
  bool class_by_name;
  SentencePieceConvention convention;
};

constexpr ModelFile kSiglipFile = {"spiece.model", "SiglipTokenizer", false,
                                   SentencePieceConvention::kSiglip};
constexpr ModelFile kModelFiles[] = {
    {"sentencepiece.bpe.model", "XLMRobertaTokenizer", true,
     SentencePieceConvention::kXlmRoberta},
    kSiglipFile,
    {"tokenizer.model", "GemmaTokenizer", false,
     SentencePieceConvention::kGemma}};

Result LoadFromModel(const ModelFile& file, const std::string& bytes,
                     const TokenizerConfig& config,
                     const TokenizerOptions& options) {
  const std::string given = config.tokenizer_class();
  if (given != file.tokenizer_class && !(given.empty() && file.class_by_name)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name,
                     " is there, and \"tokenizer_class\" of "
                     "tokenizer_config.json is ",
                     given.empty() ? "not given" : absl::Utf8SafeCEscape(given),
                     "; known kinds of tokenisers: ", kKnown));
  }
  auto tokenizer =
      MakeSentencePieceTokenizer(bytes, file.convention, config, options);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), file.name);
  return tokenizer;
}

}  // namespace

absl::Status TokenizerOptions::CheckId(absl::string_view token,
                                       int32_t id) const {
  if (id >= 0 && id < vocabulary_size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the tokeniser has ids outside the ", vocabulary_size,
      " of config.json's \"vocab_size\": ", id, ", of token ", token));
}

Result LoadTokenizer(const std::string& directory,
                     const TokenizerOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(const TokenizerConfig config,
                           TokenizerConfig::Read(directory));
  const auto read = [&](const char* name) {
    return ReadTokenizerFile(directory, name);
  };
  // Its tokeniser is a Python one; a tokenizer.json beside it is not its own.
  if (config.tokenizer_class() == kSiglipFile.tokenizer_class) {
    DIPTYCH_ASSIGN_OR_RETURN(const auto model, read(kSiglipFile.name));
    if (model.has_value()) {
      return LoadFromModel(kSiglipFile, *model, config, options);
    }
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto tokenizer, read("tokenizer.json"));
  if (tokenizer.has_value()) return LoadFromJson(*tokenizer, config, options);
  DIPTYCH_ASSIGN_OR_RETURN(auto words, read("vocab.txt"));
  if (words.has_value()) {
    return MakeWordpieceTokenizer(absl::string_view(*words), config, options);
  }
  for (const ModelFile& file : kModelFiles) {
    DIPTYCH_ASSIGN_OR_RETURN(const auto model, read(file.name));
    if (model.has_value()) return LoadFromModel(file, *model, config, options);
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto vocabulary, read("vocab.json"));
  DIPTYCH_ASSIGN_OR_RETURN(auto merges, read("merges.txt"));
  if (vocabulary.has_value() && merges.has_value()) {
    return MakeClip(ParseVocabularyFiles(*vocabulary, *merges), config,
                    options);
  }
  return absl::NotFoundError(absl::StrCat(
      "there is no tokeniser: ",
      vocabulary.has_value() ? "merges.txt is missing beside vocab.json"
      : merges.has_value()   ? "vocab.json is missing beside merges.txt"
                             : "no file of a known kind is there",
      "; known kinds: ", kKnown));
}

}  // namespace diptych::inference
