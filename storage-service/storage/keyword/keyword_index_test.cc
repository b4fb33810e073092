#include "storage/keyword/keyword_index.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

bool BySlot(Slot a, Slot b) { return a < b; }

KeywordQuery Ask(absl::string_view text,
                 std::vector<std::string> properties = {}) {
  KeywordQuery query;
  AddQueryTerms(text, query.terms);
  query.properties = std::move(properties);
  return query;
}

std::vector<Slot> Slots(const std::vector<ScoredSlot>& scored) {
  std::vector<Slot> slots;
  for (const ScoredSlot& slot : scored) slots.push_back(slot.slot);
  return slots;
}

// Worked by hand: 3 texts, 3 + 2 + 4 words, average 3.
TEST(KeywordIndexTest, ScoresAreBm25ToTheLastDigit) {
  KeywordIndex index;
  index.Add(1, KeywordDocumentOf({{"document", "red sofa red"}}));
  index.Add(2, KeywordDocumentOf({{"document", "red chair"}}));
  index.Add(3, KeywordDocumentOf({{"document", "a big blue sofa"}}));
  const auto found = index.Search(Ask("red"), 10, nullptr, BySlot);
  // idf = ln(1 + (3 - 2 + 0.5) / (2 + 0.5)) = ln(1.6)
  const double idf = std::log(1.6);
  ASSERT_THAT(Slots(found), ElementsAre(1, 2));
  EXPECT_NEAR(found[0].score, idf * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 3)),
              1e-15);
  EXPECT_NEAR(found[1].score, idf * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / 3)),
              1e-15);
  // Said twice, it counts twice.
  EXPECT_NEAR(index.Search(Ask("red RED"), 1, nullptr, BySlot)[0].score,
              2 * found[0].score, 1e-15);
}

TEST(KeywordIndexTest, BoostsWeighPropertiesBeforeTheSaturation) {
  KeywordIndex index;
  index.Add(1, KeywordDocumentOf({{"title", "sofa"}, {"text", "a red thing"}}));
  index.Add(2, KeywordDocumentOf({{"title", "thing"}, {"text", "a red sofa"}}));
  KeywordQuery query = Ask("sofa");
  const auto even = index.Search(query, 10, nullptr, BySlot);
  ASSERT_EQ(even.size(), 2u);
  // Both have the word once, in a text of average length.
  EXPECT_DOUBLE_EQ(even[0].score, even[1].score);
  EXPECT_NEAR(even[0].score, std::log(1 + 0.5 / 2.5) / 2.2, 1e-15);
  query.boosts["text"] = 3;
  const auto boosted = index.Search(query, 10, nullptr, BySlot);
  EXPECT_THAT(Slots(boosted), ElementsAre(2, 1));
  EXPECT_NEAR(boosted[0].score, std::log(1 + 0.5 / 2.5) * 3 / (1.2 + 3), 1e-15);
  EXPECT_THAT(Slots(index.Search(Ask("sofa", {"title"}), 10, nullptr, BySlot)),
              ElementsAre(1));
  EXPECT_THAT(index.Search(Ask("sofa", {"nothing"}), 10, nullptr, BySlot),
              IsEmpty());
}

TEST(KeywordIndexTest, ListsOfTextsAreOneTextWithoutPairsAcross) {
  KeywordIndex index;
  index.Add(
      1, KeywordDocumentOf({{"tags", std::vector<std::string>{"其中", "文字"}},
                            {"n", int64_t{5}},
                            {"none", "..."}}));
  EXPECT_THAT(index.Search(Ask("中文"), 10, nullptr, BySlot), IsEmpty());
  EXPECT_THAT(Slots(index.Search(Ask("文字"), 10, nullptr, BySlot)),
              ElementsAre(1));
  EXPECT_THAT(index.Search(Ask("5"), 10, nullptr, BySlot), IsEmpty());
}

