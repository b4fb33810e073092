// What a query of words finds and how it scores, worked out from docs/search.md
// alone: plain loops over all objects, with no index and no code of the
// service.
//
// Concurrency: pure functions.
// Limits: knows the characters that the generator draws: ASCII, a few letters
// of Latin and Greek, and Chinese.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/model_based/model.h"

namespace diptych::storage {

struct WordScore {
  double score = 0;
  // What each word weighs in each property. Objects in which these are alike
  // have one score; where they are not, rounding may part equal scores.
  std::map<std::pair<std::u32string, std::string>, double> weights;
};

// By id, of the objects that have one of the words at least.
std::map<std::string, WordScore> ScoresOfWords(
    const std::map<std::string, StoredObject>& objects,
    const v1::Keyword& query);

}  // namespace diptych::storage
