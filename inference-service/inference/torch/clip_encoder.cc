#include "inference/torch/clip_encoder.h"

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
#include "inference/torch/transformer.h"

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

class TextTower {
 public:
  static absl::StatusOr<TextTower> Load(const ClipTextConfig& config,
                                        int projection_dim,
                                        const Weights& weights,
                                        at::Device device) {
    const int64_t hidden = config.transformer.hidden_size;
    TextTower tower;
    tower.eos_token_id_ = config.eos_token_id;
    tower.device_ = device;
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.tokens_,
        LoadTensor(weights, "text_model.embeddings.token_embedding.weight",
                   {config.vocabulary_size, hidden}, device));
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.positions_,
        LoadTensor(weights, "text_model.embeddings.position_embedding.weight",
                   {config.max_position_embeddings, hidden}, device));
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.transformer_,
        Transformer::Load(weights, "text_model.encoder.layers",
                          config.transformer, Pooling::kLast, device));
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.final_norm_,
        LayerNorm::Load(weights, "text_model.final_layer_norm", hidden,
                        config.transformer.layer_norm_epsilon, device));
    DIPTYCH_ASSIGN_OR_RETURN(const at::Tensor projection,
                             LoadTensor(weights, "text_projection.weight",
                                        {projection_dim, hidden}, device));
    tower.projection_ = Linear(projection, at::Tensor());
    return tower;
  }

  // Ids up to and including the pooled one; the rest cannot change the result.
  int64_t LengthOf(const TokenIds& text) const {
    const auto& ids = text.ids;
    const auto pooled = eos_token_id_ == 2
                            ? std::max_element(ids.begin(), ids.end())
                            : std::find(ids.begin(), ids.end(), eos_token_id_);
    // Without an end token Hugging Face pools at the first position.
    return pooled == ids.end() ? 1 : pooled - ids.begin() + 1;
  }

  // The projections of the texts that `order` names, sorted by length.
  at::Tensor Project(absl::Span<const TokenIds> texts,
                     absl::Span<const size_t> order) const {
    std::vector<int64_t> ids, positions;
    std::vector<SequenceGroup> groups;
    for (const size_t index : order) {
      const int64_t length = LengthOf(texts[index]);
      for (int64_t i = 0; i < length; ++i) {
        ids.push_back(texts[index].ids[i]);
        positions.push_back(i);
      }
      if (groups.empty() || groups.back().length != length) {
        groups.push_back({0, length});
      }
      ++groups.back().count;
    }
    const auto gather = [&](const at::Tensor& table,
                            const std::vector<int64_t>& indices) {
      return table.index_select(0, at::tensor(indices, at::kLong).to(device_));
    };
    const at::Tensor pooled = transformer_.Run(
        gather(tokens_, ids) + gather(positions_, positions), groups);
    return projection_(final_norm_(pooled));
  }

 private:
  TextTower() = default;

  int32_t eos_token_id_ = 0;
  at::Device device_ = at::kCPU;
  at::Tensor tokens_;
  at::Tensor positions_;
  Transformer transformer_;
  LayerNorm final_norm_;
  Linear projection_;
};

