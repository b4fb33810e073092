#include "storage/service/service_environment.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace diptych::storage {

absl::Status NotImplementedStatus(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(
      what, " is part of the API, but this version does not implement it yet"));
}

grpc::ServerUnaryReactor* NotImplemented(grpc::CallbackServerContext* context,
                                         absl::string_view what) {
  return StartUnaryCall(
      context, {},
      [status = NotImplementedStatus(what)](
          const CallContext&, UnaryCallDone done) { std::move(done)(status); });
}

}  // namespace diptych::storage
