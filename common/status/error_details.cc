#include "common/status/error_details.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/rpc/error_details.pb.h"

namespace diptych {
namespace {

constexpr absl::string_view kDomain = "diptych";

template <typename Message>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/",
                      Message::descriptor()->full_name());
}

template <typename Message>
void SetDetail(absl::Status& status, const Message& message) {
  status.SetPayload(TypeUrl<Message>(),
                    absl::Cord(message.SerializeAsString()));
}

template <typename Message>
std::optional<Message> GetDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Message>());
  Message message;
  if (!payload.has_value() || !message.ParseFromString(std::string(*payload)))
    return std::nullopt;
  return message;
}

absl::Status ResourceStatus(absl::StatusCode code, absl::string_view type,
                            absl::string_view name, absl::string_view message) {
  absl::Status status(code, message);
  google::rpc::ResourceInfo info;
  info.set_resource_type(std::string(type));
  info.set_resource_name(std::string(name));
  info.set_description(std::string(message));
  SetDetail(status, info);
  return status;
}

}  // namespace

void FieldViolations::Add(absl::string_view field,
                          absl::string_view description) {
  violations_.push_back({std::string(field), std::string(description)});
}

absl::Status FieldViolations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  google::rpc::BadRequest bad_request;
  std::string message;
  int reported = 0;
  for (const FieldViolation& violation : violations_) {
    if (reported++ == kReportedMax) break;
    absl::StrAppend(&message, message.empty() ? "" : "; ", violation.field, " ",
                    violation.description);
    auto* out = bad_request.add_field_violations();
    out->set_field(violation.field);
    out->set_description(violation.description);
  }
  if (const int more = static_cast<int>(violations_.size()) - kReportedMax;
      more > 0) {
    absl::StrAppend(&message, "; and ", more, " more");
  }
  absl::Status status = absl::InvalidArgumentError(message);
  SetDetail(status, bad_request);
  return status;
}

absl::Status InvalidField(absl::string_view field,
                          absl::string_view description) {
  FieldViolations violations;
  violations.Add(field, description);
  return violations.ToStatus();
}

std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> result;
  if (const auto bad_request = GetDetail<google::rpc::BadRequest>(status)) {
    for (const auto& violation : bad_request->field_violations()) {
      result.push_back({violation.field(), violation.description()});
    }
  }
  return result;
}

absl::Status WithFieldViolationsOf(absl::Status status,
                                   const absl::Status& fields) {
  const auto bad_request = GetDetail<google::rpc::BadRequest>(fields);
  if (!status.ok() && bad_request.has_value()) SetDetail(status, *bad_request);
  return status;
}

absl::Status RenameFields(const absl::Status& status, absl::string_view from,
                          absl::string_view to) {
  FieldViolations renamed;
  for (const FieldViolation& violation : FieldViolationsOf(status)) {
    absl::string_view rest = violation.field;
    if (absl::ConsumePrefix(&rest, from)) {
      renamed.Add(absl::StrCat(to, rest), violation.description);
    } else {
      renamed.Add(violation.field, violation.description);
    }
  }
  return renamed.empty() ? status : renamed.ToStatus();
}

absl::Status ResourceNotFound(absl::string_view type, absl::string_view name,
                              absl::string_view message) {
  return ResourceStatus(absl::StatusCode::kNotFound, type, name, message);
}

absl::Status ResourceExists(absl::string_view type, absl::string_view name,
                            absl::string_view message) {
  return ResourceStatus(absl::StatusCode::kAlreadyExists, type, name, message);
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay) {
  if (status.ok()) return status;
  google::rpc::RetryInfo info;
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(delay);
  info.mutable_retry_delay()->set_seconds(nanoseconds / 1'000'000'000);
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(nanoseconds % 1'000'000'000));
  SetDetail(status, info);
  return status;
}

std::optional<absl::Duration> RetryAfterOf(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::RetryInfo>(status);
  if (!info.has_value()) return std::nullopt;
  return absl::Seconds(info->retry_delay().seconds()) +
         absl::Nanoseconds(info->retry_delay().nanos());
}

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  if (status.ok()) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(std::string(kDomain));
  SetDetail(status, info);
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

absl::Status Annotate(const absl::Status& status, absl::string_view prefix) {
  if (status.ok()) return status;
  absl::Status result(status.code(),
                      absl::StrCat(prefix, ": ", status.message()));
  status.ForEachPayload(
      [&result](absl::string_view type_url, const absl::Cord& payload) {
        result.SetPayload(type_url, payload);
      });
  return result;
}

}  // namespace diptych
