#include "inference/torch/tower_encoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status/status_macros.h"
#include "inference/kernels/thread_team.h"
#include "inference/model/tensor_source.h"
#include "inference/torch/towers.h"

namespace diptych::inference {
namespace {

// Runs `function`, which returns a Status or StatusOr, and turns what LibTorch
// throws into INTERNAL. Its messages carry a stack trace: the first line is
// kept.
template <typename Function>
auto CatchTorch(Function function) -> decltype(function()) {
  try {
    const c10::InferenceMode inference_mode;
    // A new thread has OpenMP's own idea of how many threads to use.
    at::init_num_threads();
    return function();
  } catch (const std::exception& error) {
    const std::vector<std::string> lines =
        absl::StrSplit(error.what(), absl::MaxSplits('\n', 1));
    return absl::InternalError(absl::StrCat("LibTorch failed: ", lines[0]));
  }
}

absl::StatusOr<at::Device> ChooseDevice(const DeviceRequest& request) {
  using Kind = DeviceRequest::Kind;
  const int count =
      at::globalContext().hasCUDA()
          ? static_cast<int>(at::detail::getCUDAHooks().getNumGPUs())
          : 0;
  if (request.kind == Kind::kCpu ||
      (request.kind == Kind::kAuto && count == 0)) {
    return at::Device(at::kCPU);
  }
  if (count == 0) {
    return absl::FailedPreconditionError(
        "device cuda is asked for, but this build of LibTorch or this machine "
        "has no CUDA; use --device cpu or auto");
  }
  if (request.index >= count) {
    return absl::FailedPreconditionError(absl::StrCat(
        "device cuda:", request.index,
        " is asked for; the devices of this machine are 0 to ", count - 1));
  }
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(request.index));
}

// Rows of a tensor [n, dimension] to `rows[order[0]]`, `rows[order[1]]`, ...
void Scatter(const at::Tensor& tensor, absl::Span<const size_t> order,
             std::vector<Embedding>& rows) {
  const at::Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  const float* values = host.data_ptr<float>();
  const int64_t dimension = host.size(1);
  for (const size_t index : order) {
    rows[index].assign(values, values + dimension);
    values += dimension;
  }
}

class TowerEncoder final : public Encoder {
 public:
  TowerEncoder(ModelInfo model_info, int vocabulary_size,
               std::unique_ptr<const ThreadTeam> threads,
               std::optional<TextTower> text, std::optional<ImageTower> image)
      : Encoder(std::move(model_info), vocabulary_size),
        threads_(std::move(threads)),
        text_(std::move(text)),
        image_(std::move(image)) {}

 private:
  using Rows = absl::StatusOr<std::vector<Embedding>>;

  Rows ProjectTexts(absl::Span<const TokenIds> texts) const override {
    return CatchTorch([&]() -> Rows {
      std::vector<size_t> order(texts.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return text_->LengthOf(texts[a]) < text_->LengthOf(texts[b]);
      });
      std::vector<Embedding> rows(texts.size());
      for (size_t begin = 0; begin < order.size();) {
        size_t end = begin;
        for (int64_t tokens = 0; end < order.size(); ++end) {
          tokens += text_->LengthOf(texts[order[end]]);
          if (tokens > kTokensPerRun && end > begin) break;
        }
        const auto part = absl::MakeSpan(order).subspan(begin, end - begin);
        Scatter(text_->Project(texts, part), part, rows);
        begin = end;
      }
      return rows;
    });
  }

