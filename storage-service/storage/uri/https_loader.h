// Loads https:// URIs from listed hosts.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/concurrency/call_context.h"
#include "common/time/clock.h"
#include "storage/uri/internet_address.h"

namespace diptych::storage {

struct HttpsLoaderOptions {
  // "images.example.org" (port 443) or "images.example.org:8443".
  std::vector<std::string> hosts;
  size_t bytes_max = size_t{32} << 20;
  // From the look-up of the name to the last byte.
  absl::Duration duration_max = absl::Seconds(10);
  // Asked about every address at the moment of connecting to it.
  std::function<bool(const sockaddr&)> address_allowed = IsPublicAddress;
  // PEM file of certificate authorities; empty: the system's.
  std::string authorities_file;
  // Numerical address of a host; empty: the system's resolver.
  std::function<std::string(absl::string_view host)> resolve;
};

// Operation: a GET through libcurl (which this adapter alone includes), with
// the URL parsed once: what is compared with the list is what is asked.
// `address_allowed` is asked from within connect, about the very address that
// is connected to next, so that a name which answers otherwise the second time
// (DNS rebinding) gains nothing. TLS 1.2 or newer, certificate and host name
// are verified. No redirect is followed, no proxy, cookie, user name or netrc
// is used, and no content encoding is accepted. Connections are used again.
// Concurrency: may be called from any thread, in parallel; blocks.
// Limits: `bytes_max`, counted while reading; `duration_max` and the call's
// deadline. A cancelled call ends within a second.
// Errors: reasons of uri_loader.h; INVALID_ARGUMENT for what is no https URI,
// or has a user name; DEADLINE_EXCEEDED, CANCELLED.
class HttpsLoader {
 public:
  // INVALID_ARGUMENT: a member of `hosts` is no host with an optional port.
  // `clock` must outlive the loader.
  static absl::StatusOr<std::unique_ptr<HttpsLoader>> Create(
      const HttpsLoaderOptions& options, const Clock& clock);
  ~HttpsLoader();
  HttpsLoader(const HttpsLoader&) = delete;
  HttpsLoader& operator=(const HttpsLoader&) = delete;

  absl::StatusOr<std::string> Load(const CallContext& context,
                                   absl::string_view uri);

 private:
  class Handles;

  HttpsLoader(const HttpsLoaderOptions& options, const Clock& clock);

  const HttpsLoaderOptions options_;
  const Clock& clock_;
  std::vector<std::string> allowed_;  // "host:port", lower case
  const std::unique_ptr<Handles> handles_;
};

}  // namespace diptych::storage
