// Bytes of LMDB's data file that are not what was written (docs/testing.md).
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/hash/sha256.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/data_directory_check.h"
#include "storage/engine/object_table.h"
#include "storage/record/key_codec.h"
#include "storage/record/lmdb_file.h"
#include "storage/record/lmdb_record_store.h"
#include "tests/recovery/engine_probe.h"

namespace diptych::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPageBytes = 4096;
#if defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kFlips = 40;
#else
constexpr uint64_t kFlips = 150;
#endif

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number
                                                            : otherwise;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Runs `work` in a process of its own, which a crash ends alone. The empty
// string: it returned true; else what is known.
std::string InOwnProcess(const std::function<std::string()>& work) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t process = fork();
  if (process == 0) {
    close(ends[0]);
    const std::string what = work();
    const ssize_t written = write(ends[1], what.data(), what.size());
    _exit(written == static_cast<ssize_t>(what.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string what;
  char bytes[512];
  for (ssize_t size; (size = read(ends[0], bytes, sizeof(bytes))) > 0;) {
    what.append(bytes, static_cast<size_t>(size));
  }
  close(ends[0]);
  int status = 0;
  waitpid(process, &status, 0);
  if (WIFSIGNALED(status)) {
    return absl::StrCat("a crash by signal ", WTERMSIG(status), "; ", what);
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::StrCat("an end with status ", WEXITSTATUS(status), "; ", what);
  }
  return what;
}

class FlippedBytesTest : public ::testing::Test {
 protected:
  FlippedBytesTest() : random_(FromEnvironment("DIPTYCH_SEED", 1)) {
    options_.data_directory = directory_.path() / "data";
    options_.snapshot_directory = directory_.path() / "snapshots";
    options_.index_threads = 0;
  }

  // A collection with trees of two levels, pages for large values, free pages,
  // and slots that were given up.
  void Fill() {
    DIPTYCH_ASSERT_OK_AND_ASSIGN(auto engine, LocalEngine::Open(options_));
    CreateCollectionRequest create;
    create.spec.name = kProbeCollection;
    VectorSpace& space = create.spec.vector_spaces.emplace_back();
    space.name = kDefaultVectorSpace;
    space.metric = Metric::kSquaredL2;
    ASSERT_THAT(engine->CreateCollection({}, create), IsOk());
    int64_t write = 0;
    for (int round = 0; round < 3; ++round) {
      WriteObjectsRequest request;
      request.collection = kProbeCollection;
      for (int i = round * 20; i < 120; ++i) {
        const std::string id = absl::StrCat("object-", i);
        ++write;
        request.objects.push_back(MarkedWrite(id, {write, write}));
        objects_[id] = {write, write};
      }
      ASSERT_THAT(engine->WriteObjects({}, std::move(request)), IsOk());
    }
    DeleteObjectsRequest remove;
    remove.collection = kProbeCollection;
    for (int i = 50; i < 60; ++i) {
      remove.ids.push_back(absl::StrCat("object-", i));
      objects_.erase(remove.ids.back());
    }
    ASSERT_THAT(engine->DeleteObjects({}, remove), IsOk());
    file_ = options_.data_directory / "collections" /
            CollectionDirectoryName(1) / "data.mdb";
    catalog_file_ = options_.data_directory / "catalog" / "data.mdb";
    engine.reset();
    whole_ = ReadFile(file_);
    whole_catalog_ = ReadFile(catalog_file_);
    ASSERT_GT(whole_.size(), 20 * kPageBytes);
  }

  // Answers that are neither right nor an error that says so, of an engine on
  // what the files hold.
  std::string WrongAnswers() {
    auto engine = LocalEngine::Open(options_);
    if (!engine.ok()) return Unless(engine.status());
    for (const auto& [id, version] : objects_) {
      GetObjectsRequest get;
      get.collection = kProbeCollection;
      get.ids = {id};
      get.projection.all_properties = true;
      get.projection.vectors = true;
      get.projection.image_bytes = true;
      const auto got = (*engine)->GetObjects({}, get);
      if (!got.ok()) {
        const std::string wrong = Unless(got.status());
        if (!wrong.empty()) return wrong;
        continue;
      }
      if (got->objects.size() != 1) return absl::StrCat(id, " is missing");
      const auto* write =
          std::get_if<int64_t>(&got->objects[0].object.properties.at("write"));
      if (write == nullptr || *write != version.write ||
          got->objects[0].images.at("picture") !=
              MarkedWrite(id, version).images.at("picture") ||
          got->objects[0].object.vectors.at("default") !=
              MarkedVector(version.write)) {
        return absl::StrCat(id, " is another object");
      }
    }
    const auto listed = ListEngine(**engine);
    if (!listed.ok()) {
      const std::string wrong = Unless(listed.status());
      if (!wrong.empty()) return wrong;
    } else if (*listed != objects_) {
      return "the list of all objects";
    }
    SearchRequest search;
    search.collection = kProbeCollection;
    search.query = MarkedVector(77);
    search.top_k = 1000;
    const auto found = (*engine)->Search({}, search);
    if (!found.ok()) return Unless(found.status());
    // A search leaves out an object whose record is damaged.
    for (const SearchHit& hit : found->hits) {
      if (!objects_.contains(hit.view.object.id)) return "a stranger";
    }
    return "";
  }

  // The same after writing to it, which uses the list of free pages.
  std::string WrongAfterWriting() {
    {
      auto engine = LocalEngine::Open(options_);
      if (!engine.ok()) return Unless(engine.status());
      for (int64_t write = 1'000; write < 1'008; ++write) {
        const std::string id = absl::StrCat("later-", write % 5);
        WriteObjectsRequest request;
        request.collection = kProbeCollection;
        request.objects.push_back(MarkedWrite(id, {write, write}));
        const auto written = (*engine)->WriteObjects({}, std::move(request));
        if (!written.ok()) return Unless(written.status());
        objects_[id] = {write, write};
        DeleteObjectsRequest remove;
        remove.collection = kProbeCollection;
        remove.ids = {absl::StrCat("object-", write - 1'000)};
        const auto removed = (*engine)->DeleteObjects({}, remove);
        if (!removed.ok()) return Unless(removed.status());
        objects_.erase(remove.ids[0]);
      }
    }
    return WrongAnswers();
  }

  // DATA_LOSS is an honest answer.
  static std::string Unless(const absl::Status& status) {
    return absl::IsDataLoss(status) ? "" : status.ToString();
  }

  void Restore() {
    WriteFile(file_, whole_);
    WriteFile(catalog_file_, whole_catalog_);
  }

  // Flips bits of the byte `at` and of as many behind it as `run` says.
  void Damage(const fs::path& file, const std::string& whole, size_t at,
              size_t run) {
    std::string bytes = whole;
    for (size_t i = at; i < std::min(at + run, bytes.size()); ++i) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 + random_() % 255));
    }
    WriteFile(file, bytes);
  }

  TempDirectory directory_;
  std::mt19937_64 random_;
  LocalEngineOptions options_;
  WriteLedger::Objects objects_;
  fs::path file_, catalog_file_;
  std::string whole_, whole_catalog_;
};

// Every header, and random places: one byte, a few, a sector.
TEST_F(FlippedBytesTest, AreDataLossOrDoNotMatter) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  ASSERT_EQ(InOwnProcess([this] { return WrongAnswers(); }), "");
  const uint64_t flips = FromEnvironment("DIPTYCH_FLIPS", kFlips);
  const size_t pages = whole_.size() / kPageBytes;
  int caught = 0;
  for (uint64_t flip = 0; flip < flips; ++flip) {
    const size_t page = random_() % (flip % 5 == 0 ? 2 : pages);
    size_t in_page = random_() % kPageBytes;
    // Where structure lies: headers, the first pointers to nodes, meta data.
    if (flip % 3 != 0 || page < 2) in_page = random_() % (page < 2 ? 160 : 64);
    const size_t run = flip % 4 == 3 ? 512 : 1 + random_() % 3;
    Damage(file_, whole_, page * kPageBytes + in_page, run);
    SCOPED_TRACE(absl::StrCat("flip ", flip, ": page ", page, " byte ", in_page,
                              " of ", run));
    if (!VerifyLmdbFile(file_).ok()) ++caught;
    EXPECT_EQ(InOwnProcess([this] {
                const std::string wrong = WrongAnswers();
                return wrong.empty() ? WrongAfterWriting() : wrong;
              }),
              "");
    Restore();
  }
  // Or nothing was hit.
  EXPECT_GT(caught, static_cast<int>(flips / 10));
}

