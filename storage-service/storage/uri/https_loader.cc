#include "storage/uri/https_loader.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/status/error_details.h"
#include "common/status/status_macros.h"
#include "storage/engine/uri_loader.h"

namespace diptych::storage {
namespace {

constexpr long kHttpOk = 200;
constexpr absl::Duration kRetryDelay = absl::Seconds(1);
constexpr int64_t kRetryDelaySecondsMax = 60;

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

absl::Status WithUriReason(absl::StatusCode code, absl::string_view message,
                           absl::string_view reason) {
  return WithReason(absl::Status(code, message), reason);
}

absl::Status NotAllowed(absl::string_view message) {
  return WithUriReason(absl::StatusCode::kPermissionDenied, message,
                       kUriNotAllowed);
}

absl::Status Refused(absl::string_view message) {
  return WithUriReason(absl::StatusCode::kFailedPrecondition, message,
                       kUriRefused);
}

absl::Status Unavailable(absl::string_view message,
                         absl::Duration delay = kRetryDelay) {
  return WithRetryAfter(
      WithUriReason(absl::StatusCode::kUnavailable, message, kUriUnavailable),
      delay);
}

absl::Status TooLarge(size_t bytes_max) {
  return WithUriReason(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("is more than ", bytes_max,
                                    " bytes, which an image has at most"),
                       kUriTooLarge);
}

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string result(text);
  curl_free(text);
  return result;
}

// What the URL would connect to, as the list of hosts names it.
std::string HostAndPort(CURLU* url) {
  return absl::StrCat(absl::AsciiStrToLower(Part(url, CURLUPART_HOST)), ":",
                      Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

absl::StatusOr<Url> ParseUrl(const std::string& uri) {
  Url url(curl_url(), &curl_url_cleanup);
  const CURLUcode code =
      curl_url_set(url.get(), CURLUPART_URL, uri.c_str(), CURLU_DISALLOW_USER);
  if (code == CURLUE_USER_NOT_ALLOWED) {
    return absl::InvalidArgumentError(
        "has a user name or a password; give a URI that needs none");
  }
  if (code != CURLUE_OK || absl::StrContains(uri, '\0') ||
      Part(url.get(), CURLUPART_SCHEME) != "https") {
    return absl::InvalidArgumentError("is no https URI");
  }
  return url;
}

// One load as libcurl's callbacks see it.
struct Transfer {
  const HttpsLoaderOptions* options;
  const CallContext* context;
  CURL* handle;
  std::string bytes;
  bool too_large = false;
  bool connected = false;
  std::string refused_address;
};

curl_socket_t OpenSocket(void* data, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(data);
  if (!transfer.options->address_allowed(address->addr)) {
    transfer.refused_address = FormatAddress(address->addr);
    return CURL_SOCKET_BAD;
  }
  transfer.connected = true;
  return socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);
}

size_t TakeBytes(char* bytes, size_t, size_t count, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  long code = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &code);
  // The body of another answer is not wanted: end here.
  if (code != kHttpOk) return 0;
  if (count > transfer.options->bytes_max - transfer.bytes.size()) {
    transfer.too_large = true;
    return 0;
  }
  transfer.bytes.append(bytes, count);
  return count;
}

int EndWhenCancelled(void* data, curl_off_t, curl_off_t, curl_off_t,
                     curl_off_t) {
  return static_cast<Transfer*>(data)->context->cancelled() ? 1 : 0;
}

void Prepare(Transfer& transfer, CURLU* url, absl::Duration duration) {
  CURL* const handle = transfer.handle;
  curl_easy_reset(handle);
  curl_easy_setopt(handle, CURLOPT_CURLU, url);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION,
                   static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  // An empty proxy also shuts out those that the environment names.
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_SSLVERSION,
                   static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!transfer.options->authorities_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO,
                     transfer.options->authorities_file.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max<int64_t>(
                       1, absl::ToInt64Milliseconds(duration))));
  curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE,
                   static_cast<curl_off_t>(transfer.options->bytes_max));
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &TakeBytes);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &EndWhenCancelled);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

absl::Status AnswerError(const Transfer& transfer, long code) {
  if (code == 404 || code == 410) {
    return WithUriReason(absl::StatusCode::kNotFound,
                         absl::StrCat("names nothing: its host answers ", code),
                         kUriNotFound);
  }
  if (code >= 300 && code < 400) {
    return Refused(
        absl::StrCat("is a redirect (", code,
                     "), and redirects are not followed; give the URI that it "
                     "leads to"));
  }
  if (code == 408 || code == 429 || code >= 500) {
    curl_off_t seconds = 0;
    curl_easy_getinfo(transfer.handle, CURLINFO_RETRY_AFTER, &seconds);
    return Unavailable(
        absl::StrCat("cannot be had now: its host answers ", code),
        absl::Seconds(std::clamp<int64_t>(seconds, 1, kRetryDelaySecondsMax)));
  }
  return Refused(absl::StrCat("is not given: its host answers ", code));
}

