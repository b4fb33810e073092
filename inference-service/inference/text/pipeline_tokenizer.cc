#include "inference/text/pipeline_tokenizer.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {

absl::StatusOr<std::unique_ptr<const Tokenizer>> PipelineTokenizer::Create(
    std::unique_ptr<const TextEncoder> encoder, TokenizerSettings settings) {
  const size_t enclosing =
      settings.enclosing.before.size() + settings.enclosing.behind.size();
  if (settings.context_length < 1 ||
      static_cast<size_t>(settings.context_length) <= enclosing) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a context must hold the ", enclosing,
        " tokens that enclose a text and one more: ", settings.context_length));
  }
  for (AddedToken& token : settings.added_tokens) {
    if (!token.normalized ||
        ValidUtf8Prefix(token.content) < token.content.size())
      continue;
    DIPTYCH_ASSIGN_OR_RETURN(token.content, encoder->Normalize(token.content));
  }
  DIPTYCH_ASSIGN_OR_RETURN(AddedTokens added_tokens,
                           AddedTokens::Create(settings.added_tokens));
  return std::unique_ptr<const Tokenizer>(
      absl::WrapUnique(new PipelineTokenizer(
          std::move(encoder), std::move(added_tokens), std::move(settings))));
}

PipelineTokenizer::PipelineTokenizer(std::unique_ptr<const TextEncoder> encoder,
                                     AddedTokens added_tokens,
                                     TokenizerSettings settings)
    : encoder_(std::move(encoder)),
      added_tokens_(std::move(added_tokens)),
      enclosing_(std::move(settings.enclosing)),
      pad_id_(settings.pad_id),
      context_length_(settings.context_length) {}

absl::StatusOr<TokenIds> PipelineTokenizer::Tokenize(
    absl::string_view text) const {
  DIPTYCH_RETURN_IF_ERROR(CheckText(text));
  TokenIds result;
  result.ids = enclosing_.before;
  const size_t most =
      static_cast<size_t>(context_length_) - enclosing_.behind.size();
  for (const TextPart& part : added_tokens_.CutPlain(text)) {
    if (result.ids.size() > most) break;
    if (part.added_id >= 0) {
      result.ids.push_back(part.added_id);
      continue;
    }
    bool at_beginning = part.text.data() == text.data();
    DIPTYCH_ASSIGN_OR_RETURN(const std::string normalized,
                             encoder_->Normalize(part.text));
    for (const TextPart& inner : added_tokens_.CutNormalized(normalized)) {
      if (inner.added_id >= 0) {
        result.ids.push_back(inner.added_id);
      } else {
        encoder_->Encode(inner.text, at_beginning, most, result.ids);
      }
      at_beginning = false;
    }
  }
  if (result.ids.size() > most) {
    result.ids.resize(most);
    result.truncated = true;
  }
  result.ids.insert(result.ids.end(), enclosing_.behind.begin(),
                    enclosing_.behind.end());
  return result;
}

}  // namespace diptych::inference