TEST_F(FlippedBytesTest, OfTheCatalogAreDataLossOrDoNotMatter) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const uint64_t flips = FromEnvironment("DIPTYCH_FLIPS", kFlips) / 5;
  const size_t pages = whole_catalog_.size() / kPageBytes;
  for (uint64_t flip = 0; flip < flips; ++flip) {
    const size_t page = flip % pages;
    const size_t in_page = random_() % (flip % 2 == 0 ? 160 : kPageBytes);
    Damage(catalog_file_, whole_catalog_, page * kPageBytes + in_page, 1);
    SCOPED_TRACE(absl::StrCat("page ", page, " byte ", in_page));
    EXPECT_EQ(InOwnProcess([this] { return WrongAnswers(); }), "");
    Restore();
  }
}

// What opening may let pass, reading everything does not.
TEST_F(FlippedBytesTest, AreFoundByACheckOfTheDirectory) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  const uint64_t flips = FromEnvironment("DIPTYCH_FLIPS", kFlips) / 5;
  for (uint64_t flip = 0; flip < flips; ++flip) {
    const size_t at = random_() % whole_.size();
    Damage(file_, whole_, at, 1 + random_() % 3);
    SCOPED_TRACE(absl::StrCat("byte ", at));
    EXPECT_EQ(InOwnProcess([this]() -> std::string {
                auto check = CheckDataDirectory(options_.data_directory);
                if (!check.ok()) return check.status().ToString();
                if (!check->findings.empty()) return "";
                // Then everything is there.
                const std::string wrong = WrongAnswers();
                if (!wrong.empty()) return wrong;
                auto engine = LocalEngine::Open(options_);
                return CheckEngine(**engine, objects_).ok() ? "" : "overlooked";
              }),
              "");
    Restore();
  }
}

