#include "storage/uri/file_loader.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status/error_details.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_directory.h"
#include "storage/engine/uri_loader.h"

namespace diptych::storage {
namespace {

using ::testing::HasSubstr;

constexpr size_t kBytesMax = 100;
constexpr char kSecret[] = "the secret";

class FileLoaderTest : public ::testing::Test {
 protected:
  FileLoaderTest() {
    std::filesystem::create_directories(root_ / "folder");
    std::filesystem::create_directories(outside_);
    Write(outside_ / "secret", kSecret);
    Write(root_ / "a.jpg", "a picture");
    Write(root_ / "folder" / "b c.jpg", "another");
    // Begins with the same letters, and lies outside.
    std::filesystem::create_directories(root_.string() + "-too");
    Write(root_.string() + "-too/secret", kSecret);
    auto loader = FileLoader::Open(root_.string(), kBytesMax);
    EXPECT_THAT(loader, IsOk());
    loader_ = *std::move(loader);
  }

  static void Write(const std::filesystem::path& path,
                    const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  // `path` below the folder, as it is written in a URI.
  absl::StatusOr<std::string> Load(const std::string& path) {
    return loader_->Load(absl::StrCat("file://", root_.string(), "/", path));
  }

  void ExpectNotAllowed(const std::string& path) {
    const auto loaded = Load(path);
    EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kPermissionDenied)) << path;
    EXPECT_EQ(ReasonOf(loaded.status()), kUriNotAllowed) << path;
  }

  TempDirectory directory_;
  const std::filesystem::path root_ = directory_.path() / "photos";
  const std::filesystem::path outside_ = directory_.path() / "outside";
  std::unique_ptr<FileLoader> loader_;
};

TEST_F(FileLoaderTest, LoadsFilesBelowTheFolder) {
  EXPECT_THAT(Load("a.jpg"), IsOkAndHolds("a picture"));
  EXPECT_THAT(Load("folder/b%20c.jpg"), IsOkAndHolds("another"));
  EXPECT_THAT(Load("/folder//b c.jpg"), IsOkAndHolds("another"));
  EXPECT_THAT(Load("folder/../a.jpg"), IsOkAndHolds("a picture"));
  EXPECT_THAT(
      loader_->Load(absl::StrCat("file://localhost", root_.string(), "/a.jpg")),
      IsOkAndHolds("a picture"));
}

TEST_F(FileLoaderTest, NothingOutsideTheFolderIsLoaded) {
  ExpectNotAllowed("../outside/secret");
  ExpectNotAllowed("folder/../../outside/secret");
  ExpectNotAllowed("%2e%2e/outside/secret");
  ExpectNotAllowed("..%2Foutside%2fsecret");
  ExpectNotAllowed("folder/%2E%2E/%2E%2E/outside/secret");
  for (const std::string& path :
       {absl::StrCat(outside_.string(), "/secret"),
        absl::StrCat(root_.string(), "-too/secret"), std::string("/etc/passwd"),
        std::string("/proc/self/environ"), root_.string()}) {
    const auto loaded = loader_->Load(absl::StrCat("file://", path));
    EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kPermissionDenied)) << path;
    EXPECT_EQ(ReasonOf(loaded.status()), kUriNotAllowed) << path;
  }
}

TEST_F(FileLoaderTest, SymbolicLinksMayNotLeaveTheFolder) {
  namespace fs = std::filesystem;
  fs::create_symlink(outside_ / "secret", root_ / "absolute");
  fs::create_symlink("../outside/secret", root_ / "relative");
  fs::create_directory_symlink("../outside", root_ / "upwards");
  fs::create_directory_symlink(root_, root_ / "absolute-inside");
  fs::create_symlink("a.jpg", root_ / "inside");
  fs::create_symlink("loop", root_ / "loop");
  fs::create_directory_symlink("/proc/self/root", root_ / "magic");
  ExpectNotAllowed("absolute");
  ExpectNotAllowed("relative");
  ExpectNotAllowed("upwards/secret");
  ExpectNotAllowed("absolute-inside/a.jpg");
  ExpectNotAllowed("loop");
  ExpectNotAllowed("magic/etc/passwd");
  EXPECT_THAT(Load("inside"), IsOkAndHolds("a picture"));
}

TEST(FileLoaderOnProcTest, MagicLinksAreNotFollowed) {
  const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto loader,
      FileLoader::Open(absl::StrCat("/proc/", getpid()), 1 << 20));
  for (const std::string& path :
       {absl::StrCat("fd/", file), std::string("exe"),
        std::string("root/etc/passwd"), std::string("cwd/x")}) {
    const auto loaded =
        loader->Load(absl::StrCat("file:///proc/", getpid(), "/", path));
    EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kPermissionDenied)) << path;
  }
  close(file);
}

