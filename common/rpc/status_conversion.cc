#include "common/rpc/status_conversion.h"

#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"

namespace diptych {
namespace {

constexpr absl::string_view kTypePrefix = "type.googleapis.com/";
constexpr absl::string_view kCutMark = " ...";
constexpr int kCodeMax = 16;

// The length of the UTF-8 sequence at the start of `text`, or 0 when it is
// malformed (Unicode 15, table 3-7).
size_t SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [&byte](size_t i, unsigned low = 0x80,
                                 unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// `text` as valid UTF-8 of at most `bytes_max` bytes, cut between characters.
std::string CleanText(absl::string_view text, size_t bytes_max) {
  std::string result;
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    if (result.size() + (length == 0 ? 1 : length) > bytes_max) {
      while (result.size() + kCutMark.size() > bytes_max) {
        size_t last = result.size() - 1;
        while (last > 0 && (result[last] & 0xc0) == 0x80) --last;
        result.resize(last);
      }
      return result.append(kCutMark.data(), kCutMark.size());
    }
    if (length == 0) {
      result.push_back('?');
      text.remove_prefix(1);
    } else {
      result.append(text.data(), length);
      text.remove_prefix(length);
    }
  }
  return result;
}

absl::StatusCode ToCode(int code) {
  return code >= 0 && code <= kCodeMax ? static_cast<absl::StatusCode>(code)
                                       : absl::StatusCode::kUnknown;
}

// Leaves out field violations from the end until `status` fits; false when it
// has none left to leave out.
bool DropFieldViolation(google::rpc::Status& status) {
  for (auto& detail : *status.mutable_details()) {
    google::rpc::BadRequest bad_request;
    if (!detail.Is<google::rpc::BadRequest>() ||
        !detail.UnpackTo(&bad_request) ||
        bad_request.field_violations_size() <= 1) {
      continue;
    }
    bad_request.mutable_field_violations()->RemoveLast();
    detail.PackFrom(bad_request);
    return true;
  }
  return false;
}

google::rpc::Status ToProto(const absl::Status& status,
                            size_t message_bytes_max) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(CleanText(status.message(), message_bytes_max));
  status.ForEachPayload(
      [&proto](absl::string_view type_url, const absl::Cord& payload) {
        if (!absl::StartsWith(type_url, kTypePrefix)) return;
        auto* detail = proto.add_details();
        detail->set_type_url(std::string(type_url));
        detail->set_value(std::string(payload));
      });
  return proto;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status();
  google::rpc::Status proto = ToProto(status, kMessageBytesMax);
  while (proto.ByteSizeLong() > kDetailBytesMax && DropFieldViolation(proto)) {
  }
  while (proto.ByteSizeLong() > kDetailBytesMax && proto.details_size() > 0) {
    proto.mutable_details()->RemoveLast();
  }
  return grpc::Status(static_cast<grpc::StatusCode>(ToCode(proto.code())),
                      proto.message(),
                      proto.details().empty() ? "" : proto.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(ToCode(status.error_code()), status.error_message());
  google::rpc::Status proto;
  if (!status.error_details().empty() &&
      proto.ParseFromString(status.error_details())) {
    for (const auto& detail : proto.details()) {
      result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
    }
  }
  return result;
}

google::rpc::Status ToStatusProto(const absl::Status& status) {
  return ToProto(status, std::string::npos);
}

absl::Status FromStatusProto(const google::rpc::Status& status) {
  absl::Status result(ToCode(status.code()), status.message());
  if (result.ok()) return result;
  for (const auto& detail : status.details()) {
    result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return result;
}

}  // namespace diptych
