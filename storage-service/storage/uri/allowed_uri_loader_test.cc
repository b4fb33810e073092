#include "storage/uri/allowed_uri_loader.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/concurrency/thread_pool.h"
#include "common/status/error_details.h"
#include "common/testing/manual_executor.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"

namespace diptych::storage {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class AllowedUriLoaderTest : public ::testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
    return absl::StrCat("file://", (directory_.path() / name).string());
  }

  std::unique_ptr<AllowedUriLoader> FilesOnly(Executor& executor,
                                              size_t loads_max) {
    auto files = FileLoader::Open(directory_.path().string(), 1 << 20);
    EXPECT_THAT(files, IsOk());
    return std::make_unique<AllowedUriLoader>(*std::move(files), nullptr,
                                              loads_max, executor,
                                              Clock::System(), metrics_);
  }

  TempDirectory directory_;
  MetricsRegistry metrics_;
  ThreadPool pool_{{.name = "loads", .threads = 3}};
};

TEST_F(AllowedUriLoaderTest, LoadsManyUrisInTheirOrder) {
  std::vector<std::string> uris;
  for (int i = 0; i < 100; ++i) {
    uris.push_back(Put(absl::StrCat("file", i), absl::StrCat("bytes ", i)));
  }
  uris.push_back(uris[0] + "none");
  const auto loaded = FilesOnly(pool_, 3)->Load({}, uris, 1 << 20);
  ASSERT_EQ(loaded.size(), 101u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(loaded[i], IsOkAndHolds(absl::StrCat("bytes ", i)));
  }
  EXPECT_THAT(loaded[100], StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(
      metrics_.TextExposition(),
      AllOf(
          HasSubstr(
              R"(diptych_uri_loads_total{result="OK",scheme="file"} 100)"),
          HasSubstr(
              R"(diptych_uri_loads_total{result="NOT_FOUND",scheme="file"} 1)"),
          HasSubstr(R"(diptych_uri_loaded_bytes_total{scheme="file"} 790)")));
}

TEST_F(AllowedUriLoaderTest, OtherSchemesAreNotAllowed) {
  const std::vector<std::string> uris = {
      "https://example.org/a.jpg", "http://example.org/a.jpg", "ftp://x/y",
      "s3://bucket/key",           "data:image/png;base64,AA", "/etc/passwd",
      "file:/etc/passwd",          "gopher://localhost:70/x",  ""};
  const auto loaded = FilesOnly(pool_, 3)->Load({}, uris, 1 << 20);
  for (size_t i = 0; i < uris.size(); ++i) {
    EXPECT_THAT(loaded[i], StatusIs(absl::StatusCode::kPermissionDenied,
                                    HasSubstr("allowed are: file://")))
        << uris[i];
    EXPECT_EQ(ReasonOf(loaded[i].status()), kUriNotAllowed);
  }
}

TEST_F(AllowedUriLoaderTest, OneCallLoadsNoMoreThanItsBytes) {
  const std::vector<std::string> uris = {Put("a", std::string(60, 'a')),
                                         Put("b", std::string(60, 'b')),
                                         Put("c", "c")};
  const auto loaded = FilesOnly(pool_, 1)->Load({}, uris, 100);
  EXPECT_THAT(loaded[0], IsOk());
  for (int i : {1, 2}) {
    EXPECT_THAT(loaded[i], StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(ReasonOf(loaded[i].status()), kUriTooLarge);
  }
}

TEST_F(AllowedUriLoaderTest, AFullQueueAsksToTryAgain) {
  ManualExecutor full(/*queue_max=*/0);
  const std::vector<std::string> uris = {Put("a", "a")};
  const auto loaded = FilesOnly(full, 3)->Load({}, uris, 100);
  EXPECT_THAT(loaded[0], StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(RetryAfterOf(loaded[0].status()).has_value());
}

TEST_F(AllowedUriLoaderTest, ACancelledCallLoadsNothing) {
  auto cancellation = std::make_shared<Cancellation>();
  cancellation->Cancel();
  CallContext context;
  context.cancellation = cancellation;
  const std::vector<std::string> uris = {Put("a", "a")};
  const auto loaded = FilesOnly(pool_, 3)->Load(context, uris, 100);
  EXPECT_THAT(loaded[0], StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace diptych::storage
