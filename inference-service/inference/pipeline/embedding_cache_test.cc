#include "inference/pipeline/embedding_cache.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace diptych::inference {
namespace {

using ::testing::HasSubstr;

constexpr size_t kFloats = 16;
constexpr size_t kOneEntry =
    EmbeddingCache::kEntryBytes + kFloats * sizeof(float);

CachedEmbedding Value(float first) {
  CachedEmbedding value;
  value.embedding.assign(kFloats, first);
  value.tokens = 3;
  return value;
}

TEST(EmbeddingCacheTest, GivesBackWhatWasKept) {
  MetricsRegistry metrics;
  EmbeddingCache cache(10 * kOneEntry, metrics);
  EXPECT_FALSE(cache.Find("a").has_value());
  cache.Insert("a", Value(1));
  const auto found = cache.Find("a");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->embedding, std::vector<float>(kFloats, 1));
  EXPECT_EQ(found->tokens, 3);
  EXPECT_EQ(cache.bytes(), kOneEntry);
}

TEST(EmbeddingCacheTest, WhatWasLookedUpLongestAgoGoes) {
  MetricsRegistry metrics;
  EmbeddingCache cache(3 * kOneEntry, metrics);
  for (const char* key : {"a", "b", "c"}) cache.Insert(key, Value(1));
  EXPECT_TRUE(cache.Find("a").has_value());
  cache.Insert("d", Value(1));
  EXPECT_FALSE(cache.Find("b").has_value());
  for (const char* key : {"a", "c", "d"}) {
    EXPECT_TRUE(cache.Find(key).has_value()) << key;
  }
  EXPECT_EQ(cache.bytes(), 3 * kOneEntry);
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_inference_cache_evictions_total 1"));
  EXPECT_THAT(metrics.TextExposition(),
              HasSubstr("diptych_inference_cache_entries 3"));
}

TEST(EmbeddingCacheTest, WhatIsLargerThanTheCacheIsNotKept) {
  MetricsRegistry metrics;
  EmbeddingCache cache(kOneEntry - 1, metrics);
  cache.Insert("a", Value(1));
  EXPECT_FALSE(cache.Find("a").has_value());
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST(EmbeddingCacheTest, KeysDifferByScopeModalityAndContent) {
  const std::string key = EmbeddingCache::KeyOf("model", false, "cat");
  EXPECT_EQ(key, EmbeddingCache::KeyOf("model", false, "cat"));
  EXPECT_NE(key, EmbeddingCache::KeyOf("model", true, "cat"));
  EXPECT_NE(key, EmbeddingCache::KeyOf("modelc", false, "at"));
  EXPECT_NE(key, EmbeddingCache::KeyOf("other", false, "cat"));
}

// For ThreadSanitizer, and for the count of bytes.
TEST(EmbeddingCacheTest, ThreadsShareIt) {
  MetricsRegistry metrics;
  EmbeddingCache cache(50 * kOneEntry, metrics);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache, thread] {
      for (int i = 0; i < 500; ++i) {
        const std::string key = absl::StrCat((i * (thread + 1)) % 120);
        if (const auto found = cache.Find(key)) {
          EXPECT_EQ(absl::StrCat(found->embedding.front()), key);
        } else {
          cache.Insert(key, Value(static_cast<float>(std::stoi(key))));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.bytes(), 50 * kOneEntry);
}

}  // namespace
}  // namespace diptych::inference
