// Unicode text as UTF-8, by ICU's tables.
//
// Operation: the few questions that the tokenisers ask. Functions that take
// text expect valid UTF-8 unless they say otherwise.
// Concurrency: free functions without state.
// Limits: the caller bounds the text; all take linear time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

// A code point.
using Character = int32_t;

// Offset of the first invalid byte of any `text`, or its size when it is valid
// UTF-8.
size_t ValidUtf8Prefix(absl::string_view text);

// INVALID_ARGUMENT when `text` has more than Tokenizer::kTextBytesMax bytes, or
// is not valid UTF-8 (the message says at which byte).
absl::Status CheckText(absl::string_view text);

// The character at byte `at`, which moves behind it.
Character NextCharacter(absl::string_view text, size_t& at);

void AppendCharacter(Character character, std::string& text);

// The property White_Space.
bool IsWhiteSpace(Character character);

// Without white space at its end or at its beginning.
absl::string_view StripWhiteSpaceBefore(absl::string_view text);
absl::string_view StripWhiteSpaceBehind(absl::string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

absl::StatusOr<std::string> Normalize(NormalForm form, absl::string_view text);

// By the rules of whole words (a final sigma), as Python's str.lower.
std::string LowerCaseInContext(absl::string_view text);

// Each character by itself, without the rule for a final sigma.
std::string LowerCase(absl::string_view text);

}  // namespace diptych::inference