TEST_F(FileLoaderTest, ALinkThatIsSwappedMeanwhileNeverLeadsOutside) {
  namespace fs = std::filesystem;
  fs::create_directories(root_ / "real");
  Write(root_ / "real" / "secret", "harmless");
  fs::create_directory_symlink("real", root_ / "swapped");
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    for (bool outside = true; !stop; outside = !outside) {
      fs::remove(root_ / "next");
      fs::create_directory_symlink(outside ? "../outside" : "real",
                                   root_ / "next");
      fs::rename(root_ / "next", root_ / "swapped");
    }
  });
  std::string leaked;
  for (int i = 0; i < 500; ++i) {
    const auto loaded = Load("swapped/secret");
    if (loaded.ok() && *loaded != "harmless") leaked = *loaded;
  }
  stop = true;
  swapper.join();
  EXPECT_EQ(leaked, "");
}

TEST_F(FileLoaderTest, OnlyRegularFilesAreReadAndNothingIsWaitedFor) {
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(listener, 0);
  // The path of a socket is short: bound from within the folder.
  const int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(chdir(root_.c_str()), 0);
  sockaddr_un address{AF_UNIX, "socket"};
  EXPECT_EQ(
      bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  ASSERT_EQ(fchdir(before), 0);
  close(before);
  ExpectNotAllowed("fifo");
  ExpectNotAllowed("socket");
  ExpectNotAllowed("folder");
  ExpectNotAllowed("");
  close(listener);
}

TEST_F(FileLoaderTest, WhatIsNotThereIsNotFound) {
  for (const char* path : {"none", "none/x", "a.jpg/x"}) {
    const auto loaded = Load(path);
    EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kNotFound)) << path;
    EXPECT_EQ(ReasonOf(loaded.status()), kUriNotFound) << path;
  }
  EXPECT_THAT(Load(std::string(300, 'x')),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FileLoaderTest, FilesOfTooManyBytesAreRefused) {
  Write(root_ / "fits", std::string(kBytesMax, 'x'));
  Write(root_ / "too-large", std::string(kBytesMax + 1, 'x'));
  EXPECT_THAT(Load("fits"), IsOkAndHolds(std::string(kBytesMax, 'x')));
  const auto loaded = Load("too-large");
  EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("more than 100 bytes")));
  EXPECT_EQ(ReasonOf(loaded.status()), kUriTooLarge);
}

TEST_F(FileLoaderTest, AFileThatMayNotBeReadIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  ASSERT_EQ(chmod((root_ / "a.jpg").c_str(), 0), 0);
  const auto loaded = Load("a.jpg");
  EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(loaded.status()), kUriRefused);
}

TEST_F(FileLoaderTest, WhatIsNoFileUriIsNamed) {
  const std::string root = root_.string();
  for (const std::string& uri :
       {absl::StrCat("file://host", root, "/a.jpg"), std::string("file://"),
        std::string("file://a.jpg"), absl::StrCat("file://", root, "/a.jpg?x"),
        absl::StrCat("file://", root, "/a.jpg#x"),
        absl::StrCat("file://", root, "/a.jpg%"),
        absl::StrCat("file://", root, "/a.jpg%0"),
        absl::StrCat("file://", root, "/a.jpg%0g"),
        absl::StrCat("file://", root, "/a.jpg%00.png"),
        absl::StrCat("file://", root, std::string("/a.jpg\0.png", 11))}) {
    EXPECT_THAT(loader_->Load(uri),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << uri;
  }
}

TEST_F(FileLoaderTest, TheFolderMustBeAnAbsolutePathOfAFolder) {
  EXPECT_THAT(FileLoader::Open("photos", 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FileLoader::Open("/", 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FileLoader::Open("//", 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(FileLoader::Open((root_ / "none").string(), 1),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(FileLoader::Open((root_ / "a.jpg").string(), 1),
              StatusIs(absl::StatusCode::kNotFound));
  DIPTYCH_ASSERT_OK_AND_ASSIGN(
      const auto loader, FileLoader::Open(root_.string() + "/", kBytesMax));
  EXPECT_THAT(loader->Load(absl::StrCat("file://", root_.string(), "/a.jpg")),
              IsOkAndHolds("a picture"));
}

}  // namespace
}  // namespace diptych::storage
