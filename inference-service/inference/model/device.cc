#include "inference/model/device.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace diptych::inference {

absl::StatusOr<DeviceRequest> ParseDevice(absl::string_view text) {
  using Kind = DeviceRequest::Kind;
  if (text == "auto") return DeviceRequest{Kind::kAuto, 0};
  if (text == "cpu") return DeviceRequest{Kind::kCpu, 0};
  if (text == "cuda") return DeviceRequest{Kind::kCuda, 0};
  absl::string_view number = text;
  int index = -1;
  if (absl::ConsumePrefix(&number, "cuda:") &&
      absl::SimpleAtoi(number, &index) && index >= 0 && index < 128) {
    return DeviceRequest{Kind::kCuda, index};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "device must be auto, cpu, cuda or cuda:N with N from 0; it is ", text));
}

}  // namespace diptych::inference
