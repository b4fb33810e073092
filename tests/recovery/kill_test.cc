// kill -9 at random moments, and nothing that was acknowledged is lost
// (docs/testing.md).
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status/status_macros.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/data_directory_check.h"
#include "tests/recovery/answer_check.h"
#include "tests/recovery/campaign_client.h"
#include "tests/recovery/server_process.h"

namespace diptych::storage {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kKills = 12;
constexpr int kMillisecondsMax = 400;
#else
constexpr uint64_t kKills = 100;
constexpr int kMillisecondsMax = 120;
#endif
constexpr int kClients = 3;
// How often the files are checked, too.
constexpr uint64_t kRoundsPerCheck = 5;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t number = 0;
  if (text == nullptr) return otherwise;
  return absl::SimpleAtoi(text, &number) ? number : otherwise;
}

std::string TextFromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

class KillTest : public ::testing::Test {
 protected:
  KillTest() : seed_(FromEnvironment("DIPTYCH_SEED", 1)), random_(seed_) {
    for (int i = 0; i < kClients; ++i) clients_.emplace_back(i, random_());
  }

  void Start() {
    std::vector<std::string> arguments = {
        absl::StrCat("--data=", data_.string()),
        absl::StrCat("--snapshots=", snapshots_.string())};
    for (absl::string_view word :
         absl::StrSplit(TextFromEnvironment("DIPTYCH_SERVER_FLAGS"), ' ',
                        absl::SkipEmpty())) {
      arguments.emplace_back(word);
    }
    auto server = ServerProcess::Start(
        std::filesystem::path(TextFromEnvironment("DIPTYCH_BINARY_DIR")) /
            "storage-server",
        arguments);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  void CreateCollection() {
    v1::CreateCollectionRequest request;
    request.mutable_collection()->set_name(kCampaignCollection);
    auto& space = *request.mutable_collection()->add_vector_spaces();
    space.set_name("default");
    space.set_metric(v1::METRIC_SQUARED_L2);
    v1::CreateCollectionResponse response;
    CampaignStubs stubs(server_->Connect());
    ASSERT_THAT(CampaignCall(*stubs.collections,
                             &v1::CollectionService::Stub::CreateCollection,
                             request, response),
                IsOk());
  }

  // Everybody works, and in the midst of it the server is killed.
  void WorkAndKill() {
    std::atomic<bool> killed{false};
    std::vector<absl::Status> ends(kClients + 1);
    std::vector<std::thread> threads;
    const auto work = [&](auto& worker, absl::Status& end) {
      threads.emplace_back([&] {
        absl::Status status = worker.Work(server_->Connect());
        // After the kill calls may fail; before it, and with a wrong answer,
        // they may not.
        if (!killed || absl::IsOutOfRange(status)) end = std::move(status);
      });
    };
    for (int i = 0; i < kClients; ++i) {
      work(clients_[static_cast<size_t>(i)], ends[static_cast<size_t>(i)]);
    }
    work(operator_, ends[kClients]);
    const bool lived = server_->LetRun(absl::Microseconds(
        1000 + random_() % (1000 * uint64_t{kMillisecondsMax})));
    killed = true;
    server_->Kill();
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(lived) << "the server ended by itself: " << server_->log();
    for (const absl::Status& end : ends) EXPECT_THAT(end, IsOk());
  }

  // What cannot be checked while a server runs. `settled`: what was killed has
  // been tidied.
  void CheckFiles(const std::filesystem::path& directory) {
    auto check = CheckDataDirectory(directory);
    ASSERT_THAT(check, IsOk());
    for (const DirectoryFinding& finding : check->findings) {
      if (finding.what == "belongs to no collection; the next start removes it")
        continue;
      ADD_FAILURE() << directory << ": " << finding.where << ": "
                    << finding.what;
    }
  }

  void CheckRestarted() {
    CampaignStubs stubs(server_->Connect());
    DIPTYCH_ASSERT_OK_AND_ASSIGN(const WriteLedger::Objects found,
                                 ListEverything(stubs));
    size_t owned = 0;
    for (CampaignClient& client : clients_) {
      WriteLedger::Objects of_client;
      for (const auto& [id, version] : found) {
        if (client.Owns(id)) of_client[id] = version;
      }
      owned += of_client.size();
      unacknowledged_ += client.ledger().begun();
      EXPECT_THAT(client.ledger().Settle(of_client), IsOk());
    }
    EXPECT_EQ(owned, found.size()) << "there are objects that nobody wrote";
    EXPECT_THAT(operator_.Settle(stubs), IsOk());
    EXPECT_THAT(CheckAnswers(stubs, found, random_), IsOk());
  }

  void CheckSnapshots() {
    for (const std::string& name : operator_.TakeSnapshots()) {
      ++snapshots_checked_;
      CheckFiles(snapshots_ / name);
    }
    std::filesystem::remove_all(snapshots_);
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  TempDirectory directory_;
  const std::filesystem::path data_ = directory_.path() / "data";
  const std::filesystem::path snapshots_ = directory_.path() / "snapshots";
  std::vector<CampaignClient> clients_;
  CampaignOperator operator_{seed_};
  std::unique_ptr<ServerProcess> server_;
  uint64_t unacknowledged_ = 0, snapshots_checked_ = 0;
};

TEST_F(KillTest, NothingAcknowledgedIsLostAndEverythingIsWhole) {
  const uint64_t kills = FromEnvironment("DIPTYCH_KILLS", kKills);
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_NO_FATAL_FAILURE(CreateCollection());
  for (uint64_t round = 1; round <= kills && !HasFailure(); ++round) {
    SCOPED_TRACE(absl::StrCat("DIPTYCH_SEED=", seed_, ", round ", round));
    ASSERT_NO_FATAL_FAILURE(WorkAndKill());
    if (round % kRoundsPerCheck == 0) {
      ASSERT_NO_FATAL_FAILURE(CheckFiles(data_));
      ASSERT_NO_FATAL_FAILURE(CheckSnapshots());
    }
    ASSERT_NO_FATAL_FAILURE(Start());
    ASSERT_NO_FATAL_FAILURE(CheckRestarted());
    if (round % 100 == 0) {
      std::printf("%d kills, %d writes were under way, %d snapshots checked\n",
                  static_cast<int>(round), static_cast<int>(unacknowledged_),
                  static_cast<int>(snapshots_checked_));
      std::fflush(stdout);
    }
  }
  // Or it was never killed in the midst of anything. How often depends on the
  // machine.
  EXPECT_GT(unacknowledged_, kills / 20);
}

}  // namespace
}  // namespace diptych::storage
