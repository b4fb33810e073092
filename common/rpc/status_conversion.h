// absl::Status to and from gRPC's status and google.rpc.Status. The only place
// where they are converted.
//
// Operation: code and message are kept; payloads whose type URL starts with
// "type.googleapis.com/" (common/status/error_details.h) become the details of
// a google.rpc.Status, which gRPC carries in the trailer
// "grpc-status-details-bin"
// (https://grpc.io/docs/guides/error/#richer-error-model). Codes have the same
// numbers on all three sides; a number outside 0 to 16 becomes UNKNOWN.
// Concurrency: free functions without shared state.
// Limits: HTTP/2 peers refuse trailers above 8 KiB, and then the whole error is
// lost. So ToGrpcStatus cuts the message at kMessageBytesMax and leaves out
// field violations from the end, then whole details, until the details fit
// kDetailBytesMax. Bytes that are not UTF-8 become '?'.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace diptych {

inline constexpr size_t kMessageBytesMax = 1024;
inline constexpr size_t kDetailBytesMax = 3072;

// For the end of a call.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

// For a status inside a message, where no trailer limits its size.
google::rpc::Status ToStatusProto(const absl::Status& status);
absl::Status FromStatusProto(const google::rpc::Status& status);

}  // namespace diptych