  Rows ProjectImages(absl::Span<const Image> images) const override {
    return CatchTorch([&]() -> Rows {
      std::vector<size_t> order(images.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::vector<Embedding> rows(images.size());
      const auto per_run = static_cast<size_t>(std::clamp<int64_t>(
          kRowsPerRun / image_->RowsPerImage(), 1, kImagesPerRun));
      for (size_t begin = 0; begin < images.size(); begin += per_run) {
        Scatter(image_->Project(images.subspan(begin, per_run)),
                absl::MakeSpan(order).subspan(begin, per_run), rows);
      }
      return rows;
    });
  }

  // The towers'.
  const std::unique_ptr<const ThreadTeam> threads_;
  const std::optional<TextTower> text_;
  const std::optional<ImageTower> image_;
};

absl::StatusOr<Placement> ChoosePlacement(const TowerEncoderOptions& options) {
  Placement placement;
  DIPTYCH_ASSIGN_OR_RETURN(placement.device, ChooseDevice(options.device));
  if (!placement.device.is_cpu()) {
    placement.precision = options.precision.value_or(Precision::kFloat16);
    if (placement.precision == Precision::kInt8) {
      return absl::FailedPreconditionError(
          "precision int8 is for the CPU; on a CUDA device use --precision "
          "auto (which is float16), bf16 or fp32");
    }
    return placement;
  }
  placement.precision = options.precision.value_or(Precision::kFloat32);
  if (options.library_operators) return placement;
  placement.kernels = options.kernels;
  if (!HasPrecision(options.kernels, placement.precision)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "precision ", PrecisionName(placement.precision), " is asked for, but ",
        KernelLevelName(options.kernels), " has no instructions for it"));
  }
  return placement;
}

absl::StatusOr<TextTower> LoadText(const TextPart& part,
                                   const Placement& placement) {
  DIPTYCH_ASSIGN_OR_RETURN(const WeightFolders weights,
                           WeightFolders::Open(part.weights));
  return TextTower::Load(part.tower, weights, placement);
}

absl::StatusOr<ImageTower> LoadImage(const ImagePart& part,
                                     const Placement& placement) {
  DIPTYCH_ASSIGN_OR_RETURN(const WeightFolders weights,
                           WeightFolders::Open(part.weights));
  return ImageTower::Load(part.tower, part.preprocessor, weights, placement);
}

}  // namespace

absl::StatusOr<bool> MeansCpu(const DeviceRequest& request) {
  return CatchTorch([&]() -> absl::StatusOr<bool> {
    DIPTYCH_ASSIGN_OR_RETURN(const at::Device device, ChooseDevice(request));
    return device.is_cpu();
  });
}

absl::StatusOr<std::unique_ptr<const Encoder>> LoadTowerEncoder(
    const ModelDescription& model, const TowerEncoderOptions& options,
    ModelInfo info) {
  using Result = absl::StatusOr<std::unique_ptr<const Encoder>>;
  return CatchTorch([&]() -> Result {
    DIPTYCH_ASSIGN_OR_RETURN(Placement placement, ChoosePlacement(options));
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int count =
        options.threads > 0 ? options.threads : std::max(1, cores);
    std::unique_ptr<const ThreadTeam> threads;
    if (placement.kernels.has_value()) {
      threads = std::make_unique<const ThreadTeam>(count);
      placement.threads = threads.get();
    }
    at::set_num_threads(placement.kernels.has_value() ? 1 : count);
    std::optional<TextTower> text;
    std::optional<ImageTower> image;
    int vocabulary_size = 0;
    if (model.text.has_value()) {
      DIPTYCH_ASSIGN_OR_RETURN(text, LoadText(*model.text, placement));
      info.has_text = true;
      info.context_length = model.text->tower.context_length;
      vocabulary_size = model.text->tower.vocabulary_size;
    }
    if (model.image.has_value()) {
      DIPTYCH_ASSIGN_OR_RETURN(image, LoadImage(*model.image, placement));
      info.has_image = true;
      info.image_size = model.image->tower.image_size;
    }
    info.family = model.family;
    info.dimension = model.dimension();
    info.device = placement.device.str();
    info.dtype = PrecisionName(placement.precision);
    return std::make_unique<TowerEncoder>(std::move(info), vocabulary_size,
                                          std::move(threads), std::move(text),
                                          std::move(image));
  });
}

}  // namespace diptych::inference
