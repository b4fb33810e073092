// The loader of the URIs that the operator allows.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/concurrency/executor.h"
#include "common/observability/metrics.h"
#include "common/time/clock.h"
#include "storage/engine/uri_loader.h"
#include "storage/uri/file_loader.h"
#include "storage/uri/https_loader.h"

namespace diptych::storage {

// Operation: shares the URIs of a call among tasks of the executor, as many as
// `loads_max`, and waits for them. file:// goes to one loader, https:// to the
// other; a null one is not allowed, and no other scheme is.
//   diptych_uri_loads_total{scheme, result}  loads; result is OK or the code
//   diptych_uri_load_seconds{scheme}         how long each took
//   diptych_uri_loaded_bytes_total{scheme}   bytes that came
// Concurrency: as UriLoader; no task of `executor` may call Load.
// Limits: those of the two loaders and of the executor's queue; `loads_max`
// loads of one call at the same time. Memory: `bytes_max` of each call, and one
// image per load under way.
class AllowedUriLoader final : public UriLoader {
 public:
  // Everything given must outlive the loader.
  AllowedUriLoader(std::unique_ptr<FileLoader> files,
                   std::unique_ptr<HttpsLoader> https, size_t loads_max,
                   Executor& executor, const Clock& clock,
                   MetricsRegistry& metrics);

  std::vector<absl::StatusOr<std::string>> Load(
      const CallContext& context, absl::Span<const std::string> uris,
      size_t bytes_max) override;

 private:
  class Call;

  absl::StatusOr<std::string> LoadOne(const CallContext& context,
                                      const std::string& uri);
  absl::StatusOr<std::string> FromItsLoader(const CallContext& context,
                                            const std::string& uri);

  const std::unique_ptr<FileLoader> files_;
  const std::unique_ptr<HttpsLoader> https_;
  const size_t loads_max_;
  Executor& executor_;
  const Clock& clock_;
  MetricsRegistry& metrics_;
};

}  // namespace diptych::storage
