#include "inference/text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status/status_macros.h"
#include "inference/text/sentencepiece_encoder.h"
#include "inference/text/sentencepiece_model.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {
namespace {

constexpr char kSpace[] = "\u2581";
// XLM-RoBERTa's numbering.
constexpr int32_t kBegin = 0;
constexpr int32_t kPad = 1;
constexpr int32_t kEnd = 2;
constexpr int32_t kUnknown = 3;

bool IsAsciiPunctuation(char c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
         (c >= 123 && c <= 126);
}

// As Python's str.isspace.
bool IsPythonSpace(Character c) {
  return IsWhiteSpace(c) || (c >= 0x1c && c <= 0x1f);
}

// Without ASCII punctuation; white space is one space between words.
std::string Canonicalize(absl::string_view text) {
  std::string result;
  bool space = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const Character c = NextCharacter(text, at);
    if (at == begin + 1 && IsAsciiPunctuation(text[begin])) continue;
    if (IsPythonSpace(c)) {
      space = true;
      continue;
    }
    if (space && !result.empty()) result.push_back(' ');
    space = false;
    absl::StrAppend(&result, text.substr(begin, at - begin));
  }
  return result;
}

class ConventionalEncoder final : public TextEncoder {
 public:
  ConventionalEncoder(SentencePieceEncoder encoder,
                      SentencePieceConvention convention, bool lowercase,
                      int32_t unknown_id)
      : encoder_(std::move(encoder)),
        convention_(convention),
        lowercase_(lowercase),
        unknown_id_(unknown_id) {}

  absl::StatusOr<std::string> Normalize(absl::string_view text) const override {
    if (convention_ != SentencePieceConvention::kSiglip) {
      return encoder_.Normalize(text);
    }
    std::string plain = absl::StrReplaceAll(text, {{kSpace, " "}});
    if (lowercase_) plain = LowerCaseInContext(plain);
    return encoder_.Normalize(Canonicalize(plain));
  }

  void Encode(absl::string_view text, bool at_beginning, size_t /*most*/,
              std::vector<int32_t>& ids) const override {
    const size_t first = ids.size();
    if (convention_ == SentencePieceConvention::kSiglip && at_beginning) {
      encoder_.Encode(absl::StrCat(kSpace, text), ids);
    } else {
      encoder_.Encode(text, ids);
    }
    if (convention_ != SentencePieceConvention::kXlmRoberta) return;
    for (size_t i = first; i < ids.size(); ++i) {
      ids[i] = ids[i] == unknown_id_ ? kUnknown : ids[i] + 1;
    }
  }

 private:
  const SentencePieceEncoder encoder_;
  const SentencePieceConvention convention_;
  const bool lowercase_;
  const int32_t unknown_id_;
};

using Ids = absl::flat_hash_map<std::string, int32_t>;

// Of all tokens, as the convention numbers them.
absl::StatusOr<Ids> Number(const SentencePieceModel& model,
                           SentencePieceConvention convention) {
  const auto count = static_cast<int32_t>(model.pieces.size());
  Ids ids;
  if (convention != SentencePieceConvention::kXlmRoberta) {
    for (int32_t id = 0; id < count; ++id) {
      ids.emplace(model.pieces[static_cast<size_t>(id)].text, id);
    }
    return ids;
  }
  if (count < 3 || model.unknown_id != 0) {
    return absl::InvalidArgumentError(
        "sentencepiece.bpe.model is not numbered as XLM-RoBERTa's: its first "
        "pieces must be <unk>, <s> and </s>");
  }
  ids = {{"<s>", kBegin}, {"<pad>", kPad}, {"</s>", kEnd}, {"<unk>", kUnknown}};
  for (int32_t id = 3; id < count; ++id) {
    ids.emplace(model.pieces[static_cast<size_t>(id)].text, id + 1);
  }
  ids.emplace("<mask>", count + 1);
  return ids;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeSentencePieceTokenizer(
    absl::string_view bytes, SentencePieceConvention convention,
    const TokenizerConfig& config, const TokenizerOptions& options) {
  DIPTYCH_ASSIGN_OR_RETURN(const SentencePieceModel model,
                           ParseSentencePieceModel(bytes));
  DIPTYCH_ASSIGN_OR_RETURN(const Ids ids, Number(model, convention));
  const TokenIdOf id_of = [&](absl::string_view token) {
    const auto it = ids.find(token);
    return it == ids.end() ? -1 : it->second;
  };
  TokenizerSettings settings;
  DIPTYCH_ASSIGN_OR_RETURN(settings.added_tokens, config.AddedTokensGiven());
  const bool siglip = convention == SentencePieceConvention::kSiglip;
  const bool gemma = convention == SentencePieceConvention::kGemma;
  const std::string begin = config.Token("bos_token", gemma ? "<bos>" : "<s>");
  const std::string end = config.Token("eos_token", gemma ? "<eos>" : "</s>");
  const std::string pad = config.Token("pad_token", siglip ? "</s>" : "<pad>");
  for (const std::string& token :
       {begin, end, pad, config.Token("unk_token", "<unk>"),
        config.Token("mask_token", "<mask>")}) {
    AddedToken added;
    added.content = token;
    added.id = id_of(token);
    added.strip_before =
        token == "<mask>" && convention == SentencePieceConvention::kXlmRoberta;
    if (added.id >= 0) settings.added_tokens.push_back(std::move(added));
  }
  const auto needed = [&](const std::string& token) -> absl::StatusOr<int32_t> {
    if (id_of(token) >= 0) return id_of(token);
    return absl::InvalidArgumentError(
        absl::StrCat("the SentencePiece model lacks ", token));
  };
  if (!siglip) {
    DIPTYCH_ASSIGN_OR_RETURN(const int32_t id, needed(begin));
    settings.enclosing.before = {id};
  }
  if (!gemma) {
    DIPTYCH_ASSIGN_OR_RETURN(const int32_t id, needed(end));
    settings.enclosing.behind = {id};
  } else {
    DIPTYCH_RETURN_IF_ERROR(EncloseByFlags(config, id_of, settings.enclosing));
  }
  settings.pad_id = std::max(id_of(pad), 0);
  for (const auto& [token, id] : ids) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token, id));
  }
  for (const AddedToken& token : settings.added_tokens) {
    DIPTYCH_RETURN_IF_ERROR(options.CheckId(token.content, token.id));
  }
  DIPTYCH_ASSIGN_OR_RETURN(settings.context_length,
                           config.ContextLength(options.context_length));
  // SigLIP's tokeniser switches it off and adds its own.
  DIPTYCH_ASSIGN_OR_RETURN(
      SentencePieceEncoder encoder,
      SentencePieceEncoder::Create(model, model.add_dummy_prefix && !siglip));
  return PipelineTokenizer::Create(
      std::make_unique<ConventionalEncoder>(
          std::move(encoder), convention,
          config.Flag("do_lower_case").value_or(true), model.unknown_id),
      std::move(settings));
}

}  // namespace diptych::inference
