#include "cli/import/import_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/output/json_value.h"
#include "common/status/status_macros.h"

namespace diptych::cli {
namespace {

constexpr int kFormat = 1;

absl::Status FileError(absl::string_view what,
                       const std::filesystem::path& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " the import journal ", path.native(), ": ",
                   std::strerror(errno)));
}

absl::Status WriteAll(int file, absl::string_view bytes,
                      const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return FileError("write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json Header(const JournalKey& key) {
  return Json{{"diptych_import_journal", kFormat},
              {"server", key.server},
              {"collection", key.collection},
              {"uid", key.uid},
              {"directory", key.directory}};
}

std::string FileName(const JournalKey& key) {
  const std::string text =
      absl::StrCat(key.server, "\n", key.collection, "\n", key.directory);
  return absl::StrFormat("%016x.jsonl", XXH64(text.data(), text.size(), 0));
}

}  // namespace

absl::StatusOr<std::filesystem::path> JournalDirectory(
    const Environment& environment) {
  if (const auto state = environment.variable("XDG_STATE_HOME")) {
    return std::filesystem::path(*state) / "diptych" / "imports";
  }
  if (const auto home = environment.variable("HOME")) {
    return std::filesystem::path(*home) / ".local" / "state" / "diptych" /
           "imports";
  }
  return absl::FailedPreconditionError(
      "no place for the import journal: set XDG_STATE_HOME or HOME");
}

absl::StatusOr<std::unique_ptr<ImportJournal>> ImportJournal::Open(
    const std::filesystem::path& directory, const JournalKey& key,
    bool restart) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const std::filesystem::path path = directory / FileName(key);
  const int file =
      open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return FileError("open", path);
  auto journal = absl::WrapUnique(new ImportJournal(path, file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError("lock", path);
    return absl::FailedPreconditionError(
        absl::StrCat("another import of ", key.directory, " into collection \"",
                     key.collection, "\" is running; wait for it or stop it"));
  }
  DIPTYCH_RETURN_IF_ERROR(journal->Read(key, restart));
  return journal;
}

ImportJournal::~ImportJournal() { close(file_); }

absl::Status ImportJournal::Read(const JournalKey& key, bool restart) {
  std::ifstream stream(path_, std::ios::binary);
  if (!stream) return FileError("read", path_);
  off_t whole_lines = 0;
  bool header_seen = false;
  std::string line;
  while (!restart && std::getline(stream, line) && !stream.eof()) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!header_seen) {
      if (json != Header(key)) break;
      header_seen = true;
    } else if (json.is_object() && json.contains("id") &&
               json.contains("signature") && json["id"].is_string() &&
               json["signature"].is_string()) {
      acknowledged_[json["id"].get<std::string>()] =
          json["signature"].get<std::string>();
    }
    // A line that is no entry was damaged; its object is sent again.
    whole_lines += static_cast<off_t>(line.size()) + 1;
  }
  if (!header_seen) whole_lines = 0;
  if (ftruncate(file_, whole_lines) != 0) return FileError("write", path_);
  if (header_seen) return absl::OkStatus();
  return WriteAll(file_, Line(Header(key)), path_);
}

bool ImportJournal::Contains(const std::string& id,
                             const std::string& signature) const {
  const auto found = acknowledged_.find(id);
  return found != acknowledged_.end() && found->second == signature;
}

absl::Status ImportJournal::Append(const std::vector<Entry>& entries) {
  std::string lines;
  for (const auto& [id, signature] : entries) {
    lines += Line(Json{{"id", id}, {"signature", signature}});
  }
  absl::MutexLock lock(&mutex_);
  return WriteAll(file_, lines, path_);
}

}  // namespace diptych::cli
