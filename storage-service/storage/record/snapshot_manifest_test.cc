#include "storage/record/snapshot_manifest.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/hash/sha256.h"
#include "common/testing/status_matchers.h"
#include "storage/record/record_codec.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

SnapshotManifest Example() {
  SnapshotManifest manifest;
  manifest.storage_format = kStorageFormatVersion;
  manifest.create_time = {1'700'000'000'123'456};
  manifest.files.push_back({CatalogFileInSnapshot(), 32'768, Sha256("a")});
  manifest.files.push_back({CollectionFileInSnapshot(17), 4'096, Sha256("b")});
  return manifest;
}

// With a new seal, as a forger would.
std::string Sealed(const std::string& text) {
  const std::string body = text.substr(0, text.rfind("end "));
  std::string digits;
  for (const char c : Sha256(body)) {
    digits +=
        absl::StrCat(absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  }
  return body + "end " + digits + "\n";
}

TEST(SnapshotManifestTest, IsReadAsItWasWritten) {
  EXPECT_THAT(ParseSnapshotManifest(FormatSnapshotManifest(Example())),
              IsOkAndHolds(Example()));
  EXPECT_EQ(Sealed(FormatSnapshotManifest(Example())),
            FormatSnapshotManifest(Example()));
}

TEST(SnapshotManifestTest, EveryChangedOrMissingByteIsNoticed) {
  const std::string text = FormatSnapshotManifest(Example());
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 1;
    EXPECT_FALSE(ParseSnapshotManifest(changed).ok()) << i;
    EXPECT_FALSE(ParseSnapshotManifest(text.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(ParseSnapshotManifest(text + "\n").ok());
}

TEST(SnapshotManifestTest, NewerVersionsAreNamed) {
  std::string text = FormatSnapshotManifest(Example());
  EXPECT_THAT(ParseSnapshotManifest(absl::StrReplaceAll(
                  text, {{"diptych-snapshot 1", "diptych-snapshot 7"}})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("newer version")));
  SnapshotManifest newer = Example();
  newer.storage_format = kStorageFormatVersion + 1;
  EXPECT_THAT(ParseSnapshotManifest(FormatSnapshotManifest(newer)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("storage-format")));
}

TEST(SnapshotManifestTest, NoPathLeadsOut) {
  const std::string text = FormatSnapshotManifest(Example());
  for (const char* path :
       {"../../etc/passwd", "/etc/passwd", "collections/../data.mdb",
        "collections/0000000000000011/../data.mdb", "catalog/lock.mdb",
        "collections/0000000000000011"}) {
    EXPECT_THAT(
        ParseSnapshotManifest(Sealed(
            absl::StrReplaceAll(text, {{CollectionFileInSnapshot(17), path}}))),
        StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no snapshot has")))
        << path;
  }
}

TEST(SnapshotManifestTest, ACatalogMustBeThereAndNothingTwice) {
  SnapshotManifest manifest = Example();
  manifest.files.erase(manifest.files.begin());
  EXPECT_THAT(ParseSnapshotManifest(FormatSnapshotManifest(manifest)),
              StatusIs(absl::StatusCode::kDataLoss));
  manifest = Example();
  manifest.files.push_back(manifest.files[1]);
  EXPECT_THAT(ParseSnapshotManifest(FormatSnapshotManifest(manifest)),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace diptych::storage
