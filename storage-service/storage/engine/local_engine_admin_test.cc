// Snapshots, restoring and compaction of LocalEngine: what lies on the disk,
// after crashes and errors too.
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/local_engine.h"
#include "storage/record/snapshot_manifest.h"

namespace diptych::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

ObjectWrite Point(const std::string& id, float x) {
  ObjectWrite object;
  object.id = id;
  object.vectors["default"] = {x, 1};
  return object;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> FilesBelow(const fs::path& directory) {
  std::vector<std::string> files;
  if (!fs::exists(directory)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      files.push_back(fs::relative(entry.path(), directory).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> IdsOf(Engine& engine, const std::string& collection) {
  ListObjectsRequest request;
  request.collection = collection;
  auto listed = engine.ListObjects({}, request);
  if (!listed.ok()) return {std::string(listed.status().message())};
  std::vector<std::string> ids;
  for (const ObjectView& view : listed->objects) ids.push_back(view.object.id);
  return ids;
}

class LocalEngineAdminTest : public ::testing::Test {
 protected:
  LocalEngineAdminTest() {
    options_.data_directory = directory_.path() / "data";
    options_.snapshot_directory = directory_.path() / "snapshots";
    options_.before_step = [this](absl::string_view step) -> absl::Status {
      return before_step_ ? before_step_(step) : absl::OkStatus();
    };
  }

  void Open() {
    engine_.reset();
    auto engine = LocalEngine::Open(options_);
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }
  void Create(const std::string& name) {
    CollectionSpec spec;
    spec.name = name;
    VectorSpace& space = spec.vector_spaces.emplace_back();
    space.name = kDefaultVectorSpace;
    space.metric = Metric::kSquaredL2;
    ASSERT_THAT(engine_->CreateCollection({}, {spec, false}), IsOk());
  }
  void Write(const std::string& collection, std::vector<ObjectWrite> objects) {
    ASSERT_THAT(engine_->WriteObjects(
                    {}, {collection, WriteMode::kUpsert, std::move(objects)}),
                IsOk());
  }
  // "one" with a and b, "two" with c, and the snapshot "saved" of that; then
  // "one" with d, and "three" instead of "two".
  void OpenWithSnapshot() {
    Open();
    Create("one");
    Create("two");
    Write("one", {Point("a", 1), Point("b", 2)});
    Write("two", {Point("c", 3)});
    ASSERT_THAT(engine_->CreateSnapshot({}, "saved"), IsOk());
    ASSERT_THAT(engine_->DeleteCollection({}, "two"), IsOk());
    Create("three");
    Write("one", {Point("d", 4)});
  }
  static bool IsOld(Engine& engine) {
    return IdsOf(engine, "one") == std::vector<std::string>{"a", "b", "d"} &&
           IdsOf(engine, "three").empty() &&
           absl::IsNotFound(engine.GetCollection({}, "two").status());
  }
  static bool IsSaved(Engine& engine) {
    return IdsOf(engine, "one") == std::vector<std::string>{"a", "b"} &&
           IdsOf(engine, "two") == std::vector<std::string>{"c"} &&
           absl::IsNotFound(engine.GetCollection({}, "three").status());
  }
  size_t CollectionDirectories() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         fs::directory_iterator(options_.data_directory / "collections")) {
      ++count;
    }
    return count;
  }

  TempDirectory directory_;
  std::function<absl::Status(absl::string_view)> before_step_;
  LocalEngineOptions options_;
  std::unique_ptr<LocalEngine> engine_;
};

TEST_F(LocalEngineAdminTest, ASnapshotIsAManifestAndADataDirectory) {
  OpenWithSnapshot();
  const fs::path saved = options_.snapshot_directory / "saved";
  EXPECT_THAT(FilesBelow(options_.snapshot_directory),
              ElementsAre("saved/MANIFEST", "saved/catalog/data.mdb",
                          "saved/collections/0000000000000001/data.mdb",
                          "saved/collections/0000000000000002/data.mdb"));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const SnapshotManifest manifest,
      ParseSnapshotManifest(ReadFile(saved / "MANIFEST")));
  EXPECT_EQ(manifest.files.size(), 3u);
  // A server can be started on a copy of it.
  fs::copy(saved, directory_.path() / "copy", fs::copy_options::recursive);
  options_.data_directory = directory_.path() / "copy";
  Open();
  EXPECT_TRUE(IsSaved(*engine_));
  Create("new");
  EXPECT_EQ(engine_->GetCollection({}, "new")->id, 3u);
}

TEST_F(LocalEngineAdminTest, ARestoredStateSurvivesARestartAndLeavesNoOrphan) {
  OpenWithSnapshot();
  ASSERT_THAT(engine_->RestoreSnapshot({}, "saved"), IsOk());
  EXPECT_TRUE(IsSaved(*engine_));
  EXPECT_EQ(CollectionDirectories(), 2u);
  Open();
  EXPECT_TRUE(IsSaved(*engine_));
  EXPECT_EQ(CollectionDirectories(), 2u);
}

TEST_F(LocalEngineAdminTest, ASnapshotMovesToAnotherServer) {
  OpenWithSnapshot();
  options_.data_directory = directory_.path() / "other";
  Open();
  Create("three");
  ASSERT_THAT(engine_->RestoreSnapshot({}, "saved"), IsOk());
  EXPECT_TRUE(IsSaved(*engine_));
}

// An image of the disk before each step is what a crash there leaves.
TEST_F(LocalEngineAdminTest, ACrashDuringARestoreLeavesTheOldOrTheNewState) {
  OpenWithSnapshot();
  int steps = 0;
  before_step_ = [&](absl::string_view) {
    fs::copy(options_.data_directory,
             directory_.path() / absl::StrCat("image", ++steps),
             fs::copy_options::recursive);
    return absl::OkStatus();
  };
  ASSERT_THAT(engine_->RestoreSnapshot({}, "saved"), IsOk());
  ASSERT_GE(steps, 4);
  before_step_ = nullptr;
  int old_states = 0;
  for (int step = 1; step <= steps; ++step) {
    options_.data_directory = directory_.path() / absl::StrCat("image", step);
    Open();
    EXPECT_TRUE(IsOld(*engine_) || IsSaved(*engine_)) << step;
    if (IsOld(*engine_)) ++old_states;
    // What the crash left over is gone.
    EXPECT_EQ(CollectionDirectories(), 2u) << step;
    // And it can be done again.
    EXPECT_THAT(engine_->RestoreSnapshot({}, "saved"), IsOk());
    EXPECT_TRUE(IsSaved(*engine_)) << step;
  }
  // All but the last, which follows the commit.
  EXPECT_EQ(old_states, steps - 1);
}

TEST_F(LocalEngineAdminTest, ARestoreThatFailsAtAnyStepChangesNothing) {
  OpenWithSnapshot();
  for (int failing = 1;; ++failing) {
    int steps = 0;
    bool failed = false;
    before_step_ = [&](absl::string_view step) -> absl::Status {
      // The commit has been made before the last one.
      if (++steps != failing || absl::StartsWith(step, "remove")) {
        return absl::OkStatus();
      }
      failed = true;
      return absl::ResourceExhaustedError("no space left");
    };
    const absl::Status status = engine_->RestoreSnapshot({}, "saved").status();
    if (!failed) {
      ASSERT_THAT(status, IsOk());
      EXPECT_GE(failing, 4);
      break;
    }
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(IsOld(*engine_)) << failing;
    EXPECT_EQ(CollectionDirectories(), 2u) << failing;
  }
  EXPECT_TRUE(IsSaved(*engine_));
}

TEST_F(LocalEngineAdminTest, ASnapshotThatFailsAtAnyStepLeavesNothing) {
  OpenWithSnapshot();
  const auto before = FilesBelow(options_.snapshot_directory);
  for (int failing = 1;; ++failing) {
    int steps = 0;
    before_step_ = [&](absl::string_view) {
      return ++steps == failing ? absl::ResourceExhaustedError("no space left")
                                : absl::OkStatus();
    };
    const absl::Status status = engine_->CreateSnapshot({}, "next").status();
    if (status.ok()) {
      EXPECT_GE(failing, 5);
      break;
    }
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(FilesBelow(options_.snapshot_directory), before);
    EXPECT_EQ(engine_->ListSnapshots({})->size(), 1u);
  }
  EXPECT_EQ(engine_->ListSnapshots({})->size(), 2u);
}

TEST_F(LocalEngineAdminTest, ACrashDuringASnapshotLeavesNoneOfThatName) {
  OpenWithSnapshot();
  before_step_ = [&](absl::string_view step) {
    if (step == "write the manifest") {
      fs::copy(options_.snapshot_directory, directory_.path() / "image",
               fs::copy_options::recursive);
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(engine_->CreateSnapshot({}, "next"), IsOk());
  before_step_ = nullptr;
  options_.snapshot_directory = directory_.path() / "image";
  Open();
  EXPECT_EQ(engine_->ListSnapshots({})->size(), 1u);
  EXPECT_THAT(engine_->RestoreSnapshot({}, "next"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(engine_->RestoreSnapshot({}, ".next.partial"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  // The next one of any name tidies up.
  EXPECT_THAT(engine_->CreateSnapshot({}, "third"), IsOk());
  EXPECT_FALSE(fs::exists(options_.snapshot_directory / ".next.partial"));
}

TEST_F(LocalEngineAdminTest, AFullDiskEndsASnapshotAndLeavesNothing) {
  OpenWithSnapshot();
  std::vector<ObjectWrite> many;
  for (int i = 0; i < 2'000; ++i) many.push_back(Point(absl::StrCat(i), 1));
  Write("one", many);
  // Stores of the data may grow, those of the snapshot may not.
  options_.open_store = [](const fs::path& path) {
    return LmdbRecordStore::Open(path, {});
  };
  options_.lmdb.map_bytes = options_.lmdb.map_bytes_max = 256 << 10;
  Open();
  EXPECT_THAT(engine_->CreateSnapshot({}, "next"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(engine_->ListSnapshots({})->size(), 1u);
  EXPECT_FALSE(fs::exists(options_.snapshot_directory / ".next.partial"));
  EXPECT_EQ(engine_->CountObjects({}, {"one", std::nullopt}).value_or(0),
            2'003u);
}

TEST_F(LocalEngineAdminTest, EveryDamagedFileOfASnapshotIsRefused) {
  OpenWithSnapshot();
  const fs::path saved = options_.snapshot_directory / "saved";
  for (const std::string& name : FilesBelow(saved)) {
    const std::string bytes = ReadFile(saved / name);
    // A byte in every 4 KiB, and torn there.
    for (size_t at = 7; at < bytes.size(); at += 4096) {
      std::string changed = bytes;
      changed[at] ^= 0x20;
      std::ofstream(saved / name, std::ios::binary) << changed;
      EXPECT_THAT(engine_->RestoreSnapshot({}, "saved"),
                  StatusIs(absl::StatusCode::kDataLoss))
          << name << " " << at;
      std::ofstream(saved / name, std::ios::binary) << bytes.substr(0, at);
      EXPECT_THAT(engine_->RestoreSnapshot({}, "saved"),
                  StatusIs(absl::StatusCode::kDataLoss))
          << name << " " << at;
    }
    fs::remove(saved / name);
    EXPECT_FALSE(engine_->RestoreSnapshot({}, "saved").ok()) << name;
    std::ofstream(saved / name, std::ios::binary) << bytes;
    EXPECT_TRUE(IsOld(*engine_));
  }
  EXPECT_EQ(CollectionDirectories(), 2u);
  EXPECT_THAT(engine_->RestoreSnapshot({}, "saved"), IsOk());
}

TEST_F(LocalEngineAdminTest, ADamagedCollectionKeepsASnapshotFromLackingIt) {
  OpenWithSnapshot();
  engine_.reset();
  std::ofstream(options_.data_directory / "collections" / "0000000000000003" /
                "data.mdb")
      << std::string(100'000, 'z');
  Open();
  EXPECT_THAT(engine_->CreateSnapshot({}, "next"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("three")));
  // A restore replaces it, too.
  EXPECT_THAT(engine_->RestoreSnapshot({}, "saved"), IsOk());
  EXPECT_TRUE(IsSaved(*engine_));
  EXPECT_EQ(CollectionDirectories(), 2u);
}

TEST_F(LocalEngineAdminTest, WithoutARootThereAreNoSnapshots) {
  options_.snapshot_directory.clear();
  Open();
  for (const absl::Status& status : {engine_->CreateSnapshot({}, "x").status(),
                                     engine_->RestoreSnapshot({}, "x").status(),
                                     engine_->ListSnapshots({}).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(ReasonOf(status), "SNAPSHOTS_DISABLED");
  }
}

TEST_F(LocalEngineAdminTest, SnapshotsAreLimited) {
  options_.limits.snapshots_max = 2;
  OpenWithSnapshot();
  EXPECT_THAT(engine_->CreateSnapshot({}, "second"), IsOk());
  EXPECT_THAT(engine_->CreateSnapshot({}, "third"),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(LocalEngineAdminTest, OneOperationOfThisKindRunsAtATime) {
  OpenWithSnapshot();
  absl::Notification entered, leave;
  before_step_ = [&](absl::string_view step) {
    if (step == "write the catalog") {
      entered.Notify();
      leave.WaitForNotification();
    }
    return absl::OkStatus();
  };
  std::thread snapshot(
      [&] { EXPECT_THAT(engine_->CreateSnapshot({}, "next"), IsOk()); });
  entered.WaitForNotification();
  for (const absl::Status& status :
       {engine_->CreateSnapshot({}, "x").status(), engine_->Reset({}),
        engine_->RestoreSnapshot({}, "saved").status(),
        engine_->CompactCollection({}, "one").status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(RetryAfterOf(status).has_value());
  }
  // All else goes on, and a deleted collection is in the snapshot all the same.
  Write("one", {Point("e", 5)});
  EXPECT_THAT(engine_->DeleteCollection({}, "one"), IsOk());
  leave.Notify();
  snapshot.join();
  ASSERT_THAT(engine_->RestoreSnapshot({}, "next"), IsOk());
  EXPECT_TRUE(IsOld(*engine_));
}

TEST_F(LocalEngineAdminTest, CompactingRemovesDeletedBytesFromTheDisk) {
  Open();
  Create("one");
  const std::string secret = "a secret of the deleted object";
  std::vector<ObjectWrite> objects;
  for (int i = 0; i < 20; ++i) {
    ObjectWrite object = Point(absl::StrCat("kept", i), 1);
    object.properties["text"] =
        std::string("kept text ") + std::string(500, 'k');
    objects.push_back(object);
    object.id = absl::StrCat("deleted", i);
    object.properties["text"] = secret + std::string(500, 'd');
    object.images["photo"] = secret + std::string(100'000, 'p');
    objects.push_back(object);
  }
  Write("one", objects);
  DeleteObjectsRequest deletion;
  deletion.collection = "one";
  for (int i = 0; i < 20; ++i)
    deletion.ids.push_back(absl::StrCat("deleted", i));
  ASSERT_THAT(engine_->DeleteObjects({}, deletion), IsOk());
  const fs::path collections = options_.data_directory / "collections";
  const auto holds = [&](const std::string& bytes) {
    for (const std::string& file : FilesBelow(collections)) {
      if (absl::StrContains(ReadFile(collections / file), bytes)) return true;
    }
    return false;
  };
  ASSERT_TRUE(holds(secret));
  const fs::path data = collections / "0000000000000001" / "data.mdb";
  const uint64_t size_before = fs::file_size(data);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const CompactionResult result,
                               engine_->CompactCollection({}, "one"));
  EXPECT_FALSE(holds(secret));
  EXPECT_TRUE(holds("kept text"));
  EXPECT_LT(fs::file_size(data), size_before / 2);
  EXPECT_EQ(fs::file_size(data), result.disk_bytes_after);
  EXPECT_EQ(IdsOf(*engine_, "one").size(), 20u);
  Open();
  EXPECT_EQ(IdsOf(*engine_, "one").size(), 20u);
}

// Writes wait for a compaction in their queue, where their deadline holds, and
// reads do not wait.
TEST_F(LocalEngineAdminTest, WritesWaitForACompaction) {
  absl::Notification entered, leave;
  options_.lmdb.before_step = [&](absl::string_view step) {
    if (step == "copy the records") {
      entered.Notify();
      leave.WaitForNotification();
    }
    return absl::OkStatus();
  };
  OpenWithSnapshot();
  std::thread compaction(
      [&] { EXPECT_THAT(engine_->CompactCollection({}, "one"), IsOk()); });
  entered.WaitForNotification();
  CallContext impatient;
  impatient.deadline = absl::Now() + absl::Milliseconds(20);
  EXPECT_THAT(engine_->WriteObjects(
                  impatient, {"one", WriteMode::kUpsert, {Point("x", 1)}}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(IdsOf(*engine_, "one"), ElementsAre("a", "b", "d"));
  std::thread writer([&] { Write("one", {Point("e", 5)}); });
  Write("three", {Point("f", 6)});
  leave.Notify();
  compaction.join();
  writer.join();
  EXPECT_THAT(IdsOf(*engine_, "one"), ElementsAre("a", "b", "d", "e"));
}

}  // namespace
}  // namespace diptych::storage
