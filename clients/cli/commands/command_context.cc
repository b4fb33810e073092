#include "cli/commands/command_context.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/import/object_loader.h"

namespace diptych::cli {

Connection& CommandContext::Storage() {
  if (storage_connection == nullptr) {
    storage_connection = std::make_unique<Connection>("storage", server);
  }
  return *storage_connection;
}

Connection& CommandContext::Inference() {
  if (inference_connection == nullptr) {
    inference_connection = std::make_unique<Connection>("inference", inference);
  }
  return *inference_connection;
}

absl::Duration CommandContext::Timeout(absl::Duration otherwise) const {
  return timeout_seconds > 0 ? absl::Seconds(timeout_seconds) : otherwise;
}

Style CommandContext::OutStyle() const {
  return Style(UseColor(environment, environment.out_is_terminal));
}

void CommandContext::Print(const Json& document) {
  out() << JsonText(document) << "\n";
}

void CommandContext::Print(const Table& table) {
  out() << table.Render(OutStyle());
}

absl::Status CommandContext::Confirm(const std::string& question) {
  if (!environment.in_is_terminal) {
    return absl::FailedPreconditionError(
        absl::StrCat(question, " Nobody can be asked here: add --yes"));
  }
  err() << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(*environment.in, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  if (answer == "y" || answer == "yes") return absl::OkStatus();
  return absl::CancelledError("nothing was deleted");
}

absl::StatusOr<std::string> ReadInputFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("is a directory, not a file: ", path));
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(
        absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  std::string bytes;
  // Not by its size, so that pipes work too; one byte more shows the excess.
  bytes.resize(static_cast<size_t>(kPictureBytesMax) + 1);
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(stream.gcount()));
  if (bytes.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("is empty: ", path));
  }
  if (static_cast<int64_t>(bytes.size()) > kPictureBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("is larger than ", BytesText(kPictureBytesMax),
                     ", which is the most an image may have: ", path));
  }
  return bytes;
}

}  // namespace diptych::cli
