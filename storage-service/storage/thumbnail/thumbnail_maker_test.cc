#include "storage/thumbnail/thumbnail_maker.h"

#include <thread>
#include <vector>

#include "common/testing/status_matchers.h"
#include "storage/thumbnail/testing_pictures.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

class ThumbnailMakerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Make(ThumbnailMaker& maker,
                                   const std::string& hash, int pixels) {
    return maker.Make(hash, pixels, [&] {
      ++reads_;
      return bytes_;
    });
  }

  void ExpectMetric(const std::string& line) {
    EXPECT_THAT(metrics_.TextExposition(), HasSubstr(line));
  }

  MetricsRegistry metrics_;
  absl::StatusOr<std::string> bytes_ = PngOf(100, 50, {1, 2, 3});
  int reads_ = 0;
};

TEST_F(ThumbnailMakerTest, MakesEachSizeOfEachPictureOnce) {
  ThumbnailMaker maker({}, Clock::System(), metrics_);
  const auto first = Make(maker, "a", 64);
  ASSERT_THAT(first, IsOk());
  EXPECT_NE(*first, "");
  EXPECT_THAT(Make(maker, "a", 64), IsOkAndHolds(*first));
  EXPECT_EQ(reads_, 1);
  EXPECT_THAT(Make(maker, "a", 32), IsOk());
  EXPECT_THAT(Make(maker, "b", 64), IsOk());
  EXPECT_EQ(reads_, 3);
  ExpectMetric("diptych_thumbnails_total{result=\"made\"} 3");
  ExpectMetric("diptych_thumbnails_total{result=\"cached\"} 1");
}

TEST_F(ThumbnailMakerTest, ForgetsTheLeastRecentlyUsed) {
  ThumbnailMaker sizing({}, Clock::System(), metrics_);
  const size_t bytes = Make(sizing, "x", 64)->size();
  reads_ = 0;
  // Room for two with what an entry takes beside, but not for three.
  ThumbnailMaker maker({.limits = {}, .cache_bytes_max = 2 * bytes + 450},
                       Clock::System(), metrics_);
  for (const char* hash : {"a", "b", "a", "c", "a"}) {
    EXPECT_THAT(Make(maker, hash, 64), IsOk());
  }
  EXPECT_EQ(reads_, 3);
  EXPECT_THAT(Make(maker, "b", 64), IsOk());
  EXPECT_EQ(reads_, 4);
}

TEST_F(ThumbnailMakerTest, WithoutACacheEveryOneIsMade) {
  ThumbnailMaker maker({.limits = {}, .cache_bytes_max = 0}, Clock::System(),
                       metrics_);
  EXPECT_THAT(Make(maker, "a", 64), IsOk());
  EXPECT_THAT(Make(maker, "a", 64), IsOk());
  EXPECT_EQ(reads_, 2);
  ExpectMetric("diptych_thumbnail_cache_bytes 0");
}

TEST_F(ThumbnailMakerTest, RemembersThatAPictureCannotBeDecoded) {
  ThumbnailMaker maker({}, Clock::System(), metrics_);
  bytes_ = "no picture";
  EXPECT_THAT(Make(maker, "a", 64), IsOkAndHolds(""));
  EXPECT_THAT(Make(maker, "a", 64), IsOkAndHolds(""));
  EXPECT_EQ(reads_, 1);
  ExpectMetric("diptych_thumbnails_total{result=\"unreadable\"} 1");
}

TEST_F(ThumbnailMakerTest, AFailedReadIsTheCallersAndIsTriedAgain) {
  ThumbnailMaker maker({}, Clock::System(), metrics_);
  bytes_ = absl::DataLossError("damaged");
  EXPECT_THAT(Make(maker, "a", 64), StatusIs(absl::StatusCode::kDataLoss));
  bytes_ = PngOf(100, 50, {1, 2, 3});
  EXPECT_THAT(Make(maker, "a", 64), IsOk());
}

TEST_F(ThumbnailMakerTest, ManyThreadsShareIt) {
  ThumbnailMaker maker({.limits = {}, .decodes_max = 1}, Clock::System(),
                       metrics_);
  const std::string picture = PngOf(100, 50, {1, 2, 3});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (const char* hash : {"a", "b", "c"}) {
        EXPECT_THAT(maker.Make(hash, 32,
                               [&]() -> absl::StatusOr<std::string> {
                                 return picture;
                               }),
                    IsOk());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace diptych::storage