TEST(KeywordIndexTest, NoKnownWordFindsNothing) {
  KeywordIndex index;
  EXPECT_THAT(index.Search(Ask("sofa"), 10, nullptr, BySlot), IsEmpty());
  index.Add(1, KeywordDocumentOf({{"document", "sofa"}}));
  EXPECT_THAT(index.Search(Ask("chair"), 10, nullptr, BySlot), IsEmpty());
  EXPECT_THAT(index.Search(Ask("?!"), 10, nullptr, BySlot), IsEmpty());
  index.Remove(1, KeywordDocumentOf({{"document", "sofa"}}));
  EXPECT_THAT(index.Search(Ask("sofa"), 10, nullptr, BySlot), IsEmpty());
  EXPECT_EQ(index.memory_bytes(), 0u);
}

// The formula over all documents, word by word.
class Reference {
 public:
  using Document = std::map<std::string, std::vector<std::string>>;
  std::map<Slot, Document> documents;

  std::vector<ScoredSlot> Search(
      const std::vector<std::string>& words,
      const std::vector<std::string>& properties,
      const std::map<std::string, double>& boosts,
      const std::optional<std::set<Slot>>& allowed) const {
    std::map<std::string, std::pair<double, double>> lengths;  // sum, texts
    double with_text = 0;
    for (const auto& [slot, document] : documents) {
      bool any = false;
      for (const std::string& property : properties) {
        const auto text = document.find(property);
        if (text == document.end()) continue;
        lengths[property].first += static_cast<double>(text->second.size());
        lengths[property].second += 1;
        any = true;
      }
      with_text += any;
    }
    std::map<std::string, double> with_words;
    for (const std::string& word : words) {
      double& with_word = with_words[word];
      with_word = 0;
      for (const auto& [slot, document] : documents) {
        bool has = false;
        for (const std::string& property : properties) {
          const auto text = document.find(property);
          has = has || (text != document.end() &&
                        std::count(text->second.begin(), text->second.end(),
                                   word) > 0);
        }
        with_word += has;
      }
    }
    std::vector<ScoredSlot> scored;
    for (const auto& [slot, document] : documents) {
      if (allowed.has_value() && !allowed->contains(slot)) continue;
      double score = 0;
      for (const std::string& word : words) {
        const double with_word = with_words.at(word);
        double f = 0;
        for (const std::string& property : properties) {
          const auto text = document.find(property);
          if (text == document.end()) continue;
          const auto times = static_cast<double>(
              std::count(text->second.begin(), text->second.end(), word));
          const auto boost = boosts.find(property);
          const double average =
              lengths.at(property).first / lengths.at(property).second;
          f += (boost == boosts.end() ? 1 : boost->second) * times /
               (1 - 0.75 +
                0.75 * static_cast<double>(text->second.size()) / average);
        }
        score +=
            std::log(1 + (with_text - with_word + 0.5) / (with_word + 0.5)) *
            f / (1.2 + f);
      }
      if (score > 0) scored.push_back({slot, score});
    }
    std::sort(scored.begin(), scored.end(),
              [](const ScoredSlot& a, const ScoredSlot& b) {
                return std::abs(a.score - b.score) > 1e-12 ? a.score > b.score
                                                           : a.slot < b.slot;
              });
    return scored;
  }
};

