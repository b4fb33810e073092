#include "tests/model_based/model_words.h"

#include <cmath>
#include <cstddef>
#include <set>

namespace diptych::storage {
namespace {

constexpr double kK1 = 1.2;
constexpr double kB = 0.75;
// A longer word is several.
constexpr size_t kWordBytesMax = 128;

struct CountedWords {
  std::map<std::u32string, int> times;
  int length = 0;
};

// The text is valid UTF-8.
std::u32string CharactersOf(const std::string& text) {
  std::u32string characters;
  for (const char byte : text) {
    const auto bits = static_cast<unsigned char>(byte);
    if ((bits & 0xC0) == 0x80) {
      characters.back() = characters.back() << 6 | (bits & 0x3F);
    } else {
      const int lead = bits < 0x80 ? 0x7F : bits < 0xE0 ? 0x1F : 0x0F;
      characters.push_back(bits & lead);
    }
  }
  return characters;
}

size_t BytesOf(char32_t character) {
  return character < 0x80 ? 1 : character < 0x800 ? 2 : 3;
}

// NFKC_Casefold.
std::u32string Folded(const std::u32string& text) {
  std::u32string folded;
  for (const char32_t character : text) {
    if (character >= U'A' && character <= U'Z') {
      folded.push_back(character - U'A' + U'a');
    } else if (character == U'Ö') {
      folded.push_back(U'ö');
    } else if (character == U'Ω') {
      folded.push_back(U'ω');
    } else if (character == U'ß') {
      folded.append(U"ss");
    } else {
      folded.push_back(character);
    }
  }
  return folded;
}

bool IsChinese(char32_t character) {
  return character >= 0x4E00 && character < 0xA000;
}

bool IsOfAWord(char32_t character) {
  return (character >= U'a' && character <= U'z') ||
         (character >= U'0' && character <= U'9') || character == U'ö' ||
         character == U'ω';
}

void CountWord(const std::u32string& word, CountedWords& counted) {
  std::u32string piece;
  size_t bytes = 0;
  const auto end_piece = [&] {
    ++counted.times[piece];
    ++counted.length;
    piece.clear();
    bytes = 0;
  };
  for (const char32_t character : word) {
    if (bytes + BytesOf(character) > kWordBytesMax) end_piece();
    piece.push_back(character);
    bytes += BytesOf(character);
  }
  if (!piece.empty()) end_piece();
}

// Every character and every pair of neighbours; a query asks for its pairs, and
// for a character that stands alone.
void CountChinese(const std::u32string& run, bool query,
                  CountedWords& counted) {
  for (size_t i = 0; i < run.size(); ++i) {
    if (!query || run.size() == 1) ++counted.times[run.substr(i, 1)];
    if (i + 1 < run.size()) ++counted.times[run.substr(i, 2)];
    ++counted.length;
  }
}

void CountWords(const std::string& text, bool query, CountedWords& counted) {
  std::u32string word, chinese;
  // The blank ends the last run.
  for (const char32_t character : Folded(CharactersOf(text)) + U' ') {
    if (!IsOfAWord(character)) {
      CountWord(word, counted);
      word.clear();
    } else {
      word.push_back(character);
    }
    if (!IsChinese(character)) {
      CountChinese(chinese, query, counted);
      chinese.clear();
    } else {
      chinese.push_back(character);
    }
  }
}

// By property, of those that are searched and have a word.
using Document = std::map<std::string, CountedWords>;

Document DocumentOf(const StoredObject& object,
                    const std::set<std::string>& searched) {
  Document document;
  for (const auto& [name, value] : object.properties) {
    if (!searched.empty() && !searched.contains(name)) continue;
    CountedWords counted;
    if (value.has_text_value()) {
      CountWords(value.text_value(), false, counted);
    }
    for (const std::string& text : value.text_list().values())
      CountWords(text, false, counted);
    if (counted.length > 0) document[name] = std::move(counted);
  }
  return document;
}

}  // namespace

std::map<std::string, WordScore> ScoresOfWords(
    const std::map<std::string, StoredObject>& objects,
    const v1::Keyword& query) {
  const std::set<std::string> searched(query.properties().begin(),
                                       query.properties().end());
  CountedWords asked;
  CountWords(query.text(), true, asked);

  std::map<std::string, Document> documents;
  std::map<std::string, double> lengths, with_property;
  for (const auto& [id, object] : objects) {
    Document document = DocumentOf(object, searched);
    for (const auto& [name, counted] : document) {
      lengths[name] += counted.length;
      ++with_property[name];
    }
    if (!document.empty()) documents[id] = std::move(document);
  }

  std::map<std::string, WordScore> scores;
  for (const auto& [word, times] : asked.times) {
    std::map<std::string, double> weights;
    for (const auto& [id, document] : documents) {
      for (const auto& [name, counted] : document) {
        const auto found = counted.times.find(word);
        if (found == counted.times.end()) continue;
        const auto boost = query.boosts().find(name);
        const double relative_length =
            counted.length * with_property[name] / lengths[name];
        const double weight =
            (boost == query.boosts().end() ? 1 : boost->second) *
            found->second / (1 - kB + kB * relative_length);
        weights[id] += weight;
        scores[id].weights[{word, name}] = weight;
      }
    }
    const auto all = static_cast<double>(documents.size());
    const auto with_word = static_cast<double>(weights.size());
    const double idf =
        std::log(1 + (all - with_word + 0.5) / (with_word + 0.5));
    for (const auto& [id, weight] : weights)
      scores[id].score += times * idf * weight / (kK1 + weight);
  }
  return scores;
}

}  // namespace diptych::storage
