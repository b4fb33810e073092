#include "inference/text/text_normalizer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status/status_macros.h"
#include "inference/text/bert_text.h"
#include "inference/text/json_file.h"
#include "inference/text/precompiled_charsmap.h"
#include "inference/text/tokenizer.h"
#include "inference/text/unicode_text.h"
#include "unicode/brkiter.h"
#include "unicode/uchar.h"
#include "unicode/utext.h"

namespace diptych::inference {
namespace {

constexpr char kFile[] = "tokenizer.json";
constexpr char kPart[] = "a component of \"normalizer\"";
constexpr char kKnown[] =
    "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace "
    "of a text or of \" {2,}\", Prepend, Precompiled, BertNormalizer";
constexpr size_t kContentBytesMax = 1024;
constexpr size_t kTextBytesMax =
    Tokenizer::kTextBytesMax * TextNormalizer::kGrowthMax;

absl::Status GrowsTooLarge() {
  return absl::InvalidArgumentError(
      absl::StrCat("text grows to more than ", kTextBytesMax,
                   " bytes when normalised; shorten it"));
}

// A step that is one function.
template <typename Function>
class FunctionStep final : public NormalizerStep {
 public:
  explicit FunctionStep(Function function) : function_(std::move(function)) {}
  absl::StatusOr<std::string> Apply(absl::string_view text) const override {
    return function_(text);
  }

 private:
  const Function function_;
};

template <typename Function>
std::unique_ptr<const NormalizerStep> Step(Function function) {
  return std::make_unique<FunctionStep<Function>>(std::move(function));
}

absl::StatusOr<std::string> ReplaceText(absl::string_view text,
                                        absl::string_view pattern,
                                        absl::string_view content) {
  std::string result;
  for (;;) {
    const size_t found = text.find(pattern);
    absl::StrAppend(&result, text.substr(0, found));
    if (found == absl::string_view::npos) return result;
    absl::StrAppend(&result, content);
    if (result.size() > kTextBytesMax) return GrowsTooLarge();
    text.remove_prefix(found + pattern.size());
  }
}

// By the pattern " {2,}".
absl::StatusOr<std::string> ReplaceRunsOfSpaces(absl::string_view text,
                                                absl::string_view content) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_not_of(' ', at), text.size());
    if (end > at + 1) {
      absl::StrAppend(&result, content);
      if (result.size() > kTextBytesMax) return GrowsTooLarge();
    } else {
      absl::StrAppend(&result, text.substr(at, end - at));
    }
    const size_t next = std::min(text.find(' ', end), text.size());
    absl::StrAppend(&result, text.substr(end, next - end));
    at = next;
  }
  return result;
}

std::string WithoutMarks(absl::string_view text) {
  std::string rest;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if ((U_GET_GC_MASK(NextCharacter(text, at)) & U_GC_M_MASK) == 0) {
      absl::StrAppend(&rest, text.substr(begin, at - begin));
    }
  }
  return rest;
}

// A character as its reader sees it (a grapheme) is replaced whole, by what the
// shortest rule that it begins with says; one of 6 bytes and more, or without a
// rule, is taken apart. Source: normalizers/precompiled.rs, whose authors found
// that this gives what the models were trained with.
absl::StatusOr<std::string> ApplyCharsmap(const PrecompiledCharsmap& map,
                                          absl::string_view text) {
  constexpr size_t kWholeBytesMax = 5;
  UErrorCode error = U_ZERO_ERROR;
  UText source = UTEXT_INITIALIZER;
  utext_openUTF8(&source, text.data(), static_cast<int64_t>(text.size()),
                 &error);
  const std::unique_ptr<icu::BreakIterator> graphemes(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(),
                                                  error));
  if (U_SUCCESS(error)) graphemes->setText(&source, error);
  if (U_FAILURE(error)) {
    utext_close(&source);
    return absl::InternalError(
        absl::StrCat("ICU cannot cut a text into "
                     "characters: ",
                     u_errorName(error)));
  }
  std::string result;
  bool too_large = false;
  size_t begin = 0;
  while (begin < text.size() && !too_large) {
    const int32_t next = graphemes->next();
    const size_t end = next == icu::BreakIterator::DONE
                           ? text.size()
                           : static_cast<size_t>(next);
    const absl::string_view whole = text.substr(begin, end - begin);
    const PrecompiledCharsmap::Match match = whole.size() <= kWholeBytesMax
                                                 ? map.Shortest(whole)
                                                 : PrecompiledCharsmap::Match();
    if (match.length > 0) {
      absl::StrAppend(&result, match.replacement);
    } else {
      for (size_t at = begin; at < end;) {
        const size_t from = at;
        NextCharacter(text, at);
        const absl::string_view character = text.substr(from, at - from);
        const PrecompiledCharsmap::Match own = map.Shortest(character);
        absl::StrAppend(&result, own.length > 0 ? own.replacement : character);
      }
    }
    too_large = result.size() > kTextBytesMax;
    begin = end;
  }
  utext_close(&source);
  if (too_large) return GrowsTooLarge();
  return result;
}