absl::Status TransferError(const Transfer& transfer, CURLcode result) {
  if (transfer.too_large || result == CURLE_FILESIZE_EXCEEDED) {
    return TooLarge(transfer.options->bytes_max);
  }
  switch (result) {
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError("the caller cancelled");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return Refused(
          absl::StrCat("cannot be trusted: its host's certificate "
                       "does not hold: ",
                       curl_easy_strerror(result)));
    case CURLE_OPERATION_TIMEDOUT:
      return Unavailable(
          absl::StrCat("did not come within ",
                       absl::FormatDuration(transfer.options->duration_max)));
    default:
      if (!transfer.connected && !transfer.refused_address.empty()) {
        return NotAllowed(absl::StrCat(
            "leads to ", transfer.refused_address,
            ", which is no public address; give bytes of pictures that lie on "
            "private hosts"));
      }
      return Unavailable(
          absl::StrCat("cannot be had now: ", curl_easy_strerror(result)));
  }
}

}  // namespace

// Idle handles, each with the connections it keeps.
class HttpsLoader::Handles {
 public:
  ~Handles() {
    absl::MutexLock lock(&mutex_);
    for (CURL* handle : idle_) curl_easy_cleanup(handle);
  }
  CURL* Take() {
    absl::MutexLock lock(&mutex_);
    if (idle_.empty()) return curl_easy_init();
    CURL* const handle = idle_.back();
    idle_.pop_back();
    return handle;
  }
  void Return(CURL* handle) {
    absl::MutexLock lock(&mutex_);
    idle_.push_back(handle);
  }

 private:
  absl::Mutex mutex_;
  std::vector<CURL*> idle_ ABSL_GUARDED_BY(mutex_);
};

HttpsLoader::HttpsLoader(const HttpsLoaderOptions& options, const Clock& clock)
    : options_(options), clock_(clock), handles_(std::make_unique<Handles>()) {}

HttpsLoader::~HttpsLoader() = default;

absl::StatusOr<std::unique_ptr<HttpsLoader>> HttpsLoader::Create(
    const HttpsLoaderOptions& options, const Clock& clock) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialized != CURLE_OK) {
    return absl::InternalError(
        absl::StrCat("libcurl: ", curl_easy_strerror(initialized)));
  }
  auto loader = std::unique_ptr<HttpsLoader>(new HttpsLoader(options, clock));
  for (const std::string& host : options.hosts) {
    const auto url = ParseUrl(absl::StrCat("https://", host, "/"));
    if (!url.ok() || Part(url->get(), CURLUPART_PATH) != "/" ||
        !Part(url->get(), CURLUPART_QUERY).empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "hosts of https URIs are given as images.example.org or "
          "images.example.org:8443, separated by commas; this is none: ",
          host));
    }
    loader->allowed_.push_back(HostAndPort(url->get()));
  }
  return loader;
}

absl::StatusOr<std::string> HttpsLoader::Load(const CallContext& context,
                                              absl::string_view uri) {
  const absl::Time now = clock_.Now();
  DIPTYCH_RETURN_IF_ERROR(context.Check(now));
  DIPTYCH_ASSIGN_OR_RETURN(const Url url, ParseUrl(std::string(uri)));
  const std::string host = HostAndPort(url.get());
  if (std::find(allowed_.begin(), allowed_.end(), host) == allowed_.end()) {
    return NotAllowed(
        absl::StrCat("is on a host that the operator does not allow: ", host,
                     "; allowed are: ", absl::StrJoin(allowed_, ", ")));
  }
  CURL* const handle = handles_->Take();
  if (handle == nullptr) return absl::InternalError("libcurl has no handle");
  Transfer transfer{&options_, &context, handle, {}, false, false, {}};
  const absl::Duration duration =
      std::min(options_.duration_max, context.deadline - now);
  Prepare(transfer, url.get(), duration);
  curl_slist* resolved = nullptr;
  const absl::Cleanup cleanup = [&] {
    // Nothing of this call may be reached through the handle afterwards.
    curl_easy_reset(handle);
    curl_slist_free_all(resolved);
    handles_->Return(handle);
  };
  if (options_.resolve != nullptr) {
    const std::string name =
        absl::AsciiStrToLower(Part(url.get(), CURLUPART_HOST));
    resolved = curl_slist_append(
        nullptr, absl::StrCat(host, ":", options_.resolve(name)).c_str());
    curl_easy_setopt(handle, CURLOPT_RESOLVE, resolved);
  }
  const CURLcode result = curl_easy_perform(handle);
  long code = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
  if (result == CURLE_OK && code == kHttpOk) return std::move(transfer.bytes);
  if (result == CURLE_OPERATION_TIMEDOUT && duration < options_.duration_max) {
    return absl::DeadlineExceededError(
        "did not come before the call's deadline; allow more time, or write "
        "fewer objects at a time");
  }
  const bool answered = code != 0 && code != kHttpOk;
  if (answered && (result == CURLE_OK || result == CURLE_WRITE_ERROR ||
                   result == CURLE_HTTP_RETURNED_ERROR)) {
    return AnswerError(transfer, code);
  }
  return TransferError(transfer, result);
}

}  // namespace diptych::storage