class KeywordIndexOracleTest : public ::testing::Test {
 protected:
  // Few words are frequent and many are rare, as in language.
  std::string Word() {
    const double at = std::uniform_real_distribution<>()(random_);
    return absl::StrCat("w", static_cast<int>(std::pow(60.0, at)));
  }
  static KeywordDocument Indexed(const Reference::Document& document) {
    Properties properties;
    for (const auto& [name, words] : document) {
      properties[name] = absl::StrJoin(words, " ");
    }
    return KeywordDocumentOf(properties);
  }
  void Add() {
    Reference::Document document;
    for (const char* name : {"title", "document", "notes"}) {
      if (random_() % 4 == 0) continue;
      std::vector<std::string> words(1 + random_() % 12);
      for (std::string& word : words) word = Word();
      document[name] = std::move(words);
    }
    const Slot slot = next_++;
    index_.Add(slot, Indexed(document));
    reference_.documents[slot] = std::move(document);
  }
  void RemoveOne() {
    if (reference_.documents.empty()) return;
    auto gone = reference_.documents.lower_bound(random_() % next_);
    if (gone == reference_.documents.end()) {
      gone = reference_.documents.begin();
    }
    index_.Remove(gone->first, Indexed(gone->second));
    reference_.documents.erase(gone);
  }
  void Compare() {
    std::vector<std::string> words(1 + random_() % 4);
    for (std::string& word : words) word = Word();
    KeywordQuery query = Ask(absl::StrJoin(words, " "));
    std::map<std::string, double> boosts;
    std::vector<std::string> properties = {"title", "document", "notes"};
    if (random_() % 2 == 0) {
      properties.resize(1 + random_() % 2);
      query.properties = properties;
    }
    if (random_() % 2 == 0) {
      boosts["title"] = query.boosts["title"] = 0.5 + random_() % 4;
    }
    std::optional<std::set<Slot>> allowed;
    SlotSet allowed_slots;
    if (random_() % 2 == 0) {
      allowed.emplace();
      const uint32_t every = 1 + random_() % 30;
      for (Slot slot = 0; slot < next_; ++slot) {
        if (random_() % every != 0) continue;
        allowed->insert(slot);
        allowed_slots.Add(slot);
      }
    }
    const size_t k = 1 + random_() % 30;
    std::vector<ScoredSlot> expected =
        reference_.Search(words, properties, boosts, allowed);
    const std::vector<ScoredSlot> found = index_.Search(
        query, k, allowed.has_value() ? &allowed_slots : nullptr, BySlot);
    ASSERT_EQ(found.size(), std::min(k, expected.size()));
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i].score, expected[i].score, 1e-12);
      ASSERT_EQ(found[i].slot, expected[i].slot) << "rank " << i;
    }
  }

  std::mt19937 random_{20261121};
  KeywordIndex index_;
  Reference reference_;
  Slot next_ = 0;
};

TEST_F(KeywordIndexOracleTest, RandomSearchesAgreeWithTheFormulaOverAll) {
  for (int i = 0; i < 150; ++i) Add();
  for (int round = 0; round < 250; ++round) {
    Compare();
    if (HasFatalFailure()) return;
    Add();
    if (round % 3 != 0) RemoveOne();
  }
}

TEST(KeywordIndexTest, EqualScoresAreInTheOrderOfIdsAtEveryCut) {
  KeywordIndex index;
  for (Slot slot = 0; slot < 500; ++slot) {
    index.Add(slot, KeywordDocumentOf({{"document", "one red sofa"}}));
  }
  // Ids run against slots.
  const auto before = [](Slot a, Slot b) { return a > b; };
  for (const size_t k : {1u, 7u, 100u, 1000u}) {
    const auto found = index.Search(Ask("red sofa"), k, nullptr, before);
    ASSERT_EQ(found.size(), std::min<size_t>(k, 500));
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].slot, 499 - i);
    }
  }
}

TEST(KeywordIndexTest, SearchesRunBesideWrites) {
  KeywordIndex index;
  std::thread writer([&index] {
    for (Slot slot = 0; slot < 400; ++slot) {
      index.Add(slot, KeywordDocumentOf({{"document", "red sofa"}}));
      if (slot % 2 == 0) {
        index.Remove(slot, KeywordDocumentOf({{"document", "red sofa"}}));
      }
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto found = index.Search(Ask("red"), 1000, nullptr, BySlot);
    for (size_t at = 1; at < found.size(); ++at) {
      EXPECT_DOUBLE_EQ(found[at].score, found[0].score);
    }
  }
  writer.join();
  EXPECT_EQ(index.Search(Ask("sofa"), 1000, nullptr, BySlot).size(), 200u);
}

}  // namespace
}  // namespace diptych::storage