absl::StatusOr<std::unique_ptr<const NormalizerStep>> ReplaceStep(
    const Json& json) {
  const Json& text = JsonAt(JsonAt(json, "pattern"), "String");
  const Json& regex = JsonAt(JsonAt(json, "pattern"), "Regex");
  const Json& content = JsonAt(json, "content");
  if (!content.is_string() ||
      content.get_ref<const std::string&>().size() > kContentBytesMax) {
    return UnknownJson(kFile, kPart, json, kKnown);
  }
  const std::string with = content.get<std::string>();
  if (text.is_string() && !text.get_ref<const std::string&>().empty()) {
    return Step(
        [pattern = text.get<std::string>(), with](absl::string_view given) {
          return ReplaceText(given, pattern, with);
        });
  }
  if (JsonIsString(regex, " {2,}")) {
    return Step([with](absl::string_view given) {
      return ReplaceRunsOfSpaces(given, with);
    });
  }
  return UnknownJson(kFile, kPart, json, kKnown);
}

absl::StatusOr<std::unique_ptr<const NormalizerStep>> PrecompiledStep(
    const Json& json) {
  const Json& encoded = JsonAt(json, "precompiled_charsmap");
  std::string blob;
  if (!encoded.is_null() &&
      (!encoded.is_string() ||
       !absl::Base64Unescape(encoded.get_ref<const std::string&>(), &blob))) {
    return absl::InvalidArgumentError(
        "tokenizer.json: \"precompiled_charsmap\" is no base64");
  }
  DIPTYCH_ASSIGN_OR_RETURN(PrecompiledCharsmap map,
                           PrecompiledCharsmap::Create(blob));
  return Step([map = std::move(map)](absl::string_view text) {
    return ApplyCharsmap(map, text);
  });
}

std::unique_ptr<const NormalizerStep> BertStep(const Json& json) {
  BertTextOptions options;
  const auto flag = [&](const char* key, bool otherwise) {
    const Json& value = JsonAt(json, key);
    return value.is_boolean() ? value.get<bool>() : otherwise;
  };
  options.clean_text = flag("clean_text", true);
  options.split_chinese = flag("handle_chinese_chars", true);
  options.lowercase = flag("lowercase", true);
  options.strip_accents = flag("strip_accents", options.lowercase);
  return Step([options](absl::string_view text) {
    return NormalizeBertText(text, options);
  });
}

std::unique_ptr<const NormalizerStep> FormStep(NormalForm form) {
  return Step([form](absl::string_view text) { return Normalize(form, text); });
}

absl::StatusOr<std::unique_ptr<const NormalizerStep>> StepByJson(
    const Json& json) {
  const Json& type = JsonAt(json, "type");
  if (JsonIsString(type, "NFC")) return FormStep(NormalForm::kNfc);
  if (JsonIsString(type, "NFD")) return FormStep(NormalForm::kNfd);
  if (JsonIsString(type, "NFKC")) return FormStep(NormalForm::kNfkc);
  if (JsonIsString(type, "NFKD")) return FormStep(NormalForm::kNfkd);
  if (JsonIsString(type, "Lowercase")) {
    return Step([](absl::string_view text) { return LowerCase(text); });
  }
  if (JsonIsString(type, "StripAccents")) {
    return Step([](absl::string_view text) { return WithoutMarks(text); });
  }
  if (JsonIsString(type, "Strip")) {
    return Step(
        [before = JsonAt(json, "strip_left") == true,
         behind = JsonAt(json, "strip_right") == true](absl::string_view text) {
          if (before) text = StripWhiteSpaceBefore(text);
          if (behind) text = StripWhiteSpaceBehind(text);
          return std::string(text);
        });
  }
  if (JsonIsString(type, "Prepend") && JsonAt(json, "prepend").is_string()) {
    return Step([prefix = JsonAt(json, "prepend").get<std::string>()](
                    absl::string_view text) {
      return text.empty() ? std::string() : absl::StrCat(prefix, text);
    });
  }
  if (JsonIsString(type, "Replace")) return ReplaceStep(json);
  if (JsonIsString(type, "Precompiled")) return PrecompiledStep(json);
  if (JsonIsString(type, "BertNormalizer")) return BertStep(json);
  return UnknownJson(kFile, kPart, json, kKnown);
}

}  // namespace

absl::StatusOr<TextNormalizer> TextNormalizer::Parse(const Json& json) {
  TextNormalizer normalizer;
  DIPTYCH_RETURN_IF_ERROR(normalizer.AddJson(json, 0));
  return normalizer;
}

absl::Status TextNormalizer::AddJson(const Json& json, int depth) {
  if (json.is_null()) return absl::OkStatus();
  if (JsonIsType(json, "Sequence") && JsonAt(json, "normalizers").is_array() &&
      depth < kJsonDepthMax) {
    for (const Json& step : JsonAt(json, "normalizers")) {
      DIPTYCH_RETURN_IF_ERROR(AddJson(step, depth + 1));
    }
    return absl::OkStatus();
  }
  if (steps_.size() == kStepsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(kFile, ": \"normalizer\" has more than the allowed ",
                     kStepsMax, " steps"));
  }
  DIPTYCH_ASSIGN_OR_RETURN(auto step, StepByJson(json));
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

absl::StatusOr<std::string> TextNormalizer::Apply(
    absl::string_view text) const {
  std::string normalized(text);
  for (const auto& step : steps_) {
    DIPTYCH_ASSIGN_OR_RETURN(normalized, step->Apply(normalized));
    if (normalized.size() > kTextBytesMax) return GrowsTooLarge();
  }
  return normalized;
}

}  // namespace diptych::inference