class ImageTower {
 public:
  static absl::StatusOr<ImageTower> Load(const ClipVisionConfig& config,
                                         const PreprocessorConfig& preprocessor,
                                         int projection_dim,
                                         const Weights& weights,
                                         at::Device device) {
    const int64_t hidden = config.transformer.hidden_size;
    const double epsilon = config.transformer.layer_norm_epsilon;
    const int64_t side = config.patches_per_side();
    ImageTower tower;
    tower.size_ = config.image_size;
    tower.patch_ = config.patch_size;
    tower.side_ = side;
    tower.device_ = device;
    DIPTYCH_ASSIGN_OR_RETURN(
        const at::Tensor patches,
        LoadTensor(weights, "vision_model.embeddings.patch_embedding.weight",
                   {hidden, 3, tower.patch_, tower.patch_}, device));
    tower.patches_ = Linear(patches.reshape({hidden, -1}), at::Tensor());
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.class_row_,
        LoadTensor(weights, "vision_model.embeddings.class_embedding", {hidden},
                   device));
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.positions_,
        LoadTensor(weights, "vision_model.embeddings.position_embedding.weight",
                   {side * side + 1, hidden}, device));
    // "layrnorm" is how the published files spell it.
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.pre_norm_, LayerNorm::Load(weights, "vision_model.pre_layrnorm",
                                         hidden, epsilon, device));
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.transformer_,
        Transformer::Load(weights, "vision_model.encoder.layers",
                          config.transformer, Pooling::kFirst, device));
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.post_norm_,
        LayerNorm::Load(weights, "vision_model.post_layernorm", hidden, epsilon,
                        device));
    DIPTYCH_ASSIGN_OR_RETURN(const at::Tensor projection,
                             LoadTensor(weights, "visual_projection.weight",
                                        {projection_dim, hidden}, device));
    tower.projection_ = Linear(projection, at::Tensor());
    // (v * factor - mean) / deviation as one product and one sum per channel.
    std::vector<float> scale, shift;
    for (int channel = 0; channel < Image::kChannels; ++channel) {
      const double deviation = preprocessor.deviation[channel];
      scale.push_back(
          static_cast<float>(preprocessor.rescale_factor / deviation));
      shift.push_back(
          static_cast<float>(-preprocessor.mean[channel] / deviation));
    }
    tower.scale_ = at::tensor(scale).to(device);
    tower.shift_ = at::tensor(shift).to(device);
    return tower;
  }

  at::Tensor Project(absl::Span<const Image> images) const {
    const auto count = static_cast<int64_t>(images.size());
    at::Tensor bytes =
        at::empty({count, size_, size_, Image::kChannels}, at::kByte);
    auto* target = bytes.data_ptr<uint8_t>();
    for (const Image& image : images) {
      target = std::copy(image.pixels().begin(), image.pixels().end(), target);
    }
    // A last patch that does not fit is left out, as a convolution does.
    const int64_t used = side_ * patch_;
    const at::Tensor pixels =
        bytes.to(device_).narrow(1, 0, used).narrow(2, 0, used).to(at::kFloat) *
            scale_ +
        shift_;
    const at::Tensor patches =
        pixels.view({count, side_, patch_, side_, patch_, Image::kChannels})
            .permute({0, 1, 3, 5, 2, 4})
            .reshape({count * side_ * side_, -1});
    const int64_t hidden = class_row_.size(0);
    const at::Tensor rows =
        at::cat({class_row_.expand({count, 1, hidden}),
                 patches_(patches).view({count, side_ * side_, hidden})},
                1) +
        positions_;
    const at::Tensor pooled = transformer_.Run(
        pre_norm_(rows).reshape({-1, hidden}), {{count, side_ * side_ + 1}});
    return projection_(post_norm_(pooled));
  }

 private:
  ImageTower() = default;

  int64_t size_ = 0;
  int64_t patch_ = 0;
  // Patches per side.
  int64_t side_ = 0;
  at::Device device_ = at::kCPU;
  Linear patches_;
  at::Tensor class_row_;
  at::Tensor positions_;
  LayerNorm pre_norm_;
  Transformer transformer_;
  LayerNorm post_norm_;
  Linear projection_;
  at::Tensor scale_;
  at::Tensor shift_;
};

class ClipEncoder final : public Encoder {
 public:
  ClipEncoder(ModelInfo model_info, int vocabulary_size,
              std::optional<TextTower> text, std::optional<ImageTower> image)
      : Encoder(std::move(model_info), vocabulary_size),
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
      for (size_t begin = 0; begin < images.size(); begin += kImagesPerRun) {
        Scatter(image_->Project(images.subspan(begin, kImagesPerRun)),
                absl::MakeSpan(order).subspan(begin, kImagesPerRun), rows);
      }
      return rows;
    });
  }

  const std::optional<TextTower> text_;
  const std::optional<ImageTower> image_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Encoder>> LoadClipEncoder(
    const ClipConfig& config, const PreprocessorConfig& preprocessor,
    const Weights& weights, const ClipEncoderOptions& options, ModelInfo info) {
  using Result = absl::StatusOr<std::unique_ptr<const Encoder>>;
  return CatchTorch([&]() -> Result {
    DIPTYCH_ASSIGN_OR_RETURN(const at::Device device,
                             ChooseDevice(options.device));
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    at::set_num_threads(options.threads > 0 ? options.threads
                                            : std::max(1, cores));
    std::optional<TextTower> text;
    std::optional<ImageTower> image;
    if (config.text.has_value()) {
      DIPTYCH_ASSIGN_OR_RETURN(
          text, TextTower::Load(*config.text, config.projection_dim, weights,
                                device));
      info.has_text = true;
      info.context_length = config.text->max_position_embeddings;
    }
    if (config.vision.has_value()) {
      DIPTYCH_ASSIGN_OR_RETURN(
          image, ImageTower::Load(*config.vision, preprocessor,
                                  config.projection_dim, weights, device));
      info.has_image = true;
      info.image_size = config.vision->image_size;
    }
    info.family = "clip";
    info.dimension = config.projection_dim;
    info.device = device.str();
    info.dtype = "float32";
    const int vocabulary_size =
        config.text.has_value() ? config.text->vocabulary_size : 0;
    return std::make_unique<ClipEncoder>(std::move(info), vocabulary_size,
                                         std::move(text), std::move(image));
  });
}

}  // namespace diptych::inference
