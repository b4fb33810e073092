#include "inference/torch/towers.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "common/status/status_macros.h"

namespace diptych::inference {
namespace {

absl::StatusOr<std::optional<LayerNorm>> LoadOptionalNorm(
    const TensorSource& source, const std::string& name,
    const TransformerConfig& config, const Placement& placement) {
  if (name.empty()) return std::optional<LayerNorm>();
  DIPTYCH_ASSIGN_OR_RETURN(
      LayerNorm norm, LayerNorm::Load(source, name, config.hidden_size,
                                      config.layer_norm_epsilon, placement));
  return std::optional<LayerNorm>(std::move(norm));
}

OutputRows OutputOf(TextPooling pooling) {
  switch (pooling) {
    case TextPooling::kMean:
      return OutputRows::kAll;
    case TextPooling::kFirst:
      return OutputRows::kFirst;
    case TextPooling::kEndToken:
    case TextPooling::kLargestId:
    case TextPooling::kLast:
      break;
  }
  return OutputRows::kLast;
}

// The mean over the rows of each sequence.
at::Tensor MeanRows(const at::Tensor& rows,
                    const std::vector<SequenceGroup>& groups) {
  std::vector<at::Tensor> means;
  int64_t begin = 0;
  for (const SequenceGroup& group : groups) {
    const int64_t count = group.count * group.length;
    means.push_back(rows.narrow(0, begin, count)
                        .view({group.count, group.length, rows.size(1)})
                        .mean(1));
    begin += count;
  }
  return means.size() == 1 ? means[0] : at::cat(means);
}

}  // namespace

absl::StatusOr<Head> Head::Load(const TensorSource& source,
                                const std::vector<DenseConfig>& config,
                                const Placement& placement) {
  const Placement exact = placement.NearResult();
  Head head;
  for (const DenseConfig& dense : config) {
    std::vector<int64_t> shape = {dense.out, dense.in};
    if (dense.transposed) std::swap(shape[0], shape[1]);
    DIPTYCH_ASSIGN_OR_RETURN(
        at::Tensor weight, LoadTensor(source, dense.weight, shape, placement));
    if (dense.transposed) weight = weight.t().contiguous();
    at::Tensor bias;
    if (!dense.bias.empty()) {
      DIPTYCH_ASSIGN_OR_RETURN(
          bias, LoadTensor(source, dense.bias, {dense.out}, placement));
    }
    head.layers_.push_back({Linear(weight, bias, exact), dense.activation});
  }
  return head;
}

at::Tensor Head::operator()(at::Tensor rows) const {
  for (const Layer& layer : layers_) {
    rows = Activate(layer.linear(rows), layer.activation);
  }
  return rows;
}

absl::StatusOr<TextTower> TextTower::Load(const TextTowerConfig& config,
                                          const TensorSource& source,
                                          const Placement& placement) {
  const PrefixedTensors tensors =
      PrefixedTensors::Choose(source, config.prefixes, config.token_embedding);
  const int64_t hidden = config.transformer.hidden_size;
  TextTower tower;
  tower.config_ = config;
  tower.placement_ = placement;
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.tokens_, LoadTensor(tensors, config.token_embedding,
                                {config.vocabulary_size, hidden}, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.positions_, LoadTensor(tensors, config.position_embedding,
                                   {config.position_count, hidden}, placement));
  if (!config.type_embedding.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        const at::Tensor types,
        LoadTensor(tensors, config.type_embedding, {config.type_count, hidden},
                   placement));
    tower.positions_ += types[0];
  }
  DIPTYCH_ASSIGN_OR_RETURN(tower.embedding_norm_,
                           LoadOptionalNorm(tensors, config.embedding_norm,
                                            config.transformer, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.transformer_,
      Transformer::Load(tensors, config.transformer, config.causal,
                        OutputOf(config.pooling), placement));
  DIPTYCH_ASSIGN_OR_RETURN(tower.final_norm_,
                           LoadOptionalNorm(tensors, config.final_norm,
                                            config.transformer, placement));
  DIPTYCH_ASSIGN_OR_RETURN(tower.head_,
                           Head::Load(tensors, config.head, placement));
  return tower;
}

int64_t TextTower::LengthOf(const TokenIds& text) const {
  const auto& ids = text.ids;
  // Ids behind the pooled one cannot change the result.
  const auto up_to = [&](std::vector<int32_t>::const_iterator pooled) {
    // Without an end token Hugging Face pools at the first position.
    return pooled == ids.end() ? 1 : pooled - ids.begin() + 1;
  };
  if (config_.padding_id.has_value()) return config_.context_length;
  if (config_.pooling == TextPooling::kEndToken) {
    return up_to(std::find(ids.begin(), ids.end(), config_.end_id));
  }
  if (config_.pooling == TextPooling::kLargestId) {
    return up_to(std::max_element(ids.begin(), ids.end()));
  }
  return static_cast<int64_t>(ids.size());
}

at::Tensor TextTower::Project(absl::Span<const TokenIds> texts,
                              absl::Span<const size_t> order) const {
  std::vector<int64_t> ids, positions;
  std::vector<SequenceGroup> groups;
  for (const size_t index : order) {
    const int64_t length = LengthOf(texts[index]);
    const auto given = static_cast<int64_t>(texts[index].ids.size());
    for (int64_t i = 0; i < length; ++i) {
      ids.push_back(i < given ? texts[index].ids[i] : *config_.padding_id);
      positions.push_back(config_.first_position + i);
    }
    if (groups.empty() || groups.back().length != length) {
      groups.push_back({0, length});
    }
    ++groups.back().count;
  }
  const auto gather = [&](const at::Tensor& table,
                          const std::vector<int64_t>& indices) {
    return table.index_select(
        0, at::tensor(indices, at::kLong).to(placement_.device));
  };
  at::Tensor rows = gather(tokens_, ids) + gather(positions_, positions);
  if (embedding_norm_.has_value()) rows = (*embedding_norm_)(rows);
  rows = transformer_.Run(std::move(rows), groups);
  if (final_norm_.has_value()) rows = (*final_norm_)(rows);
  if (config_.pooling == TextPooling::kMean) rows = MeanRows(rows, groups);
  return head_(std::move(rows));
}

absl::StatusOr<AttentionPool> AttentionPool::Load(
    const TensorSource& source, const AttentionPoolTensors& tensors,
    const TransformerConfig& config, const Placement& placement) {
  const int64_t hidden = config.hidden_size;
  AttentionPool pool;
  pool.heads_ = config.heads;
  DIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor probe,
      LoadTensor(source, tensors.probe, {1, 1, hidden}, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      const QueryKeyValue attention,
      QueryKeyValue::Load(source, {tensors.query_key_value}, config,
                          placement));
  pool.query_ = at::linear(probe.view({1, hidden}), attention.weights[0],
                           attention.biases[0]);
  pool.key_value_ = attention.KeyValue(placement);
  DIPTYCH_ASSIGN_OR_RETURN(const at::Tensor out_weight,
                           LoadTensor(source, tensors.attention_out + "weight",
                                      {hidden, hidden}, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor out_bias,
      LoadTensor(source, tensors.attention_out + "bias", {hidden}, placement));
  pool.attention_out_ = Linear(out_weight, out_bias, placement);
  DIPTYCH_ASSIGN_OR_RETURN(
      pool.mlp_norm_, LayerNorm::Load(source, tensors.mlp_norm, hidden,
                                      config.layer_norm_epsilon, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      pool.mlp_,
      Mlp::Load(source, tensors.mlp_in, tensors.mlp_out, config, placement));
  return pool;
}

at::Tensor AttentionPool::operator()(const at::Tensor& rows,
                                     int64_t count) const {
  const int64_t hidden = query_.size(1);
  const at::Tensor projected = key_value_(rows);
  const at::Tensor attended = attention_out_(
      Attend(query_.expand({count, hidden}), projected.narrow(1, 0, hidden),
             projected.narrow(1, hidden, hidden), count, heads_,
             /*causal=*/false));
  return attended + mlp_(mlp_norm_(attended));
}

absl::StatusOr<ImageTower> ImageTower::Load(
    const ImageTowerConfig& config, const PreprocessorConfig& preprocessor,
    const TensorSource& source, const Placement& placement) {
  const int64_t hidden = config.transformer.hidden_size;
  const int64_t side = config.patches_per_side();
  ImageTower tower;
  tower.size_ = config.image_size;
  tower.patch_ = config.patch_size;
  tower.side_ = side;
  tower.placement_ = placement;
  DIPTYCH_ASSIGN_OR_RETURN(
      const at::Tensor patches,
      LoadTensor(source, config.patch_weight,
                 {hidden, Image::kChannels, tower.patch_, tower.patch_},
                 placement));
  at::Tensor patch_bias;
  if (!config.patch_bias.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        patch_bias, LoadTensor(source, config.patch_bias, {hidden}, placement));
  }
  tower.patches_ = Linear(patches.reshape({hidden, -1}), patch_bias, placement);
  if (!config.class_embedding.empty()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.class_row_,
        LoadTensor(source, config.class_embedding, {hidden}, placement));
  }
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.positions_, LoadTensor(source, config.position_embedding,
                                   {tower.RowsPerImage(), hidden}, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.pre_norm_,
      LoadOptionalNorm(source, config.pre_norm, config.transformer, placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.transformer_,
      Transformer::Load(source, config.transformer, /*causal=*/false,
                        config.attention_pool.has_value() ? OutputRows::kAll
                                                          : OutputRows::kFirst,
                        placement));
  DIPTYCH_ASSIGN_OR_RETURN(
      tower.post_norm_,
      LayerNorm::Load(source, config.post_norm, hidden,
                      config.transformer.layer_norm_epsilon, placement));
  if (config.attention_pool.has_value()) {
    DIPTYCH_ASSIGN_OR_RETURN(
        tower.pool_, AttentionPool::Load(source, *config.attention_pool,
                                         config.transformer, placement));
  }
  DIPTYCH_ASSIGN_OR_RETURN(tower.head_,
                           Head::Load(source, config.head, placement));
  // (v * factor - mean) / deviation as one product and one sum per channel.
  for (int channel = 0; channel < Image::kChannels; ++channel) {
    const double deviation = preprocessor.deviation[channel];
    tower.pixels_.factor[channel] =
        static_cast<float>(preprocessor.rescale_factor / deviation);
    tower.pixels_.summand[channel] =
        static_cast<float>(-preprocessor.mean[channel] / deviation);
  }
  return tower;
}

int64_t ImageTower::RowsPerImage() const {
  return side_ * side_ + (class_row_.defined() ? 1 : 0);
}

at::Tensor ImageTower::EmbedPatches(absl::Span<const Image> images) const {
  const auto count = static_cast<int64_t>(images.size());
  at::Tensor bytes =
      at::empty({count, size_, size_, Image::kChannels}, at::kByte);
  auto* target = bytes.data_ptr<uint8_t>();
  for (const Image& image : images) {
    target = std::copy(image.pixels().begin(), image.pixels().end(), target);
  }
  const auto by_channel = [&](const std::array<float, 3>& values) {
    return at::tensor(at::ArrayRef<float>(values.data(), values.size()))
        .to(placement_.device);
  };
  // A last patch that does not fit is left out, as a convolution does.
  const int64_t used = side_ * patch_;
  const at::Tensor pixels = bytes.to(placement_.device)
                                    .narrow(1, 0, used)
                                    .narrow(2, 0, used)
                                    .to(at::kFloat) *
                                by_channel(pixels_.factor) +
                            by_channel(pixels_.summand);
  return patches_(
             pixels.to(placement_.type())
                 .view({count, side_, patch_, side_, patch_, Image::kChannels})
                 .permute({0, 1, 3, 5, 2, 4})
                 .reshape({count * side_ * side_, -1}))
      .view({count, side_ * side_, -1});
}

at::Tensor ImageTower::EmbedPatchesPacked(
    absl::Span<const Image> images) const {
  const auto count = static_cast<int64_t>(images.size());
  const PackedLinear& product = patches_.packed();
  at::Tensor rows =
      at::empty({count, side_ * side_, product.out()}, at::kFloat);
  EmbedImagePatches({size_, patch_, side_}, pixels_, product, images,
                    *placement_.threads,
                    absl::MakeSpan(rows.data_ptr<float>(), rows.numel()));
  return rows;
}

at::Tensor ImageTower::Project(absl::Span<const Image> images) const {
  const auto count = static_cast<int64_t>(images.size());
  const int64_t hidden = positions_.size(1);
  at::Tensor rows = placement_.kernels.has_value() ? EmbedPatchesPacked(images)
                                                   : EmbedPatches(images);
  if (class_row_.defined()) {
    rows = at::cat({class_row_.expand({count, 1, hidden}), rows}, 1);
  }
  rows = rows + positions_;
  if (pre_norm_.has_value()) rows = (*pre_norm_)(rows);
  rows = post_norm_(
      transformer_.Run(rows.reshape({-1, hidden}), {{count, RowsPerImage()}}));
  if (pool_.has_value()) rows = (*pool_)(rows, count);
  return head_(std::move(rows));
}

}  // namespace diptych::inference
