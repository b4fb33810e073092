// Splits texts into the terms that keyword search finds them by.
//
// Operation: a text is brought into Unicode's NFKC_Casefold form (so case,
// width and ligatures do not matter; accents do) and split into
//   - words: runs of letters, marks and digits; everything else separates
//     ("photo-12.jpg" is photo, 12, jpg);
//   - of Han, Hiragana, Katakana and Hangul: every character, and every pair of
//     neighbours (bigrams, as Lucene's CJKBigramFilter makes them). Such texts
//     have no blanks, and a dictionary cuts the same characters apart in one
//     text and not in the next; pairs are found in every text that holds them.
//     A query's run of several characters asks for its pairs only;
//   - of Thai, Lao, Khmer and Myanmar, which have no blanks either: the words
//   of
//     ICU's dictionaries.
// A word of more than kTermBytesMax bytes is several terms.
// Concurrency: pure functions.
// Limits: texts of less than 2 GiB. Running out of memory throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace diptych::storage {

inline constexpr size_t kTermBytesMax = 128;

// The terms of one or more texts.
struct TermCounts {
  absl::flat_hash_map<std::string, uint32_t> frequencies;
  // Words and characters; a bigram does not lengthen a text, since its
  // characters count already (as overlapping tokens do not in Lucene).
  uint32_t length = 0;
};

// Adds the terms by which a stored text is found. No bigram spans two texts.
void AddTextTerms(absl::string_view text, TermCounts& counts);

// Adds the terms that a query asks for.
void AddQueryTerms(absl::string_view text, TermCounts& counts);

// Of the rules and of the data by which texts are cut: what was cut by another
// version may have other terms.
std::string TextTermsVersion();

// INTERNAL: the ICU library lacks the data that terms are made with. To be
// asked once, at start.
absl::Status CheckTextTermData();

}  // namespace diptych::storage
