#include "inference/text/clip_tokenizer.h"

#include <cstddef>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/clip_words.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {

absl::StatusOr<std::unique_ptr<const Tokenizer>> ClipTokenizer::Create(
    BpeVocabulary vocabulary, int context_length) {
  if (context_length < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a context must hold at least the begin and end tokens: ",
                     context_length));
  }
  DIPTYCH_ASSIGN_OR_RETURN(BytePairEncoder encoder,
                           BytePairEncoder::Create(vocabulary));
  for (AddedToken& token : vocabulary.added_tokens) {
    if (!token.normalized) continue;
    DIPTYCH_ASSIGN_OR_RETURN(token.content, NormalizeForClip(token.content));
  }
  DIPTYCH_ASSIGN_OR_RETURN(AddedTokens added_tokens,
                           AddedTokens::Create(vocabulary.added_tokens));
  return std::unique_ptr<const Tokenizer>(absl::WrapUnique(
      new ClipTokenizer(std::move(encoder), std::move(added_tokens), vocabulary,
                        context_length)));
}

ClipTokenizer::ClipTokenizer(BytePairEncoder encoder, AddedTokens added_tokens,
                             const BpeVocabulary& vocabulary,
                             int context_length)
    : encoder_(std::move(encoder)),
      added_tokens_(std::move(added_tokens)),
      spelt_token_(vocabulary.spelt_token),
      begin_id_(vocabulary.begin_id),
      end_id_(vocabulary.end_id),
      context_length_(context_length) {}

absl::StatusOr<TokenIds> ClipTokenizer::Tokenize(absl::string_view text) const {
  DIPTYCH_RETURN_IF_ERROR(CheckText(text));
  DIPTYCH_ASSIGN_OR_RETURN(const std::vector<ClipWord> words,
                           SplitClipWords(text, added_tokens_, spelt_token_));
  TokenIds result;
  result.ids.push_back(begin_id_);
  const size_t most = static_cast<size_t>(context_length_) - 1;
  for (const ClipWord& word : words) {
    if (result.ids.size() > most) break;
    if (word.added_id >= 0) {
      result.ids.push_back(word.added_id);
    } else {
      encoder_.Encode(word.text, result.ids);
    }
  }
  if (result.ids.size() > most) {
    result.ids.resize(most);
    result.truncated = true;
  }
  result.ids.push_back(end_id_);
  return result;
}

}  // namespace diptych::inference