TEST_F(FlippedBytesTest, AFileThatIsCutIsRefused) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  for (size_t size = kPageBytes / 2; size < whole_.size();
       size += kPageBytes * 5) {
    WriteFile(file_, whole_.substr(0, size));
    EXPECT_EQ(InOwnProcess([this] { return WrongAnswers(); }), "") << size;
    EXPECT_THAT(VerifyLmdbFile(file_), StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
}

// Records that are damaged one by one.
class DamagedRecordTest : public FlippedBytesTest {
 protected:
  void Change(const std::function<absl::Status(WriteTransaction&)>& write) {
    auto store = LmdbRecordStore::Open(file_.parent_path(), {});
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->RunWrite(write), IsOk());
  }
  static absl::StatusOr<Slot> SlotOf(ReadTransaction& transaction,
                                     const std::string& id) {
    auto slot = FindSlot(transaction, id);
    if (!slot.ok()) return slot.status();
    return slot->value();
  }
};

TEST_F(DamagedRecordTest, AnObjectWithADamagedVectorCanBeDeletedAndReplaced) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  Change([](WriteTransaction& transaction) {
    absl::Status status;
    for (const char* id : {"object-7", "object-8"}) {
      auto slot = SlotOf(transaction, id);
      if (!slot.ok()) return slot.status();
      status.Update(transaction.Put(Table::kVectors, VectorKey(*slot, 0, 0),
                                    "no vector"));
    }
    return status;
  });
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto engine, LocalEngine::Open(options_));
  EXPECT_THAT(ListEngine(*engine), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(
      engine->DeleteObjects({}, {kProbeCollection, {"object-7"}, {}, 0}),
      IsOk());
  objects_.erase("object-7");
  WriteObjectsRequest replace;
  replace.collection = kProbeCollection;
  replace.objects.push_back(MarkedWrite("object-8", {5'000, 5'000}));
  EXPECT_THAT(engine->WriteObjects({}, std::move(replace)), IsOk());
  objects_["object-8"] = {5'000, 5'000};
  EXPECT_THAT(CheckEngine(*engine, objects_), IsOk());
}

TEST_F(DamagedRecordTest, ALostPictureOrObjectIsDataLossAndNotMissing) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  Change([this](WriteTransaction& transaction) -> absl::Status {
    const std::string picture =
        MarkedWrite("object-7", objects_["object-7"]).images["picture"];
    auto erased = transaction.Delete(Table::kImages, Sha256(picture));
    if (!erased.ok() || !*erased) return absl::InternalError("no picture");
    auto slot = SlotOf(transaction, "object-9");
    if (!slot.ok()) return slot.status();
    return transaction.Delete(Table::kObjects, SlotKey(*slot)).status();
  });
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto engine, LocalEngine::Open(options_));
  for (const char* id : {"object-7", "object-9"}) {
    GetObjectsRequest get;
    get.collection = kProbeCollection;
    get.ids = {id};
    get.projection.image_bytes = true;
    EXPECT_THAT(engine->GetObjects({}, get),
                StatusIs(absl::StatusCode::kDataLoss))
        << id;
  }
}

TEST_F(DamagedRecordTest, ADamagedIdIsNotTakenForAMissingObject) {
  ASSERT_NO_FATAL_FAILURE(Fill());
  Change([](WriteTransaction& transaction) -> absl::Status {
    // As a flipped bit of the key would have it.
    auto record = transaction.Get(Table::kIds, "object-7");
    if (!record.ok()) return record.status();
    const std::string copy((*record)->data(), (*record)->size());
    absl::Status status = transaction.Delete(Table::kIds, "object-7").status();
    status.Update(transaction.Put(Table::kIds, "object-7a", copy));
    return status;
  });
  DIPTYCH_ASSERT_OK_AND_ASSIGN(const auto engine, LocalEngine::Open(options_));
  EXPECT_THAT(engine->GetObjects({}, {kProbeCollection, {"object-7"}, {}}),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace diptych::storage
