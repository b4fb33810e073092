#include "inference/text/unigram_model.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/status/status_macros.h"
#include "inference/text/unicode_text.h"

namespace diptych::inference {
namespace {

constexpr int32_t kUnknown = -1;

// The best way to reach a place in the text.
template <typename Score>
struct Step {
  Score score = 0;
  // Where its last piece begins.
  size_t begin = 0;
  // Which piece.
  int32_t piece = kUnknown;
  bool reached = false;
};

}  // namespace

absl::StatusOr<UnigramModel> UnigramModel::Create(
    UnigramVocabulary vocabulary) {
  std::vector<std::pair<std::string, int32_t>> texts;
  texts.reserve(vocabulary.pieces.size());
  for (size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    texts.emplace_back(std::move(vocabulary.pieces[i].text),
                       static_cast<int32_t>(i));
    vocabulary.pieces[i].text.clear();
  }
  UnigramModel model;
  DIPTYCH_ASSIGN_OR_RETURN(model.trie_, TokenTrie::Create(std::move(texts)));
  model.vocabulary_ = std::move(vocabulary);
  return model;
}

void UnigramModel::Encode(absl::string_view text,
                          std::vector<int32_t>& ids) const {
  if (vocabulary_.float32) {
    EncodeBy<float>(text, ids);
  } else {
    EncodeBy<double>(text, ids);
  }
}

template <typename Score>
void UnigramModel::EncodeBy(absl::string_view text,
                            std::vector<int32_t>& ids) const {
  std::vector<Step<Score>> steps(text.size() + 1);
  const auto offer = [&](size_t begin, size_t end, int32_t piece,
                         double score) {
    Step<Score>& step = steps[end];
    const double sum = score + static_cast<double>(steps[begin].score);
    // In float32 the original rounds the sum before it compares.
    if (step.reached && static_cast<Score>(sum) <= step.score) return;
    step = {static_cast<Score>(sum), begin, piece, true};
  };
  for (size_t begin = 0; begin < text.size();) {
    size_t next = begin;
    NextCharacter(text, next);
    bool covered = false;
    trie_.ForEachPrefix(text.substr(begin), [&](size_t length, int32_t piece) {
      offer(begin, begin + length, piece,
            vocabulary_.pieces[static_cast<size_t>(piece)].score);
      covered = covered || begin + length == next;
    });
    if (!covered) offer(begin, next, kUnknown, vocabulary_.unknown_score);
    begin = next;
  }
  const size_t first = ids.size();
  bool unknown = false;
  for (size_t end = text.size(); end > 0; end = steps[end].begin) {
    const int32_t piece = steps[end].piece;
    const int32_t id = piece == kUnknown
                           ? vocabulary_.unknown_id
                           : vocabulary_.pieces[static_cast<size_t>(piece)].id;
    const bool is_unknown = id == vocabulary_.unknown_id;
    if (!(unknown && is_unknown)) ids.push_back(id);
    unknown = is_unknown;
  }
  std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end());
}

}  // namespace diptych::inference
