// The device that a model is asked to run on.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace diptych::inference {

struct DeviceRequest {
  enum class Kind {
    // The first CUDA device where there is one, else the CPU.
    kAuto,
    kCpu,
    kCuda,
  };
  Kind kind = Kind::kAuto;
  // Number of the CUDA device.
  int index = 0;
};

// "auto", "cpu", "cuda" (which is "cuda:0") or "cuda:N". INVALID_ARGUMENT
// otherwise. Whether the device is there is found out when a model is loaded.
absl::StatusOr<DeviceRequest> ParseDevice(absl::string_view text);

}  // namespace diptych::inference
